"""A week of a line as one value: what a report shows, and `week.json` holds."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from brightfield.errors import ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.monitor.audit.of_log import LogAudit, audit_log
from brightfield.monitor.audit.over_time import Proven, proven_over_time
from brightfield.monitor.drift.alarms import Alarm
from brightfield.monitor.drift.course import Peaks
from brightfield.monitor.drift.events import ALARM, answers, noticed
from brightfield.monitor.drift.rejects import GChart, g_chart
from brightfield.monitor.drift.run import Monitored
from brightfield.monitor.log.columns import columns
from brightfield.monitor.log.records import Event, now
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.work import Work, work_of
from brightfield.monitor.week.period import Period, period_of, rejected_before
from brightfield.monitor.week.tallies import Tallies, tallies_of
from brightfield.verdict import Decision

SCHEMA = 1
"""The version of `week.json`."""

FEWEST_BEFORE = 10
"""With so many rejects before a period, they tell the share that its g-chart expects."""


@dataclass(frozen=True)
class Watched:
    """What drift monitoring found in the whole log.

    Attributes:
        found: What was found.
        peaks: The course of the charts in the period.
    """

    found: Monitored
    peaks: Peaks


@dataclass(frozen=True)
class Answered:
    """An alarm of the period, and what was done about it.

    Attributes:
        alarm: The alarm.
        time: When the part came at which it was noticed; None where that is not known.
        entries: The entries that show it best.
        actions: What was done, as it was noted in the log.
    """

    alarm: Alarm
    time: str | None
    entries: tuple[int, ...]
    actions: tuple[Event, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the alarm as JSON types."""
        actions = [
            {"text": event.text, "by": event.facts.get("by"), "at": event.at} for event in self.actions
        ]
        return {
            **self.alarm.as_dict(),
            "time": self.time,
            "entries": list(self.entries),
            "actions": actions,
        }


@dataclass(frozen=True)
class Rejects:
    """The parts between rejects.

    Attributes:
        chart: The g-chart of the period; its parts are counted from 1 in the order of the log.
        share: The share of rejects that it expects.
        before: Whether that is the share before the period; else it is the period's own.
    """

    chart: GChart
    share: float
    before: bool


@dataclass(frozen=True)
class Week:
    """A line from some moment to its last part.

    Attributes:
        log: The place of the log.
        inspector: The inspector that the report is about.
        period: From when to when.
        made: When this was made.
        tallies: What was decided.
        watched: What drift monitoring found; None where it was not asked.
        alarms: The alarms of the period, with what was done about them.
        events: What else happened in the period: actions without an alarm of it, changes of inspector.
        rejects: The parts between rejects; None with fewer than two.
        audit: What all looks so far prove of the inspector; None where there are none.
        proven: What they proved one after the other.
        work: What people did in the period; None without a normal class.
        missing: Why something is not there, by its name.
    """

    log: str
    inspector: Inspector = field(repr=False)
    period: Period
    made: str
    tallies: Tallies
    watched: Watched | None
    alarms: tuple[Answered, ...]
    events: tuple[Event, ...]
    rejects: Rejects | None
    audit: LogAudit | None
    proven: tuple[Proven, ...]
    work: Work | None
    missing: Mapping[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the week as `week.json` holds it."""
        inspector = {"sha256": self.inspector.sha256, "method": self.inspector.method.name}
        drift = (
            None
            if self.watched is None
            else {
                **self.watched.found.as_dict(),
                "alarms": [one.as_dict() for one in self.alarms],
                "charts": self.watched.peaks.as_dict(),
            }
        )
        return {
            "schema": SCHEMA,
            "log": self.log,
            "inspector": {**inspector, "normal": self.inspector.normal},
            "made": self.made,
            **asdict(self.period),
            **self.tallies.as_dict(),
            "drift": drift,
            "events": [_event(event) for event in self.events],
            "rejects": None if self.rejects is None else asdict(self.rejects),
            "audit": None if self.audit is None else self.audit.as_dict(),
            "proven": [one.as_dict() for one in self.proven],
            "review": None if self.work is None else self.work.as_dict(),
            "missing": dict(self.missing),
        }


def week_of(
    log: VerdictLog,
    inspector: Inspector,
    watched: Watched | None = None,
    *,
    period: Period | None = None,
    confidence: float = 0.95,
) -> Week:
    """Return a line from some moment to its last part; nothing is written.

    Args:
        log: The log.
        inspector: The inspector of the line.
        watched: What drift monitoring found in the log, with the course of its charts in the period.
        period: From when to when; None for the seven days up to the last entry.
        confidence: The confidence of the audit's bounds, in (0, 1).

    Raises:
        DataError: If the log has no entries.
    """
    period = period or period_of(log)
    missing: dict[str, str] = {}
    audit, proven = _audit(log, inspector, confidence, missing)
    alarms = () if watched is None else _answered(log, inspector, watched.found, period)
    if watched is None:
        missing["drift"] = "the line was not watched for drift"
    rejects = _rejects(log, inspector, period)
    if rejects is None:
        missing["rejects"] = "fewer than two parts were rejected"
    work = None if inspector.normal is None else work_of(log, period.since, inspector.normal)
    if work is None or not work.looks:
        missing["review"] = "nobody judged a picture in this time" + _waiting(work)
    tallies = tallies_of(log, inspector, period)
    if tallies.scores is None:
        missing["scores"] = "this inspector judged no part in this time, so there are no scores to compare"
    return Week(
        log=log.shown,
        inspector=inspector,
        period=period,
        made=now(),
        tallies=tallies,
        watched=watched,
        alarms=alarms,
        events=_other_events(log, period, alarms),
        rejects=rejects,
        audit=audit,
        proven=proven,
        work=work,
        missing=missing,
    )


def _audit(
    log: VerdictLog, inspector: Inspector, confidence: float, missing: dict[str, str]
) -> tuple[LogAudit | None, tuple[Proven, ...]]:
    """Return the audit of the inspector; where there is none, say why in `missing`."""
    try:
        found = audit_log(log, inspector, confidence=confidence)
    except (ConfigError, DataError) as error:  # it takes no decisions, or judged nothing here
        missing["audit"] = str(error)
        return None, ()
    if not found.evidence.looks:
        missing["audit"] = (
            "no part drawn at random was looked at; `brightfield review` makes a page for people to judge on"
        )
        return None, ()
    return found, proven_over_time(log, inspector, confidence)


def _answered(
    log: VerdictLog, inspector: Inspector, found: Monitored, period: Period
) -> tuple[Answered, ...]:
    """Return the alarms that were noticed in the period or went on in it."""
    events = list(log.events())
    out = []
    for alarm in found.alarms:
        if max(alarm.at, alarm.until) <= period.before:
            continue
        event = noticed(events, inspector.sha256, alarm)
        about = answers(events, inspector.sha256, alarm)
        time = None if event is None or event.entry_id is None else log.entry(event.entry_id).time
        entries = () if event is None else tuple(n for n in event.facts.get("entries", ()) if n is not None)
        out.append(Answered(alarm, time, entries, about))
    return tuple(out)


def _other_events(log: VerdictLog, period: Period, alarms: Sequence[Answered]) -> tuple[Event, ...]:
    told = {event.id for one in alarms for event in one.actions}
    return tuple(
        event
        for event in log.events()
        if event.kind != ALARM and event.id not in told and event.at >= period.since
    )


def _rejects(log: VerdictLog, inspector: Inspector, period: Period) -> Rejects | None:
    if inspector.normal is None:
        return None
    defect = Decision.DEFECT
    rows = columns(log.database, period.asked, ("id", "decision"))
    within = itertools.takewhile(lambda row: row[0] <= period.last, rows)
    rejected = [part for part, (_, decision) in enumerate(within, start=1) if decision == defect]
    if len(rejected) < 2:
        return None
    earlier = rejected_before(log, period)
    before = FEWEST_BEFORE <= earlier < period.before
    share = earlier / period.before if before else len(rejected) / period.parts
    if not 0.0 < share < 1.0:
        return None
    chart = g_chart(rejected, share)
    moved = tuple(part + period.before for part in chart.parts)
    return Rejects(GChart(moved, chart.gaps, chart.centre, chart.low, chart.high), share, before)


def _waiting(work: Work | None) -> str:
    if work is None or not work.waiting:
        return ""
    return f"; {work.waiting} pictures are on pages that have not come back"


def _event(event: Event) -> dict[str, Any]:
    same = {name: getattr(event, name) for name in ("id", "kind", "text", "entry_id", "about", "at")}
    return {**same, "facts": dict(event.facts)}
