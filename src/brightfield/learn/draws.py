"""The random augmentation of training from scratch: translation, mirroring and cutout of whole batches."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brightfield.learn.recipes import FromScratch


@dataclass(frozen=True)
class Draws:
    """An epoch's order of images, and the augmentation drawn for each of them.

    The tensors are on the device of the images, so that no step waits for a transfer.

    Attributes:
        rows: The image, by its row, int64 (N,).
        moved: The translation in pixels, down and right, int64 (2, N).
        mirror: Whether the image is mirrored, bool (N,).
        hole: The upper left corner of the cutout square, int64 (2, N).
    """

    rows: Tensor
    moved: Tensor
    mirror: Tensor
    hole: Tensor

    def some(self, begin: int, end: int) -> Draws:
        """Return the draws from position `begin` of the order up to before `end`."""
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
    """Draw the augmentation of an epoch.

    Args:
        order: The rows of the images, in the order of training.
        settings: The ranges of the augmentation.
        side: The side of the images in pixels; translation and cutout must be smaller.
        epoch: The epoch's number, from 0.
        first: Whether each image is mirrored in even epochs, bool (all images,). With `alternate` an image is
            mirrored in every other epoch; with `random` a coin is tossed each time.
        rng: The random generator; the draws do not depend on the device.
        device: The device of the images.
    """
    n, most = len(order), settings.translate
    moved = rng.integers(-most, most + 1, (2, n))
    if settings.flip == "alternate":
        mirror = first[order] ^ bool(epoch % 2)
    else:
        mirror = (rng.random(n) < 0.5) & (settings.flip == "random")
    hole = rng.integers(0, side - settings.cutout + 1, (2, n))
    return Draws(*(torch.from_numpy(drawn).to(device) for drawn in (order, moved, mirror, hole)))


def augmented(images: Tensor, draws: Draws) -> Tensor:
    """Return a batch of images (B, S, S, C) out of all (N, S, S, C), translated and then mirrored.

    The border is filled by reflection.
    """
    side = images.shape[1]
    reach = torch.arange(side, device=images.device)
    down, right = draws.moved[:, :, None]
    columns = torch.where(draws.mirror[:, None], side - 1 - reach, reach)  # (B, S)
    # the source row and column of every pixel of the translated image, (B, S) each
    rows, columns = _reflected(reach + down, side), _reflected(columns + right, side)
    return images[draws.rows[:, None, None], rows[:, :, None], columns[:, None, :]]


def _reflected(indices: Tensor, side: int) -> Tensor:
    """Return pixel indices reflected at the first and the last pixel: -1 becomes 1, S becomes S - 2."""
    inside = indices.abs()
    return torch.where(inside >= side, 2 * (side - 1) - inside, inside)


def cut_out(x: Tensor, hole: Tensor, side: int) -> Tensor:
    """Return a normalised batch (B, C, S, S) with a square of each image set to 0, the mean colour.

    The square's upper left corner is `hole`, (2, B). DeVries and Taylor, "Improved Regularization of
    Convolutional Neural Networks with Cutout", 2017.
    """
    if side == 0:
        return x
    reach = torch.arange(x.shape[-1], device=x.device)
    rows, columns = ((reach >= at) & (reach < at + side) for at in hole[:, :, None])  # (B, S)
    return x.masked_fill((rows[:, :, None] & columns[:, None, :])[:, None], 0.0)
