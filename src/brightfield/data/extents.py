"""How large the defects of a data set are, by its masks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.data.masks import read_mask
from brightfield.errors import DataError
from brightfield.progress import Progress, silent


@dataclass(frozen=True)
class Extents:
    """The defects' bounding boxes.

    Attributes:
        boxes: Height and width in the image's own pixels, int64 (D, 2), one row a connected region of a mask.
        longer_sides: Of the image each belongs to, int64 (D,).
    """

    boxes: npt.NDArray[np.int64]
    longer_sides: npt.NDArray[np.int64]

    def share_within(self, height: int, width: int, longer_side: int | None = None) -> float:
        """Return the share of the defects that fit into a field of so many pixels.

        Args:
            height: Of the field.
            width: Of the field.
            longer_side: What the images' longer sides are shrunk to first, where they are larger; None for
                their own size.
        """
        scale = np.ones(len(self.boxes))
        if longer_side is not None:
            scale = np.minimum(1.0, longer_side / self.longer_sides)
        scaled = self.boxes * scale[:, None]
        return float(np.mean((scaled[:, 0] <= height) & (scaled[:, 1] <= width)))


def defect_extents(dataset: Dataset, progress: Progress | None = None) -> Extents:
    """Measure the connected regions (8-neighbours) of every mask.

    Raises:
        DataError: If there is no mask, or no mask shows a defect.
    """
    from scipy import ndimage

    tell = progress or silent
    masks = [s.mask for s in dataset.samples if s.mask is not None]
    if not masks:
        raise DataError(f"{dataset.name} has no masks, which the size of its defects would be measured on")
    boxes: list[tuple[int, int]] = []
    sides: list[int] = []
    for i, path in enumerate(masks):
        mask = read_mask(path)
        regions, _ = ndimage.label(mask, structure=np.ones((3, 3)))
        for rows, columns in ndimage.find_objects(regions):
            boxes.append((rows.stop - rows.start, columns.stop - columns.start))
            sides.append(max(mask.shape))
        tell("masks", i + 1, len(masks))
    if not boxes:
        raise DataError(f"none of the {len(masks)} masks of {dataset.name} shows a defect")
    return Extents(np.asarray(boxes, dtype=np.int64), np.asarray(sides, dtype=np.int64))
