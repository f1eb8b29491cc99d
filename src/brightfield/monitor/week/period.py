"""The stretch of a log that a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select

from brightfield.errors import DataError
from brightfield.monitor.log.queries import moment
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.log.tables import entries
from brightfield.verdict import Decision

DAYS = 7
"""How many days before the last entry a period begins, unless it is set."""


@dataclass(frozen=True)
class Period:
    """A stretch of a log, from a moment to its last entry: entries in their order, whatever is written since.

    Attributes:
        since: The moment, in UTC as the log keeps it.
        until: The time of the last entry.
        before: How many entries came before it.
        parts: How many entries it has.
        first: The `id` of its first entry.
        last: The `id` of its last entry.
    """

    since: str
    until: str
    before: int
    parts: int
    first: int
    last: int

    @property
    def asked(self) -> Filter:
        """The entries from its first one on, also those that were written behind its last one."""
        return Filter(after=self.first - 1)


def period_of(log: VerdictLog, since: str | datetime | None = None) -> Period:
    """Return the period from a moment on, or else the last seven days up to the last entry.

    Entries are numbered in the order in which they were written, and a clock may have been wrong for a while.
    So the period begins at the entry that leaves the fewest on the wrong side of the moment.

    Raises:
        DataError: If there are no entries.
        ConfigError: If the moment cannot be understood.
    """
    last = next(log.entries(newest_first=True, most=1), None)
    if last is None:
        raise DataError(f"{log.shown} has no entries; `brightfield inspect --log` writes some")
    if since is None:
        begin = moment(datetime.fromisoformat(last.time) - timedelta(days=DAYS))
    else:
        begin = moment(since)
    before_first = _last_before(log, begin, last.id)
    before = _count(log, 1, before_first)
    parts = _count(log, before_first + 1, last.id)
    if parts == 0:
        raise DataError(f"{log.shown} has no entries since {begin}; the last one is of {last.time}")
    return Period(begin, last.time, before, parts, before_first + 1, last.id)


def rejected_before(log: VerdictLog, period: Period) -> int:
    """Return how many parts were rejected before a period."""
    query = select(func.count()).where(
        entries.c.id < period.first, entries.c.decision == str(Decision.DEFECT)
    )
    with log.database.reading() as connection:
        return int(connection.execute(query).scalar_one())


def _last_before(log: VerdictLog, begin: str, last: int) -> int:
    """Return the `id` of the entry that a period from a moment on begins behind; 0 for none."""
    earlier = case((entries.c.time < begin, 1), else_=-1)
    lead = func.sum(earlier).over(order_by=entries.c.id).label("lead")
    of_each = select(entries.c.id, lead).where(entries.c.id <= last).subquery()
    query = select(of_each.c.id).where(of_each.c.lead > 0).order_by(of_each.c.lead.desc(), of_each.c.id)
    with log.database.reading() as connection:
        return int(connection.execute(query.limit(1)).scalar() or 0)


def _count(log: VerdictLog, first: int, last: int) -> int:
    query = select(func.count()).select_from(entries).where(entries.c.id.between(first, last))
    with log.database.reading() as connection:
        return int(connection.execute(query).scalar_one())
