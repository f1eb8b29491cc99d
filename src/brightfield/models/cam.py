"""Grad-CAM: which places of a tile moved the decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torchvision.transforms.v2.functional import gaussian_blur

SMOOTHING = 1 / 40
"""The heat's blur as a share of the tile's side (standard deviation)."""

WEIGHTS = ("map", "place", "both")


def grad_cam(
    maps: Sequence[Tensor],
    score: Callable[[list[Tensor]], Tensor],
    size: int,
    calm: Sequence[Tensor | None] | None = None,
    *,
    weights: str = "both",
) -> Tensor:
    """Return the class activation maps of a batch of tiles, float32 (N, size, size), at least 0.

    Each channel is weighted by its map's mean gradient of the score (`map`: Grad-CAM, Selvaraju et al. 2017,
    section 3), or each place of it by its own gradient (`place`: HiResCAM, Draelos and Carin 2020). The first
    also glows where a channel is active that matters elsewhere, the second misses much of a large defect;
    `both` is their geometric mean, hot where they agree. For a score that is linear in the means of the last
    convolution all are the same. Given several maps, what speaks for the score in each is added, so that a
    fine one can sharpen a coarse one, and none hides what another found. The maps are leaves of their own
    small graph: nothing is hooked into the network.

    Args:
        maps: (N, C, H, W) each, as the trunk returned them.
        score: From such maps to one number a tile, (N,).
        size: Of the tile in pixels.
        calm: The usual value of each channel (C,) a map, from which its activation counts; None for 0.
        weights: One of `WEIGHTS`.

    Raises:
        ValueError: If the weights are not one of them.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights {weights!r} are unknown; known are: {', '.join(WEIGHTS)}")
    with torch.enable_grad():
        leaves = [m.detach().clone().float().requires_grad_(True) for m in maps]
        total = score(leaves).sum()
        gradients = torch.autograd.grad(total, leaves)
    kinds = ("map", "place") if weights == "both" else (weights,)
    out = torch.zeros(len(maps[0]), len(kinds), size, size, device=maps[0].device)
    for i, (leaf, gradient) in enumerate(zip(leaves, gradients, strict=True)):
        usual = None if calm is None else calm[i]
        activation = leaf.detach() if usual is None else leaf.detach() - usual[:, None, None]
        each = [gradient if kind == "place" else gradient.mean((2, 3), keepdim=True) for kind in kinds]
        # the gradient of a mean over a map is 1 / (H W): times H W, maps of different sizes count alike
        area = leaf.shape[2] * leaf.shape[3]
        cams = torch.cat([(w * activation).sum(1, keepdim=True) * area for w in each], 1).clamp_min(0)
        out = out + torch.nn.functional.interpolate(cams, (size, size), mode="bilinear", align_corners=False)
    # one place of a coarse map stands for many pixels: the edges between them mean nothing
    side = 2 * round(1.5 * SMOOTHING * size) + 1
    spread: Tensor = gaussian_blur(out, [side, side], [SMOOTHING * size]).clamp_min(0)
    return spread[:, 0] if len(kinds) == 1 else spread.prod(1).sqrt()
