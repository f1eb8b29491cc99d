from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import update
from week_line import DAYS, DECISIONS, OWN, at, inspector, line, looked, page, verdict

from brightfield.monitor.audit.of_log import audit_log
from brightfield.monitor.drift.course import Course
from brightfield.monitor.drift.events import ACTION, ALARM, Key, LogRecord
from brightfield.monitor.drift.reference import reference_of
from brightfield.monitor.drift.run import Monitor
from brightfield.monitor.drift.source import LogSource
from brightfield.monitor.drift.watch import Watch, plan
from brightfield.monitor.log.records import Event
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.log.tables import entries
from brightfield.monitor.week.period import period_of
from brightfield.monitor.week.whole import Watched, week_of


def watched(log: VerdictLog, after: int = 0) -> Watched:
    own = inspector()
    course = Course(after)
    watch = Watch(plan(reference_of(own), 200), series=course.add)
    monitor = Monitor(watch, LogSource(log, OWN), LogRecord(log, Key(OWN, 200)))
    monitor.catch_up()
    return Watched(monitor.found(), course.peaks())


def test_an_alarm_and_what_was_done_about_it(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS * 6, darker_from=41) as log:
        found = watched(log)
        alarm = next(event for event in log.events(ALARM))
        assert alarm.entry_id is not None
        done = log.tell(Event(ACTION, "lamp replaced", 60, alarm.id, {"by": "Ada"}, at=at(DAYS[1], 70)))
        log.tell(Event("inspector", "another one", at=at(DAYS[1], 71)))
        log.tell(Event(ACTION, "long ago", at="2025-01-01T00:00:00.000000+00:00"))
        week = week_of(log, inspector(), found)
    assert week.alarms[0].alarm.what == "darker"
    assert 41 <= week.alarms[0].alarm.at <= 50
    assert week.alarms[0].time == at(DAYS[1], week.alarms[0].alarm.at)
    assert week.alarms[0].actions == (done,)
    assert set(week.alarms[0].entries) <= set(range(41, 61))
    assert [event.text for event in week.events] == ["another one"]


def test_alarms_that_ended_before_are_left_out(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS * 6, darker_from=41) as log:
        late = week_of(log, inspector(), watched(log, after=59), period=period_of(log, at(DAYS[1], 60)))
        assert [one.alarm.what for one in late.alarms if one.alarm.until < 60] == []
        assert late.watched is not None
        assert late.watched.peaks.parts.tolist() == [60]


def test_the_audit_is_that_of_all_looks(tmp_path: Path) -> None:
    with line(tmp_path) as log:
        looked(log, page())
        week = week_of(log, inspector())
        assert week.audit is not None
        assert week.audit.as_dict() == audit_log(log, inspector()).as_dict()
    assert week.audit.promises[0].promise.bound == 0.4
    assert week.proven[-1].looks == week.audit.evidence.looks == 5
    assert week.work is not None
    assert week.work.looks == 10


def test_parts_between_rejects(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS * 6) as log:
        week = week_of(log, inspector())
        since = week_of(log, inspector(), period=period_of(log, DAYS[1]))
    assert week.rejects is not None
    assert week.rejects.chart.gaps == (4, *(4, 6) * 5, 4)
    assert (week.rejects.share, week.rejects.before) == (12 / 60, False)
    assert since.rejects is not None
    assert since.rejects.chart.parts == (34, 38, 44, 48, 54, 58)
    assert since.rejects.chart.gaps == (4, 4, 6, 4, 6, 4)
    assert since.rejects.before is False  # six rejects before are too few to tell the share


def test_with_enough_rejects_before_they_tell_the_share(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS * 10) as log:
        week = week_of(log, inspector(), period=period_of(log, DAYS[1]))
    assert week.rejects is not None
    assert (week.rejects.share, week.rejects.before, week.rejects.chart.centre) == (0.2, True, 5.0)


def test_what_is_missing_says_why(tmp_path: Path) -> None:
    with line(tmp_path, ("OK",) * 20, others=20) as log:
        week = week_of(log, inspector())
    assert set(week.missing) == {"drift", "rejects", "audit", "review", "scores"}
    assert "fewer than two" in week.missing["rejects"]
    assert "no entry" in week.missing["audit"]
    document = week.as_dict()
    assert document["drift"] is document["audit"] is document["rejects"] is document["scores"] is None


def test_the_document_holds_what_the_page_shows(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS * 6, darker_from=41) as log:
        looked(log, page())
        week = week_of(log, inspector(), watched(log))
    document = json.loads(json.dumps(week.as_dict()))
    assert document["schema"] == 1
    assert (document["parts"], document["before"]) == (60, 0)
    assert document["decisions"] == {"OK": 42, "DEFECT": 12, "REVIEW": 6}
    assert document["drift"]["alarms"][0]["what"] == "darker"
    assert len(document["drift"]["charts"]["parts"]) == 60
    assert document["milliseconds"]["median"] == pytest.approx(30.5)
    assert document["review"]["looks"] == 10
    assert document["inspectors"][0]["sha256"] == OWN
    assert document["proven"][-1]["looks"] == 5


def test_parts_that_come_while_a_report_is_made_are_of_the_next_one(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS * 4) as log:
        period = period_of(log, DAYS[1])
        for decision in ("DEFECT", "OK"):
            log.record(verdict(decision, np.random.default_rng(3)))
        week = week_of(log, inspector(), period=period)
    assert (week.period.before, week.period.parts) == (20, 20)
    assert sum(week.tallies.decisions.values()) == 20
    assert week.rejects is not None
    assert week.rejects.chart.parts == (24, 28, 34, 38)


def test_numbers_of_parts_are_those_of_the_log_though_a_clock_was_wrong(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS * 4) as log:
        _set_time(log, range(1, 6), "2030-01-01T00:00:00.000000+00:00")
        _set_time(log, range(31, 34), "1970-01-01T00:00:00.000000+00:00")
        week = week_of(log, inspector(), period=period_of(log, DAYS[1]))
    assert (week.period.before, week.period.parts) == (20, 20)
    assert [stint.since_part for stint in week.tallies.inspectors] == [21]
    assert sum(week.tallies.decisions.values()) == 20
    assert week.rejects is not None
    assert week.rejects.chart.parts == (24, 28, 34, 38)


def _set_time(log: VerdictLog, numbers: range, time: str) -> None:
    changed = update(entries).where(entries.c.id.in_(numbers)).values(time=time)
    log.database.write(lambda connection: connection.execute(changed))
