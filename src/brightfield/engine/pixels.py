"""From tiles of bytes to a network's input, at each scale it sees."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.resample import resampled, shrinking

FloatArray = npt.NDArray[np.float32]

GRAIN = 32
"""Pixels of the input to a place of the deepest maps: a smaller scale's side is a multiple of it."""


def normalise(tiles: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> FloatArray:
    """Turn tiles, uint8 (N, H, W, 3), into a network's input, float32 (N, 3, H, W)."""
    levels = _levels(preprocessing.mean, preprocessing.std)
    out = np.empty((len(tiles), 3, *tiles.shape[1:3]), dtype=np.float32)
    for channel in range(3):
        np.take(levels[channel], tiles[..., channel], out=out[:, channel])
    return out


@functools.lru_cache(maxsize=16)
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> FloatArray:
    """Return what each of the 256 levels of each colour becomes, float32 (3, 256)."""
    grey = np.arange(256, dtype=np.float32)
    centre, step = (np.array(v, dtype=np.float32) * np.float32(255) for v in (mean, std))
    return np.asarray((grey - centre[:, None]) / step[:, None])


def scaled_side(side: int, scale: float) -> int:
    """Return a side in pixels at another scale, rounded to whole places of the deepest maps."""
    return side if scale == 1.0 else max(GRAIN, round(scale * side / GRAIN) * GRAIN)


def at_scale(x: FloatArray, scale: float) -> FloatArray:
    """Return a batch (N, C, H, W) at another scale, antialiased."""
    if scale == 1.0:
        return x
    height, width = x.shape[2:]
    return resampled(
        x, shrinking(height, scaled_side(height, scale)), shrinking(width, scaled_side(width, scale))
    )
