"""Views: flipped, turned, moved or cropped copies of a picture, judged along with it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from brightfield.engine.resample import interpolating, resampled

FloatArray = npt.NDArray[np.float32]

CROPPED = 0.875
"""The side of a crop, as a share of the picture's."""


def _moved(x: FloatArray, step: int) -> FloatArray:
    """Return pictures moved by a pixel down and right (1) or up and left (-1), reflected at the border."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)), mode="reflect")
    return np.asarray(padded[:, :, 1 - step : 1 - step + height, 1 - step : 1 - step + width])


def _corner(x: FloatArray, bottom: bool, right: bool) -> FloatArray:
    """Return a corner of each picture, enlarged to the picture's size."""
    height, width = x.shape[2:]
    tall, wide = max(1, round(height * CROPPED)), max(1, round(width * CROPPED))
    top, left = (height - tall if bottom else 0), (width - wide if right else 0)
    piece = x[:, :, top : top + tall, left : left + wide]
    return resampled(piece, interpolating(tall, height), interpolating(wide, width))


VIEWS: dict[str, Callable[[FloatArray], FloatArray]] = {
    "plain": lambda x: x,
    "half turn": lambda x: x[:, :, ::-1, ::-1],
    "mirror": lambda x: x[:, :, :, ::-1],
    "upside down": lambda x: x[:, :, ::-1],
    "down right": lambda x: _moved(x, 1),
    "up left": lambda x: _moved(x, -1),
    "mirror down right": lambda x: _moved(x[:, :, :, ::-1], 1),
    "mirror up left": lambda x: _moved(x[:, :, :, ::-1], -1),
    "left turn": lambda x: np.rot90(x, 1, (2, 3)),
    "right turn": lambda x: np.rot90(x, -1, (2, 3)),
    "upper left corner": lambda x: _corner(x, False, False),
    "upper right corner": lambda x: _corner(x, False, True),
    "lower left corner": lambda x: _corner(x, True, False),
    "lower right corner": lambda x: _corner(x, True, True),
}
"""The function behind each view's name: float32 (N, C, H, W) to the same shape."""
