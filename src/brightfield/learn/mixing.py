"""Mixing of training images and their targets: mixup and CutMix."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

MIXUP_ALPHA = 0.2
CUTMIX_ALPHA = 1.0


@dataclass(frozen=True)
class Mixture:
    """A drawn mixture of the images of a batch.

    Attributes:
        partners: The image that is mixed into each, int64 (N,).
        kept: The share of each image that is kept, in [0, 1].
        box: The top, bottom, left and right of the rectangle pasted from the partner; None blends all values.
    """

    partners: Tensor
    kept: float
    box: tuple[int, int, int, int] | None = None

    def images(self, x: Tensor) -> Tensor:
        """Return mixed images (N, C, H, W), or without a box any mixed values (N, ...)."""
        if self.box is None:
            return self.kept * x + (1 - self.kept) * x[self.partners]
        top, bottom, left, right = self.box
        mixed = x.clone()
        mixed[..., top:bottom, left:right] = x[self.partners][..., top:bottom, left:right]
        return mixed

    def targets(self, targets: Tensor) -> Tensor:
        """Return mixed targets or weights (N, ...)."""
        return self.kept * targets + (1 - self.kept) * targets[self.partners]


def draw_mixture(kind: str, shape: tuple[int, ...], rng: np.random.Generator) -> Mixture:
    """Draw the mixture of a batch.

    `mixup` blends two images with a weight from Beta(0.2, 0.2) (Zhang et al., mixup, 2018); on features it
    is manifold mixup (Verma et al., 2019). `cutmix` pastes a rectangle of uniformly distributed area, cut off
    at the border (Yun et al., CutMix, 2019).

    Args:
        kind: `mixup` or `cutmix`.
        shape: The shape of the batch, (N, C, H, W) for `cutmix`.
        rng: The random generator.
    """
    partners = torch.from_numpy(rng.permutation(shape[0]))
    if kind == "mixup":
        kept = float(rng.beta(MIXUP_ALPHA, MIXUP_ALPHA))
        return Mixture(partners, max(kept, 1 - kept))
    height, width = shape[-2:]
    covered = float(np.sqrt(1 - rng.beta(CUTMIX_ALPHA, CUTMIX_ALPHA)))
    top, bottom = _span(height, covered, rng)
    left, right = _span(width, covered, rng)
    kept = 1 - (bottom - top) * (right - left) / (height * width)
    return Mixture(partners, kept, (top, bottom, left, right))


def _span(length: int, share: float, rng: np.random.Generator) -> npt.NDArray[np.intp]:
    """Return the begin and end of an interval with a uniform centre, cut off at the border."""
    centre, half = rng.uniform(0, length), share * length / 2
    ends = np.clip(np.round([centre - half, centre + half]), 0, length)
    return np.asarray(ends, dtype=np.intp)
