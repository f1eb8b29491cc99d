"""Theoretical and effective receptive fields, drawn side by side."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brightfield.disk.atomic import write_atomically

if TYPE_CHECKING:
    from brightfield.arch.graph import Architecture, Layer

IMAGES = 24
"""The number of random images over which gradients are averaged."""

MASS = 0.95
"""The share of the gradient within the reported effective receptive field."""


def effective_field(
    architecture: Architecture, layer: Layer, *, images: int = IMAGES, seed: int = 0
) -> npt.NDArray[np.float64]:
    """Return the effective receptive field of a layer's central unit, float64 (H, W), of sum 1.

    It is the gradient's absolute value with respect to each pixel, averaged over images of white noise (Luo
    et al., "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks", 2016, section
    3).
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    total = np.zeros(architecture.input[1:])
    for _ in range(images):
        x = torch.randn(1, *architecture.input, generator=generator)
        total += architecture.gradient(layer, x).abs().sum(0).double().numpy()
    return np.asarray(total / max(total.sum(), np.finfo(float).tiny))


def effective_size(field: npt.NDArray[np.float64], mass: float = MASS) -> int:
    """Return the size of an effective receptive field in pixels.

    It is the side of the smallest square around the field's centre of mass that holds the share `mass`.
    """
    rows, columns = np.indices(field.shape)
    centre = (field * rows).sum(), (field * columns).sum()
    distance = np.maximum(np.abs(rows - centre[0]), np.abs(columns - centre[1])).ravel()
    order = np.argsort(distance)
    cumulative = np.cumsum(field.ravel()[order])
    radius = distance[order][min(int(np.searchsorted(cumulative, mass)), len(cumulative) - 1)]
    return round(2 * float(radius)) + 1


def draw_fields(architecture: Architecture, path: Path) -> None:
    """Write a PNG with the theoretical and the effective receptive field of the last map of each stride."""
    import matplotlib as mpl
    from matplotlib.figure import Figure
    from matplotlib.patches import Rectangle

    stages = [s for s in architecture.stages() if architecture.field(s) is not None]
    shown = stages[-5:]
    with mpl.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(2.9 * max(1, len(shown)), 3.6), layout="constrained")
        for i, layer in enumerate(shown):
            axes = figure.add_subplot(1, len(shown), i + 1)
            field = effective_field(architecture, layer)
            axes.imshow(np.sqrt(field), cmap="magma", interpolation="nearest")
            bounds = architecture.field(layer)
            if bounds is not None:
                (top, bottom), (left, right) = bounds
                corner = (left - 0.5, top - 0.5)
                axes.add_patch(
                    Rectangle(
                        corner,
                        right - left + 1,
                        bottom - top + 1,
                        fill=False,
                        edgecolor="#37b6ff",
                        linewidth=2,
                    )
                )
            whole = f"{layer.seen[0].size} px" if isinstance(layer.seen, tuple) else "whole image"
            axes.set_title(
                f"{layer.name or layer.kind}\nstride {layer.stride}, can see {whole},\n"
                f"{MASS:.0%} of its gradient in {effective_size(field)} px",
                fontsize=9,
            )
            axes.set_xticks([0, architecture.input[2] - 1])
            axes.set_yticks([0, architecture.input[1] - 1])
        size = "x".join(str(s) for s in architecture.input)
        figure.suptitle(f"{architecture.title} on {size}, random weights: what the middle unit of a map sees")
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=110)
    write_atomically(path, buffer.getvalue())
