"""Views: the copies of a picture that are looked at beside it, in training and in use."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor
from torch.nn.functional import pad


def _moved(x: Tensor, step: int) -> Tensor:
    """Return pictures moved by a pixel down and right, or up and left where -1, reflected at the rim."""
    height, width = x.shape[2:]
    return pad(x, (1, 1, 1, 1), "reflect")[:, :, 1 - step : 1 - step + height, 1 - step : 1 - step + width]


VIEWS: dict[str, Callable[[Tensor], Tensor]] = {
    "plain": lambda x: x,
    "half turn": lambda x: x.flip((-1, -2)),
    "mirror": lambda x: x.flip(-1),
    "upside down": lambda x: x.flip(-2),
    "down right": lambda x: _moved(x, 1),
    "up left": lambda x: _moved(x, -1),
    "mirror down right": lambda x: _moved(x.flip(-1), 1),
    "mirror up left": lambda x: _moved(x.flip(-1), -1),
}
"""From a batch (N, C, H, W) to the same batch seen otherwise."""

FLIPS = ("plain", "half turn", "mirror", "upside down")
"""For parts, which have no upright; the second differs most from the first."""

MIRRORS = ("plain", "mirror", "down right", "mirror down right", "up left", "mirror up left")
"""For pictures of the world, which are mirrored but not turned."""
