from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brightfield.errors import ConfigError
from brightfield.monitor.audit.bounds import FEWEST_GROUPS, PASSED, PEOPLE, REJECTED, audit, audits
from brightfield.monitor.audit.reviewers import ALARMED, LEAST_ALARMS, MISSED
from brightfield.monitor.audit.sequences import lower, upper
from brightfield.monitor.audit.tally import Evidence, Known, Looks, Pairs

EVIDENCE = Evidence(
    9000, 1000, Looks(2, 598, types={"pit": 2}), Looks(160, 40, types={"pit": 100, "crack": 60})
)


def test_shares_are_bounded_by_their_own_sequences() -> None:
    found = audit(EVIDENCE, 0.95)
    assert found.defective_passed.high == upper(2, 598, 0.025)
    assert found.defective_passed.low == lower(2, 598, 0.025)
    assert found.defective_rejected.low == lower(160, 40, 0.0075)
    assert found.defective_passed.value == pytest.approx(2 / 600)


def test_the_bounds_each_way_share_the_probability_of_an_error() -> None:
    assert PASSED + 2 * REJECTED + PEOPLE <= 1 + 1e-9
    assert MISSED + 2 * ALARMED + LEAST_ALARMS <= 1 + 1e-9


def test_the_escape_rate_is_missed_defects_of_all_defects() -> None:
    found = audit(EVIDENCE)
    passed, rejected = found.defective_passed, found.defective_rejected
    # 9,000 * 2/600 = 30 of 30 + 800 defective parts passed
    assert found.escape_rate.value == pytest.approx(30 / 830)
    high = 9000 * passed.high / (9000 * passed.high + 1000 * rejected.low)
    assert found.escape_rate.high == pytest.approx(float(high))
    low = 9000 * passed.low / (9000 * passed.low + 1000 * rejected.high)
    assert found.escape_rate.low == pytest.approx(float(low))


def test_the_overkill_rate_is_rejected_good_parts_of_all_good_ones() -> None:
    found = audit(EVIDENCE)
    assert found.overkill_rate.value == pytest.approx(200 / (200 + 9000 * 598 / 600))
    assert found.overkill_rate.low < found.overkill_rate.value < found.overkill_rate.high


def test_without_looks_nothing_is_claimed() -> None:
    found = audit(Evidence(9000, 1000)).as_dict()
    assert found["escape_rate"] == {"value": None, "low": 0.0, "high": 1.0}
    assert audit(Evidence(0, 0)).as_dict()["overkill_rate"] == {"value": None, "low": 0.0, "high": 1.0}


def test_errors_of_people_widen_every_bound() -> None:
    perfect = audit(EVIDENCE)
    human = audit(replace(EVIDENCE, known=Known(60, 6, 60, 3, 1)))
    for name in ("escape_rate", "overkill_rate", "defective_passed", "defective_rejected"):
        before, after = getattr(perfect, name), getattr(human, name)
        assert after.low <= before.low, name
        assert after.high >= before.high or name == "defective_passed", name
    assert human.defective_passed.high > perfect.defective_passed.high
    assert human.missed.value == 0.1


def test_undecided_parts_count_as_what_is_less_favourable() -> None:
    undecided = replace(EVIDENCE, passed=Looks(2, 593, 5), rejected=Looks(150, 40, 10))
    found = audit(undecided)
    assert found.defective_passed.high == upper(7, 593, 0.025)
    assert found.defective_passed.low == lower(2, 598, 0.025)
    assert found.defective_rejected.low == lower(150, 50, 0.0075)


def test_repeated_looks_are_said_to_have_raised_the_errors() -> None:
    known = replace(EVIDENCE, known=Known(300, 3, 300, 1, 0))
    assert not audit(known).raised
    harder = replace(known, rejected_twice=Pairs(40, 60))
    assert audit(harder).raised
    assert audit(harder).escape_rate.high > audit(known).escape_rate.high


def test_a_type_counts_the_parts_with_other_defects_as_good() -> None:
    of_type = EVIDENCE.of_type("crack")
    assert (of_type.rejected.defective, of_type.rejected.good) == (60, 140)
    assert (of_type.passed.defective, of_type.passed.good) == (0, 600)
    assert EVIDENCE.of_type("scratch").rejected.defective == 0


def test_false_alarms_lower_the_bounds_of_a_type_too() -> None:
    """All defects that passed are scratches, so what is proven of scratches is what is proven of all."""
    evidence = Evidence(
        *(9400, 600, Looks(60, 340, types={"scratch": 60}), Looks(160, 40, types={"dent": 160})),
        known=Known(100, 5, 200, 40, 30),
    )
    whole, of_type = audit(evidence), audit(evidence.of_type("scratch"))
    assert whole.defective_passed.low < 0.01, (
        "a share of 60 of 400 is called defective, and 30 of 200 falsely"
    )
    assert of_type.defective_passed.low == whole.defective_passed.low
    assert of_type.defective_passed.high > whole.defective_passed.high, (
        "nothing is subtracted from upper bounds"
    )


def test_pieces_that_wait_for_another_look_may_be_confirmed() -> None:
    waiting = audit(replace(EVIDENCE, known=Known(60, 6, 100, 10, 0, pending=10)))
    confirmed = audit(replace(EVIDENCE, known=Known(60, 6, 100, 10, 10)))
    dismissed = audit(replace(EVIDENCE, known=Known(60, 6, 100, 10, 0)))
    assert waiting.defective_passed.low == confirmed.defective_passed.low
    assert waiting.defective_passed.high == dismissed.defective_passed.high
    assert waiting.alarms.low == dismissed.alarms.low


def test_groups_share_the_probability_of_an_error() -> None:
    alone = audit(EVIDENCE, 1 - 0.05 / FEWEST_GROUPS)
    of_types = audits({"pit": EVIDENCE.of_type("pit"), "whole": EVIDENCE}, 0.95)
    assert of_types["whole"].escape_rate.high == alone.escape_rate.high
    many = audits({str(i): EVIDENCE for i in range(20)}, 0.95)
    assert many["0"].escape_rate.high == audit(EVIDENCE, 1 - 0.05 / 20).escape_rate.high


def test_many_lines_at_once_give_what_each_gives_alone() -> None:
    found = np.array([[0.0, 1.0], [2.0, 5.0]])
    together = audit(Evidence(9000, 1000, Looks(found, 600 - found), Looks(160, 40)))
    alone = audit(Evidence(9000, 1000, Looks(5, 595), Looks(160, 40)))
    assert together.escape_rate.high[1, 1] == alone.escape_rate.high


def test_bounds_hold_at_every_look_with_people_who_err() -> None:
    """200 lines, looked at 40 times each: people miss 20% of defects and call 3% of good parts defective."""
    lines, pages, rng = 200, 40, np.random.default_rng(5)
    escapes, defects, overkills, m, f = 0.04, 0.1, 0.03, 0.2, 0.03
    bad, good = defects * escapes, (1 - defects) * (1 - overkills)
    passed = bad / (bad + good)
    rejected = defects * (1 - escapes) / (1 - bad - good)

    def counted(n: int, share: float) -> np.ndarray:
        return rng.binomial(n, share, (lines, pages)).cumsum(axis=1).astype(np.float64)

    page = np.broadcast_to(np.arange(1.0, pages + 1), (lines, pages))
    called = [
        counted(20, passed * (1 - m) + (1 - passed) * f),
        counted(8, rejected * (1 - m) + (1 - rejected) * f),
    ]
    alarms = counted(4, f)
    evidence = Evidence(
        counted(500, bad + good),
        0.0,
        Looks(called[0], 20 * page - called[0]),
        Looks(called[1], 8 * page - called[1]),
        Known(4 * page, counted(4, m), 4 * page, alarms, alarms),
    )
    found = audit(replace(evidence, n_rejected=500 * page - evidence.n_passed), 0.9)
    true = {"escape_rate": escapes, "overkill_rate": overkills, "defective_passed": passed}
    held = [getattr(found, name).high >= value for name, value in true.items()]
    assert np.all(held, axis=(0, 2)).mean() >= 0.9
    held = [getattr(found, name).low <= value for name, value in true.items()]
    assert np.all(held, axis=(0, 2)).mean() >= 0.9
    naive = audit(replace(evidence, n_rejected=500 * page - evidence.n_passed, known=Known()), 0.9)
    assert (naive.defective_passed.low <= passed).all(axis=1).mean() < 0.1, "false alarms pass for escapes"


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda: Looks(-1, 3), "defective is -1"),
        (lambda: Looks(1, 3, types={"pit": 2}), "have a defect type"),
        (lambda: Known(3, 4), "4 of 3"),
        (lambda: Known(good=4, alarmed=3, confirmed=2, pending=2), "2 of those confirmed and 2 pending"),
        (lambda: Evidence(-1, 2), "-1 parts passed"),
        (lambda: audit(EVIDENCE, 95), "confidence is 95"),
    ],
)
def test_wrong_counts_are_said(made: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        made()  # type: ignore[operator]
