"""Views: the copies of a picture that are looked at beside it, in training and in use."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import interpolate, pad

CROPPED = 0.875
"""The side of a crop, as a share of the picture's."""


def _moved(x: Tensor, step: int) -> Tensor:
    """Return pictures moved by a pixel down and right, or up and left where -1, reflected at the rim."""
    height, width = x.shape[2:]
    return pad(x, (1, 1, 1, 1), "reflect")[:, :, 1 - step : 1 - step + height, 1 - step : 1 - step + width]


def _corner(x: Tensor, bottom: bool, right: bool) -> Tensor:
    """Return a corner of each picture, magnified to the picture's size."""
    height, width = x.shape[2:]
    tall, wide = max(1, round(height * CROPPED)), max(1, round(width * CROPPED))
    top, left = (height - tall if bottom else 0), (width - wide if right else 0)
    piece = x[:, :, top : top + tall, left : left + wide]
    return interpolate(piece, (height, width), mode="bilinear", align_corners=False)


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: x,
    "half turn": lambda x: x.flip((-1, -2)),
    "mirror": lambda x: x.flip(-1),
    "upside down": lambda x: x.flip(-2),
    "down right": lambda x: _moved(x, 1),
    "up left": lambda x: _moved(x, -1),
    "mirror down right": lambda x: _moved(x.flip(-1), 1),
    "mirror up left": lambda x: _moved(x.flip(-1), -1),
    "left turn": lambda x: x.rot90(1, (-2, -1)),
    "right turn": lambda x: x.rot90(-1, (-2, -1)),
    "upper left corner": lambda x: _corner(x, False, False),
    "upper right corner": lambda x: _corner(x, False, True),
    "lower left corner": lambda x: _corner(x, True, False),
    "lower right corner": lambda x: _corner(x, True, True),
}
"""From a batch (N, C, H, W) to the same batch seen otherwise."""
