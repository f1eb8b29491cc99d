"""The marked pixels of training pictures, at working size."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.geometry import resized_shape
from brightfield.data.mask_types import read_types
from brightfield.data.masks import mask_shares
from brightfield.data.parallel import ordered_map
from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import DataError, ImageError
from brightfield.progress import Progress

log = logging.getLogger(__name__)

LEAST_SHARE = 0.5
"""A pixel of a shrunk picture is defective where at least this share of it is."""


@dataclass(frozen=True, eq=False)
class Marks:
    """The marked pixels of one picture.

    Attributes:
        known: Whether the pixels are known; else only the picture's class is.
        top: The first row of the marked pixels' box.
        left: Its first column.
        types: uint8 (h, w), the type of each pixel in the box from 1 on, 0 for good ones; None where nothing
            is marked.
    """

    known: bool
    top: int = 0
    left: int = 0
    types: npt.NDArray[np.uint8] | None = None

    def onto(self, out: npt.NDArray[np.uint8], corner: tuple[int, int]) -> None:
        """Write the marks into a map (H, W) whose first pixel is at `corner` (row, column) of the picture."""
        if self.types is None:
            return
        top, left = self.top - corner[0], self.left - corner[1]
        y0, x0 = max(top, 0), max(left, 0)
        y1 = min(top + self.types.shape[0], out.shape[0])
        x1 = min(left + self.types.shape[1], out.shape[1])
        if y0 < y1 and x0 < x1:
            out[y0:y1, x0:x1] = self.types[y0 - top : y1 - top, x0 - left : x1 - left]


def read_marks(
    split: Dataset,
    shapes: Sequence[tuple[int, ...]],
    types: Sequence[str],
    preprocessing: Preprocessing,
    progress: Progress,
) -> list[Marks]:
    """Return the marks of every picture of a split.

    A good part has none, whatever its mask says; of a defective one without a mask only its class is known,
    and so it is, with a warning, where its mask is empty. One whose marks are all outside the region of
    interest has good pixels alone.

    Args:
        split: The pictures.
        shapes: Their (height, width, ...) at working size.
        types: The defect types.
        preprocessing: The preprocessing.
        progress: Called after every picture.

    Raises:
        DataError: If a mask cannot be read, or has not its picture's shape.
    """
    pairs = list(zip(split.samples, shapes, strict=True))

    def marks(pair: tuple[Sample, tuple[int, ...]]) -> Marks:
        sample, shape = pair
        if sample.label == split.normal:
            return Marks(known=True)
        if sample.mask is None:
            return Marks(known=False)
        return marks_of(sample, (shape[0], shape[1]), types, preprocessing)

    found: list[Marks] = []
    for one in ordered_map(marks, pairs):
        found.append(one)
        progress("masks", len(found), len(pairs))
    empty = [s.image for s, m in zip(split.samples, found, strict=True) if s.mask is not None and not m.known]
    if empty:
        log.warning(
            "%d defective part(s) have an empty mask, as %s; only their class teaches", len(empty), empty[0]
        )
    return found


def marks_of(
    sample: Sample, shape: tuple[int, int], types: Sequence[str], preprocessing: Preprocessing
) -> Marks:
    """Return the marks of one defective picture at working size (height, width).

    Raises:
        DataError: If its mask cannot be read, or has not its picture's shape.
    """
    try:
        whole = read_types(sample, types)
        visible = preprocessing.visible_mask(whole > 0)
        seen = np.where(visible, preprocessing.seen(whole).cut(whole), 0)
    except ImageError as error:
        raise DataError(f"the mask of {sample.image}: {error}") from error
    if resized_shape(seen.shape[0], seen.shape[1], preprocessing.resize) != shape:
        raise DataError(
            f"the mask of {sample.image} has not its picture's shape; export it again at the picture's size"
        )
    small = shrunk_types(np.asarray(seen, dtype=np.uint8), shape)
    rows, columns = np.flatnonzero(small.any(1)), np.flatnonzero(small.any(0))
    if not len(rows):  # where all marks are outside the region of interest, what is seen is good
        return Marks(known=bool(whole.any()))
    top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
    return Marks(True, int(top), int(left), small[top:bottom, left:right].copy())


def shrunk_types(types: npt.NDArray[np.uint8], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return a map of types (H, W) resized to (height, width): each pixel has the type that fills most of it.

    A pixel is defective where at least half of it is; where none is, every pixel that a defect touches.
    """
    if types.shape == shape:
        return types
    numbers = [int(n) for n in np.unique(types) if n]
    if not numbers:
        return np.zeros(shape, np.uint8)
    shares = np.stack([mask_shares(types == n, shape) for n in numbers])  # (types, height, width)
    defective = shares.sum(0)
    least = LEAST_SHARE if (defective >= LEAST_SHARE).any() else 1e-9
    best = np.asarray(numbers, dtype=np.uint8)[shares.argmax(0)]
    return np.where(defective >= least, best, np.uint8(0))
