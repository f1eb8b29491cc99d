from __future__ import annotations

from pathlib import Path

import pytest
from week_line import DAYS, at, line, looked, page

from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.pages import add_page
from brightfield.monitor.review.records import Item, Pool
from brightfield.monitor.review.work import Person, Share, Work, work_of


@pytest.fixture
def log(tmp_path: Path) -> VerdictLog:
    log = line(tmp_path)
    looked(log, page())
    return log


def test_what_people_did_counted_by_hand(log: VerdictLog) -> None:
    found = work_of(log, at(DAYS[0], 0), "OK")
    assert found == Work(
        looks=10,
        unsure=1,
        seconds=5.0,  # of 1 2 3 4 5 5 5 6 9
        people=(Person("Grace", 6, 5.0), Person("Ada", 4, 2.5)),
        passed=Share(1, 2),  # parts 1 and 2; of part 3 nobody is sure
        rejected=Share(1, 2),
        band=Share(1, 1),
        missed=Share(1, 2),
        alarms=Share(0, 1),
        pools={"passed": 3, "rejected": 2, "band": 1, "known": 3, "uncertain": 1},
        waiting=0,
    )


def test_only_looks_since_then(log: VerdictLog) -> None:
    late = work_of(log, at(DAYS[1], 3008), "OK")
    assert (late.looks, late.passed, late.missed, late.alarms) == (3, Share(), Share(1, 1), Share(0, 1))
    none = work_of(log, "2027", "OK")
    assert (none.looks, none.seconds, none.people, none.passed.value) == (0, None, (), None)


def test_pages_that_are_out(log: VerdictLog) -> None:
    add_page(log.database, "out", [("x", Item(Pool.PASSED, 9, probability=0.1)), ("y", Item(Pool.BAND, 16))])
    assert work_of(log, "2027", "OK").waiting == 2
