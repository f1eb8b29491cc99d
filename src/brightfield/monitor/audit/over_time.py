"""What the audit proved after each of its looks so far, as it would have said then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from brightfield.inspector import Inspector
from brightfield.monitor.audit.bounds import Bound, audit
from brightfield.monitor.audit.settled import Seen, evidence_of
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.cases import cases_of, find_cases
from brightfield.monitor.review.meant import entries_meant, normal_of
from brightfield.verdict import Decision

POINTS = 24
"""The most moments at which the bounds are computed again."""


@dataclass(frozen=True)
class Proven:
    """What was proven at one moment.

    Attributes:
        at: The moment, in UTC.
        looks: How many randomly drawn parts had been looked at.
        escape_rate: The bounds of the escape rate.
    """

    at: str
    looks: int
    escape_rate: Bound

    def as_dict(self) -> dict[str, Any]:
        """Return the moment as JSON types."""
        return {"at": self.at, "looks": self.looks, "escape_rate": self.escape_rate.as_dict()}


def proven_over_time(
    log: VerdictLog, inspector: Inspector | None = None, confidence: float = 0.95, points: int = POINTS
) -> tuple[Proven, ...]:
    """Return what was proven at moments spread evenly over the looks; the last one is the last look.

    Args:
        log: The log.
        inspector: The inspector; None for the one that judged last.
        confidence: The confidence of the bounds, in (0, 1).
        points: The most moments.

    Raises:
        DataError: If the log is empty, or the inspector judged none of its entries.
        ConfigError: If the inspector takes no decisions.
    """
    meant = entries_meant(log, inspector)
    normal = normal_of(log, meant, inspector, None)
    seen = [case.seen for case in cases_of(find_cases(log.database), meant) if case.seen is not None]
    moments = sorted({opinion.at for one in seen for opinion in one.opinions})
    return tuple(
        _proven(log, meant, _until(seen, at), at, (normal, confidence)) for at in _some(moments, points)
    )


def _some(moments: Sequence[str], points: int) -> list[str]:
    """Return so many moments at the most, evenly spread; the last one is among them."""
    step = max(1.0, len(moments) / points)
    places = sorted({len(moments) - 1 - int(i * step) for i in range(points)})
    return [moments[place] for place in places if place >= 0]


def _until(seen: Sequence[Seen], at: str) -> list[Seen]:
    """Return what was seen until then; a part that speaks for others only later does not yet."""
    early = [
        replace(
            one,
            opinions=tuple(o for o in one.opinions if o.at <= at),
            random=one.random and one.since <= at,
        )
        for one in seen
    ]
    return [one for one in early if one.opinions]


def _proven(log: VerdictLog, meant: Filter, seen: Sequence[Seen], at: str, by: tuple[str, float]) -> Proven:
    normal, confidence = by
    counts = log.counts(("decision",), replace(meant, until=at))
    passed = counts.get((str(Decision.OK),), 0)
    others = sum(n for (name,), n in counts.items() if name is not None) - passed
    evidence = evidence_of(seen, passed, others, normal)
    return Proven(at, int(evidence.looks), audit(evidence, confidence).escape_rate)
