"""Overlays: a heatmap laid over the picture it explains, on one fixed scale."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
from PIL import Image

CALM = 0.75
"""The heat up to which nothing is drawn, so that a part stays clear which is that far from its bound."""

HOTTEST = 2.0
"""The heat drawn in full strength: the hottest place of a certain defect."""

_STOPS = np.array([[0.0, 255, 196, 0], [0.5, 255, 96, 0], [1.0, 214, 0, 48]])
_OPACITY = 0.6
_LINE, _RIM = (255, 255, 255), (24, 24, 24)
_LEVELS = 1023  # steps from CALM to HOTTEST: finer than a screen shows
_SMALL = 1 << 22  # bytes of a picture up to which a file is made as small as can be, which takes long
_AT_ONCE = 1 << 20  # pixels, which bounds the memory


def colour(heatmap: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return (colour uint8 (H, W, 3), opacity float32 (H, W)) of a heatmap.

    Up to `CALM` nothing is drawn; from there to `HOTTEST` amber turns red. The colours never depend on
    the image, so a part that is far from rejected does not glow.
    """
    strength = np.clip((heatmap - CALM) / (HOTTEST - CALM), 0.0, 1.0)
    channels = [np.interp(strength, _STOPS[:, 0], _STOPS[:, k]) for k in (1, 2, 3)]
    opacity = _OPACITY * np.clip(strength * 3, 0.0, 1.0)
    return np.stack(channels, -1).astype(np.uint8), opacity.astype(np.float32)


def overlay(
    image: npt.NDArray[np.uint8], heatmap: npt.NDArray[np.float32], mask: npt.NDArray[np.bool_] | None = None
) -> npt.NDArray[np.uint8]:
    """Lay a heatmap over a picture, uint8 (H, W, 3), and outline where the heat reaches 1, or the mask.

    The outline is a white line with a dark rim, so that it shows on any ground. The work is in proportion to
    the picture's area, and little where nothing is warm.
    """
    out = image.copy()
    _lay(out, heatmap)
    region = heatmap >= 1.0 if mask is None else mask
    width = line_width(region.shape)
    out[outline(region, 2 * width)] = _RIM
    out[outline(region, width)] = _LINE
    return out


def _lay(out: npt.NDArray[np.uint8], heatmap: npt.NDArray[np.float32]) -> None:
    """Tint a picture, uint8 (H, W, 3), in place wherever the heat is above `CALM`."""
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
    """Return how wide an outline's white line is, in pixels, in a picture of (H, W): by its shorter side."""
    return max(1, round(min(shape) / 600))


def outline(region: npt.NDArray[np.bool_], width: int | None = None) -> npt.NDArray[np.bool_]:
    """Return the pixels outside a region, bool (H, W), that lie within `width` of it along both axes.

    Where no width is given it is `line_width` of the picture.
    """
    reach = line_width(region.shape) if width is None else width
    out = np.zeros_like(region)
    rows, columns = np.flatnonzero(region.any(1)), np.flatnonzero(region.any(0))
    if not len(rows):
        return out
    near = (
        slice(max(0, int(rows[0]) - reach), int(rows[-1]) + reach + 1),
        slice(max(0, int(columns[0]) - reach), int(columns[-1]) + reach + 1),
    )
    piece = region[near]
    out[near] = _grown(_grown(piece, reach).T, reach).T & ~piece
    return out


def _grown(region: npt.NDArray[np.bool_], reach: int) -> npt.NDArray[np.bool_]:
    """Return a region, bool (H, W), grown by `reach` rows up and down.

    What has grown by k can be moved by 2k + 1 without a gap, so that few passes reach far.
    """
    grown, done = region, 0
    while done < reach:
        step = min(2 * done + 1, reach - done)
        before, grown = grown, grown.copy()
        grown[step:] |= before[:-step]
        grown[:-step] |= before[step:]
        done += step
    return grown


def shrink(image: npt.NDArray[np.uint8], long_side: int) -> npt.NDArray[np.uint8]:
    """Return a picture no larger than `long_side`, for a page."""
    picture = Image.fromarray(image)
    picture.thumbnail((long_side, long_side))
    return np.asarray(picture)


def shrink_heat(heatmap: npt.NDArray[np.float32], shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Return a heatmap in a smaller (H, W), each pixel as hot as the hottest it stands for.

    So a small hot place is not averaged away.
    """
    for axis in (0, 1):
        old, new = heatmap.shape[axis], min(shape[axis], heatmap.shape[axis])
        heatmap = np.maximum.reduceat(heatmap, np.arange(new) * old // new, axis=axis)
    return heatmap


def as_png(image: npt.NDArray[np.uint8]) -> bytes:
    """Return a picture as the bytes of a PNG file."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", optimize=image.size <= _SMALL)
    return buffer.getvalue()
