"""Masks: which pixels of an image are defective, at the sizes that training and evaluation need."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.decode import Pixels, decode
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import tile_origins

SMALL = 16
"""A mask whose brightest pixel is no brighter holds numbers of classes: black and white reach further."""

_FEW = 10
"""So many grey values at the most are drawn on purpose; compression leaves more, or leaves them scattered."""
_AREAS = 0.2
"""The share of grey pixels inside areas of one value: drawn areas have more, JPEG's noise hardly any."""
_MIDDLE = 0.5
"""Pixels of middling grey for each bright one: thin lines saved as JPEG stay below, photographs do not."""

Levels = npt.NDArray[np.uint8 | np.uint16]


class Tone(StrEnum):
    """What the values of a mask are."""

    EXACT = "exact"
    """Black and white, or numbers of classes: 0 is good, anything else a defect."""
    NOISY = "noisy"
    """Black and white but for compression noise or blended rims."""
    GREY = "grey"
    """Neither: many pixels lie between black and white, as in a photograph or a heatmap."""


def read_mask(path: Path) -> npt.NDArray[np.bool_]:
    """Return which pixels are defective, bool (H, W).

    Raises:
        ImageError: If the mask cannot be read.
    """
    levels = mask_levels(decode(path))
    return marked(levels, tone(levels))


def mask_levels(pixels: Pixels) -> Levels:
    """Return the values of a mask, (H, W): of colours their brightest channel, so that only black is 0."""
    return pixels if pixels.ndim == 2 else pixels.max(axis=2)


def marked(levels: Levels, of: Tone) -> npt.NDArray[np.bool_]:
    """Return which pixels mark a defect: all but 0 where values are exact, else those above half the range.

    Args:
        levels: (H, W).
        of: Their tone.

    Returns:
        bool (H, W).
    """
    least = 0 if of is Tone.EXACT else int(levels.max()) // 2
    return np.asarray(levels > least)


def tone(levels: Levels) -> Tone:
    """Tell what the values of a mask are.

    Grey pixels, neither 0 nor the brightest, are numbers of classes where they fill areas and their values
    are few, or spread so far that they are no black and white with noise. Noise is scattered at rims, and
    where a strong compression leaves areas of it, these are close to black or white and of many values.
    """
    brightest = int(levels.max())
    grey = (levels > 0) & (levels < brightest)
    values = levels[grey].astype(np.int64)
    if brightest <= SMALL or not len(values):
        return Tone.EXACT
    middling = np.count_nonzero((4 * values > brightest) & (4 * values < 3 * brightest))
    bright = np.count_nonzero(levels > brightest // 2)
    spread = middling > _MIDDLE * bright
    if _inside_areas(levels, grey) < _AREAS * len(values):
        return Tone.GREY if spread else Tone.NOISY
    return Tone.EXACT if spread or len(np.unique(values)) <= _FEW else Tone.NOISY


def resize_mask(mask: npt.NDArray[np.bool_], shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
    """Return a mask at another (height, width); a pixel is defective where any part of it was."""
    if mask.shape == shape:
        return mask
    grey = Image.fromarray(mask.astype(np.float32))  # 8 bits would round a small share of a pixel to none
    return np.asarray(grey.resize((shape[1], shape[0]), Image.Resampling.BOX)) > 0


def tile_shares(
    mask: Path | None, shape: tuple[int, int], preprocessing: Preprocessing
) -> npt.NDArray[np.float64]:
    """Return the share of each tile's pixels that are defective, float64 (T,), at a working (H, W)."""
    origins = tile_origins(shape, preprocessing.tile, preprocessing.overlap)
    if mask is None:
        return np.zeros(len(origins))
    pixels = resize_mask(read_mask(mask), shape)
    side = preprocessing.tile
    inside = [
        pixels[max(top, 0) : top + side, max(left, 0) : left + side].sum() / side**2 for top, left in origins
    ]
    return np.asarray(inside, dtype=np.float64)


def _inside_areas(levels: Levels, chosen: npt.NDArray[np.bool_]) -> int:
    """Return how many of the chosen pixels equal both their right and their lower neighbour."""
    here = levels[:-1, :-1]
    same = (here == levels[1:, :-1]) & (here == levels[:-1, 1:])
    return int(np.count_nonzero(same & chosen[:-1, :-1]))
