"""Policies against brute force."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from sklearn.metrics import f1_score, recall_score

from brightfield.decide.policy import OperatingPoint, Policy, choose, parse_policy
from brightfield.errors import BundleError, ConfigError, DataError
from brightfield.verdict import Decision

POINT = OperatingPoint("f1", threshold=0.4, n_calibration=10, n_defect=4, escapes=1, overkills=2)


def made_up_parts(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a few probabilities, with ties in every other draw, and at least one part of each kind."""
    generator = np.random.default_rng(seed)
    n = int(generator.integers(2, 30))
    values = generator.random(n)
    if seed % 2:
        values = values.round(1)
    defect = generator.random(n) < values
    defect[:2] = (True, False)
    return values, defect


@pytest.mark.parametrize(
    ("text", "policy"),
    [
        ("f1", Policy("f1")),
        (" F1 ", Policy("f1")),
        ("recall=0.99", Policy("recall", 0.99)),
        ("recall = 1", Policy("recall", 1.0)),
        ("fixed=0.4", Policy("fixed", 0.4)),
        ("fixed=0", Policy("fixed", 0.0)),
    ],
)
def test_policies_are_read(text: str, policy: Policy) -> None:
    assert parse_policy(text) == policy
    assert parse_policy(str(policy)) == policy


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recal=0.9", "'recal=0.9' is unknown; there are: f1: .*recall=R.*fixed=T.*Did you mean recall?"),
        ("", "'' is unknown"),
        ("youden-ish", r"is unknown; there are: [^?]*\.$"),
        ("recall", "lacks a number after recall="),
        ("recall=many", "lacks a number"),
        ("recall=99", r"out of range \(99% is 0.99\)"),
        ("recall=0", "out of range"),
        ("recall=nan", "out of range"),
        ("fixed=-0.1", "out of range"),
        ("fixed=1.1", "out of range"),
        ("f1=0.5", "takes none"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_policy(text)


def expected_f1(values: np.ndarray, cut: float) -> float:
    """Twice the defects to be expected among the rejected, by all rejected and all defects to be expected."""
    rejected = [v for v in values if v >= cut]
    return 2 * sum(rejected) / (len(rejected) + sum(values))


@pytest.mark.parametrize("seed", range(24))
def test_f1_is_the_greatest_to_be_expected(seed: int) -> None:
    values, defect = made_up_parts(seed)
    point = choose(parse_policy("f1"), values, defect)
    every_cut = [expected_f1(values, cut) for cut in np.unique(values)]
    assert expected_f1(values, point.threshold) == pytest.approx(max(every_cut), abs=1e-12)


@pytest.mark.parametrize("seed", range(24))
def test_f1_cuts_in_the_middle_of_a_gap(seed: int) -> None:
    values, defect = made_up_parts(seed)
    threshold = choose(parse_policy("f1"), values, defect).threshold
    middles = [(lower + upper) / 2 for lower, upper in pairwise([0.0, *np.unique(values)])]
    assert min(abs(threshold - m) for m in middles) < 1e-12


def test_f1_by_hand() -> None:
    """Rejecting the upper two of 0.1, 0.2, 0.8, 0.9 is to find 1.7 of 2.0 defects: 3.4 / 4."""
    values = [0.1, 0.2, 0.8, 0.9]
    assert choose(parse_policy("f1"), values, [False, False, True, True]).threshold == 0.5
    # the labels of these few parts do not move it: they have spoken in the calibration
    assert choose(parse_policy("f1"), values, [False, True, True, False]).threshold == 0.5
    # where all are likely defects, all are rejected
    assert choose(parse_policy("f1"), [0.6, 0.7], [False, True]).threshold == 0.3


def test_f1_cuts_less_wildly_than_counting_does() -> None:
    """Over draws of 100 calibrated parts, the threshold varies less than that of the greatest counted F1."""
    rng = np.random.default_rng(0)
    expected, counted = [], []
    for _ in range(100):
        values = rng.beta(0.6, 1.2, 100)
        defect = rng.random(100) < values
        expected.append(choose(parse_policy("f1"), values, defect).threshold)
        counted.append(max(values, key=lambda cut: f1_score(defect, values >= cut)))
    assert np.std(expected) < 0.7 * np.std(counted)


@pytest.mark.parametrize("seed", range(24))
@pytest.mark.parametrize("recall", [0.01, 0.07, 0.5, 0.9, 0.99, 1.0])
def test_recall_is_met_by_the_highest_threshold_that_can(seed: int, recall: float) -> None:
    values, defect = made_up_parts(seed)
    point = choose(Policy("recall", recall), values, defect)
    assert recall_score(defect, values >= point.threshold) >= recall
    above = np.nextafter(point.threshold, 2)
    assert recall_score(defect, values >= above, zero_division=0.0) < recall


@pytest.mark.parametrize(("recall", "caught"), [(0.07, 7), (0.29, 29), (0.57, 57), (0.99, 99), (0.991, 100)])
def test_recall_is_not_misled_by_rounding(recall: float, caught: int) -> None:
    values = np.linspace(0.001, 1, 100)
    point = choose(Policy("recall", recall), values, np.ones(100, dtype=bool))
    assert 100 - point.escapes == caught


def test_fixed_is_taken_as_it_is() -> None:
    point = choose(parse_policy("fixed=0.4"), [0.1, 0.4, 0.3, 0.9], [False, False, True, True])
    assert (point.policy, point.threshold, point.review) == ("fixed=0.4", 0.4, None)
    assert (point.n_calibration, point.n_defect, point.escapes, point.overkills) == (4, 2, 1, 1)
    assert choose(parse_policy("fixed=0.4"), [], np.array([], dtype=bool)).n_calibration == 0


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("text", ["f1", "recall=0.8", "fixed=0.5"])
def test_counts_are_those_of_the_decisions(seed: int, text: str) -> None:
    values, defect = made_up_parts(seed)
    point = choose(parse_policy(text), values, defect)
    decisions = [point.decide(float(p)) for p in values]
    passed = [d is Decision.OK for d in decisions]
    assert point.escapes == sum(p and bool(d) for p, d in zip(passed, defect, strict=True))
    assert point.overkills == sum(not p and not bool(d) for p, d in zip(passed, defect, strict=True))
    assert point.n_defect == defect.sum()


@pytest.mark.parametrize(
    ("text", "values", "defect", "message"),
    [
        ("f1", [0.1, 0.2], [False, False], "0 of 2 calibration parts are defective"),
        ("f1", [0.1, 0.2], [True, True], "2 of 2 calibration parts are defective"),
        ("f1", [], [], "0 of 0"),
        ("recall=0.9", [0.1, 0.2], [False, False], "no defective part"),
        ("f1", [0.1, 1.2], [False, True], r"not in \[0, 1\]"),
        ("f1", [0.1, np.nan], [False, True], r"not in \[0, 1\]"),
        ("f1", [0.1, 0.2, 0.3], [False, True], r"\(3,\) probabilities and \(2,\) labels"),
        ("f1", [0.1, 0.2], [0.5, 1], "expected bool"),
    ],
)
def test_parts_that_do_not_suffice(text: str, values: list[float], defect: list[bool], message: str) -> None:
    with pytest.raises(DataError, match=message):
        choose(parse_policy(text), values, defect)


@pytest.mark.parametrize("policy", [Policy("magic"), Policy("recall"), Policy("fixed")])
def test_a_policy_that_nobody_parsed_is_refused(policy: Policy) -> None:
    with pytest.raises(ConfigError, match="is unknown"):
        choose(policy, [0.1, 0.9], [False, True])


@pytest.mark.parametrize(
    ("probability", "decision"),
    [
        (0.0, Decision.OK),
        (0.1, Decision.OK),
        (0.2, Decision.REVIEW),
        (0.39, Decision.REVIEW),
        (0.4, Decision.DEFECT),
    ],
)
def test_decision_with_a_review_band(probability: float, decision: Decision) -> None:
    assert replace(POINT, review=0.2).decide(probability) is decision


def test_decision_without_a_review_band() -> None:
    assert [POINT.decide(p) for p in (0.399, 0.4, 1.0)] == [Decision.OK, Decision.DEFECT, Decision.DEFECT]


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_no_decision_on_what_is_no_probability(probability: float) -> None:
    with pytest.raises(DataError, match="expected a number in"):
        POINT.decide(probability)


@pytest.mark.parametrize(
    "changes",
    [
        {"threshold": 1.1},
        {"threshold": float("nan")},
        {"review": 0.5},
        {"review": -0.1},
        {"escapes": 5},
        {"overkills": 7},
    ],
)
def test_an_impossible_operating_point_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        OperatingPoint(**{**POINT.as_dict(), **changes})
    with pytest.raises(BundleError, match="missing or wrong"):
        OperatingPoint.from_dict({**POINT.as_dict(), **changes})


@pytest.mark.parametrize("point", [POINT, replace(POINT, review=0.1)])
def test_an_operating_point_survives_json(point: OperatingPoint) -> None:
    values = json.loads(json.dumps(point.as_dict()))
    assert OperatingPoint.from_dict(values) == point
    del values["threshold"]
    with pytest.raises(BundleError, match="missing or wrong value: 'threshold'"):
        OperatingPoint.from_dict(values)
