"""Promises in words, whose numbers are computed here another way."""

from __future__ import annotations

import numpy as np
from scipy.stats import binomtest

from brightfield.decide.calibration import Calibrated
from brightfield.decide.conformal import conformal_p_values
from brightfield.decide.cost import Costs
from brightfield.decide.guarantee import Guarantee
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import parse_policy
from brightfield.decide.threshold_selection import choose
from brightfield.report.promises import guarantee_sentence, promises


def high(k: int, n: int) -> str:
    return f"{100 * binomtest(k, n, alternative='less').proportion_ci(0.95, 'exact').high:.1f}%"


def test_what_is_signed() -> None:
    said = guarantee_sentence(Guarantee("escape", 0.02, 0.95, 149, 0))
    assert said == (
        "With 95% confidence at most 2% of all defective parts are passed as OK. It rests on the 149 "
        "defective parts that the threshold was chosen on, of which 0 are passed as OK: a count that bounds "
        f"the rate at {high(0, 149)}. One more escape among them would make that {high(1, 149)}: "
        "the promise would be lost."
    )
    said = guarantee_sentence(Guarantee("overkill", 0.05, 0.95, 1000, 1))
    assert "of all good parts are rejected" in said
    assert "of which 1 is rejected" in said
    assert said.endswith(
        f"One more overkill among them would make that {high(2, 1000)}: the promise would still hold."
    )
    crack = Guarantee("escape", 0.0205, 0.95, 149, 0, "crack")
    assert "at most 2.05% of all parts with crack" in guarantee_sentence(crack)


def test_nothing_is_promised_of_other_policies() -> None:
    assert promises(OperatingPoint("f1", 0.4, 10, 4, 1, 2)) == []


def test_the_band_and_the_money() -> None:
    point = OperatingPoint(
        *("cost ...", 0.6, 300, 100, 5, 4),
        **{"review": 0.2, "reviewed": 40, "reviewed_defect": 20},
        costs=Costs(500.0, 20.0, 0.01, review=5.0),
    )
    band, money = promises(point)
    share = 0.01 * 20 / 100 + 0.99 * 20 / 200
    assert (
        f"10.0% of the good parts and 20.0% of the defective parts: {100 * share:.1f}% of all parts" in band
    )
    paid = 1000 * (0.01 * 5 / 100 * 500 + 0.99 * 4 / 200 * 20 + share * 5)
    assert f"a cost of {paid:,.0f} for 1,000 parts" in money
    assert "Passing every part would cost 5,000, rejecting every part 19,800." in money


def test_a_look_that_never_pays_is_said() -> None:
    values, defect = [0.1, 0.2, 0.8, 0.9], [False, False, True, True]
    point = choose(parse_policy("cost escape=500 overkill=2 review=5 prevalence=0.003"), values, defect)
    assert "No part goes to review" in promises(point)[-1]


def test_a_band_without_costs() -> None:
    point = OperatingPoint("f1 and fixed=0.6", 0.6, 300, 100, 5, 4, 0.2, 40, 20)
    (band,) = promises(point)
    assert band == (
        "A person is expected to review 10.0% of the good parts and 20.0% of the defective parts, the same "
        "shares as among the parts that the thresholds were chosen on."
    )


def test_several_promises_hold_together_less_often() -> None:
    promised = (Guarantee("escape", 0.02, 0.95, 149, 0), Guarantee("overkill", 0.02, 0.9, 149, 0))
    said = promises(OperatingPoint("...", 0.4, 298, 149, 0, 0, guarantees=promised))
    assert said[2] == "All of them hold together with at least 85% confidence."


def test_an_expected_share_is_no_promise_with_a_confidence() -> None:
    scores = np.arange(199.0)
    judged = Calibrated(p_value=conformal_p_values(scores, scores))
    point = choose(parse_policy("overkill=0.015"), judged, np.zeros(199, dtype=bool), scores=scores)
    expected, proven, one_draw, escapes, p_values = promises(point)
    assert "at most 1.5% are expected to be rejected, about 15 of 1,000" in expected
    # of 200 places three may be rejected, the new part's own among them
    assert "rests on the 199 good parts that the threshold was chosen on, of which 2 are rejected" in expected
    assert "For a guarantee with a confidence" in expected
    assert f"199 good parts prove an overkill rate of at most {high(2, 199)}; 299 would prove 1%." in proven
    assert "no longer holds after the parts" in one_draw
    assert "The escape rate is unknown and not guaranteed" in escapes
    assert "is not the probability of a defect" in p_values


def of_auto(n_good: int, defects: list[float]) -> OperatingPoint:
    """Choose by `auto` on the scores 0 to n_good - 1 of good parts, and on those of some defects."""
    scores = np.append(np.arange(float(n_good)), defects)
    defect = np.arange(len(scores)) >= n_good
    judged = Calibrated(p_value=conformal_p_values(scores[~defect], scores))
    return choose(parse_policy("auto"), judged, defect, scores=scores)


def test_good_parts_alone_promise_nothing_of_escapes() -> None:
    bound, more, one_draw, escapes, p_values = promises(of_auto(64, []))
    assert bound.startswith(
        "With 95% confidence at most 5% of all good parts are rejected. It rests on the 64"
    )
    assert more == (
        "With more good parts held out a lower rate can be proven: 149 would prove 2%, 299 would prove 1%."
    )
    assert "no longer holds after the parts" in one_draw
    assert "The escape rate is unknown and not guaranteed" in escapes
    assert "a p-value: the share of good parts that look at least as unusual. It is not the prob" in p_values


def test_where_the_smallest_bound_is_proven_more_parts_lower_the_threshold() -> None:
    assert "for a lower threshold" in promises(of_auto(300, []))[1]
    assert "of 473 good parts 1 may be rejected" in promises(of_auto(300, []))[1]
    assert "of 628 good parts 2 may be rejected" in promises(of_auto(473, []))[1]


def test_too_few_good_parts_are_said_to_prove_little() -> None:
    expected, proven, *_ = promises(of_auto(12, []))
    assert "at most 7.692% are expected to be rejected" in expected
    assert (
        f"these 12 good parts prove an overkill rate of at most {high(0, 12)}; 29 would prove 10%" in proven
    )


def test_few_defects_are_counted_and_promise_nothing() -> None:
    said = promises(of_auto(64, [99.0, 98.0, 3.0]))
    assert said[3] == (
        "Good parts alone chose the threshold. Of the 3 known defective parts that it was counted on 1 "
        f"passes: with 95% confidence an escape rate of at most {high(1, 3)}, if defects to come are "
        "like these. No escape rate is guaranteed; 59 known defective parts could prove 5%."
    )
    assert "is not the probability of a defect" in said[4]
    assert not any("without defective parts" in sentence for sentence in said)
