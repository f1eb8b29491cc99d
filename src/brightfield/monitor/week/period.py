"""The stretch of a log that a report is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from brightfield.errors import DataError
from brightfield.monitor.log.queries import moment
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.store import VerdictLog

DAYS = 7
"""How many days before the last entry a period begins, unless it is set."""


@dataclass(frozen=True)
class Period:
    """A stretch of a log, from a moment to its last entry.

    Attributes:
        since: The moment, in UTC as the log keeps it.
        until: The time of the last entry.
        before: How many entries came before it.
        parts: How many entries it has.
    """

    since: str
    until: str
    before: int
    parts: int

    @property
    def asked(self) -> Filter:
        """The entries that are meant."""
        return Filter(since=self.since)


def period_of(log: VerdictLog, since: str | datetime | None = None) -> Period:
    """Return the period from a moment on, or else the last seven days up to the last entry.

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
    parts = log.count(Filter(since=begin))
    if parts == 0:
        raise DataError(f"{log.shown} has no entries since {begin}; the last one is of {last.time}")
    return Period(begin, last.time, log.count() - parts, parts)
