"""Muon: momentum whose update is made orthogonal, for the filters of convolutions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

_STEPS = 3
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrix: Tensor, steps: int = _STEPS) -> Tensor:
    """Return nearly the closest matrix (R, C) whose singular values are all 1.

    A Newton-Schulz iteration of degree five (Jordan et al., "Muon: An optimizer for hidden layers in neural
    networks", 2024): each step maps every singular value s to a*s + b*s^3 + c*s^5, whose slope at zero is
    steep, and which keeps what has come near 1 between about 0.7 and 1.2.
    """
    a, b, c = _COEFFICIENTS
    x = matrix / (matrix.norm() + 1e-7)
    wide = x.shape[0] <= x.shape[1]
    x = x if wide else x.T
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    found: Tensor = x if wide else x.T
    return found


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov's momentum on filters (O, I, h, w), whose norm is held at the root of O."""

    def __init__(self, filters: Iterable[nn.Parameter], lr: float, momentum: float = 0.6) -> None:
        super().__init__(list(filters), {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if "velocity" not in state:
                    state["velocity"] = torch.zeros_like(p)
                velocity = state["velocity"]
                velocity.mul_(group["momentum"]).add_(p.grad)
                ahead = p.grad.add(velocity, alpha=group["momentum"])
                p.mul_(len(p) ** 0.5 / p.norm())
                p.add_(orthogonalise(ahead.flatten(1)).view_as(p), alpha=-group["lr"])
