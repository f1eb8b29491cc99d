from __future__ import annotations

import numpy as np
import pytest

from brightfield.monitor.audit.reviewers import (
    Errors,
    errors_of,
    true_share,
    true_share_high,
    true_share_low,
    widened,
)
from brightfield.monitor.audit.sequences import lower, upper
from brightfield.monitor.audit.tally import Known, Pairs


def errors(missed: float = 0.0, low: float = 0.0, high: float = 0.0) -> Errors:
    return Errors(*(np.array(v) for v in (missed, low, high, high)))


def test_the_true_share_is_that_of_rogan_and_gladen() -> None:
    # 10% are defective, of which 80% are found; of the others 5% are called defective: 0.08 + 0.045 = 0.125
    assert true_share(0.125, 0.2, 0.05) == pytest.approx(0.1)
    assert true_share_high(np.array(0.125), errors(missed=0.2, low=0.05)) == pytest.approx(0.1)
    assert true_share_low(np.array(0.145), np.array(0.05)) == pytest.approx(0.1)


def test_without_errors_the_share_called_defective_is_the_true_one() -> None:
    assert true_share_high(np.array(0.3), errors()) == 0.3
    assert true_share_low(np.array(0.3), np.array(0.0)) == 0.3


def test_errors_widen_both_bounds() -> None:
    assert true_share_high(np.array(0.1), errors(missed=0.2)) > 0.1
    assert true_share_low(np.array(0.1), np.array(0.02)) < 0.1
    assert true_share_low(np.array(0.01), np.array(0.02)) == 0.0


def test_people_who_may_see_nothing_prove_nothing() -> None:
    assert true_share_high(np.array(0.01), errors(missed=1.0)) == 1.0


def test_more_false_alarms_than_alarms_are_not_subtracted() -> None:
    assert true_share_high(np.array(0.01), errors(low=0.02)) == 0.01


def test_errors_come_from_known_pieces() -> None:
    found = errors_of(Known(defective=50, missed=2, good=80, alarmed=4, confirmed=1), 0.02)
    once = float(upper(2, 48, 0.008))
    assert found.missed == pytest.approx(once + (1 - once) * once * once)
    assert found.alarm_high == upper(4, 76, 0.004)
    assert found.confirmed_high == upper(1, 79, 0.004)
    assert found.alarm_low == lower(1, 79, 0.004)


def test_without_known_pieces_people_are_taken_to_be_right() -> None:
    found = errors_of(Known(), 0.02)
    assert (found.missed, found.alarm_low, found.alarm_high) == (0.0, 0.0, 0.0)


SHARES = (np.array(0.01), np.array(0.8), np.array(0.9))


def test_pairs_that_the_errors_explain_change_nothing() -> None:
    known = errors(missed=0.1, high=0.02)
    assert widened(known, Pairs(1, 99), Pairs(15, 85), SHARES) == known


def test_pairs_that_the_errors_do_not_explain_raise_them() -> None:
    known = errors(missed=0.02, low=0.001, high=0.01)
    raised = widened(known, Pairs(), Pairs(35, 65), SHARES)
    # 35% of pairs differ at least where 80% of the parts are missed by 0.33: 2 * 0.8 * 0.33 * 0.67 = 0.35
    assert raised.missed > 0.33
    assert (raised.alarm_high, raised.alarm_low) == (known.alarm_high, known.alarm_low)
    raised = widened(known, Pairs(20, 80), Pairs(), SHARES)
    assert raised.alarm_high > 0.11  # 2 * 0.11 * 0.89 = 0.2
    assert raised.confirmed_high > 0.11
    assert raised.missed == known.missed
