"""The proposed mask of one picture: what a verdict marks, region by region, each with its defect type."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
import numpy.typing as npt

from brightfield.engine.regions import Runs, areas, boxes, regions_of
from brightfield.verdict import BoolMap, ClassMap, Verdict

MASKS = "masks"
"""The folder of the masks, as the folder of a data set has it."""


@dataclass(frozen=True)
class Region:
    """One connected region that is proposed as a defect.

    Attributes:
        type: The defect type.
        box: Its upright (top, left, height, width) in pixels.
        pixels: Its pixels within the box, bool (height, width).
        area: Their number.
    """

    type: str
    box: tuple[int, int, int, int]
    pixels: BoolMap = field(repr=False)
    area: int

    @property
    def window(self) -> tuple[slice, slice]:
        """The box as rows and columns."""
        top, left, height, width = self.box
        return slice(top, top + height), slice(left, left + width)


@dataclass(frozen=True)
class Proposal:
    """The proposed mask of one picture.

    Attributes:
        image: The picture's name in the data set.
        place: Where its files go, relative to the folder of results, without their ending.
        shape: Its height and width in pixels.
        regions: The proposed defects; none for a good part, or where nothing was found.
        good: Whether the part is good, so that nothing was looked for.
    """

    image: str
    place: PurePosixPath
    shape: tuple[int, int]
    regions: tuple[Region, ...]
    good: bool = False

    def mask(self, types: tuple[str, ...] | None = None) -> npt.NDArray[np.uint8]:
        """Return the mask, uint8 (H, W): 255 where a defect is, or with types their positions from 1 on."""
        out = np.zeros(self.shape, dtype=np.uint8)
        for region in self.regions:
            out[region.window][region.pixels] = 255 if types is None else types.index(region.type) + 1
        return out


def regions_in(verdict: Verdict, mask: BoolMap, smallest: int, label: str) -> tuple[Region, ...]:
    """Return the connected regions of a mask, bool (H, W), pixels that touch at a corner being connected.

    Args:
        verdict: The verdict, whose types of pixels give a region its type by majority.
        mask: The mask.
        smallest: The least number of pixels that a region has; smaller ones are left out.
        label: The type of a region where the verdict knows none.
    """
    runs = regions_of(mask)
    found = []
    for i, (area, box) in enumerate(zip(areas(runs).tolist(), boxes(runs).tolist(), strict=True)):
        if area >= smallest:
            pixels = _pixels(runs, i, box)
            top, left, height, width = box
            window = (slice(top, top + height), slice(left, left + width))
            kind = _type(verdict.class_map, verdict.types, window, pixels) or label
            found.append(Region(kind, (top, left, height, width), pixels, area))
    return tuple(found)


def _pixels(runs: Runs, region: int, box: list[int]) -> BoolMap:
    """Return the pixels of a region within its box."""
    top, left, height, width = box
    out = np.zeros((height, width), dtype=np.bool_)
    of_region = runs.region == region
    rows, starts, ends = (values[of_region].tolist() for values in (runs.row, runs.start, runs.end))
    for row, start, end in zip(rows, starts, ends, strict=True):
        out[row - top, start - left : end - left] = True
    return out


def _type(
    class_map: ClassMap | None, types: tuple[str, ...], window: tuple[slice, slice], pixels: BoolMap
) -> str | None:
    """Return the type that most of a region's pixels have; None where they have none."""
    if class_map is None:
        return None
    counts = np.bincount(class_map[window][pixels], minlength=len(types) + 1)[1:]
    return types[int(counts.argmax())] if counts.any() else None


def place_of(image: str, label: str, *, suffix: bool = False) -> PurePosixPath:
    """Return where a picture's mask goes: `masks/<class>/<image>`, as a folder of class folders has it.

    Folders above the class folder, as those of splits are, stay above `masks`. What leads out of the data
    set's own folder is left out.

    Args:
        image: The picture's name in the data set.
        label: Its class.
        suffix: Whether the name keeps its suffix, as another differs in nothing else.
    """
    path = PurePosixPath(image)
    parts = [p for p in (path if suffix else path.with_suffix("")).parts if p not in ("..", "/")]
    above = parts.index(label) if label in parts[:-1] else None
    inner = parts if above is None else parts[above + 1 :]
    return PurePosixPath(*parts[: above or 0], MASKS, _plain(label), *inner)


def _plain(label: str) -> str:
    return label.replace("/", "_").replace("\\", "_").strip(".") or "_"
