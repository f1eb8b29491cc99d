"""Calibrators against closed forms, brute force and another implementation."""

from __future__ import annotations

import json
import logging
import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from brightfield.decide.calibration import (
    LEAST_DEFECTS,
    ByType,
    Calibrator,
    Conformal,
    Temperature,
    calibrate,
    calibrator_from_dict,
    score_at,
)
from brightfield.decide.curves import Beta, Isotonic, Platt
from brightfield.decide.fit_calibration import TEMPERATURES, fit_calibrator, fit_temperature
from brightfield.decide.fit_curves import fit_curve, fit_platt
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.scores import Scores, defect_score, scores_of_logits
from brightfield.errors import BundleError, DataError
from brightfield.verdict import Decision, Scale


def made_up_logits(
    seed: int, n: int = 400, k: int = 3, sharpness: float = 3.0
) -> tuple[np.ndarray, np.ndarray]:
    """Draw labels from softmax(logits / sharpness), so that the right temperature is `sharpness`."""
    generator = np.random.default_rng(seed)
    logits = generator.normal(size=(n, k)) * 2
    cumulated = np.cumsum(Temperature(1.0).apply(logits), axis=1)
    labels = (generator.random((n, 1)) > cumulated).sum(axis=1).clip(0, k - 1)
    return logits * sharpness, labels


def fit(logits: np.ndarray, labels: np.ndarray, normal: int | None) -> Calibrator:
    return fit_calibrator(scores_of_logits(logits, normal), labels, normal)


def by_class(calibrator: Calibrator, logits: np.ndarray, normal: int | None) -> np.ndarray:
    found = calibrate(calibrator, scores_of_logits(logits, normal), normal).by_class
    assert found is not None
    return found


def test_temperature_by_hand() -> None:
    # Every image has logits and 80% are of the first class: softmax must give 0.8, so 3 / T = log(4).
    logits = np.tile([3.0, 0.0], (10, 1))
    found = fit_temperature(logits, np.array([0] * 8 + [1] * 2))
    assert found.temperature == pytest.approx(3 / math.log(4), rel=1e-6)
    np.testing.assert_allclose(found.apply(logits)[:, 0], 0.8, rtol=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_temperature_has_the_least_loss_of_a_fine_grid(seed: int) -> None:
    logits, labels = made_up_logits(seed)
    found = fit_temperature(logits, labels).temperature
    grid = np.geomspace(0.5, 10, 1001)
    losses = []
    for temperature in grid:
        weights = np.exp(logits / temperature)
        losses.append(-np.log(weights[np.arange(len(labels)), labels] / weights.sum(axis=1)).mean())
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.005)


def test_temperature_recovers_the_truth() -> None:
    logits, labels = made_up_logits(0, n=20_000, k=5, sharpness=2.5)
    assert fit_temperature(logits, labels).temperature == pytest.approx(2.5, rel=0.05)


def test_temperature_keeps_the_class() -> None:
    logits, labels = made_up_logits(1)
    calibrated = fit_temperature(logits, labels).apply(logits)
    np.testing.assert_array_equal(calibrated.argmax(axis=1), logits.argmax(axis=1))
    np.testing.assert_allclose(calibrated.sum(axis=1), 1.0)


def test_temperature_without_a_mistake_is_finite_and_sharper_with_more_images() -> None:
    found = []
    for n in (6, 60, 600):
        labels = np.arange(n) % 3
        found.append(fit_temperature(np.eye(3)[labels], labels).temperature)
    assert TEMPERATURES[0] < found[2] < found[1] < found[0] < TEMPERATURES[1]
    # By hand: with logits (1, 0, 0) the target p = (n + 1/3) / (n + 1) is met at 1 / T = log(2 p / (1 - p)).
    p = (600 + 1 / 3) / 601
    assert found[2] == pytest.approx(1 / math.log(2 * p / (1 - p)), rel=1e-5)


def test_temperature_of_a_model_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    assert fit_temperature(np.zeros((4, 2)), [0, 1, 0, 1]) == Temperature(1.0)
    assert "tells no classes apart" in caplog.text


def test_few_images_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        fit_platt([0.0, 1.0], [False, True])
    assert "few calibration images (1)" in caplog.text


@pytest.mark.parametrize("labels", [[0, 0, 0], [1, 1, 1], []])
def test_one_class_only_is_refused(labels: list[int]) -> None:
    logits = np.random.default_rng(0).normal(size=(len(labels), 2))
    with pytest.raises(DataError, match="expected at least two classes"):
        fit(logits, np.array(labels, dtype=int), None)


@pytest.mark.parametrize("labels", [[1, 1, 1], []])
def test_defective_parts_alone_are_refused(labels: list[int]) -> None:
    n = len(labels)
    with pytest.raises(
        DataError, match=f"{n} of {n} calibration images are defective; expected good parts too"
    ):
        fit_calibrator(Scores(np.arange(float(n))), np.array(labels, dtype=int), 0)


def test_good_parts_alone_give_p_values() -> None:
    found = fit_calibrator(Scores(np.array([3.0, -1.0, 0.5])), [2, 2, 2], 2)
    assert found == Conformal((-1.0, 0.5, 3.0))
    judged = calibrate(found, Scores(np.array([-5.0, 0.5, 3.0, 9.0])), 2)
    # by hand: 4, 3, 2 and 1 of the four, the new part itself among them, are as unusual
    np.testing.assert_array_equal(judged.p_value, [1.0, 0.75, 0.5, 0.25])
    assert (judged.probability, judged.by_class) == (None, None)
    # logits of a classifier that saw good parts alone change nothing
    assert fit(np.array([[1.0, 0.0], [2.0, 0.0]]), np.array([0, 0]), 0) == Conformal((-2.0, -1.0))


def test_fewer_defects_than_a_curve_takes_leave_p_values() -> None:
    rng = np.random.default_rng(5)
    for n_defect, kind in ((1, Conformal), (LEAST_DEFECTS - 1, Conformal), (LEAST_DEFECTS, Platt)):
        labels = np.repeat([0, 1], [40, n_defect])
        raw = rng.normal(size=len(labels)) + 3 * labels
        found = fit_calibrator(Scores(raw), labels, 0)
        assert isinstance(found, kind)
        if isinstance(found, Conformal):
            assert found.good == tuple(sorted(raw[:40])), "a p-value is among good parts"
    # logits are fitted to defects already, and a curve only corrects them
    assert isinstance(fit(np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0]]), np.array([0, 0, 1]), 0), Platt)


def test_scores_without_logits_get_a_curve() -> None:
    rng = np.random.default_rng(4)
    defect = rng.random(200) < 0.3
    raw = 40 * (rng.normal(size=200) + 2 * defect) + 500  # on a scale of its own
    labels = defect * rng.integers(1, 4, 200)
    found = fit_calibrator(Scores(raw), labels, 0)
    assert found == fit_curve(raw, defect)
    judged = calibrate(found, Scores(raw), 0)
    np.testing.assert_array_equal(judged.probability, found.apply(raw))
    assert (judged.p_value, judged.by_class) == (None, None)


def test_logits_are_needed_where_nothing_is_normal() -> None:
    with pytest.raises(DataError, match="no normal class, and the method gives a score"):
        fit_calibrator(Scores(np.arange(4.0)), [0, 1, 0, 1], None)
    for calibrator in (Temperature(1.0), ByType(Platt(1.0, 0.0), 1.0)):
        with pytest.raises(DataError, match="logits"):
            calibrate(calibrator, Scores(np.arange(4.0)), 0)
    with pytest.raises(DataError, match="one of them normal"):
        calibrate(Platt(1.0, 0.0), Scores(np.arange(4.0)), None)


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[0.0, 1.0], [0.0, 1.0]], [0, 1, 1], r"shape \(3,\); expected \(2,\)"),
        ([[0.0, 1.0], [0.0, 1.0]], [0, 2], "from 0 to 2; expected 0 to 1"),
        ([[0.0, 1.0], [0.0, 1.0]], [0.0, 0.5], "labels are float64"),
    ],
)
def test_wrong_input_is_refused(logits: object, labels: object, message: str) -> None:
    for normal in (None, 0):
        with pytest.raises(DataError, match=message):
            fit(np.array(logits), np.array(labels), normal)


@pytest.mark.parametrize("normal", [0, 1])
def test_two_classes_with_a_normal_one_get_a_curve_on_the_log_odds(normal: int) -> None:
    logits, labels = made_up_logits(2, k=2)
    found = fit(logits, labels, normal)
    assert not isinstance(found, Temperature)
    log_odds = logits[:, 1 - normal] - logits[:, normal]
    assert found == fit_curve(log_odds, labels != normal)
    columns = by_class(found, logits, normal)
    np.testing.assert_allclose(columns[:, 1 - normal], found.apply(log_odds))
    np.testing.assert_allclose(columns.sum(axis=1), 1.0)
    assert roc_auc_score(labels != normal, columns[:, 1 - normal]) == roc_auc_score(
        labels != normal, log_odds
    )


@pytest.mark.parametrize(("k", "normal"), [(2, None), (3, None)])
def test_other_classes_get_a_temperature(k: int, normal: int | None) -> None:
    logits, labels = made_up_logits(3, k=k)
    found = fit(logits, labels, normal)
    assert isinstance(found, Temperature)
    np.testing.assert_array_equal(by_class(found, logits, normal), found.apply(logits))


@pytest.mark.parametrize("normal", [0, 1, 3])
def test_several_types_share_the_probability_of_a_defect(normal: int) -> None:
    logits, labels = made_up_logits(5, n=900, k=4, sharpness=2.0)
    found = fit(logits, labels, normal)
    assert isinstance(found, ByType)
    shares = by_class(found, logits, normal)
    np.testing.assert_allclose(shares.sum(1), 1.0)
    score = defect_score(logits, normal)
    np.testing.assert_allclose(1 - shares[:, normal], found.curve.apply(score))
    # the order of the parts is the model's own
    assert (np.diff(1 - shares[np.argsort(score), normal]) >= 0).all()
    # among the defects, the types' shares are those of the temperature fitted on the defects alone
    assert found.temperature == pytest.approx(2.0, rel=0.25)
    types = [k for k in range(4) if k != normal]
    within = np.exp(logits[:, types] / found.temperature)
    given = shares[:, types] / shares[:, types].sum(1, keepdims=True)
    np.testing.assert_allclose(given, within / within.sum(1, keepdims=True), rtol=1e-9)


def test_one_type_seen_needs_no_temperature() -> None:
    logits, labels = made_up_logits(6, n=300, k=3)
    kept = labels != 2
    found = fit(logits[kept], labels[kept], 0)
    assert isinstance(found, ByType)
    assert found.temperature == 1.0


def test_platt_for_three_classes_is_refused() -> None:
    with pytest.raises(DataError, match="found 3 classes"):
        by_class(Platt(1.0, 0.0), np.zeros((1, 3)), 0)
    with pytest.raises(DataError, match="by_type calibrator needs"):
        by_class(ByType(Platt(1.0, 0.0), 1.0), np.zeros((1, 3)), None)


@pytest.mark.parametrize(
    "calibrator",
    [
        Temperature(1 / 3),
        Platt(0.3, -1e-9),
        Beta(1.0, 2.0, 0.1),
        ByType(Platt(1.0, 0.0), 0.5),
        Isotonic((0.0,), (0.5,), 1.0),
        Conformal((-1 / 3, 0.0, 0.0, 1e300)),
    ],
)
def test_a_calibrator_survives_json(calibrator: Calibrator) -> None:
    assert calibrator_from_dict(json.loads(json.dumps(calibrator.as_dict()))) == calibrator


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "of kind None; expected"),
        ({"kind": "spline"}, "of kind 'spline'; expected"),
        ({"kind": "platt", "slope": 1.0}, "missing or wrong value: 'offset'"),
        ({"kind": "platt", "slope": -1.0, "offset": 0.0}, "slope is -1.0"),
        ({"kind": "isotonic", "scores": [1.0], "log_odds": [], "slope": 1.0}, "isotonic curve is 1"),
        ({"kind": "beta", "lower": 1.0, "upper": 0.0, "offset": 0.0}, "upper is 0.0"),
        (
            {"kind": "by_type", "curve": {"kind": "platt"}, "temperature": 1.0},
            "missing or wrong value: 'slope'",
        ),
        ({"kind": "by_type", "curve": {"kind": "temperature"}, "temperature": 1.0}, "missing or wrong"),
        ({"kind": "conformal"}, "missing or wrong value: 'good'"),
        ({"kind": "conformal", "good": []}, "the 0 scores of good parts"),
        (
            {"kind": "conformal", "good": [2.0, 1.0]},
            "expected at least one, all finite and in increasing order",
        ),
        (
            {"kind": "conformal", "good": [1.0, math.nan]},
            "expected at least one, all finite and in increasing order",
        ),
        ({"kind": "temperature", "temperature": None}, "missing or wrong value"),
        ({"kind": "temperature", "temperature": 0}, "temperature is 0.0"),
    ],
)
def test_a_broken_calibration_is_refused(values: dict[str, object], message: str) -> None:
    with pytest.raises(BundleError, match=message):
        calibrator_from_dict(values)


def point(threshold: float, scale: Scale, review: float | None = None) -> OperatingPoint:
    return OperatingPoint("fixed", threshold, 0, 0, 0, 0, review=review, scale=scale)


def logistic(slope: float, offset: float, probability: float) -> float:
    return (math.log(probability / (1 - probability)) - offset) / slope


@pytest.mark.parametrize("probability", [1e-9, 0.02, 0.5, 0.987])
def test_the_score_at_which_a_part_stops_passing_by_hand(probability: float) -> None:
    at = point(0.99, Scale.PROBABILITY, review=probability)
    expected = logistic(0.03, -7.0, probability)
    assert score_at(Platt(0.03, -7.0), at) == pytest.approx(expected)
    assert score_at(ByType(Platt(0.03, -7.0), 2.0), at) == pytest.approx(expected)
    assert score_at(Temperature(2.5), at) == pytest.approx(logistic(1 / 2.5, 0.0, probability), abs=1e-9)
    # a curve through one point is a straight line in log-odds
    assert score_at(Isotonic((4.0,), (0.0,), 0.5), at) == pytest.approx(4 + logistic(0.5, 0.0, probability))


@pytest.mark.parametrize(
    "curve", [Platt(0.7, 3.0), Beta(0.4, 2.0, -1.0), Isotonic((0.0, 1.0), (-2.0, 3.0), 9.0)]
)
@pytest.mark.parametrize("probability", [1e-12, 0.3, 0.9, 1.0])
def test_it_is_the_least_such_score(curve: Calibrator, probability: float) -> None:
    at = point(probability, Scale.PROBABILITY)
    found = score_at(curve, at)
    judged = calibrate(curve, Scores(np.array([found, np.nextafter(found, -np.inf)])), 0)
    decisions = [at.decide(float(p)) for p in judged.on(Scale.PROBABILITY, None)]
    assert decisions == [Decision.DEFECT, Decision.OK]


@pytest.mark.parametrize("share", [0.04, 0.05, 0.0999, 0.1, 0.5])
def test_of_p_values_it_lies_above_an_order_statistic(share: float) -> None:
    good = np.sort(np.random.default_rng(0).normal(size=19)).round(1)
    at = point(share, Scale.P_VALUE)
    found = score_at(Conformal(tuple(good.tolist())), at)
    for score in (*good, *(good + 0.01), 1e9, -1e9):
        p = (1 + (good >= score).sum()) / 20
        assert (score >= found) == (p <= share)
    assert score_at(Conformal((0.0,)), point(1.0, Scale.P_VALUE)) == -math.inf
    assert score_at(Conformal((0.0,)), point(0.2, Scale.P_VALUE)) == math.inf


def test_of_scores_it_is_the_threshold_itself() -> None:
    at = point(41.0, Scale.SCORE, review=-3.5)
    assert score_at(Conformal((0.0,)), at) == score_at(Platt(1.0, 0.0), at) == -3.5
    with pytest.raises(DataError, match="'probability', which a calibration of kind 'conformal'"):
        score_at(Conformal((0.0,)), point(0.5, Scale.PROBABILITY))
    with pytest.raises(DataError, match="'p_value', which a calibration of kind 'platt'"):
        score_at(Platt(1.0, 0.0), point(0.5, Scale.P_VALUE))
    assert score_at(Platt(1.0, 0.0), point(0.0, Scale.PROBABILITY)) == -math.inf


def test_values_on_a_scale_that_is_not_there_are_refused() -> None:
    judged = calibrate(Conformal((0.0,)), Scores(np.array([1.0])), 0)
    assert judged.on(Scale.SCORE, [7.0]) == [7.0]
    with pytest.raises(DataError, match="'probability', but these parts have values only on: p_value"):
        judged.on(Scale.PROBABILITY, None)
