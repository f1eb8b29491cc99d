"""The losses of pixels beside hand-worked values and the definitions of the papers."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from brightfield.methods.segmenter.losses import LOSS, UNKNOWN, class_weights, image_loss, loss_of
from brightfield.methods.segmenter.options import LOSSES

ONES = torch.ones(2)
Rows = npt.NDArray[np.float64]


def two_pixels() -> tuple[Tensor, Tensor]:
    """Return logits (1, 2, 1, 3) and labels: a good pixel with a probability of 0.8 of its label, a defective
    one with 0.4, and one that does not count."""
    p = torch.tensor([[0.8, 0.2], [0.6, 0.4], [0.01, 0.99]])
    return p.log().T[None, :, None], torch.tensor([[[0, 1, UNKNOWN]]])


def drawn(pixels: int, classes: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return logits (1, C, 1, P) and labels (1, 1, P)."""
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(1, classes, 1, pixels, generator=draw, dtype=torch.float64) * 2
    return logits, torch.randint(0, classes, (1, 1, pixels), generator=draw)


def probabilities(logits: Tensor) -> Rows:
    """Return the softmax, float64 (P, C), of logits (1, C, 1, P)."""
    values = np.exp(logits[0, :, 0].double().numpy().T)
    return np.asarray(values / values.sum(1, keepdims=True))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("cross-entropy", -(math.log(0.8) + math.log(0.4)) / 2),
        ("weighted", -(math.log(0.8) + 3 * math.log(0.4)) / 4),
        ("focal", -4 * (0.2**2 * math.log(0.8) + 0.6**2 * math.log(0.4)) / 2),
        # of the type: twice 0.4 and 1 more, by 0.2 + 0.4 of the prediction, 1 of the truth and 1 more
        ("dice", 1 - (2 * 0.4 + 1) / (0.6 + 1 + 1)),
        # of the good pixel's class the errors are 0.6 at the defective one and 0.2 at the good one; with the
        # first wrong the IoU is 1/2, with both 0. Of the type they are 0.6 and 0.2: 0 with the first wrong
        ("lovasz", ((0.6 / 2 + 0.2 / 2) + 0.6) / 2),
    ],
)
def test_by_hand(name: str, expected: float) -> None:
    logits, labels = two_pixels()
    found = loss_of([name], logits, labels, torch.tensor([1.0, 3.0]))
    assert float(found) == pytest.approx(expected, rel=1e-5)


def test_every_name_has_a_loss() -> None:
    assert tuple(LOSS) == LOSSES


@pytest.mark.parametrize("name", LOSSES)
def test_pixels_that_do_not_count_change_nothing(name: str) -> None:
    logits, labels = drawn(40, 3, 0)
    labels[0, 0, ::3] = UNKNOWN
    logits.requires_grad_(True)
    weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    loss = loss_of([name], logits, labels, weights)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert bool((gradient[0, :, 0, ::3] == 0).all())
    assert bool((gradient[0, :, 0, 1::3] != 0).any())
    kept = [i for i in range(40) if i % 3]
    alone = loss_of([name], logits.detach()[..., kept], labels[..., kept], weights)
    assert float(alone) == pytest.approx(float(loss.detach()), rel=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_where_no_pixel_counts_there_is_nothing_to_learn(name: str) -> None:
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = loss_of([name], logits, torch.full((2, 4, 4), UNKNOWN), torch.ones(3))
    loss.backward()
    assert float(loss.detach()) == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_several_losses_are_added() -> None:
    logits, labels = drawn(30, 3, 1)
    weights = torch.tensor([1.0, 4.0, 2.0], dtype=torch.float64)
    alone = [float(loss_of([name], logits, labels, weights)) for name in ("weighted", "dice", "lovasz")]
    assert float(loss_of(["weighted", "dice", "lovasz"], logits, labels, weights)) == pytest.approx(
        sum(alone)
    )


def test_the_focal_loss_is_that_of_the_paper() -> None:
    logits, labels = drawn(50, 4, 2)
    p = probabilities(logits)[np.arange(50), labels.numpy().ravel()]
    expected = 4 * np.mean(-((1 - p) ** 2) * np.log(p))
    assert float(loss_of(["focal"], logits, labels, torch.ones(4))) == pytest.approx(expected)


def test_dice_is_the_mean_over_the_types_that_are_shown() -> None:
    logits, labels = drawn(60, 4, 3)
    labels[labels == 2] = 0  # this type is not shown
    p, true = probabilities(logits), labels.numpy().ravel()
    ratios = [
        (2 * p[true == number, number].sum() + 1) / (p[:, number].sum() + (true == number).sum() + 1)
        for number in (1, 3)
    ]
    assert float(loss_of(["dice"], logits, labels, torch.ones(4))) == pytest.approx(1 - np.mean(ratios))


def test_without_any_defect_dice_says_that_none_should_be_seen() -> None:
    labels = torch.zeros(1, 1, 20, dtype=torch.int64)
    quiet, loud = (torch.zeros(1, 2, 1, 20) for _ in range(2))
    quiet[:, 0], loud[:, 1] = 9, 9
    assert float(loss_of(["dice"], quiet, labels, ONES)) == pytest.approx(0, abs=0.01)
    assert float(loss_of(["dice"], loud, labels, ONES)) == pytest.approx(1 - 1 / 21, abs=0.01)


def jaccard_loss(wrong: set[int], true: set[int]) -> float:
    """Return 1 less the IoU of a class if the pixels in `wrong` are taken as wrong (equation 6)."""
    return 1 - len(true - wrong) / len(true | wrong)


def lovasz(p: Rows, labels: npt.NDArray[np.int64]) -> float:
    """Return the Lovász-softmax by its definition: sorted errors, by what each adds to the loss of a set."""
    losses = []
    for number in np.unique(labels):
        true = {int(i) for i in np.flatnonzero(labels == number)}
        errors = np.abs((labels == number) - p[:, number])
        order = [int(i) for i in np.argsort(-errors)]
        sets = [set(order[:count]) for count in range(len(order) + 1)]
        added = [jaccard_loss(more, true) - jaccard_loss(fewer, true) for fewer, more in pairwise(sets)]
        losses.append(float((errors[order] * added).sum()))
    return float(np.mean(losses))


def test_lovasz_is_the_extension_of_the_papers_set_function() -> None:
    logits, labels = drawn(25, 3, 4)
    expected = lovasz(probabilities(logits), labels.numpy().ravel())
    assert float(loss_of(["lovasz"], logits, labels, torch.ones(3))) == pytest.approx(expected)


def test_of_hard_predictions_lovasz_is_one_less_the_mean_iou() -> None:
    rng = np.random.default_rng(5)
    labels, predicted = rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    logits = torch.full((1, 4, 1, 200), -60.0)
    logits[0, torch.from_numpy(predicted), 0, torch.arange(200)] = 60.0
    ious = [
        ((labels == n) & (predicted == n)).sum() / ((labels == n) | (predicted == n)).sum() for n in range(3)
    ]
    found = loss_of(["lovasz"], logits, torch.from_numpy(labels)[None, None], torch.ones(4))
    assert float(found) == pytest.approx(1 - np.mean(ious), abs=1e-5)


def test_rare_types_weigh_more() -> None:
    assert class_weights([1000, 250, 10, 0, 4000], 5).tolist() == pytest.approx([1, 2, 5, 5, 1])
    assert class_weights([0, 10], 5).tolist() == [1, 1]


def test_the_surest_pixels_of_a_crop_show_its_type() -> None:
    p = torch.tensor([[0.7, 0.2, 0.6, 0.9], [0.2, 0.3, 0.3, 0.06], [0.1, 0.5, 0.1, 0.04]])
    logits = p.log()[:, None]  # (C, 1, 4)
    every = torch.ones(1, 4, dtype=torch.bool)
    assert float(image_loss(logits, 1, every, 2)) == pytest.approx(-math.log((0.3 + 0.3) / 2), rel=1e-5)
    assert float(image_loss(logits, 2, every, 1)) == pytest.approx(-math.log(0.5), rel=1e-5)
    # where only a defect of some type is known, it is 0.8 and 0.4
    assert float(image_loss(logits, 0, every, 2)) == pytest.approx(-math.log((0.8 + 0.4) / 2), rel=1e-5)
    assert float(image_loss(logits, 1, every, 99)) == pytest.approx(-math.log(0.86 / 4), rel=1e-5)
    # what lies outside the picture shows nothing
    inside = torch.tensor([[True, False, True, True]])
    assert float(image_loss(logits, 2, inside, 1)) == pytest.approx(-math.log(0.1), rel=1e-5)
    never = torch.tensor([[[50.0]], [[-500.0]]])
    assert math.isfinite(float(image_loss(never, 1, every[:, :1], 1)))
