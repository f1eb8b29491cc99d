"""The defect types that a data set's masks tell apart, and the type of each pixel."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode
from brightfield.data.mask_kinds import Outlines, ValuedMask
from brightfield.data.masks import Levels, Tone, marked, mask_levels, numbered, tone
from brightfield.data.outlines import typed_pixels
from brightfield.errors import DataError

log = logging.getLogger(__name__)

MOST_TYPES = 255
"""The most types that the pixels of one map can tell apart."""


def mask_types(dataset: Dataset) -> tuple[str, ...]:
    """Return the defect types that the masks tell apart, sorted; empty without masks. No image is read.

    Outlines carry their types, and so do mask images whose values a table names. All that another mask image
    marks is of its image's class.
    """
    found = {name for sample in dataset.samples for name in named_in(sample)}
    return tuple(sorted(found - {dataset.normal}))


def named_in(sample: Sample) -> set[str]:
    """Return the types that a sample's mask can mark; empty without a mask."""
    match sample.mask:
        case None:
            return set()
        case Outlines(shapes=shapes):
            return {shape.type for shape in shapes}
        case ValuedMask(names=names):
            return {name for _, name in names if name}
        case _:
            return set() if sample.label is None else {sample.label}


def read_types(sample: Sample, types: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return the type of each pixel of a sample's mask, uint8 (H, W).

    It is 0 for good pixels, else the type's position in `types` from 1 on. Where outlines overlap, the
    smaller one counts.

    Args:
        sample: A sample with a mask.
        types: The defect types: see `mask_types`.

    Raises:
        ImageError: If the mask cannot be read.
        DataError: If there is no mask, it marks a type that is not among `types`, or these are more than 255.
    """
    if len(types) > MOST_TYPES:
        raise DataError(f"{len(types)} defect types; expected {MOST_TYPES} at most: join some of them")
    mask = sample.mask
    if mask is None:
        raise DataError(f"{sample.image} has no mask, so the types of its pixels are not known; draw one")
    if isinstance(mask, Outlines):
        return typed_pixels(mask, [_number(sample, shape.type, types) for shape in mask.shapes])
    if isinstance(mask, ValuedMask):
        return numbered(mask, types)
    levels = mask_levels(decode(mask))
    kind = tone(levels)
    pixels = marked(levels, kind)
    if kind is Tone.EXACT and several_values(levels):
        _say_untyped()
    if not pixels.any():
        return np.zeros(pixels.shape, dtype=np.uint8)
    return pixels * np.uint8(_number(sample, str(sample.label), types))


def several_values(levels: Levels) -> bool:
    """Return whether a mask (H, W) whose values are exact marks pixels with more than one value."""
    brightest = levels.max()
    return bool(((levels > 0) & (levels < brightest)).any())


def _number(sample: Sample, name: str, types: Sequence[str]) -> int:
    if name not in types:
        raise DataError(
            f"the mask of {sample.image} marks {name!r}, which is none of the types "
            f"({', '.join(types) or 'there are none'}); mend the label or the mask"
        )
    return list(types).index(name) + 1


@cache
def _say_untyped() -> None:
    """Say once that values without names tell no types apart."""
    log.warning(
        "masks hold several values, but no mask_values.csv (value,type) says what they stand for: all that a "
        "mask marks is taken as its image's class"
    )
