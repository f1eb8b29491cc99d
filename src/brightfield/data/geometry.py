"""Resizing of images, with their aspect ratio kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.errors import ConfigError

_REDUCING_GAP = 3.0


@dataclass(frozen=True)
class Resize:
    """The rule for the working size of images.

    Attributes:
        long_side: The longer side in pixels; the shorter one follows from the aspect ratio. None keeps every
            image's size.
        enlarge: Whether smaller images are enlarged.
        square: Whether images are squeezed to a square of that side, whatever their aspect ratio.

    Raises:
        ConfigError: If `long_side` is less than 1, or None for a square.
    """

    long_side: int | None = None
    enlarge: bool = True
    square: bool = False

    def __post_init__(self) -> None:
        if self.long_side is not None and self.long_side < 1:
            raise ConfigError(f"long_side is {self.long_side}; expected at least 1 pixel, or None")
        if self.square and self.long_side is None:
            raise ConfigError("a square needs a long_side; it is None")


def resized_shape(height: int, width: int, rule: Resize) -> tuple[int, int]:
    """Return the height and width that an image has at working size; each is at least one pixel."""
    if rule.long_side is None:
        return height, width
    if rule.square:
        return rule.long_side, rule.long_side
    scale = rule.long_side / max(height, width)
    if scale > 1 and not rule.enlarge:
        return height, width
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(array: npt.NDArray[np.uint8], rule: Resize) -> npt.NDArray[np.uint8]:
    """Return an image at its working size: bilinear, and antialiased if it shrinks.

    Args:
        array: uint8 (H, W) or (H, W, 3).
        rule: The rule for the working size.

    Returns:
        uint8 (h, w) or (h, w, 3).
    """
    height, width = resized_shape(array.shape[0], array.shape[1], rule)
    if (height, width) == array.shape[:2]:
        return array
    image = Image.fromarray(np.ascontiguousarray(array))
    small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    return np.array(small)
