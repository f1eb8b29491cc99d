"""Resampling by weighted sums of few neighbours: maps made larger, heat blurred.

Each is a matrix with few values in a row. Summing those spares the threads of a matrix library, which spin
while they wait and take many times as long where other programs use the same cores.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Band:
    """A matrix (new, size) whose rows have few values, side by side.

    Attributes:
        places: Of the values in each row, (new, taps).
        weights: The values, float32 (new, taps).
    """

    places: npt.NDArray[np.intp]
    weights: FloatArray

    def dense(self, size: int) -> FloatArray:
        """Return the matrix, float32 (new, size)."""
        out = np.zeros((len(self.places), size), dtype=np.float32)
        np.add.at(out, (np.arange(len(out))[:, None], self.places), self.weights)
        return out


def resampled(x: FloatArray, rows: Band, columns: Band) -> FloatArray:
    """Return (..., H, W) as (..., h, w)."""
    upright = np.swapaxes(summed(x, rows), -1, -2)
    return np.swapaxes(summed(upright, columns), -1, -2)


def summed(x: FloatArray, band: Band) -> FloatArray:
    """Return (..., H, W) as (..., h, W): each row a weighted sum of a few."""
    out = x[..., band.places[:, 0], :] * band.weights[:, 0, None]
    for tap in range(1, band.places.shape[1]):
        out += x[..., band.places[:, tap], :] * band.weights[:, tap, None]
    return out


@functools.lru_cache(maxsize=64)
def interpolating(size: int, new: int) -> Band:
    """Return bilinear interpolation between the middles of pixels, from `size` to `new`, not antialiased."""
    return _band(_interpolation(size, new))


@functools.lru_cache(maxsize=64)
def spreading(size: int, new: int, deviation: float) -> Band:
    """Return interpolation from `size` pixels to `new`, and then a Gaussian blur reflected at the rim.

    The blur's standard deviation is in pixels of the result; it ends at 1.5 of them.
    """
    reach = round(1.5 * deviation)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / deviation) ** 2)
    places = np.abs(np.arange(new)[:, None] + offsets)  # (new, offsets)
    places = np.where(places >= new, 2 * (new - 1) - places, places)
    blur = np.zeros((new, new), dtype=np.float64)
    np.add.at(blur, (np.arange(new)[:, None], places), weights / weights.sum())
    return _band(blur @ _interpolation(size, new))


def _interpolation(size: int, new: int) -> npt.NDArray[np.float64]:
    at = np.clip((np.arange(new) + 0.5) * size / new - 0.5, 0.0, None)
    low = np.minimum(at.astype(np.intp), size - 1)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((new, size), dtype=np.float64)
    np.add.at(matrix, (np.arange(new), low), 1.0 - (at - low))
    np.add.at(matrix, (np.arange(new), high), at - low)
    return matrix


def _band(matrix: npt.NDArray[np.float64]) -> Band:
    """Return a matrix whose rows have their values side by side as a band, which all that ask share."""
    taken = matrix != 0
    last = matrix.shape[1] - np.argmax(taken[:, ::-1], axis=1)
    taps = int((last - np.argmax(taken, axis=1)).max())
    first = np.minimum(np.argmax(taken, axis=1), matrix.shape[1] - taps)
    places = first[:, None] + np.arange(taps)
    band = Band(places, np.take_along_axis(matrix, places, 1).astype(np.float32))
    for array in (band.places, band.weights):
        array.setflags(write=False)
    return band
