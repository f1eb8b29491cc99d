"""Normalisation: a network's input from 8-bit tiles."""

from __future__ import annotations

import functools

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing

FloatArray = npt.NDArray[np.float32]


def normalise(tiles: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> FloatArray:
    """Turn tiles, uint8 (N, H, W, 3), into a network's input, float32 (N, 3, H, W)."""
    levels = _levels(preprocessing.mean, preprocessing.std)
    out = np.empty((len(tiles), 3, *tiles.shape[1:3]), dtype=np.float32)
    for channel in range(3):
        # bytes cannot be out of range; with the default mode NumPy would fill a copy first
        np.take(levels[channel], tiles[..., channel], out=out[:, channel], mode="clip")
    return out


@functools.lru_cache(maxsize=16)
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> FloatArray:
    """Return the normalised value of each of the 256 levels of each colour channel, float32 (3, 256)."""
    grey = np.arange(256, dtype=np.float32)
    centre, step = (np.array(v, dtype=np.float32) * np.float32(255) for v in (mean, std))
    return np.asarray((grey - centre[:, None]) / step[:, None])
