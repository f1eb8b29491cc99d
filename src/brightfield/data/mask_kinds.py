"""The kinds of masks: an image file, an image file whose values stand for types, and outlines."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

Ring = tuple[float, ...]
"""A closed line, as x, y, x, y and so on, in pixels: the pixel in column c covers x from c to c + 1."""


@dataclass(frozen=True)
class Shape:
    """One outlined defect.

    Attributes:
        type: The defect type.
        rings: Its closed lines; what lies inside an odd number of them is marked, so that a ring within
            another one is a hole.
        runs: Instead of rings the numbers of unmarked and marked pixels in turn, column by column from the
            top left, unmarked ones first; they sum to the image's number of pixels.
    """

    type: str
    rings: tuple[Ring, ...] = ()
    runs: tuple[int, ...] = ()


@dataclass(frozen=True)
class Outlines:
    """The outlined defects of one image, in its upright orientation.

    Attributes:
        source: The file that they were read from.
        height: The image's height in pixels, as that file states it.
        width: The image's width in pixels, as that file states it.
        shapes: The defects.
    """

    source: Path
    height: int
    width: int
    shapes: tuple[Shape, ...] = field(repr=False)

    def __str__(self) -> str:
        return str(self.source)


@dataclass(frozen=True)
class ValuedMask:
    """An image file whose pixels stand for defect types.

    Attributes:
        path: The image file.
        names: Pairs of a value and its defect type, "" for good pixels. A value is a number, or a colour as
            65536 x red + 256 x green + blue.
        colours: Whether the values are colours.
        table: The file that names the values.
    """

    path: Path
    names: tuple[tuple[int, str], ...] = field(repr=False)
    colours: bool
    table: Path

    def __str__(self) -> str:
        return str(self.path)


Mask = Path | ValuedMask | Outlines
"""What marks an image's defective pixels. All that an image file alone marks is of the image's class."""


def mask_file(mask: Mask) -> Path:
    """Return the file that a mask is read from."""
    if isinstance(mask, Path):
        return mask
    return mask.path if isinstance(mask, ValuedMask) else mask.source
