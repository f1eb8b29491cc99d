"""Sizes: how an image is made smaller or larger without changing its shape."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.errors import ConfigError

_REDUCING_GAP = 3.0


@dataclass(frozen=True)
class Resize:
    """The rule by which images get their working size.

    Attributes:
        long_side: The longer side in pixels, the shorter following so that the aspect ratio stays; None keeps
            every image as it is.
        enlarge: Whether images smaller than that are made larger too.

    Raises:
        ConfigError: If the side is not a positive whole number.
    """

    long_side: int | None = None
    enlarge: bool = True

    def __post_init__(self) -> None:
        if self.long_side is not None and self.long_side < 1:
            raise ConfigError(f"long_side is {self.long_side}; expected at least 1 pixel, or None")


def resized_shape(height: int, width: int, rule: Resize) -> tuple[int, int]:
    """Return the height and width under the rule; no side becomes less than one pixel."""
    if rule.long_side is None:
        return height, width
    scale = rule.long_side / max(height, width)
    if scale > 1 and not rule.enlarge:
        return height, width
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize(array: npt.NDArray[np.uint8], rule: Resize) -> npt.NDArray[np.uint8]:
    """Return the image at its working size, antialiased where it shrinks, bilinear where it grows.

    Args:
        array: uint8 (H, W) or (H, W, 3).
        rule: Its working size.

    Returns:
        uint8 of the same number of axes.
    """
    height, width = resized_shape(array.shape[0], array.shape[1], rule)
    if (height, width) == array.shape[:2]:
        return array
    image = Image.fromarray(np.ascontiguousarray(array))
    small = image.resize((width, height), Image.Resampling.BILINEAR, reducing_gap=_REDUCING_GAP)
    return np.array(small)
