"""The sizes of a data set's defects, measured on its masks."""

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
    """The bounding boxes of a data set's defects, one for each connected region of a mask.

    Attributes:
        boxes: Height and width in the image's original pixels, int64 (D, 2).
        longer_sides: The longer side of the image that each defect is in, in pixels, int64 (D,).
    """

    boxes: npt.NDArray[np.int64]
    longer_sides: npt.NDArray[np.int64]

    def share_within(self, height: int, width: int, longer_side: int | None = None) -> float:
        """Return the share of the defects whose bounding box fits into `height` by `width` pixels.

        Args:
            height: The field's height in pixels.
            width: The field's width in pixels.
            longer_side: The longer side to which larger images are shrunk first; None keeps their size.
        """
        scale = np.ones(len(self.boxes))
        if longer_side is not None:
            scale = np.minimum(1.0, longer_side / self.longer_sides)
        scaled = self.boxes * scale[:, None]
        return float(np.mean((scaled[:, 0] <= height) & (scaled[:, 1] <= width)))


def defect_extents(dataset: Dataset, progress: Progress | None = None) -> Extents:
    """Return the bounding boxes of the connected regions (8-connectivity) of every mask.

    Raises:
        DataError: If the data set has no masks, or none marks a defect.
    """
    from scipy import ndimage

    tell = progress or silent
    masks = [s.mask for s in dataset.samples if s.mask is not None]
    if not masks:
        raise DataError(
            f"{dataset.name} has no masks; the sizes of its defects are measured on masks: add some"
        )
    boxes: list[tuple[int, int]] = []
    sides: list[int] = []
    for i, one in enumerate(masks):
        mask = read_mask(one)
        regions, _ = ndimage.label(mask, structure=np.ones((3, 3)))
        for rows, columns in ndimage.find_objects(regions):
            boxes.append((rows.stop - rows.start, columns.stop - columns.start))
            sides.append(max(mask.shape))
        tell("masks", i + 1, len(masks))
    if not boxes:
        raise DataError(
            f"none of the {len(masks)} masks of {dataset.name} marks a defect; expected white (255) where "
            "the defect is: mend the masks"
        )
    return Extents(np.asarray(boxes, dtype=np.int64), np.asarray(sides, dtype=np.int64))
