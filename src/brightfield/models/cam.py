"""Grad-CAM: which places of a tile moved the decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

SMOOTHING = 1 / 40
"""The heat's blur as a share of the tile's side (standard deviation)."""


def grad_cam(
    maps: Sequence[Tensor],
    score: Callable[[list[Tensor]], Tensor],
    size: int,
    calm: Sequence[Tensor | None] | None = None,
    *,
    averaged: bool = True,
) -> Tensor:
    """Return the class activation maps of a batch of tiles, float32 (N, size, size), at least 0.

    Each channel is weighted by its map's mean gradient of the score (Selvaraju et al. 2017, section 3);
    without `averaged`, each place of it by its own gradient (HiResCAM, Draelos and Carin 2020). For a
    score that is linear in the means of the last convolution the two are the same. Given several maps,
    their activation maps are added, so that a fine one can sharpen a coarse one. The maps are leaves of
    their own small graph: nothing is hooked into the network.

    Args:
        maps: (N, C, H, W) each, as the trunk returned them.
        score: From such maps to one number a tile, (N,).
        size: Of the tile in pixels.
        calm: The usual value of each channel (C,) a map, from which its activation counts; None for 0.
        averaged: Whether gradients are averaged over each map first, as Grad-CAM has it.
    """
    with torch.enable_grad():
        leaves = [m.detach().clone().float().requires_grad_(True) for m in maps]
        total = score(leaves).sum()
        gradients = torch.autograd.grad(total, leaves)
    out = torch.zeros(len(maps[0]), 1, size, size, device=maps[0].device)
    for i, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        usual = None if calm is None else calm[i]
        activation = leaf.detach() if usual is None else leaf.detach() - usual[:, None, None]
        weights = gradient.mean((2, 3), keepdim=True) if averaged else gradient  # (N, C, 1, 1) or as the map
        # the gradient of a mean over a map is 1 / (H W): times H W, maps of different sizes count alike
        cam = (weights * activation).sum(1, keepdim=True) * (leaf.shape[2] * leaf.shape[3])
        out = out + torch.nn.functional.interpolate(cam, (size, size), mode="bilinear", align_corners=False)
    # one place of a coarse map stands for many pixels: the edges between them mean nothing
    side = 2 * round(1.5 * SMOOTHING * size) + 1
    spread: Tensor = gaussian_blur(out, [side, side], [SMOOTHING * size])
    return spread.clamp_min(0)[:, 0]
