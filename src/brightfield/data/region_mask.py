"""Reading of a region of interest from a black and white picture."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.data.decode import decode
from brightfield.data.masks import Levels, Tone, marked, mask_levels, tone
from brightfield.data.region import Region
from brightfield.disk.storage import file_digest
from brightfield.errors import ConfigError, ImageError

log = logging.getLogger(__name__)

_WHITES = (1, 255, 65535)
"""The values of white in a mask without black."""


def read_region(path: Path) -> Region:
    """Read a region of interest: a picture of any size, white where the inspector looks, black elsewhere.

    Noise that JPEG leaves at edges is no matter: half of the brightest value decides. A mask that is white
    throughout is allowed, with a warning.

    Raises:
        ConfigError: If it cannot be read, is not black and white, or is black throughout.
    """
    region = read_area(path, "--roi")
    if region.mask.all():
        log.warning("--roi %s is white throughout: the inspector looks everywhere, as without it", path)
    return region


def read_area(path: Path, named_by: str) -> Region:
    """Read an area of the pictures as `read_region` does; error messages say what named the file.

    Raises:
        ConfigError: As `read_region`.
    """
    try:
        levels = mask_levels(decode(path))
        digest = file_digest(path)
    except (ImageError, OSError) as error:
        raise ConfigError(f"{named_by} {path} cannot be read as a mask: {error}") from error
    try:
        return Region.of(_inside(levels), digest)
    except ConfigError as error:
        raise ConfigError(f"{named_by} {path}: {error}") from error


def _inside(levels: Levels) -> npt.NDArray[np.bool_]:
    """Return the white pixels of a mask's values, bool (H, W).

    Raises:
        ConfigError: If they are not black and white.
    """
    values = np.unique(levels)
    black, white = int(values[0]) == 0, int(values[-1])
    two = len(values) == 2 and black
    if two or (len(values) == 1 and (black or white in _WHITES)):
        return np.asarray(levels > 0)
    if tone(levels) is not Tone.NOISY:
        raise ConfigError(
            f"the mask is not black and white: its grey levels are {_in_words(values)}; "
            "expected white (255) where the inspector looks and black (0) elsewhere, saved as PNG"
        )
    return marked(levels, Tone.NOISY)


def _in_words(values: Levels) -> str:
    """Return sorted grey levels in words."""
    if len(values) <= 4:
        return " and ".join(str(value) for value in values)
    return f"{len(values)} from {values[0]} to {values[-1]}"
