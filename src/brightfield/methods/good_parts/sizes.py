"""The working size and the tiles of a method that learns from good parts alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brightfield.data.decode import bit_depth
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.data.scan import ImageFacts
from brightfield.errors import ConfigError

LARGEST_WHOLE = 1600
"""The longer side in pixels up to which pictures are seen whole; larger ones are cut into tiles."""

SHRUNK = 0.5
"""The scale to which larger pictures are shrunk before they are cut into tiles."""

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Sizes:
    """The side that a method takes, and the sizes that the user asked for; None leaves a size to the method.

    Attributes:
        usual: The side of whole pictures and of tiles where the user asked for none, in pixels.
        image_size: The side of whole pictures, or with tiles the longer side of pictures, in pixels.
        tile: The side of tiles in pixels.
    """

    usual: int
    image_size: int | None
    tile: int | None


def make_preprocessing(
    facts: Sequence[ImageFacts], sizes: Sizes, mean: Colour, std: Colour, region: Region | None
) -> tuple[Preprocessing, str]:
    """Return the preprocessing of images with these facts, and the reason for the working size in words.

    Raises:
        ConfigError: If tiles are larger than the images.
    """
    longer = np.array([max(f.height, f.width) for f in facts])
    large = round(float(np.percentile(longer, 95)))
    maxima = [f.maximum for f in facts if f.maximum is not None]
    side, long_side, reason = _sizes(large, sizes)
    square = long_side == side
    rule = Preprocessing(
        bits=bit_depth(maxima),
        long_side=long_side,
        enlarge=square,
        tile=side,
        overlap=0 if square else side // 8,
        mean=mean,
        std=std,
        region=region,
        square=square,
    )
    return rule, reason


def _sizes(large: int, sizes: Sizes) -> tuple[int, int | None, str]:
    """Return the side of tiles, the longer side at working size (None: the pictures' own), and the reason."""
    if sizes.tile is not None:
        longest = sizes.image_size or large
        if sizes.tile > longest:
            raise ConfigError(
                f"--tile is {sizes.tile} and images have {longest} px, so nothing is cut; choose a smaller "
                "one, or leave it out to see images whole"
            )
        shown = "their own size" if sizes.image_size is None else f"{sizes.image_size} px"
        return sizes.tile, sizes.image_size, f"images of {large} px at {shown} in tiles of {sizes.tile} px"
    side = sizes.image_size or sizes.usual
    if large <= LARGEST_WHOLE or sizes.image_size is not None:
        return side, side, f"images of {large} px seen whole at {side} px"
    long_side = round(large * SHRUNK)
    return (
        sizes.usual,
        long_side,
        f"images of {large} px shrunk to {long_side} px, in tiles of {sizes.usual} px",
    )
