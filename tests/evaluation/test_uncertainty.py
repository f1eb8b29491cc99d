"""Spreads of calibration figures against draws written out one by one."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.evaluation.metrics import brier_score, expected_calibration_error
from brightfield.evaluation.uncertainty import calibration_spread


def parts(n: int, sharpen: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    true = rng.beta(0.5, 1.0, n)
    odds = (true / (1 - true)) ** sharpen
    return rng.random(n) < true, odds / (1 + odds)


def test_as_drawn_one_by_one() -> None:
    event, probability = parts(300)
    found = calibration_spread(event, probability, confidence=0.9)
    rng = np.random.default_rng(7)
    ece, brier, perfect = [], [], []
    for _ in range(1500):
        rows = rng.integers(0, 300, 300)
        ece.append(expected_calibration_error(event[rows], probability[rows]))
        brier.append(brier_score(event[rows], probability[rows]))
        perfect.append(expected_calibration_error(rng.random(300) < probability, probability))
    own = {"ece": expected_calibration_error(event, probability), "brier": brier_score(event, probability)}
    for name, values in (("ece", ece), ("brier", brier), ("ece_if_calibrated", perfect)):
        spread = found[name]
        noise = 0.12 * np.std(values)
        assert spread.mean == pytest.approx(np.mean(values), abs=noise)
        ends = np.quantile(values, [0.05, 0.95])
        low, high = ends if name not in own else 2 * own[name] - ends[::-1]
        assert spread.low == pytest.approx(max(0.0, low), abs=2 * noise)
        assert spread.high == pytest.approx(max(high, own.get(name, 0.0)), abs=2 * noise)
        assert name not in own or spread.low <= own[name] <= spread.high
        assert spread.confidence == 0.9


def test_exactly_right_probabilities_lie_within_chance() -> None:
    event, probability = parts(500)
    within = calibration_spread(event, probability)["ece_if_calibrated"]
    assert within.low <= (expected_calibration_error(event, probability) or 0.0) <= within.high
    event, probability = parts(500, sharpen=3.0)  # far too sure
    within = calibration_spread(event, probability)["ece_if_calibrated"]
    assert (expected_calibration_error(event, probability) or 0.0) > within.high


def test_one_image_and_the_same_draws_again() -> None:
    event, probability = np.array([True]), np.array([1.0])
    assert calibration_spread(event, probability)["ece"].high == 0.0
    event, probability = parts(60)  # where chance alone makes most of the error
    own, spread = (
        expected_calibration_error(event, probability),
        calibration_spread(event, probability)["ece"],
    )
    assert spread.low <= (own or 0.0) <= spread.high
    event, probability = parts(50)
    assert calibration_spread(event, probability) == calibration_spread(event, probability)
