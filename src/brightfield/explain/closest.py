"""The closest good part beside a part: the place that is compared, and what both look like there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from brightfield.explain.overlay import line_width, outline

if TYPE_CHECKING:
    from brightfield.verdict import Closest

Picture = npt.NDArray[np.uint8]

PART, GOOD = "this part", "closest good part"
"""The captions of the two pictures."""

_LINE, _RIM = (0, 214, 255), (24, 24, 24)  # no colour of the heatmap, and visible on black and on white
_PANEL, _TEXT = (32, 32, 32), (240, 240, 240)
_SHARE = 0.3
_LEAST = 112  # the captions need so much room
_GAP = 8


def boxed(picture: Picture, box: tuple[int, int, int, int], shape: tuple[int, ...]) -> Picture:
    """Return a picture, uint8 (h, w, 3), with a line around a box; what is inside stays as it is.

    Args:
        picture: The picture, which may be shrunk.
        box: The (top, left, height, width) in the original picture.
        shape: The (H, W, ...) of the original picture.
    """
    place = np.zeros(picture.shape[:2], dtype=np.bool_)
    rows, columns = (
        slice(begin * new // old, -(-(begin + length) * new // old))
        for begin, length, new, old in zip(box[:2], box[2:], picture.shape, shape, strict=False)
    )
    place[rows, columns] = True
    width = 1 + line_width(place.shape)
    out = picture.copy()
    out[outline(place, 2 * width)] = _RIM
    out[outline(place, width)] = _LINE
    return out


def pair(picture: Picture, closest: Closest, side: int) -> tuple[Picture, Picture]:
    """Return the most unusual place of a part and of the closest good part, uint8 (h, w, 3) each.

    Both are shown at one scale and in the same detail, that of the method's working size.

    Args:
        picture: The original image, uint8 (H, W, 3).
        closest: The closest good part.
        side: The longer side of the two pictures in pixels.
    """
    top, left, height, width = closest.box
    scale = side / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    part = Image.fromarray(picture[top : top + height, left : left + width])
    good = Image.fromarray(closest.crop)
    seen = part.resize(
        good.size, Image.Resampling.BOX if part.width > good.width else Image.Resampling.BICUBIC
    )
    shown = (np.asarray(one.resize(size, Image.Resampling.BICUBIC)) for one in (seen, good))
    first, second = shown
    return first, second


def with_closest(drawn: Picture, picture: Picture, closest: Closest) -> Picture:
    """Return a drawn picture with the place boxed, and a margin that shows it beside the closest good part.

    The margin is below a wide picture and to the right of a high one, so that nothing of the part is hidden.

    Args:
        drawn: The picture as it is shown, uint8 (H, W, 3), such as an overlay.
        picture: The original image, uint8 (H, W, 3).
        closest: The closest good part.
    """
    height, width = drawn.shape[:2]
    side = max(_LEAST, round(_SHARE * max(height, width)))
    size = max(12, side // 10)
    line = round(1.5 * size)
    shown = pair(picture, closest, side)
    step = (side + _GAP, shown[0].shape[0] + line + _GAP)  # across and down, from one picture to the next
    below = width >= height
    panel = (step[0] * (2 if below else 1) + _GAP, step[1] * (1 if below else 2) + _GAP)
    corner = (0, height) if below else (width, 0)
    whole = (max(width, panel[0]), height + panel[1]) if below else (width + panel[0], max(height, panel[1]))
    canvas = Image.new("RGB", whole, _PANEL)
    canvas.paste(Image.fromarray(boxed(drawn, closest.box, picture.shape)), (0, 0))
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(size)
    for i, (one, caption) in enumerate(zip(shown, (PART, GOOD), strict=True)):
        left = corner[0] + _GAP + (i * step[0] if below else 0)
        top = corner[1] + _GAP + (0 if below else i * step[1])
        draw.text((left, top), caption, fill=_TEXT, font=font)
        canvas.paste(Image.fromarray(one), (left, top + line))
    return np.asarray(canvas)
