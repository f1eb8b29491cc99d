from __future__ import annotations

import pytest

from brightfield.decide.guarantee import Guarantee
from brightfield.errors import ConfigError
from brightfield.monitor.audit.bounds import audit
from brightfield.monitor.audit.promise import Promise, standing
from brightfield.monitor.audit.tally import Evidence, Looks

PROMISE = Promise("escape", 0.05)


def line(looks: int, escaped: int) -> Evidence:
    """Return a line of which every fifth part is rejected, all of them defective."""
    return Evidence(8000, 2000, Looks(escaped, looks - escaped, types={"pit": escaped}), Looks(200, 0))


def test_a_promise_is_proven_where_the_upper_bound_is_below_it() -> None:
    found = standing(PROMISE, line(2000, 0))
    assert found.outcome == "proven"
    assert found.high == audit(line(2000, 0)).escape_rate.high
    assert (found.more, found.then) == (0, "proven")


def test_a_promise_is_broken_where_the_lower_bound_is_above_it() -> None:
    found = standing(PROMISE, line(400, 40))
    assert (found.outcome, found.more) == ("broken", 0)
    assert found.low > 0.05


def test_it_is_said_how_many_more_looks_it_takes() -> None:
    found = standing(PROMISE, line(100, 0))
    assert (found.outcome, found.then, found.looks) == ("open", "proven", 300)
    assert found.more is not None
    times = (found.looks + found.more) / found.looks
    assert audit(line(100, 0).times(times)).escape_rate.high <= 0.05
    assert audit(line(100, 0).times(0.95 * times)).escape_rate.high > 0.05
    worse = standing(PROMISE, line(100, 4))
    assert (worse.outcome, worse.then) == ("open", "broken")


def test_without_looks_nothing_is_foretold() -> None:
    found = standing(PROMISE, Evidence(8000, 2000))
    assert (found.outcome, found.more, found.then) == ("open", None, None)


def test_a_promise_on_a_type_counts_that_type() -> None:
    of_pits = Promise("escape", 0.3, defect="pit")
    assert standing(of_pits, line(2000, 0)).high == 1.0, "no pit was found anywhere"
    assert standing(of_pits, line(400, 40)).outcome == "broken"


def test_a_promise_on_good_parts_is_about_overkill() -> None:
    found = standing(Promise("overkill", 0.05), line(2000, 0))
    assert found.outcome == "proven"
    assert found.high == audit(line(2000, 0)).overkill_rate.high


def test_the_guarantee_of_an_operating_point_is_a_promise() -> None:
    guarantee = Guarantee("escape", 0.02, 0.95, 149, 0, "pit")
    assert Promise.of(guarantee) == Promise("escape", 0.02, 0.95, "pit")


def test_wrong_promises_are_said() -> None:
    with pytest.raises(ConfigError, match="expected escape or overkill"):
        Promise("misses", 0.02)
    with pytest.raises(ConfigError, match="the bound is 2"):
        Promise("escape", 2)
