from __future__ import annotations

from dataclasses import replace

import numpy as np

from brightfield.evaluation.predictions import Predictions
from brightfield.report.threshold_slider import chosen_thresholds, decide, slider_data
from brightfield.verdict import Scale


def five(decisions: tuple[str, ...], thresholds: float | None = None) -> Predictions:
    return Predictions(
        images=tuple("abcde"),
        truth=("OK", "OK", "OK", "bad", "bad"),
        splits=("",) * 5,
        decisions=decisions,
        labels=("OK",) * 5,
        scores=np.array([-3.0, -1.0, 0.0, 1.0, 4.0]),
        probabilities=None,
        p_values=None,
        thresholds=None if thresholds is None else np.full(5, thresholds),
        class_probabilities=None,
        classes=("OK", "bad"),
        normal="OK",
    )


PLAIN = ("OK", "OK", "OK", "DEFECT", "DEFECT")
BAND = ("OK", "REVIEW", "REVIEW", "DEFECT", "DEFECT")


def test_the_operating_points_own_thresholds_come_first() -> None:
    assert chosen_thresholds(five(PLAIN), {"threshold": 0.5, "review": None}) == (0.5, 0.5)
    assert chosen_thresholds(five(BAND), {"threshold": 0.5, "review": -2.0}) == (-2.0, 0.5)


def test_a_threshold_that_does_not_give_the_decisions_is_not_shown() -> None:
    assert chosen_thresholds(five(PLAIN, thresholds=0.7), {"threshold": 3.0}) == (0.7, 0.7)


def test_without_thresholds_they_are_read_off_the_decisions() -> None:
    assert chosen_thresholds(five(BAND), {}) == (-1.0, 1.0)
    every = five(("OK",) * 5)
    low, high = chosen_thresholds(every, {}) or (0.0, 0.0)
    assert set(decide(every, low, high)) == {"OK"}


def test_decisions_no_threshold_gives_have_no_slider() -> None:
    assert chosen_thresholds(five(("DEFECT", "OK", "OK", "OK", "DEFECT")), {"threshold": 1.0}) is None
    assert chosen_thresholds(replace(five(PLAIN), decisions=(None,) * 5, normal=None), {}) is None


def test_a_part_at_the_threshold_is_stopped() -> None:
    assert decide(five(PLAIN), 0.0, 1.0).tolist() == ["OK", "OK", "REVIEW", "DEFECT", "DEFECT"]


def test_slider_spans_all_values_and_the_threshold() -> None:
    data = slider_data(five(PLAIN), (0.5, 9.0))
    assert data["values"] == [-3.0, -1.0, 0.0, 1.0, 4.0]
    assert data["defect"] == [0, 0, 0, 1, 1]
    assert data["scale"][0] < -3.0
    assert data["scale"][1] == 9.0
    assert data["band"]
    calibrated = replace(five(PLAIN), probabilities=np.linspace(0.2, 0.8, 5))
    assert slider_data(calibrated, (0.5, 0.5))["scale"] == [0.0, 1.0]


def unusual(decisions: tuple[str, ...]) -> Predictions:
    """The same five by their p-values, of which the lowest are the most defective."""
    return replace(five(decisions), p_values=np.array([1.0, 0.4, 0.1, 0.02, 0.005]), scale=Scale.P_VALUE)


def test_p_values_stop_from_the_threshold_down() -> None:
    assert decide(unusual(BAND), 0.4, 0.02).tolist() == list(BAND)
    assert chosen_thresholds(unusual(PLAIN), {"threshold": 0.05, "review": None}) == (0.05, 0.05)
    assert chosen_thresholds(unusual(BAND), {"threshold": 0.05, "review": 0.5}) == (0.5, 0.05)
    assert chosen_thresholds(unusual(BAND), {}) == (0.4, 0.02)  # read off the decisions
    low, high = chosen_thresholds(unusual(("OK",) * 5), {}) or (1.0, 1.0)
    assert set(decide(unusual(PLAIN), low, high)) == {"OK"}


def test_the_slider_of_p_values_goes_down_to_where_nothing_is_stopped() -> None:
    data = slider_data(unusual(BAND), (0.4, 0.02))
    assert data["down"]
    assert data["band"]
    assert data["scale"] == [0.0025, 1.0]
    assert data["words"] == ["Passes above", "Rejected up to"]
    assert slider_data(unusual(PLAIN), (0.0, 0.0))["scale"] == [0.0025, 1.0]
    assert not slider_data(five(PLAIN), (0.5, 0.5))["down"]
