"""A log in numbers: how many entries of each decision, label, station, lot, inspector and day."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from brightfield.monitor.log.queries import COUNTED_BY
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.store import VerdictLog


@dataclass(frozen=True)
class LogSummary:
    """Numbers of the entries that a filter means.

    Attributes:
        entries: How many there are.
        first: The time of the first; None without any.
        last: The time of the last; None without any.
        counts: How many there are of each decision, label, station, lot, inspector and day; None for entries
            without one.
        judged: How many a person has judged.
        pictures: How many pictures the whole log keeps.
        bytes: How many bytes these take.
    """

    entries: int
    first: str | None
    last: str | None
    counts: dict[str, dict[str | None, int]]
    judged: int
    pictures: int
    bytes: int

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON types, with groups as a list, as JSON has no key for None."""
        groups = {
            name: [{name: group, "n": n} for group, n in counts.items()]
            for name, counts in self.counts.items()
        }
        return {**asdict(self), "counts": groups}


def summarise(log: VerdictLog, asked: Filter | None = None) -> LogSummary:
    """Count the entries that a filter means.

    Raises:
        ConfigError: If the filter cannot be understood.
    """
    meant = asked or Filter()
    counts = {name: {group[0]: n for group, n in log.counts((name,), meant).items()} for name in COUNTED_BY}
    judged = 0 if meant.judged is False else log.count(replace(meant, judged=True))
    ends = [next(log.entries(meant, newest_first=newest, most=1), None) for newest in (False, True)]
    pictures, size = log.kept()
    return LogSummary(
        entries=sum(counts["decision"].values()),
        first=None if ends[0] is None else ends[0].time,
        last=None if ends[1] is None else ends[1].time,
        counts=counts,
        judged=judged,
        pictures=pictures,
        bytes=size,
    )
