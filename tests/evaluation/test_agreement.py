"""Agreement against kappas worked by hand and hand-counted studies."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.errors import DataError
from brightfield.evaluation.agreement import attribute_agreement, cohen_kappa, fleiss_kappa

OK, NO, LOOK = "OK", "DEFECT", "REVIEW"


def test_cohens_kappa_by_hand() -> None:
    # alike on 7 of 10; by chance on 0.6 * 0.5 + 0.4 * 0.5
    first, second = [OK] * 6 + [NO] * 4, [OK] * 4 + [NO] * 2 + [OK] + [NO] * 3
    assert cohen_kappa(first, second) == pytest.approx((0.7 - 0.5) / (1 - 0.5))
    assert cohen_kappa([OK, OK], [OK, OK]) is None
    assert cohen_kappa([], []) is None


def test_fleiss_kappa_by_hand() -> None:
    # three looks at four parts: shares of pairs that agree 1, 1/3, 1, 1/3; decisions 7 of 12 and 5 of 12
    looks = [[OK] * 3, [OK, OK, NO], [NO] * 3, [OK, NO, OK]]
    chance = (7 / 12) ** 2 + (5 / 12) ** 2
    expected = (2 / 3 - chance) / (1 - chance)
    counts = [sum(part.count(k) for part in looks) for k in (OK, NO)]
    assert counts == [7, 5]
    assert fleiss_kappa(looks) == pytest.approx(expected)
    assert fleiss_kappa([*looks, [NO]]) == pytest.approx(expected), "a part looked at once tells nothing"
    assert fleiss_kappa([[OK], [NO]]) is None
    assert fleiss_kappa([[OK, OK], [OK, OK]]) is None


def test_a_study_counted_by_hand() -> None:
    truth = [True, True, False, False, False]
    machine = [[NO, NO], [NO, OK], [OK, OK], [OK, OK], [NO, LOOK]]
    person = [[NO], [NO], [OK], [], [OK]]
    found = attribute_agreement(truth, {"machine": machine, "person": person})
    one = found.appraisers["machine"]
    assert (one.parts, one.decisions) == (5, 10)
    assert one.effectiveness == 7 / 10
    assert (one.miss_rate, one.false_alarm_rate, one.review_share) == (1 / 4, 1 / 6, 1 / 10)
    assert (one.repeatability.k, one.repeatability.n) == (3, 5)
    assert (one.always_right.k, one.always_right.n) == (3, 5)
    assert one.rating == "unacceptable"
    other = found.appraisers["person"]
    assert (other.parts, other.effectiveness, other.rating) == (4, 1.0, "acceptable")
    assert other.kappa is None
    assert other.repeatability.value is None
    # of the four parts both were shown, both always agreed on the first and the third
    assert (found.all_alike.k, found.all_right.k, found.all_alike.n) == (2, 2, 4)


def test_intervals_cover_what_many_parts_show() -> None:
    rng = np.random.default_rng(1)
    truth = np.arange(300) % 3 == 0
    easy = rng.random(300) < 0.8  # looks at one part are alike: on hard ones all are wrong
    looks = [[NO if t == e else OK] * 5 for t, e in zip(truth, easy, strict=True)]
    one = attribute_agreement(truth, {"a": looks}).appraisers["a"]
    low, high = one.intervals["effectiveness"] or (0, 0)
    assert low < one.effectiveness < high
    # as wide as that of 300 independent parts, not of 1,500 looks
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.8 * 0.2 / 300), rel=0.15)


def test_no_error_on_few_parts_proves_little() -> None:
    looks = [[NO] * 50] * 10 + [[OK] * 50] * 20
    found = attribute_agreement([True] * 10 + [False] * 20, {"a": looks}).appraisers["a"].intervals
    assert found["miss_rate"] == (0.0, pytest.approx(1 - 0.025 ** (1 / 10)))
    assert found["effectiveness"] == (pytest.approx(0.025 ** (1 / 30)), 1.0)


def test_only_good_parts() -> None:
    one = attribute_agreement([False, False], {"a": [[OK], [OK]]}).appraisers["a"]
    assert (one.miss_rate, one.intervals["miss_rate"]) == (None, None)
    assert one.rating == "not rated"


def test_what_is_refused() -> None:
    with pytest.raises(DataError, match="no appraiser"):
        attribute_agreement([True], {})
    with pytest.raises(DataError, match="on 1 parts; expected 2"):
        attribute_agreement([True, False], {"a": [[OK]]})
    with pytest.raises(DataError, match="'maybe'; expected one of OK"):
        attribute_agreement([True], {"a": [["maybe"]]})
    with pytest.raises(DataError, match="shown no part"):
        attribute_agreement([True], {"a": [[]]})
