"""How hot heatmaps are."""

from __future__ import annotations

import math

import numpy as np
import pytest

from brightfield.decide.heat import attribution_heatmap, evidence_heatmap


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
