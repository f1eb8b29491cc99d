"""Overlays: a heatmap drawn over the picture it explains, on one fixed colour scale."""

from __future__ import annotations

import base64
import io
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

_Number = TypeVar("_Number", np.float32, np.uint8)

CALM = 0.75
"""The heat up to which nothing is drawn, so that parts that clearly pass have no colour."""

HOTTEST = 2.0
"""The heat that is drawn with the strongest colour: the maximum in a certain defect."""

_STOPS = np.array([[0.0, 255, 196, 0], [0.5, 255, 96, 0], [1.0, 214, 0, 48]])
_OPACITY = 0.6
RIM = (24, 24, 24)
"""The colour of the rim around every line, so that it is visible on any ground."""

TYPE_COLOURS = (
    (230, 159, 0),
    (204, 121, 167),
    (0, 158, 115),
    (240, 228, 66),
    (0, 114, 178),
    (213, 94, 0),
    (255, 255, 255),
)
"""The colours of the first defect types, which then repeat.

Those of Okabe and Ito, "Color Universal Design", 2008, which the colour-blind tell apart, and white. Their
sky blue is left out: it marks what does not come from the inspector.
"""

_LINE = (255, 255, 255)
_FADED = (0.3 * np.arange(256) + 0.7 * 110).round().astype(np.uint8)  # visible on black and on white
_LEVELS = 1023  # colour steps from CALM to HOTTEST: finer than a screen shows
_SMALL = 1 << 22  # the most bytes of a picture whose PNG is optimised for size, which is slow
_AT_ONCE = 1 << 20  # pixels tinted at once, which bounds the memory


def colour(heatmap: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return the colour, uint8 (H, W, 3), and the opacity, float32 (H, W), of a heatmap.

    Up to `CALM` the opacity is 0; from there to `HOTTEST` the colour goes from amber to red. The scale is the
    same for all images, so a part that clearly passes shows no colour.
    """
    strength = np.clip((heatmap - CALM) / (HOTTEST - CALM), 0.0, 1.0)
    channels = [np.interp(strength, _STOPS[:, 0], _STOPS[:, k]) for k in (1, 2, 3)]
    opacity = _OPACITY * np.clip(strength * 3, 0.0, 1.0)
    return np.stack(channels, -1).astype(np.uint8), opacity.astype(np.float32)


def overlay(
    image: npt.NDArray[np.uint8],
    heatmap: npt.NDArray[np.float32],
    mask: npt.NDArray[np.bool_] | None = None,
    region: npt.NDArray[np.bool_] | None = None,
    class_map: npt.NDArray[np.uint8] | None = None,
) -> npt.NDArray[np.uint8]:
    """Return a picture, uint8 (H, W, 3), with a heatmap over it and an outline of what is defective.

    The outline is that of the mask, or without one of all pixels with a heat of 1 or more: a white line with
    a dark border, which is visible on any background. What is outside the region of interest, bool (H, W), is
    faded to grey.

    With a class map, uint8 (H, W), each type's pixels have an outline in the colour of `type_colour`, and
    within it the picture is left as it is; the heatmap shows where it is warm outside of them.
    """
    out = image.copy()
    if region is not None:
        out[~region] = _FADED[out[~region]]
    if class_map is not None:
        _tint(out, np.where(class_map > 0, np.float32(0), heatmap))
        return outlined(out, class_map)
    _tint(out, heatmap)
    defective = heatmap >= 1.0 if mask is None else mask
    width = line_width(defective.shape)
    out[outline(defective, 2 * width)] = RIM
    out[outline(defective, width)] = _LINE
    return out


def type_colour(number: int) -> tuple[int, int, int]:
    """Return the colour of a defect type, given its position in `Verdict.types` from 1 on."""
    return TYPE_COLOURS[(number - 1) % len(TYPE_COLOURS)]


def outlined(
    picture: npt.NDArray[np.uint8], class_map: npt.NDArray[np.uint8], width: int | None = None
) -> npt.NDArray[np.uint8]:
    """Return a picture, uint8 (H, W, 3), with an outline around the pixels of each type in its colour.

    Args:
        picture: uint8 (H, W, 3).
        class_map: uint8 (H, W), the type of each pixel, from 1 on; 0 for none.
        width: The width of the line in pixels; None for the picture's `line_width`.
    """
    out = picture.copy()
    free, wide = class_map == 0, line_width(class_map.shape) if width is None else width
    kinds = {int(number): class_map == number for number in np.unique(class_map[~free])}
    for kind in kinds.values():
        out[outline(kind, 2 * wide) & free] = RIM
    for number, kind in kinds.items():
        out[outline(kind, wide) & free] = type_colour(number)
    return out


def _tint(out: npt.NDArray[np.uint8], heatmap: npt.NDArray[np.float32]) -> None:
    """Tint a picture, uint8 (H, W, 3), in place where the heat is above `CALM`."""
    tint, opacity = colour(np.linspace(CALM, HOTTEST, _LEVELS + 1, dtype=np.float32))
    clear, added = 1 - opacity[:, None], tint * opacity[:, None]
    rows = max(1, _AT_ONCE // max(1, heatmap.shape[1]))
    for top in range(0, len(heatmap), rows):
        heat, block = heatmap[top : top + rows], out[top : top + rows]
        warm = heat > CALM
        if warm.any():
            strength = (np.minimum(heat[warm], HOTTEST) - CALM) / (HOTTEST - CALM)
            level = np.rint(strength * _LEVELS).astype(np.intp)
            block[warm] = np.rint(block[warm] * clear[level] + added[level]).astype(np.uint8)


def line_width(shape: tuple[int, ...]) -> int:
    """Return the width of an outline's white line in pixels, given the picture's (H, W)."""
    return max(1, round(min(shape) / 600))


def outline(region: npt.NDArray[np.bool_], width: int | None = None) -> npt.NDArray[np.bool_]:
    """Return the pixels outside a region, bool (H, W), at most `width` pixels away along both axes.

    The default width is the `line_width` of the picture.
    """
    reach = line_width(region.shape) if width is None else width
    out = np.zeros_like(region)
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if not len(rows):
        return out
    near = (  # the region's bounding box with a margin: the rest of the picture needs no work
        slice(max(0, int(rows[0]) - reach), int(rows[-1]) + reach + 1),
        slice(max(0, int(columns[0]) - reach), int(columns[-1]) + reach + 1),
    )
    piece = region[near]
    out[near] = _dilated(_dilated(piece, reach).T, reach).T & ~piece
    return out


def _dilated(region: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Return a region, bool (H, W), dilated by `reach` rows up and down.

    A region dilated by k can be shifted by up to 2k + 1 without leaving gaps, so few passes are enough.
    """
    dilated, done = region, 0
    while done < reach:
        step = min(2 * done + 1, reach - done)
        before, dilated = dilated, dilated.copy()
        dilated[step:] |= before[:-step]
        dilated[:-step] |= before[step:]
        done += step
    return dilated


def shrink(image: npt.NDArray[np.uint8], long_side: int) -> npt.NDArray[np.uint8]:
    """Return a picture shrunk to a longer side of at most `long_side` pixels."""
    picture = Image.fromarray(image)
    picture.thumbnail((long_side, long_side))
    return np.asarray(picture)


def shrink_heat(heatmap: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return a heatmap shrunk to (H, W); each pixel is the maximum of those it replaces.

    So a small defect is not averaged away.
    """
    return _largest(heatmap, shape)


def shrink_types(
    class_map: npt.NDArray[np.uint8] | None, shape: tuple[int, ...]
) -> npt.NDArray[np.uint8] | None:
    """Return a class map shrunk to (H, W), in which no defect is lost; None stays None."""
    return None if class_map is None else _largest(class_map, shape)


def shrink_region(
    region: npt.NDArray[np.bool_] | None, shape: tuple[int, ...]
) -> npt.NDArray[np.bool_] | None:
    """Return a region, bool (H, W), shrunk to a picture's (h, w); None stays None."""
    if region is None:
        return None
    if region.shape == shape[:2]:
        return region
    rows, columns = (np.arange(new) * old // new for old, new in zip(region.shape, shape, strict=False))
    return region[np.ix_(rows, columns)]


def _largest(values: npt.NDArray[_Number], shape: tuple[int, ...]) -> npt.NDArray[_Number]:
    """Return values (H, W) shrunk to a shape, each the maximum of those it replaces."""
    for axis in (0, 1):
        old, new = values.shape[axis], min(shape[axis], values.shape[axis])
        if new < old:
            values = np.maximum.reduceat(values, np.arange(new) * old // new, axis=axis)
    return values


def as_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=image.size <= _SMALL)
    return buffer.getvalue()


def data_uri(picture: bytes) -> str:
    """Return the bytes of a PNG or JPEG file as a URI that holds them."""
    kind = "jpeg" if picture.startswith(b"\xff\xd8") else "png"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
