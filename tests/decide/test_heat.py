"""How hot heatmaps are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from brightfield.decide.heat import attribution_heatmap, evidence_heatmap, evidence_maps


def test_a_picture_without_heat_stays_calm() -> None:
    heat = np.zeros((6, 8), np.float32)
    for found in (attribution_heatmap(heat, (12, 16), 1.7), evidence_heatmap(heat, (12, 16), 0.4)):
        assert found.shape == (12, 16)
        assert not found.any()


def test_attribution_stands_at_its_peak_and_never_rounds_up_to_one() -> None:
    heat = np.array([[0.0, 0.5], [1.0, 0.25]], np.float32)
    assert attribution_heatmap(heat, (2, 2), 1.6).max() == np.float32(1.6)
    below = attribution_heatmap(heat, (2, 2), math.nextafter(1.0, 0.0))
    assert below.max() < 1
    # what decided has no place: the hottest place that there is counts less
    assert attribution_heatmap(heat / 2, (2, 2), 1.6).max() == pytest.approx(0.8)


def test_evidence_is_in_units_of_where_a_part_stops() -> None:
    heat = np.array([[0.0, 3.0], [6.0, 1.5]], np.float32)
    assert evidence_heatmap(heat, (2, 2), 3.0).tolist() == [[0.0, 1.0], [2.0, 0.5]]
    assert not evidence_heatmap(heat, (2, 2), math.inf).any()
    assert (evidence_heatmap(heat + 1, (2, 2), -math.inf) >= 1).all()


@pytest.mark.parametrize("bound", [5e-324, 1e-45, 1e-40, 1e-30])
def test_a_tiny_bound_leaves_places_without_evidence_calm(bound: float) -> None:
    """As where all good parts have a score of exactly 0."""
    heat = np.array([[0.0, 1e-20], [1.0, 3e38]], np.float32)
    found = evidence_heatmap(heat, (2, 2), bound)
    assert found[0, 0] == 0
    assert (found.ravel()[1:] >= 1).all()
    assert np.isfinite(found).all()
    _, mask = evidence_maps(heat, (2, 2), bound, None)
    assert mask.tolist() == [[False, True], [True, True]]
    assert not evidence_maps(heat * 0, (2, 2), bound, None)[1].any()


@pytest.mark.parametrize("bound", [0.1, 1 / 3, 1.7, 1e4 / 7])
def test_heat_is_at_one_exactly_from_the_bound_on(bound: float) -> None:
    """The bound is a float64, and heat a float32: rounding must not decide."""
    near = np.float32(bound)
    heat = np.array([np.nextafter(near, np.float32(0)), near, np.nextafter(near, np.float32(1e9))])
    for one in (bound, float(near), math.nextafter(float(near), math.inf), math.nextafter(float(near), 0)):
        found = evidence_heatmap(heat[None], (1, 3), one)
        assert (found[0] >= 1).tolist() == [float(h) >= one for h in heat]
