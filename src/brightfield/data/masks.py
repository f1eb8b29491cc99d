"""Masks, which mark an image's defective pixels: reading, resizing, shares of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from brightfield.data.decode import Pixels, decode
from brightfield.data.mask_kinds import Mask, Outlines, ValuedMask
from brightfield.data.opening import opened
from brightfield.data.outlines import marked_pixels
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import tile_origins
from brightfield.errors import ImageError

SMALL = 16
"""The largest value of a mask that holds class numbers; a black and white mask has a brighter maximum."""

_FEW = 10
"""The most grey values that a drawn mask has; compression leaves more, or leaves them scattered."""
_AREAS = 0.2
"""The least share of grey pixels inside areas of one value in a drawn mask; JPEG's noise has hardly any."""
_MIDDLE = 0.5
"""The most pixels of middle grey for each bright one in a mask with noise; photographs have more."""

_SHOWN = 5
"""How many values without a name a message shows."""

Levels = npt.NDArray[np.uint8 | np.uint16]


class Tone(StrEnum):
    """The kind of values that a mask has."""

    EXACT = "exact"
    """Black and white, or class numbers: 0 is good, any other value a defect."""
    NOISY = "noisy"
    """Black and white with compression noise or blended edges."""
    GREY = "grey"
    """Many pixels between black and white, as in a photograph or a heatmap."""


def read_mask(mask: Mask) -> npt.NDArray[np.bool_]:
    """Return which pixels are defective, bool (H, W).

    Raises:
        ImageError: If the mask cannot be read, or holds a value without a name where values have names.
    """
    if isinstance(mask, Outlines):
        return marked_pixels(mask)
    if isinstance(mask, ValuedMask):
        return numbered(mask, sorted({name for _, name in mask.names if name})) > 0
    levels = mask_levels(decode(mask))
    return marked(levels, tone(levels))


def numbered(mask: ValuedMask, types: Sequence[str]) -> npt.NDArray[np.uint8]:
    """Return the type of each pixel by the values' names, uint8 (H, W): its position in `types` from 1 on.

    Raises:
        ImageError: If the mask cannot be read, or holds a value without a name, or a name that is no type.
    """
    values = _values(mask)
    out = np.zeros(values.shape, dtype=np.uint8)
    unnamed = values != 0
    for value, name in mask.names:
        here = values == value
        unnamed &= ~here
        if name and here.any():
            if name not in types:
                raise ImageError(f"{mask} marks {name!r}; expected one of the types {', '.join(types)}")
            out[here] = types.index(name) + 1
    if unnamed.any():
        found = sorted({value_text(int(v), mask.colours) for v in np.unique(values[unnamed])[:_SHOWN]})
        raise ImageError(
            f"{mask} has {np.count_nonzero(unnamed)} pixels with values that {mask.table} does not name "
            f"({', '.join(found)}); add a line for each, or draw the mask again and save it as PNG"
        )
    return out


def _values(mask: ValuedMask) -> npt.NDArray[np.int32]:
    """Return the value of each pixel, int32 (H, W): a number, an index of the palette, or a colour."""
    if not mask.colours:
        with opened(mask.path) as image:
            if image.mode == "P":
                return np.asarray(ImageOps.exif_transpose(image), dtype=np.int32)
        return mask_levels(decode(mask.path)).astype(np.int32)
    pixels = decode(mask.path).astype(np.int32)
    rgb = np.broadcast_to(pixels[..., None], (*pixels.shape, 3)) if pixels.ndim == 2 else pixels
    packed: npt.NDArray[np.int32] = rgb @ np.array([65536, 256, 1], dtype=np.int32)
    return packed


def value_text(value: int, colour: bool) -> str:
    """Return a mask's value as a table of values has it."""
    return f"#{value:06x}" if colour else str(value)


def mask_levels(pixels: Pixels) -> Levels:
    """Return the values of a mask, (H, W): the maximum over its colour channels, so that only black is 0."""
    return pixels if pixels.ndim == 2 else pixels.max(axis=2)


def marked(levels: Levels, kind: Tone) -> npt.NDArray[np.bool_]:
    """Return which pixels mark a defect: those above 0 if values are exact, else above half the maximum.

    Args:
        levels: The mask's values, (H, W).
        kind: The tone of these values.

    Returns:
        bool (H, W).
    """
    bound = 0 if kind is Tone.EXACT else int(levels.max()) // 2
    return np.asarray(levels > bound)


def tone(levels: Levels) -> Tone:
    """Return the tone of a mask's values, (H, W).

    Grey pixels are those between 0 and the maximum. They are class numbers if they fill areas and have few
    values, or values that reach into the middle between black and white. Compression noise is scattered at
    edges; the areas of it that strong compression leaves are close to black or white and have many values.
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
    """Return a mask (H, W) resized to (height, width); a pixel is defective if any pixel it covers was."""
    return mask if mask.shape == shape else mask_shares(mask, shape) > 0


def mask_shares(mask: npt.NDArray[np.bool_], shape: tuple[int, int]) -> npt.NDArray[np.float64]:
    """Return which share of each pixel is defective where a mask (H, W) is resized to (height, width)."""
    grey = Image.fromarray(mask.astype(np.float32))  # 8 bits would round a small share of a pixel to none
    return np.asarray(grey.resize((shape[1], shape[0]), Image.Resampling.BOX), dtype=np.float64)


def tile_shares(
    mask: Mask | None, shape: tuple[int, int], preprocessing: Preprocessing
) -> npt.NDArray[np.float64]:
    """Return the share of defective pixels in each tile of an image, float64 (T,).

    Args:
        mask: The mask; None for an image without defects.
        shape: The height and width of the image at working size.
        preprocessing: The rule by which the image is cut into tiles.
    """
    origins = tile_origins(shape, preprocessing.tile, preprocessing.overlap)
    if mask is None:
        return np.zeros(len(origins))
    try:
        pixels = resize_mask(preprocessing.visible_mask(read_mask(mask)), shape)
    except ImageError as error:
        raise ImageError(f"the mask {mask}: {error}") from error
    side = preprocessing.tile
    shares = [
        pixels[max(top, 0) : top + side, max(left, 0) : left + side].sum() / side**2 for top, left in origins
    ]
    return np.asarray(shares, dtype=np.float64)


def _inside_areas(levels: Levels, chosen: npt.NDArray[np.bool_]) -> int:
    """Return how many of the chosen pixels equal both their right and their lower neighbour."""
    here = levels[:-1, :-1]
    same = (here == levels[1:, :-1]) & (here == levels[:-1, 1:])
    return int(np.count_nonzero(same & chosen[:-1, :-1]))
