"""The pixel threshold against trying every value."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from brightfield.decide.pixel_threshold import HeatCounts, best_dice, few_good


@pytest.mark.parametrize("unit", [1e-6, 1.0, 3e5])
def test_no_other_value_has_a_greater_dice_whatever_the_unit(unit: float) -> None:
    generator = np.random.default_rng(0)
    masks = generator.random((4, 20, 30)) < 0.05
    heat = (generator.gamma(2.0, 1.0, masks.shape) + 3 * masks).astype(np.float32) * np.float32(unit)
    counts = HeatCounts()
    for one, mask in zip(heat, masks, strict=True):
        counts.add(one, mask.astype(float) if mask.any() else None)
    found = best_dice(counts)
    assert found is not None
    best = max(f1_score(masks.ravel(), heat.ravel() >= value) for value in np.unique(heat))
    assert f1_score(masks.ravel(), heat.ravel() >= found) == pytest.approx(best, rel=5e-3)


def test_a_picture_counts_for_those_it_stands_for_and_a_pixel_by_its_share() -> None:
    counts = HeatCounts()
    counts.add(np.array([[2.0, 1.0]], dtype=np.float32), np.array([[1.0, 0.5]]))
    counts.add(np.array([[1.5, 0.5]], dtype=np.float32))
    # from 2 on: 2 x 1 / (1 + 1.5); from 1 on: 2 x 1.5 / (3 + 1.5)
    assert best_dice(counts) == 2.0
    counts = HeatCounts()
    counts.add(np.array([[2.0, 1.0]], dtype=np.float32), np.array([[0.5, 1.0]]))
    counts.add(np.array([[1.5, 0.5]], dtype=np.float32))
    # from 2 on: 1 / 2.5; from 1 on: 3 / 4.5
    assert best_dice(counts) == 1.0
    counts.add(np.array([[1.5, 1.5]], dtype=np.float32), weight=5.0)  # from 1 on: 3 / 14.5
    assert best_dice(counts) == 2.0


def test_a_share_of_the_good_pixels_reaches_it() -> None:
    heat = np.random.default_rng(1).gamma(2.0, 40.0, (50, 100)).astype(np.float32)
    counts = HeatCounts()
    counts.add(heat)
    found = few_good(counts, 0.01)
    assert found == pytest.approx(np.quantile(heat, 0.99), rel=5e-3)
    assert (heat >= found).mean() <= 0.01


def test_a_heat_of_zero_is_never_marked() -> None:
    counts = HeatCounts()
    calm = np.zeros((5, 5), dtype=np.float32)
    counts.add(-calm, np.eye(5))
    assert best_dice(counts) is None
    assert few_good(counts) is None
    calm[0, 0] = 0.25
    counts.add(calm)
    assert few_good(counts, 0.1) == 0.25
