"""Overlays: a heatmap laid over the picture it explains, on one fixed scale."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFilter

CALM = 0.75
"""The heat up to which nothing is drawn, so that a part stays clear which is that far from its bound."""

HOTTEST = 2.0
"""The heat drawn in full strength: the hottest place of a certain defect."""

_STOPS = np.array([[0.0, 255, 196, 0], [0.5, 255, 96, 0], [1.0, 214, 0, 48]])
_OPACITY = 0.6
_OUTLINE = (255, 255, 255)


def colour(heatmap: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return (colour uint8 (H, W, 3), opacity float32 (H, W)) of a heatmap.

    Up to `CALM` nothing is drawn; from there to `HOTTEST` amber turns red. The colours never depend on
    the image, so a part that is far from rejected does not glow.
    """
    strength = np.clip((heatmap - CALM) / (HOTTEST - CALM), 0.0, 1.0)
    channels = [np.interp(strength, _STOPS[:, 0], _STOPS[:, k]) for k in (1, 2, 3)]
    opacity = _OPACITY * np.clip(strength * 3, 0.0, 1.0)
    return np.stack(channels, -1).astype(np.uint8), opacity.astype(np.float32)


def overlay(
    image: npt.NDArray[np.uint8], heatmap: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.uint8]:
    """Lay a heatmap over a picture, uint8 (H, W, 3), and outline where the heat reaches 1, or the mask."""
    tint, opacity = colour(heatmap)
    mixed = image * (1 - opacity[..., None]) + tint * opacity[..., None]
    out = mixed.round().astype(np.uint8)
    out[outline(heatmap >= 1.0 if mask is None else mask)] = _OUTLINE
    return out


def outline(region: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """Return the pixels just outside a region, bool (H, W), thicker in larger pictures."""
    width = 2 * max(1, round(max(region.shape) / 600)) + 1
    grown = Image.fromarray(region.astype(np.uint8) * 255).filter(ImageFilter.MaxFilter(width))
    return np.asarray(grown) > (region.astype(np.uint8) * 255)


def shrink(image: npt.NDArray[np.uint8], long_side: int) -> npt.NDArray[np.uint8]:
    """Return a picture no larger than `long_side`, for a page."""
    picture = Image.fromarray(image)
    picture.thumbnail((long_side, long_side))
    return np.asarray(picture)


def as_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()
