"""Targets, and one correction of unequal classes at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from brightfield.data.dataset import Dataset, Sample
from brightfield.errors import DataError
from brightfield.training.heads import batches, soft_cross_entropy
from brightfield.training.targets import balance, class_targets

LABELS = [0] * 90 + [1] * 10


def pull(imbalance: str) -> float:
    """Return how much more the rare class pulls than the common one, sampling and loss together."""
    sampling, loss = balance(LABELS, 2, imbalance)
    chance = np.full(100, 0.01) if sampling is None else sampling / sampling.sum()
    return float(chance[90:].sum() * loss[1] / (chance[:90].sum() * loss[0]))


@pytest.mark.parametrize(
    ("imbalance", "expected"), [("none", 1 / 9), ("sampling", 1), ("loss", 1), ("both", 9)]
)
def test_imbalance_is_corrected_once_unless_asked_for_twice(imbalance: str, expected: float) -> None:
    assert pull(imbalance) == pytest.approx(expected)


def test_a_class_without_images_has_no_weight() -> None:
    sampling, loss = balance([0, 0, 0, 2], 3, "loss")
    assert sampling is None
    assert loss.tolist() == pytest.approx([4 / 6, 0.0, 2.0])


def test_an_epoch_shows_every_image_once_or_classes_alike() -> None:
    rng = np.random.default_rng(0)
    seen = np.concatenate(list(batches(100, 32, None, rng)))
    assert sorted(seen) == list(range(100))
    sampling, _ = balance(LABELS, 2, "sampling")
    drawn = np.concatenate([np.concatenate(list(batches(100, 32, sampling, rng))) for _ in range(50)])
    assert np.mean(drawn >= 90) == pytest.approx(0.5, abs=0.03)


def test_cross_entropy_against_torch() -> None:
    z, w = torch.randn(3, 6, 4), torch.tensor([1.0, 2.0, 0.5, 1.0])
    k = torch.tensor([0, 1, 2, 3, 1, 0])
    targets = torch.nn.functional.one_hot(k, 4).float()
    expected = torch.stack(
        [torch.nn.functional.cross_entropy(m, k, w, reduction="sum") / 6 for m in z]
    ).mean()
    assert torch.allclose(soft_cross_entropy(z, targets, w), expected)


def dataset(*labels: str | None, normal: str | None = "OK") -> Dataset:
    samples = tuple(Sample(f"{i}.png", Path(f"{i}.png"), label) for i, label in enumerate(labels))
    found = sorted({x for x in labels if x} - {normal or ""})
    return Dataset("d", samples, (normal, *found) if normal else tuple(found), normal)


def test_targets_are_one_hot_in_the_order_of_the_classes() -> None:
    found = class_targets(dataset("scratch", "OK", "pit"))
    assert found.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_an_image_without_a_label_is_refused() -> None:
    with pytest.raises(DataError, match=r"1\.png has no label"):
        class_targets(dataset("OK", None, "bad"))
