"""What is drawn at random for an epoch of whole batches: how every image is moved, mirrored, blanked."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brightfield.learn.recipes import FromScratch


@dataclass(frozen=True)
class Draws:
    """An epoch's images in the order they are learned from, and what was drawn for each of them.

    All are on the device of the images, so that a step there waits for nothing.

    Attributes:
        rows: Which image of all, int64 (N,).
        moved: Pixels down and right by which it is moved, int64 (2, N).
        mirror: Whether it is mirrored, bool (N,).
        hole: The upper left corner of the square that is blanked, int64 (2, N).
    """

    rows: Tensor
    moved: Tensor
    mirror: Tensor
    hole: Tensor

    def some(self, begin: int, end: int) -> Draws:
        """Return those from one place of the order to before another."""
        return Draws(*(getattr(self, field.name)[..., begin:end] for field in fields(self)))


def draw(
    order: npt.NDArray[np.intp],
    settings: FromScratch,
    side: int,
    *,
    epoch: int,
    first: npt.NDArray[np.bool_],
    rng: np.random.Generator,
    device: torch.device,
) -> Draws:
    """Draw an epoch's augmentation, which moves images by less than their side and blanks no more than that.

    Args:
        order: Rows of the images, in the order they are learned from.
        settings: How far images are moved, how they are mirrored, how large the blank square is.
        side: Of the images, in pixels.
        epoch: From 0.
        first: Of every image, whether it is mirrored in even epochs: `alternate` shows each in turn as it is
            and mirrored, where `random` draws anew.
        rng: From which all is drawn, whatever the device.
        device: Where the images are.
    """
    n, most = len(order), settings.translate
    moved = rng.integers(-most, most + 1, (2, n))
    if settings.flip == "alternate":
        mirror = first[order] ^ bool(epoch % 2)
    else:
        mirror = (rng.random(n) < 0.5) & (settings.flip == "random")
    hole = rng.integers(0, side - settings.cutout + 1, (2, n))
    return Draws(*(torch.from_numpy(drawn).to(device) for drawn in (order, moved, mirror, hole)))


def gathered(images: Tensor, draws: Draws) -> Tensor:
    """Return images (B, S, S, C) of all (N, S, S, C), each moved, reflected at the rim, and then mirrored."""
    side = images.shape[1]
    reach = torch.arange(side, device=images.device)
    down, right = draws.moved[:, :, None]
    columns = torch.where(draws.mirror[:, None], side - 1 - reach, reach)  # (B, S)
    # where the pixel at each place of the moved image comes from
    rows, columns = _reflected(reach + down, side), _reflected(columns + right, side)
    return images[draws.rows[:, None, None], rows[:, :, None], columns[:, None, :]]


def _reflected(places: Tensor, side: int) -> Tensor:
    """Return pixels as they are found about the outermost ones' middles: -1 is 1, S is S - 2."""
    inside = places.abs()
    return torch.where(inside >= side, 2 * (side - 1) - inside, inside)


def cut_out(x: Tensor, hole: Tensor, side: int) -> Tensor:
    """Return a normalised batch (B, C, S, S) with a square of each image at the mean colour.

    The square's upper left corner is at `hole`, (2, B). DeVries and Taylor, "Improved Regularization of
    Convolutional Neural Networks with Cutout", 2017.
    """
    if side == 0:
        return x
    reach = torch.arange(x.shape[-1], device=x.device)
    rows, columns = ((reach >= at) & (reach < at + side) for at in hole[:, :, None])  # (B, S)
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)
