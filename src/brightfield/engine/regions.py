"""Connected regions of a mask, as runs of pixels: one by one, their area, centre and upright box.

All work is on the runs, so that it grows with what is marked and not with the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_Value = TypeVar("_Value", np.int64, np.float32)


@dataclass(frozen=True, eq=False)
class Runs:
    """The marked pixels of a mask as horizontal runs, from top to bottom and from left to right.

    Attributes:
        row: The row of each run, int64 (N,).
        start: Its first column, int64 (N,).
        end: The column behind its last one, int64 (N,).
        region: The region that it belongs to, int64 (N,), from 0 on; in the order of their first pixels.
        count: The number of regions; a region may have no run.
    """

    row: Ints
    start: Ints
    end: Ints
    region: Ints
    count: int

    @property
    def length(self) -> Ints:
        """The number of pixels of each run, int64 (N,)."""
        return self.end - self.start


def regions_of(mask: Bools) -> Runs:
    """Return the connected regions of a mask, bool (H, W); pixels that touch at a corner are connected."""
    row, start, end = _runs(mask)
    first, second = _touching(row, start, end, mask.shape[1])
    root = _joined(len(row), first, second)
    is_root = root == np.arange(len(root))
    return Runs(row, start, end, (np.cumsum(is_root) - 1)[root], int(np.count_nonzero(is_root)))


def parts_of(runs: Runs, kept: Bools) -> Runs:
    """Return what is left of regions where some of their pixels are kept, bool (H, W), false elsewhere.

    A region keeps its number, also in several pieces, and where no pixel is left.
    """
    row, start, end = _runs(kept)
    stride = kept.shape[1] + 1
    # a run lies in the last of the whole ones that begin no later
    whole = np.searchsorted(runs.row * stride + runs.start, row * stride + start, side="right") - 1
    return Runs(row, start, end, runs.region[whole], runs.count)


def areas(runs: Runs) -> Ints:
    """Return the number of pixels of each region, int64 (count,)."""
    return np.bincount(runs.region, runs.length, minlength=runs.count).astype(np.int64)


def centres(runs: Runs) -> Floats:
    """Return the (row, column) of the centre of each region's area, float64 (count, 2); NaN if empty.

    A pixel's own centre is at whole numbers.
    """
    length = runs.length.astype(np.float64)
    sums = [
        np.bincount(runs.region, weights, minlength=runs.count)
        for weights in (runs.row * length, 0.5 * (runs.start + runs.end - 1) * length)
    ]
    with np.errstate(invalid="ignore"):
        return np.stack(sums, axis=1) / areas(runs)[:, None]


def boxes(runs: Runs) -> Ints:
    """Return the (top, left, height, width) of each region's upright box, int64 (count, 4); 0 if empty."""
    top, left = (-_largest(runs, -values) for values in (runs.row, runs.start))
    below, right = (_largest(runs, values) for values in (runs.row + 1, runs.end))
    return np.stack([top, left, below - top, right - left], axis=1)


def largest_by_region(runs: Runs, values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the largest of each region's values, float32 (count,), given one for each pixel; 0 if empty.

    Pixels are in the order in which `values[mask]` gives them.
    """
    if not len(values):
        return np.zeros(runs.count, dtype=np.float32)
    begins = np.cumsum(runs.length) - runs.length
    return _largest(runs, np.maximum.reduceat(values, begins))


def _largest(runs: Runs, values: npt.NDArray[_Value]) -> npt.NDArray[_Value]:
    """Return the largest of each region's values, (count,), given one for each run; 0 if empty."""
    order = np.argsort(runs.region, kind="stable")
    regions, begins = np.unique(runs.region[order], return_index=True)
    out = np.zeros(runs.count, dtype=values.dtype)
    if len(order):
        out[regions] = np.maximum.reduceat(values[order], begins)
    return out


def _runs(mask: Bools) -> tuple[Ints, Ints, Ints]:
    """Return the row, the first column and the column behind the last one of each run."""
    rows = np.flatnonzero(mask.any(axis=1))
    nothing = np.zeros(0, dtype=np.int64)
    if not len(rows):
        return nothing, nothing, nothing
    marked = mask[rows[0] : rows[-1] + 1]
    framed = np.zeros((len(marked), mask.shape[1] + 1), dtype=np.bool_)  # a gap ends the runs of each row
    framed[:, 1:] = marked
    flat = framed.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1])
    if flat[-1]:
        changes = np.append(changes, len(flat) - 1)
    row, start = np.divmod(changes[0::2], framed.shape[1])
    length = changes[1::2] - changes[0::2]
    return row + rows[0], start, start + length


def _touching(row: Ints, start: Ints, end: Ints, width: int) -> tuple[Ints, Ints]:
    """Return the pairs of runs in neighbouring rows that touch, also at a corner."""
    stride = width + 2
    begins, ends = row * stride + start, row * stride + end
    low = np.searchsorted(ends, begins + stride)
    high = np.searchsorted(begins, ends + stride, side="right")
    count = np.maximum(high - low, 0)  # those that touch a run are neighbours in the row below it
    first = np.repeat(np.arange(len(row)), count)
    second = np.arange(int(count.sum())) + np.repeat(low - (np.cumsum(count) - count), count)
    return first, second


def _joined(n: int, first: Ints, second: Ints) -> Ints:
    """Return the least member of each element's set, int64 (n,), where the two of each pair are joined.

    All pairs are joined at once, the larger root below the smaller, until none is left between two sets.
    """
    root = np.arange(n)
    while len(first):
        low, high = np.minimum(first, second), np.maximum(first, second)
        root[high] = low  # of several lower roots one is taken; the others are left for the next round
        while True:
            further = root[root]
            if np.array_equal(further, root):
                break
            root = further
        first, second = root[low], root[high]
        apart = first != second
        first, second = first[apart], second[apart]
    return root
