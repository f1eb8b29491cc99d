"""Labels of defects in a picture: the type and the length, where they hide no defect."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from brightfield.explain.overlay import RIM, line_width, type_colour

if TYPE_CHECKING:
    from brightfield.verdict import Defect

Picture = npt.NDArray[np.uint8]
Box = tuple[int, int, int, int]

MOST = 8
"""More labels would hide the part; `inspect --json` lists all defects."""

_LEAST_TEXT = 11  # pixels: smaller letters cannot be read
_TEXT = (255, 255, 255)


def labelled(
    picture: Picture,
    defects: Sequence[Defect],
    types: Sequence[str],
    class_map: npt.NDArray[np.uint8],
    shape: tuple[int, ...],
    measure: Callable[[Defect], str] | None = None,
) -> Picture:
    """Return a picture, uint8 (H, W, 3), with a label beside each defect, at most eight.

    A label lies outside every defect and every other label; a defect without such a place near it has none.

    Args:
        picture: The picture with the defects' outlines, which may be shrunk.
        defects: The defects, the most important first.
        types: The names of the types that the class map tells apart.
        class_map: uint8 (H, W), the type of each pixel of this picture, from 1 on; 0 for none.
        shape: The (H, W, ...) of the original picture, in which the defects were measured.
        measure: What is said of a defect beside its type; None for its length in pixels.
    """
    size = max(_LEAST_TEXT, round(min(class_map.shape) / 40))
    font, gap = ImageFont.load_default(size), 2 * line_width(class_map.shape) + 1
    image = Image.fromarray(picture)
    draw = ImageDraw.Draw(image)
    taken = class_map > 0
    for defect in defects[:MOST]:
        said = f"{defect.type} {length_in_words(defect) if measure is None else measure(defect)}"
        left, top, right, bottom = draw.textbbox((0, 0), said, font=font)
        bar, pad = max(3, size // 4), max(2, size // 6)
        extent = (round(bottom - top) + 2 * pad, round(right - left) + 3 * pad + bar)  # height, width
        place = _free(taken, scaled(defect.box, shape, class_map.shape), extent, gap)
        if place is None:
            continue
        row, column = place
        taken[row : row + extent[0], column : column + extent[1]] = True
        corner = (column + extent[1] - 1, row + extent[0] - 1)
        draw.rectangle(((column, row), corner), fill=RIM)
        colour = type_colour(types.index(defect.type) + 1) if defect.type in types else _TEXT
        draw.rectangle(((column, row), (column + bar - 1, corner[1])), fill=colour)
        draw.text((column + bar + pad - left, row + pad - top), said, fill=_TEXT, font=font)
    return np.asarray(image)


def length_in_words(defect: Defect) -> str:
    """Return a defect's length: in millimetres where their size is known, else in whole pixels."""
    known = defect.length_mm
    return f"{defect.length:.0f} px" if known is None else f"{known:.3g} mm"


def scaled(box: Box, old: tuple[int, ...], new: tuple[int, ...]) -> Box:
    """Return the (top, left, height, width) of a box in a picture that is resized from (H, W) to (h, w)."""
    top, left = (start * to // of for start, to, of in zip(box[:2], new, old, strict=False))
    ends = (
        -(-(start + length) * to // of)
        for start, length, to, of in zip(box[:2], box[2:], new, old, strict=False)
    )
    bottom, right = ends
    return top, left, bottom - top, right - left


def _free(
    taken: npt.NDArray[np.bool_], box: Box, extent: tuple[int, int], gap: int
) -> tuple[int, int] | None:
    """Return the (row, column) near a box at which a label of (height, width) covers nothing taken."""
    height, width = extent
    for wanted_row, wanted_column in _candidates(box, extent, gap):
        row = min(max(wanted_row, 0), taken.shape[0] - height)
        column = min(max(wanted_column, 0), taken.shape[1] - width)
        if row < 0 or column < 0:
            continue
        # with a margin, as wide as outlines are
        near = taken[max(0, row - gap) : row + height + gap, max(0, column - gap) : column + width + gap]
        if not near.any():
            return row, column
    return None


def _candidates(box: Box, extent: tuple[int, int], gap: int) -> Iterator[tuple[int, int]]:
    """Yield corners for a label: above, below, right and left of a box, and then farther away."""
    top, left, height, width = box
    for far in (gap, gap + extent[0], gap + 2 * extent[0]):
        above, below = top - far - extent[0], top + height + far
        right, before = left + width + far, left - far - extent[1]
        yield from ((above, left), (below, left), (top, right), (top, before))
        yield from ((above, right), (above, before), (below, right), (below, before))
