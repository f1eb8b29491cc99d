"""The sizes at which a segmenter sees pictures: the working size, the pieces and the crops."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brightfield.data.decode import bit_depth
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.data.scan import ImageFacts
from brightfield.errors import ConfigError
from brightfield.learn.backbone import BackboneSpec
from brightfield.methods.segmenter.fitted import GRAIN
from brightfield.methods.segmenter.options import SegmenterOptions

LARGEST = 1600
"""The longer side in pixels up to which pictures keep their size."""

TILE, OVERLAP = 1024, 128
"""The side of the pieces in which larger pictures are seen, and how much neighbours overlap, in pixels."""

CROP = 224
"""The side of crops in pixels."""


@dataclass(frozen=True)
class Sizes:
    """The sizes of a training.

    Attributes:
        preprocessing: The preprocessing of every image.
        crop: The side of crops in pixels, a multiple of `GRAIN`.
        reason: The reason for the working size, in words.
    """

    preprocessing: Preprocessing
    crop: int
    reason: str


def sizes_for(
    facts: Sequence[ImageFacts],
    spec: BackboneSpec,
    options: SegmenterOptions,
    region: Region | None,
    *,
    fixed: bool,
) -> Sizes:
    """Return the sizes for images with these facts.

    Args:
        facts: The sizes of what is looked at in each image.
        spec: The backbone.
        options: The sizes that are asked for.
        region: The region of interest, or None.
        fixed: Whether the network takes pieces of one size only.

    Raises:
        ConfigError: If the options ask a network that takes one size only for another.
    """
    longer = [max(f.height, f.width) for f in facts]
    large = round(float(np.percentile(longer, 95)))
    most = options.image_size or LARGEST
    shrunk = large > most
    long_side = most if shrunk or options.image_size else None
    tile = _tile(spec, options.tile, fixed=fixed)
    rule = Preprocessing(
        bits=bit_depth([f.maximum for f in facts if f.maximum is not None]),
        long_side=long_side,
        enlarge=False,
        tile=tile,
        overlap=min(OVERLAP, tile // 4),
        mean=spec.mean,
        std=spec.std,
        region=region,
    )
    longest = max(longer) if long_side is None else min(max(longer), long_side)
    crop = _fixed_crop(spec, options.crop, tile) if fixed else _crop(options.crop, longest)
    seen = f"shrunk to {most} px" if shrunk else "seen at their own size"
    return Sizes(rule, crop, f"images of {large} px {seen}")


def _tile(spec: BackboneSpec, asked: int | None, *, fixed: bool) -> int:
    if spec.fixed_size and asked not in (None, spec.input_size):
        raise ConfigError(
            f"--tile is {asked}, and the backbone {spec.name!r} takes pieces of {spec.input_size} px only; "
            "leave --tile out, or choose a convolutional network"
        )
    return _rounded_up(asked or (spec.input_size if fixed else TILE))


def _fixed_crop(spec: BackboneSpec, asked: int | None, tile: int) -> int:
    if asked is not None and _rounded_up(asked) != tile:
        raise ConfigError(
            f"--crop is {asked}, and the backbone {spec.name!r} takes pieces of one size only, {tile} px; "
            "leave --crop out, or choose a convolutional network"
        )
    return tile


def _crop(asked: int | None, longest: int) -> int:
    """Return the side of crops: no larger than pictures are."""
    return min(_rounded_up(asked or CROP), _rounded_up(longest))


def _rounded_up(side: int) -> int:
    return -(-side // GRAIN) * GRAIN
