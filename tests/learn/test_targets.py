"""Targets, and one correction of unequal classes at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brightfield.data.dataset import Dataset, Sample
from brightfield.errors import ConfigError, DataError
from brightfield.learn.heads import batches
from brightfield.learn.targets import balance, certainties, class_targets

LABELS = [0] * 90 + [1] * 10


def pull(imbalance: str) -> float:
    """Return how much more the rare class pulls than the common one, sampling and loss together."""
    found = balance(LABELS, 2, imbalance)
    chance = np.full(100, 0.01) if found.sampling is None else found.sampling / found.sampling.sum()
    loss = found.class_weights
    return float(chance[90:].sum() * loss[1] / (chance[:90].sum() * loss[0]))


@pytest.mark.parametrize(
    ("imbalance", "expected"), [("none", 1 / 9), ("sampling", 1), ("loss", 1), ("sampling+loss", 9)]
)
def test_imbalance_is_corrected_once_unless_asked_for_twice(imbalance: str, expected: float) -> None:
    assert pull(imbalance) == pytest.approx(expected)


def test_a_class_without_images_has_no_weight() -> None:
    found = balance([0, 0, 0, 2], 3, "loss")
    assert found.sampling is None
    assert found.class_weights.tolist() == pytest.approx([4 / 6, 0.0, 2.0])


def test_logits_are_shifted_by_the_log_of_each_share() -> None:
    found = balance(LABELS, 2, "adjustment")
    assert found.shift.tolist() == pytest.approx(np.log([0.9, 0.1]).tolist())
    assert found.class_weights.tolist() == [1, 1]
    assert np.isfinite(balance([0, 0, 2], 3, "adjustment").shift).all()


@pytest.mark.parametrize("imbalance", ["both", "sampling+", "loss+loss", "none+loss"])
def test_an_unknown_correction_is_refused(imbalance: str) -> None:
    with pytest.raises(ConfigError, match="expected none, one of sampling, loss, adjustment"):
        balance(LABELS, 2, imbalance)


def test_an_epoch_shows_every_image_once_or_classes_alike() -> None:
    rng = np.random.default_rng(0)
    seen = np.concatenate(list(batches(100, 32, None, rng)))
    assert sorted(seen) == list(range(100))
    sampling = balance(LABELS, 2, "sampling").sampling
    drawn = np.concatenate([np.concatenate(list(batches(100, 32, sampling, rng))) for _ in range(50)])
    assert np.mean(drawn >= 90) == pytest.approx(0.5, abs=0.03)


def dataset(
    *labels: str | None, normal: str | None = "OK", chances: tuple[float | None, ...] = ()
) -> Dataset:
    given = chances or (None,) * len(labels)
    samples = tuple(
        Sample(f"{i}.png", Path(f"{i}.png"), label, defect_probability=chance)
        for i, (label, chance) in enumerate(zip(labels, given, strict=True))
    )
    found = sorted({x for x in labels if x} - {normal or ""})
    return Dataset("d", samples, (normal, *found) if normal else tuple(found), normal)


def test_targets_are_one_hot_in_the_order_of_the_classes() -> None:
    found = class_targets(dataset("scratch", "OK", "pit"))
    assert found.tolist() == [[0, 0, 1], [1, 0, 0], [0, 1, 0]]


def test_an_image_without_a_label_is_refused() -> None:
    with pytest.raises(DataError, match=r"1\.png has no label"):
        class_targets(dataset("OK", None, "bad"))


def test_what_a_label_counts_is_how_far_it_is_likelier_than_its_opposite() -> None:
    chances = (0.0, 1 / 3, 2 / 3, 1.0, 0.9, None, 0.5)
    given = dataset("OK", "OK", "bad", "bad", "OK", "bad", "bad", chances=chances)
    assert certainties(given).tolist() == pytest.approx([1, 1 / 3, 1 / 3, 1, 0.1, 1, 0.1])
    named = dataset("a", "b", normal=None, chances=(0.4, 0.4))
    assert certainties(named).tolist() == [1, 1], "without a normal class there is no defect to doubt"


def test_soft_targets_are_the_annotators_probabilities() -> None:
    given = dataset("OK", "pit", "rust", "OK", chances=(0.25, 0.75, None, None))
    expected = [[0.75, 0.125, 0.125], [0.25, 0.75, 0], [0, 0, 1], [1, 0, 0]]
    assert class_targets(given, soft=True).tolist() == expected
    assert class_targets(given).sum(1).tolist() == [1] * 4
