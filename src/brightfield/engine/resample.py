"""Resampling by banded matrices: enlarging maps, blurring heat.

Each row of such a matrix has few values. Adding up so few products needs no matrix library, whose threads
spin while they wait and take many times as long where other programs use the same cores.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Band:
    """A banded matrix (new, size): each row has `taps` values in neighbouring columns, and zeros elsewhere.

    Attributes:
        columns: The columns of each row's values, (new, taps).
        weights: The values, float32 (new, taps).
    """

    columns: npt.NDArray[np.intp]
    weights: FloatArray

    def dense(self, size: int) -> FloatArray:
        """Return the full matrix, float32 (new, size)."""
        out = np.zeros((len(self.columns), size), dtype=np.float32)
        np.add.at(out, (np.arange(len(out))[:, None], self.columns), self.weights)
        return out


def resampled(x: FloatArray, rows: Band, columns: Band) -> FloatArray:
    """Return maps (..., H, W) resampled to (..., h, w), by one band along each axis."""
    transposed = np.swapaxes(summed(x, rows), -1, -2)  # (..., W, h)
    return np.swapaxes(summed(transposed, columns), -1, -2)  # (..., w, h) -> (..., h, w)


def summed(x: FloatArray, band: Band) -> FloatArray:
    """Return the product of a band (h, H) with maps, (..., H, W) to (..., h, W)."""
    out = x[..., band.columns[:, 0], :] * band.weights[:, 0, None]
    for tap in range(1, band.columns.shape[1]):
        out += x[..., band.columns[:, tap], :] * band.weights[:, tap, None]
    return out


def linear_at(
    values: FloatArray, shape: tuple[int, int], rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> FloatArray:
    """Return a map (h, w) as if resized to (H, W), linear between pixel centres, at P of its pixels: (P,)."""
    top, below, down = _neighbours(rows, values.shape[0], shape[0])
    left, right, across = _neighbours(columns, values.shape[1], shape[1])
    upper = values[top, left] * (1 - across) + values[top, right] * across
    lower = values[below, left] * (1 - across) + values[below, right] * across
    return np.asarray(upper * (1 - down) + lower * down, dtype=np.float32)


def nearest_at(
    values: npt.NDArray[np.uint8],
    shape: tuple[int, int],
    rows: npt.NDArray[np.int64],
    columns: npt.NDArray[np.int64],
) -> npt.NDArray[np.uint8]:
    """Return a map (h, w) as if resized to (H, W), by the nearest value, at P of its pixels: (P,)."""
    height, width = values.shape
    row, column = (2 * rows + 1) * height // (2 * shape[0]), (2 * columns + 1) * width // (2 * shape[1])
    return np.asarray(values[row, column])


def _neighbours(
    pixels: npt.NDArray[np.int64], size: int, new: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], FloatArray]:
    """Return the two old pixels beside each new one, and the weight of the second."""
    at = np.clip((pixels + 0.5) * (size / new) - 0.5, 0, size - 1)
    low = at.astype(np.intp)
    return low, np.minimum(low + 1, size - 1), (at - low).astype(np.float32)


@functools.lru_cache(maxsize=64)
def interpolating(size: int, new: int) -> Band:
    """Return linear interpolation from `size` pixels to `new`, between pixel centres, not antialiased."""
    return _band(_interpolation(size, new))


@functools.lru_cache(maxsize=64)
def spreading(size: int, new: int, deviation: float) -> Band:
    """Return linear interpolation from `size` pixels to `new`, followed by a Gaussian blur.

    The blur reflects at the border. Its standard deviation, `deviation`, is in pixels of the result, and its
    kernel is cut off at 1.5 standard deviations.
    """
    reach = round(1.5 * deviation)
    offsets = np.arange(-reach, reach + 1)
    weights = np.exp(-0.5 * (offsets / deviation) ** 2)
    columns = np.abs(np.arange(new)[:, None] + offsets)  # (new, offsets), reflected at the first pixel
    columns = np.where(columns >= new, 2 * (new - 1) - columns, columns)  # and at the last
    blur = np.zeros((new, new), dtype=np.float64)
    np.add.at(blur, (np.arange(new)[:, None], columns), weights / weights.sum())
    return _band(blur @ _interpolation(size, new))


@functools.lru_cache(maxsize=64)
def averaging(size: int, new: int, window: int) -> Band:
    """Return the mean over a window of `window` pixels around each, and linear interpolation to `new` pixels.

    At the border the mean is over the pixels that are there.
    """
    offset = np.abs(np.arange(size)[:, None] - np.arange(size)[None, :])
    near = (offset <= window // 2).astype(np.float64)
    return _band(_interpolation(size, new) @ (near / near.sum(1, keepdims=True)))


def _interpolation(size: int, new: int) -> npt.NDArray[np.float64]:
    """Return the matrix of linear interpolation, float64 (new, size)."""
    at = np.clip((np.arange(new) + 0.5) * size / new - 0.5, 0.0, None)
    low = np.minimum(at.astype(np.intp), size - 1)
    high = np.minimum(low + 1, size - 1)
    matrix = np.zeros((new, size), dtype=np.float64)
    np.add.at(matrix, (np.arange(new), low), 1.0 - (at - low))
    np.add.at(matrix, (np.arange(new), high), at - low)
    return matrix


def _band(matrix: npt.NDArray[np.float64]) -> Band:
    """Return a banded matrix (new, size) as a `Band`, which cannot be written to: the caches share it."""
    nonzero = matrix != 0
    end = matrix.shape[1] - np.argmax(nonzero[:, ::-1], axis=1)  # of each row's values, (new,)
    taps = int((end - np.argmax(nonzero, axis=1)).max())
    first = np.minimum(np.argmax(nonzero, axis=1), matrix.shape[1] - taps)
    columns = first[:, None] + np.arange(taps)  # (new, taps)
    band = Band(columns, np.take_along_axis(matrix, columns, 1).astype(np.float32))
    for array in (band.columns, band.weights):
        array.setflags(write=False)
    return band
