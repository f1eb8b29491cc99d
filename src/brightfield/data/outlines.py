"""The pixels that outlines mark: those whose centre is inside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from brightfield.data.mask_kinds import Outlines, Ring, Shape

BoolMap = npt.NDArray[np.bool_]
Window = tuple[slice, slice]


def marked_pixels(outlines: Outlines) -> BoolMap:
    """Return the pixels that any of the shapes marks, bool (H, W)."""
    out = np.zeros((outlines.height, outlines.width), dtype=np.bool_)
    for window, inside in _windows(outlines.shapes, out.shape):
        out[window] |= inside
    return out


def typed_pixels(outlines: Outlines, numbers: Sequence[int]) -> npt.NDArray[np.uint8]:
    """Return the number of the shape that marks each pixel, uint8 (H, W), 0 where none does.

    Where shapes overlap the one with fewer pixels counts, so that a large one hides none.

    Args:
        outlines: The shapes.
        numbers: A number for each shape, from 1 to 255.
    """
    out = np.zeros((outlines.height, outlines.width), dtype=np.uint8)
    pieces = list(zip(numbers, _windows(outlines.shapes, out.shape), strict=True))
    for number, (window, inside) in sorted(pieces, key=lambda piece: -int(piece[1][1].sum())):
        out[window][inside] = number
    return out


def areas(outlines: Outlines) -> list[int]:
    """Return the number of pixels that each shape marks."""
    shape = (outlines.height, outlines.width)
    return [int(inside.sum()) for _, inside in _windows(outlines.shapes, shape)]


def _windows(shapes: Sequence[Shape], size: tuple[int, ...]) -> Iterator[tuple[Window, BoolMap]]:
    """Yield for each shape a part of the image, and which pixels of it are marked."""
    for shape in shapes:
        yield _cut(from_runs(shape.runs, size)) if shape.runs else _filled(shape.rings, size)


def _cut(mask: BoolMap) -> tuple[Window, BoolMap]:
    """Return the bounding box of what is marked, and the mask in it."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if not len(rows):
        return (slice(0), slice(0)), mask[:0, :0]
    window = (slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1))
    return window, mask[window].copy()


def from_runs(runs: Sequence[int], size: tuple[int, ...]) -> BoolMap:
    """Return the pixels (H, W) of run lengths, which go column by column and begin with unmarked pixels."""
    values = np.arange(len(runs)) % 2 == 1
    flat: BoolMap = np.repeat(values, runs)  # (W * H,)
    return flat.reshape(size[1], size[0]).T


def to_runs(mask: BoolMap) -> list[int]:
    """Return the run lengths of a mask (H, W): see `from_runs`."""
    flat = mask.T.ravel()
    changes = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    begins = [0, *changes.tolist(), flat.size]
    runs = np.diff(begins).tolist()
    return [0, *runs] if flat.size and flat[0] else runs


def _filled(rings: Sequence[Ring], size: tuple[int, ...]) -> tuple[Window, BoolMap]:
    """Return the rings' bounding box within the image, and the pixels of it whose centre is inside.

    In each row of pixels the inside begins and ends where an edge crosses the line through their centres. A
    centre exactly on an edge belongs to the right or lower side, so that shapes with a common edge share no
    pixel and leave no gap.
    """
    begins, ends = _edges(rings)
    low = np.minimum(begins[:, 1], ends[:, 1])
    high = np.maximum(begins[:, 1], ends[:, 1])
    first = np.ceil(np.clip(low - 0.5, 0, size[0])).astype(np.int64)
    last = np.ceil(np.clip(high - 0.5, 0, size[0])).astype(np.int64)  # exclusive
    left = int(np.clip(np.floor(np.min(begins[:, 0], initial=size[1])), 0, size[1]))
    right = int(np.clip(np.ceil(np.max(begins[:, 0], initial=0)), left, size[1]))
    top, bottom = int(first.min(initial=size[0])), int(last.max(initial=0))
    window = (slice(top, max(top, bottom)), slice(left, right))
    counts = last - first
    edge = np.repeat(np.arange(len(counts)), counts)  # (P,), an entry for each crossing
    row = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts) + first[edge]
    (x0, y0), (x1, y1) = begins[edge].T, ends[edge].T
    x = x0 + (row + 0.5 - y0) * ((x1 - x0) / (y1 - y0))
    column = np.ceil(np.clip(x - 0.5, left, right)).astype(np.int64)
    switches = np.zeros((max(0, bottom - top), right - left + 1), dtype=np.uint8)
    np.bitwise_xor.at(switches, (row - top, column - left), 1)
    return window, np.bitwise_xor.accumulate(switches, axis=1)[:, :-1].astype(np.bool_)


def _edges(rings: Sequence[Ring]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return where the rings' edges begin and end, each float64 (N, 2) of x and y."""
    corners = [np.asarray(ring, dtype=np.float64).reshape(-1, 2) for ring in rings]
    begins = np.concatenate([np.empty((0, 2)), *corners])
    ends = np.concatenate([np.empty((0, 2)), *(np.roll(c, -1, axis=0) for c in corners)])
    return begins, ends
