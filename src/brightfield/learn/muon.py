"""The optimiser Muon for convolution filters: momentum with orthogonalised updates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn

_STEPS = 3
_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(matrices: Tensor, steps: int = _STEPS) -> Tensor:
    """Return approximately the closest matrices (N, R, C) with all singular values 1.

    This is a Newton-Schulz iteration of degree five (Jordan et al., "Muon: An optimizer for hidden layers in
    neural networks", 2024). Each step maps every singular value s to a*s + b*s^3 + c*s^5, which is steep at
    zero and keeps values near 1 between about 0.7 and 1.2.
    """
    a, b, c = _COEFFICIENTS
    x = matrices / (matrices.norm(dim=(1, 2), keepdim=True) + 1e-7)
    wide = x.shape[1] <= x.shape[2]
    x = x if wide else x.mT  # the smaller side first, so that the Gram matrix is small
    for _ in range(steps):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    result: Tensor = x if wide else x.mT
    return result


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum for filters (O, I, h, w), whose norm is fixed at the square root of O.

    Filters of one shape are orthogonalised as one batch, since many small products use a GPU badly, in the
    number format `precision`.
    """

    def __init__(
        self,
        filters: Iterable[nn.Parameter],
        lr: float,
        momentum: float = 0.6,
        precision: torch.dtype = torch.float32,
    ) -> None:
        super().__init__(list(filters), {"lr": lr, "momentum": momentum})
        self.precision = precision

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take one step."""
        for group in self.param_groups:
            filters = [p for p in group["params"] if p.grad is not None]
            if not filters:
                continue
            gradients = [p.grad for p in filters]
            for p in filters:
                if "velocity" not in self.state[p]:
                    self.state[p]["velocity"] = torch.zeros_like(p)
            velocities = [self.state[p]["velocity"] for p in filters]
            torch._foreach_mul_(velocities, group["momentum"])
            torch._foreach_add_(velocities, gradients)
            ahead = torch._foreach_add(gradients, velocities, alpha=group["momentum"])
            norms = torch._foreach_norm(filters)
            for p, norm, step in zip(filters, norms, _orthogonal(ahead, self.precision), strict=True):
                p.mul_(len(p) ** 0.5 / norm).add_(step, alpha=-group["lr"])


def _orthogonal(directions: Sequence[Tensor], precision: torch.dtype) -> list[Tensor]:
    """Return the orthogonal step of each filter's direction (O, I, h, w)."""
    by_shape: dict[torch.Size, list[int]] = {}
    for i, direction in enumerate(directions):
        by_shape.setdefault(direction.shape, []).append(i)
    steps: dict[int, Tensor] = {}
    for shape, rows in by_shape.items():
        matrices = torch.stack([directions[i].flatten(1) for i in rows])  # (n, O, I * h * w)
        orthogonal = orthogonalise(matrices.to(precision)).to(matrices.dtype)
        steps |= zip(rows, orthogonal.view(-1, *shape), strict=True)
    return [steps[i] for i in range(len(directions))]
