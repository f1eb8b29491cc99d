"""Muon's orthogonal step against the singular value decomposition, and its step by hand."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from brightfield.learn.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(8, 40), (40, 8), (16, 16)])
def test_singular_values_come_near_one_and_their_vectors_stay(shape: tuple[int, int]) -> None:
    matrix = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    found = orthogonalise(matrix[None], steps=5)[0]
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)
    inside = u.T @ found @ v.T
    values = torch.diagonal(inside)
    assert torch.allclose(inside, torch.diag(values), atol=1e-3)
    assert float(values.min()) > 0.5
    assert float(values.max()) < 1.3


def test_bfloat16_turns_a_step_only_a_little() -> None:
    torch.manual_seed(0)
    start, gradient = torch.randn(16, 8, 3, 3), torch.randn(16, 8, 3, 3)
    steps = []
    for precision in (torch.float32, torch.bfloat16):
        p = nn.Parameter(start.clone())
        p.grad = gradient.clone()
        Muon([p], lr=0.1, precision=precision).step()
        assert p.dtype == torch.float32
        steps.append((p.detach() - start * 4 / start.norm()).flatten())
    assert float(nn.functional.cosine_similarity(*steps, dim=0)) > 0.999


def test_one_step_by_hand() -> None:
    torch.manual_seed(0)
    p = nn.Parameter(torch.randn(4, 3, 3, 3))
    start = p.detach().clone()
    velocity = torch.zeros_like(start)
    optimiser = Muon([p], lr=0.1, momentum=0.6)
    for _ in range(2):
        p.grad = torch.randn_like(p)
        velocity = 0.6 * velocity + p.grad
        ahead = p.grad + 0.6 * velocity
        start = start * 2 / start.norm() - 0.1 * orthogonalise(ahead.flatten(1)[None]).view_as(start)
        optimiser.step()
        assert torch.allclose(p.detach(), start, atol=1e-6)


def test_a_filter_without_gradient_stays() -> None:
    p = nn.Parameter(torch.ones(2, 1, 3, 3))
    Muon([p], lr=0.1).step()
    assert torch.equal(p.detach(), torch.ones(2, 1, 3, 3))


def test_filters_of_one_shape_step_as_each_alone() -> None:
    torch.manual_seed(0)
    starts = [torch.randn(4, 2, 3, 3), torch.randn(4, 2, 3, 3), torch.randn(6, 4, 1, 1)]
    gradients = [torch.randn_like(p) for p in starts]
    made = []
    for groups in ([[0, 1, 2]], [[0], [1], [2]]):
        filters = [nn.Parameter(p.clone()) for p in starts]
        for p, gradient in zip(filters, gradients, strict=True):
            p.grad = gradient.clone()
        for chosen in groups:
            optimiser = Muon([filters[i] for i in chosen], lr=0.1)
            for _ in range(2):
                optimiser.step()
        made.append(filters)
    for together, alone in zip(*made, strict=True):
        assert torch.allclose(together, alone, atol=1e-6)
