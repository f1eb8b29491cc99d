"""Costs against torch and torchvision, and means that heed their weights."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy, one_hot
from torchvision.ops import sigmoid_focal_loss

from brightfield.learn.losses import Objective, weighted_mean

EVEN, NOWHERE = torch.ones(4), torch.zeros(4)
CLASSES = torch.tensor([0, 1, 2, 3, 1, 0])
TARGETS = one_hot(CLASSES, 4).float()


def logits(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_weighted_cross_entropy_of_every_member() -> None:
    z, w = logits(3, 6, 4), torch.tensor([1.0, 2.0, 0.5, 1.0])
    expected = torch.stack([cross_entropy(m, CLASSES, w, reduction="none") for m in z])
    assert torch.allclose(Objective(w, NOWHERE).losses(z, TARGETS), expected)


def test_label_smoothing() -> None:
    z = logits(6, 4)
    expected = cross_entropy(z, CLASSES, label_smoothing=0.2, reduction="none")
    assert torch.allclose(Objective(EVEN, NOWHERE, smoothing=0.2).losses(z, TARGETS), expected)


def test_the_focal_loss_of_two_classes() -> None:
    z = logits(6, 1)
    truth = torch.tensor([0.0, 1, 1, 0, 1, 0])
    both = torch.cat([torch.zeros(6, 1), z], 1)
    expected = sigmoid_focal_loss(z[:, 0], truth, alpha=-1, gamma=2)
    found = Objective(torch.ones(2), torch.zeros(2), focal=2).losses(both, one_hot(truth.long(), 2).float())
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_focal_loss_of_a_certain_answer_has_a_gradient() -> None:
    z = torch.tensor([[50.0, -50.0]], requires_grad=True)
    cost = Objective(torch.ones(2), torch.zeros(2), focal=0.5).losses(z, torch.tensor([[1.0, 0.0]]))
    (gradient,) = torch.autograd.grad(cost.sum(), z)
    assert bool(torch.isfinite(gradient).all())


def test_adjusted_logits_learn_what_remains_where_classes_are_as_common() -> None:
    shares = torch.tensor([0.9, 0.1])
    objective = Objective(torch.ones(2), shares.log())
    # nine of ten are of the first class, whatever is seen: adjusted, that is no reason to say so
    costs = [objective.losses(torch.tensor([[z, 0.0]]), shares[None]).item() for z in (-0.1, 0.0, 0.1)]
    assert min(costs) == costs[1]
    plain = Objective(torch.ones(2), torch.zeros(2))
    assert plain.losses(shares.log()[None], shares[None]).item() == pytest.approx(costs[1])


def test_means() -> None:
    costs = torch.tensor([[1.0, 2.0, 6.0], [3.0, 4.0, 5.0]])
    assert weighted_mean(costs, None) == 3.5
    assert weighted_mean(costs, torch.tensor([1.0, 1.0, 0.0])) == 2.5
    assert weighted_mean(costs, torch.tensor([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])) == 4.5
    assert weighted_mean(costs, torch.zeros(3)) == 0
