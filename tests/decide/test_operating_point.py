"""Operating points: what they decide, forecast and refuse."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from brightfield.decide.cost import Costs
from brightfield.decide.guarantee import Guarantee
from brightfield.decide.operating_point import OperatingPoint, standing
from brightfield.errors import BundleError, ConfigError, DataError
from brightfield.verdict import Decision, Scale

POINT = OperatingPoint("f1", threshold=0.4, n_calibration=10, n_defect=4, escapes=1, overkills=2)
BAND = replace(POINT, review=0.1, reviewed=3, reviewed_defect=1)
WHOLE = replace(
    BAND,
    guarantees=(Guarantee("escape", 0.7, 0.9, 4, 1), Guarantee("escape", 0.9, 0.5, 2, 0, "crack")),
    costs=Costs(500.0, 2.0, 0.003, 1.0),
)


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
    with pytest.raises(DataError, match="expected a probability in"):
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
        {"reviewed": 5},
        {"reviewed": 1, "reviewed_defect": 2},
        {"reviewed": 4, "reviewed_defect": 4},
    ],
)
def test_an_impossible_operating_point_is_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected"):
        OperatingPoint(**{**POINT.as_dict(), **changes})
    with pytest.raises(BundleError, match="missing or wrong"):
        OperatingPoint.from_dict({**POINT.as_dict(), **changes})


UNUSUAL = replace(POINT, threshold=0.01, review=0.05, scale=Scale.P_VALUE)
ON_SCORES = replace(POINT, threshold=41.5, review=-3.0, scale=Scale.SCORE)


@pytest.mark.parametrize(
    ("point", "value", "decision"),
    [
        (UNUSUAL, 0.005, Decision.DEFECT),
        (UNUSUAL, 0.01, Decision.DEFECT),
        (UNUSUAL, 0.011, Decision.REVIEW),
        (UNUSUAL, 0.05, Decision.REVIEW),
        (UNUSUAL, 0.051, Decision.OK),
        (replace(UNUSUAL, review=None), 0.011, Decision.OK),
        (ON_SCORES, 1e9, Decision.DEFECT),
        (ON_SCORES, 41.5, Decision.DEFECT),
        (ON_SCORES, 41.4, Decision.REVIEW),
        (ON_SCORES, -3.0, Decision.REVIEW),
        (ON_SCORES, -3.1, Decision.OK),
    ],
)
def test_decision_on_other_scales(point: OperatingPoint, value: float, decision: Decision) -> None:
    assert point.decide(value) is decision
    assert point.rejected([value]).tolist() == [decision is Decision.DEFECT]
    assert point.stopped([value]).tolist() == [decision is not Decision.OK]


@pytest.mark.parametrize(
    ("point", "changes", "message"),
    [
        (UNUSUAL, {"threshold": 1.2}, r"expected a p-value in \[0, 1\]"),
        (UNUSUAL, {"review": 0.001}, "expected at least the threshold, 0.01"),
        (ON_SCORES, {"threshold": float("inf")}, "expected a finite score"),
        (ON_SCORES, {"review": 50.0}, "expected at most the threshold, 41.5"),
        (ON_SCORES, {"scale": Scale.PROBABILITY}, "expected a probability"),
    ],
)
def test_a_threshold_off_its_scale_is_refused(
    point: OperatingPoint, changes: dict[str, float], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        replace(point, **changes)
    with pytest.raises(BundleError, match="missing or wrong"):
        OperatingPoint.from_dict({**point.as_dict(), **changes})


def test_values_off_their_scale_are_not_decided() -> None:
    with pytest.raises(DataError, match="p-value is 1.5"):
        UNUSUAL.decide(1.5)
    with pytest.raises(DataError, match="score is nan"):
        ON_SCORES.decide(float("nan"))
    with pytest.raises(BundleError, match="'odds' is not a valid Scale"):
        OperatingPoint.from_dict({**POINT.as_dict(), "scale": "odds"})


@pytest.mark.parametrize("point", [POINT, BAND, WHOLE, UNUSUAL, ON_SCORES])
def test_an_operating_point_survives_json(point: OperatingPoint) -> None:
    values = json.loads(json.dumps(point.as_dict()))
    assert OperatingPoint.from_dict(values) == point
    del values["threshold"]
    with pytest.raises(BundleError, match="missing or wrong value: 'threshold'"):
        OperatingPoint.from_dict(values)


@pytest.mark.parametrize("missing", sorted(POINT.as_dict()))
def test_no_value_may_be_missing(missing: str) -> None:
    values = {k: v for k, v in POINT.as_dict().items() if k != missing}
    with pytest.raises(BundleError, match=f"missing.*{missing}"):
        OperatingPoint.from_dict(values)


@pytest.mark.parametrize(
    "broken",
    [
        {"guarantees": [{"kind": "escape"}]},
        {"guarantees": [{**WHOLE.guarantees[0].as_dict(), "kind": "luck"}]},
        {"guarantees": [{**WHOLE.guarantees[0].as_dict(), "errors": 5}]},
        {"costs": {"escape": 3.0}},
        {"costs": {"escape": -3.0, "overkill": 1.0, "prevalence": 0.1, "review": None}},
    ],
)
def test_broken_promises_are_refused(broken: dict[str, object]) -> None:
    with pytest.raises(BundleError, match="missing or wrong"):
        OperatingPoint.from_dict({**WHOLE.as_dict(), **broken})


def test_the_share_for_review() -> None:
    assert BAND.review_share() == 0.3
    assert BAND.review_share(1.0) == 1 / 4
    assert BAND.review_share(0.0) == pytest.approx(2 / 6)
    assert BAND.review_share(0.01) == pytest.approx(0.01 / 4 + 0.99 * 2 / 6)
    good_only = OperatingPoint("overkill<=0.1@0.9", 0.4, 10, 0, 0, 0)
    assert (good_only.review_share(0.0), good_only.review_share(0.1)) == (0.0, None)
    assert OperatingPoint("fixed=0.4", 0.4, 0, 0, 0, 0).review_share() is None


@pytest.mark.parametrize(
    ("probability", "bound", "expected"),
    [
        (0.0, 0.4, 0.0),
        (0.1, 0.4, 0.25),
        (0.4, 0.4, 1.0),
        (0.7, 0.4, 1.5),
        (1.0, 0.4, 2.0),
        (0.0, 0.0, 1.0),
        (0.3, 0.0, 1.3),
        (0.999, 1.0, 0.999),
        (1.0, 1.0, 2.0),
    ],
)
def test_where_a_probability_stands(probability: float, bound: float, expected: float) -> None:
    assert standing(probability, bound) == pytest.approx(expected)
