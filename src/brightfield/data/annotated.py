"""What an annotation file says of one image, whatever the format."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brightfield.data.mask_kinds import Outlines, Ring, Shape
from brightfield.data.outlines import areas
from brightfield.data.scan import scan
from brightfield.errors import DataError, ImageError

_LARGEST = 1e9
"""The largest coordinate in pixels."""


@dataclass(frozen=True)
class Annotated:
    """The annotations of one image.

    Attributes:
        image: The image's name, as the file has it, with forward slashes.
        source: The file.
        height: The image's height in pixels; 0 if the file does not say.
        width: The image's width in pixels; 0 if the file does not say.
        shapes: The outlined defects.
        others: Pairs of type and area of defects without an outline: boxes, and lines and points of no area.
    """

    image: str
    source: Path
    height: int
    width: int
    shapes: tuple[Shape, ...] = field(repr=False)
    others: tuple[tuple[str, float], ...] = ()

    def outlines(self, picture: Path) -> Outlines | None:
        """Return the outlines as a mask of the picture's file; None if there are none.

        Raises:
            ImageError: If the annotation file does not say how large the picture is, and it cannot be read.
        """
        if not self.shapes:
            return None
        height, width = self.height, self.width
        if not height or not width:
            fact = scan([picture])[0]
            if fact.error is not None:
                raise ImageError(fact.error)
            height, width = fact.height, fact.width
        return Outlines(self.source, height, width, self.shapes)

    def label(self, good: str, picture: Path) -> str:
        """Return the image's class: `good` without annotations, else the type of the largest area in all."""
        found = {shape.type for shape in self.shapes} | {name for name, _ in self.others}
        if len(found) < 2:
            return next(iter(found), good)
        total: Counter[str] = Counter()
        outlines = self.outlines(picture)
        for shape, area in zip(self.shapes, areas(outlines) if outlines else (), strict=True):
            total[shape.type] += area
        for name, size in self.others:
            total[name] += math.ceil(size)
        return min(found, key=lambda name: (-total[name], name))


def read_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        DataError: If it cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path} is no JSON ({str(error)[:100]}); export it again, or remove it") from error


def ring_of(values: Any, where: str) -> Ring | None:
    """Return a closed line from x, y, x, y and so on; None for fewer than three points.

    Raises:
        DataError: If they are not pairs of numbers.
    """
    if not isinstance(values, list) or len(values) % 2 or not all(map(_is_number, values)):
        raise DataError(f"{where}: an outline is {str(values)[:60]}; expected numbers x, y, x, y and so on")
    return tuple(float(v) for v in values) if len(values) >= 6 else None


def size_of(value: Any) -> int:
    """Return a stated height or width in pixels; 0 if there is none."""
    return int(value) if _is_number(value) and value >= 1 else 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _LARGEST
