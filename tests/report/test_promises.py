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
    expected, one_draw, escapes = promises(point)
    assert "at most 1.5% are expected to be rejected, about 15 of 1,000" in expected
    # of 200 places three may be rejected, the new part's own among them
    assert "rests on the 199 good parts that the threshold was chosen on, of which 2 are rejected" in expected
    assert "For a guarantee with a confidence" in expected
    assert "no longer holds after the parts" in one_draw
    assert "The escape rate is unknown and not guaranteed" in escapes


def test_good_parts_alone_promise_nothing_of_escapes() -> None:
    scores = np.arange(59.0)
    point = choose(parse_policy("overkill<=0.05"), Calibrated(), np.zeros(59, dtype=bool), scores=scores)
    said = promises(point)
    assert said[0].startswith("With 95% confidence at most 5% of all good parts are rejected")
    assert "The escape rate is unknown and not guaranteed" in said[-1]
