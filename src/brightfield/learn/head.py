"""Heads in torch: spatial pooling of a trunk's maps, an ensemble of small networks, pooling of tiles."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor, nn

from brightfield.engine.head import Head, head_from_arrays
from brightfield.engine.spec import HeadSpec

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "gelu": nn.functional.gelu,
    "relu": nn.functional.relu,
    "tanh": torch.tanh,
}


def pool_maps(maps: Sequence[Tensor], pools: Sequence[str]) -> Tensor:
    """Return the pooled maps, joined to one vector a tile, float32 (N, D).

    Args:
        maps: (N, C, H, W) each.
        pools: The poolings of each map: `mean`, `max` or `flatten`.
    """
    pooled: list[Tensor] = []
    for m in maps:
        for pool in pools:
            pooled.append(_pool(m, pool).float())
    return torch.cat(pooled, 1)


def _pool(m: Tensor, pool: str) -> Tensor:
    if pool == "flatten":
        return m.flatten(1)
    return m.mean((2, 3)) if pool == "mean" else m.amax((2, 3))


class HeadEnsemble(nn.Module):
    """An ensemble of M small networks over one pooled vector, run as one: (N, D) to logits (N, K)."""

    center: Tensor
    scale: Tensor

    def __init__(self, width: int, classes: int, spec: HeadSpec) -> None:
        super().__init__()
        self.spec = spec
        self.register_buffer("center", torch.zeros(width))
        self.register_buffer("scale", torch.ones(width))
        sizes = [width // spec.members if spec.apart else width, *spec.hidden, classes]
        self.weights = nn.ParameterList()
        self.biases = nn.ParameterList()
        for fan_in, fan_out in pairwise(sizes):
            bound = 1.0 / math.sqrt(fan_in)
            self.weights.append(
                nn.Parameter(torch.empty(spec.members, fan_in, fan_out).uniform_(-bound, bound))
            )
            self.biases.append(nn.Parameter(torch.empty(spec.members, 1, fan_out).uniform_(-bound, bound)))

    def standardise(self, features: Tensor) -> None:
        """Set the mean and standard deviation of the input from training features (N, D).

        A standard deviation is at least a twentieth of the median one, so that a feature that is nearly
        constant in training cannot dominate later.
        """
        self.center.copy_(features.mean(0))
        deviation = features.std(0, correction=0)
        self.scale.copy_(deviation.clamp_min(max(1e-3, 0.05 * float(deviation.median()))))

    def each(self, x: Tensor) -> Tensor:
        """Return every member's logits: (N, D) to (M, N, K)."""
        # the input's dropout is drawn once for all members: the drawing takes longer than the products
        x = self._dropped((x - self.center) / self.scale)
        if self.spec.apart:
            x = x.view(len(x), self.spec.members, -1).transpose(0, 1)  # (M, N, D / M)
        else:
            x = x.expand(self.spec.members, *x.shape)  # (M, N, D)
        for i, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            if i:
                x = self._dropped(ACTIVATIONS[self.spec.activation](x))
            x = torch.baddbmm(b, x, w)  # (M, N, in) @ (M, in, out) -> (M, N, out)
        return x

    def _dropped(self, x: Tensor) -> Tensor:
        """Return x after dropout, if in training; the dropped share is exact to 1/512.

        Random bytes are drawn eight at a time, which takes a ninth of the time of torch's own dropout.
        """
        if not (self.training and self.spec.dropout):
            return x
        below = round(self.spec.dropout * 256)
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        drawn = words.view(torch.uint8)[: x.numel()].view(x.shape)
        return x * (drawn >= below) * (256 / (256 - below))

    def forward(self, x: Tensor) -> Tensor:
        """Return the members' mean logits: (N, D) to (N, K)."""
        return self.each(x).mean(0)

    def only(self, members: Sequence[int]) -> HeadEnsemble:
        """Return a head of some of the members, with copies of their weights."""
        spec = replace(self.spec, members=len(members))
        head = HeadEnsemble(len(self.center), self.biases[-1].shape[-1], spec).to(self.center.device)
        state = {
            name: value if name in ("center", "scale") else value[list(members)]
            for name, value in self.state_dict().items()
        }
        head.load_state_dict(state)
        return head.train(self.training)

    def fitted(self) -> Head:
        """Return the head for inference in NumPy."""
        state = {name: value.detach().cpu().numpy().copy() for name, value in self.state_dict().items()}
        return head_from_arrays(self.spec, state)


def defect_log_odds(logits: Tensor, normal: int) -> Tensor:
    """Return log p(defect) - log p(normal) of the logits: (..., K) to (...)."""
    others = [k for k in range(logits.shape[-1]) if k != normal]
    return torch.logsumexp(logits[..., others], -1) - logits[..., normal]


def pool_tiles(
    logits: Tensor, normal: int | None, temperature: float | None = None, valid: Tensor | None = None
) -> Tensor:
    """Return an image's logits from those of its tiles: (..., T, K) to (..., K).

    They are those of the tile with the largest log-odds of a defect (multiple-instance learning with the max
    rule, Dietterich et al. 1997). In training they are a mean instead, weighted by the softmax of the tiles'
    log-odds, through which all tiles learn. Without a normal class they are the plain mean.

    Args:
        logits: The logits of the tiles, (..., T, K).
        normal: The index of the normal class, or None.
        temperature: The temperature of the softmax; None for the max rule.
        valid: Which tiles of a padded bag exist, bool (..., T); None for all.
    """
    if normal is None:
        odds = torch.zeros_like(logits[..., 0])
        temperature = 1.0
    else:
        odds = defect_log_odds(logits, normal)  # (..., T)
    if valid is not None:
        odds = odds.masked_fill(~valid, -torch.inf)
    if temperature is None:
        worst = odds.argmax(-1)[..., None, None].expand(*odds.shape[:-1], 1, logits.shape[-1])
        return logits.gather(-2, worst).squeeze(-2)
    weights = torch.softmax(odds.detach() / temperature, -1)
    return (weights[..., None] * logits).sum(-2)  # (..., T, K) -> (..., K)
