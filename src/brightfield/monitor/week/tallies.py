"""What was decided in a period: counts, how long it took, the scores, and by which inspectors."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.inspector import Inspector
from brightfield.monitor.log.columns import columns
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.week.period import Period

FloatArray = npt.NDArray[np.float64]
Counts = dict[str, int]
Groups = dict[str | None, Counts]

FEWEST_BINS, MOST_BINS = 12, 48
"""The number of bins of the scores is the square root of how many there are, within these bounds."""

_QUANTILES = (0.5, 0.95, 0.99)
_DATE = 10  # the characters of a time that are its day


@dataclass(frozen=True)
class Latency:
    """How long verdicts took, from the decoded picture to the verdict.

    Attributes:
        n: How many verdicts.
        median: In milliseconds.
        p95: 95% took no longer.
        p99: 99% took no longer.
        slowest: The longest.
    """

    n: int
    median: float
    p95: float
    p99: float
    slowest: float

    @staticmethod
    def of(milliseconds: Sequence[float]) -> Latency:
        """Return the figures of at least one verdict."""
        values = np.asarray(milliseconds, dtype=np.float64)
        middle, p95, p99 = (float(q) for q in np.quantile(values, _QUANTILES))
        return Latency(len(values), middle, p95, p99, float(values.max()))


@dataclass(frozen=True, eq=False)
class Distribution:
    """The scores of one inspector on the line, beside those of the pictures that calibrated it.

    Attributes:
        edges: The edges of B bins, (B + 1,); what lies beyond is counted in the outer ones.
        line: The counts of each decision, or of all parts without a normal class, (B,) each.
        reference: The counts of good and of defective pictures of the reference, or of all, (B,) each.
    """

    edges: FloatArray
    line: Mapping[str, npt.NDArray[np.int64]] = field(repr=False)
    reference: Mapping[str, npt.NDArray[np.int64]] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Return the distribution as JSON types."""
        groups = {"line": self.line, "reference": self.reference}
        lists = {name: {k: v.tolist() for k, v in of.items()} for name, of in groups.items()}
        return {"edges": self.edges.tolist(), **lists}


@dataclass(frozen=True)
class Stint:
    """What one inspector did in the period.

    Attributes:
        sha256: Which inspector; None where the log does not know it.
        method: Its method.
        first: The time of its first verdict in the period.
        last: The time of its last one.
        since_part: The part with its first verdict, counted from 1 in the order of the log.
        decisions: How many parts got each decision, or each label without a normal class.
    """

    sha256: str | None
    method: str
    first: str
    last: str
    since_part: int
    decisions: Counts

    @property
    def parts(self) -> int:
        """The number of its verdicts."""
        return sum(self.decisions.values())


@dataclass(frozen=True)
class Tallies:
    """What was decided in a period.

    Attributes:
        decided: Whether there are decisions; without a normal class labels stand in their place.
        decisions: How many parts got each.
        by_day: The same of each day in UTC, by date.
        by_lot: The same of each lot, in the order of the log; None for parts without one.
        by_station: The same of each station.
        latency: How long verdicts took.
        latency_by_day: The same of each day.
        scores: The scores of the inspector that the report is about; None where it judged nothing.
        inspectors: Who judged, in the order of their first verdicts.
    """

    decided: bool
    decisions: Counts
    by_day: Groups
    by_lot: Groups
    by_station: Groups
    latency: Latency
    latency_by_day: Mapping[str, Latency]
    scores: Distribution | None
    inspectors: tuple[Stint, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the tallies as JSON types; a lot or station that is not known is null in a list."""

        def listed(name: str, groups: Groups) -> list[dict[str, Any]]:
            return [{name: group, "n": counts} for group, counts in groups.items()]

        return {
            "decisions": self.decisions,
            "by_day": listed("day", self.by_day),
            "by_lot": listed("lot", self.by_lot),
            "by_station": listed("station", self.by_station),
            "milliseconds": asdict(self.latency),
            "milliseconds_by_day": {day: asdict(found) for day, found in self.latency_by_day.items()},
            "scores": None if self.scores is None else self.scores.as_dict(),
            "inspectors": [{**asdict(stint), "parts": stint.parts} for stint in self.inspectors],
        }


@dataclass
class _Begun:
    """A stint as it is counted."""

    method: str
    first: str
    last: str
    since_part: int
    decisions: Counter[str] = field(default_factory=Counter)

    def ended(self, sha256: str | None) -> Stint:
        return Stint(sha256, self.method, self.first, self.last, self.since_part, dict(self.decisions))


_NAMES = (
    "id",
    "time",
    "decision",
    "label",
    "lot",
    "station",
    "score",
    "milliseconds",
    "inspector_sha256",
    "method",
)


def tallies_of(log: VerdictLog, inspector: Inspector, period: Period) -> Tallies:
    """Return what was decided in a period that has at least one entry."""
    decided = inspector.normal is not None
    by: dict[str, dict[str | None, Counter[str]]] = {name: {} for name in ("day", "lot", "station")}
    all_of: Counter[str] = Counter()
    times: dict[str, list[float]] = defaultdict(list)
    scores: dict[str, list[float]] = defaultdict(list)
    stints: dict[str | None, _Begun] = {}
    rows = columns(log.database, period.asked, _NAMES)
    for part, (entry, time, decision, label, lot, station, score, took, sha256, method) in enumerate(
        rows, start=period.before + 1
    ):
        if entry > period.last:
            break
        said = label if decision is None else decision
        day = time[:_DATE]
        all_of[said] += 1
        for name, group in (("day", day), ("lot", lot), ("station", station)):
            by[name].setdefault(group, Counter())[said] += 1
        times[day].append(took)
        if sha256 == inspector.sha256:
            scores[said if decided else ""].append(score)
        stint = stints.setdefault(sha256, _Begun(method, time, time, part))
        stint.last = time
        stint.decisions[said] += 1
    return Tallies(
        decided=decided,
        decisions=dict(all_of),
        by_day=_plain(by["day"]),
        by_lot=_plain(by["lot"]),
        by_station=_plain(by["station"]),
        latency=Latency.of([took for of_day in times.values() for took in of_day]),
        latency_by_day={day: Latency.of(of_day) for day, of_day in times.items()},
        scores=_distribution(inspector, scores) if scores else None,
        inspectors=tuple(stint.ended(sha256) for sha256, stint in stints.items()),
    )


def _plain(groups: Mapping[str | None, Counter[str]]) -> Groups:
    return {group: dict(counts) for group, counts in groups.items()}


def _distribution(inspector: Inspector, line: Mapping[str, Sequence[float]]) -> Distribution:
    own = np.asarray(inspector.reference["scores"], dtype=np.float64)
    reference = {"": own}
    if inspector.normal_index is not None:
        good = np.asarray(inspector.reference["labels"]) == inspector.normal_index
        reference = {"good": own[good], "defective": own[~good]}
    edges = _edges([*line.values(), own])
    return Distribution(
        edges,
        {name: _counted(values, edges) for name, values in sorted(line.items())},
        {name: _counted(values, edges) for name, values in reference.items() if len(values)},
    )


def _edges(values: Iterable[Sequence[float] | FloatArray]) -> FloatArray:
    """Return edges that leave out one value in a thousand at either end, and so no lonely far one decides."""
    every = np.concatenate([np.asarray(v, dtype=np.float64) for v in values])
    low, high = (float(q) for q in np.quantile(every, (0.001, 0.999)))
    if high <= low:
        low, high = low - 0.5, low + 0.5
    bins = int(np.clip(math.sqrt(len(every)), FEWEST_BINS, MOST_BINS))
    return np.linspace(low, high, bins + 1)


def _counted(values: Sequence[float] | FloatArray, edges: FloatArray) -> npt.NDArray[np.int64]:
    inside = np.clip(np.asarray(values, dtype=np.float64), edges[0], edges[-1])
    return np.histogram(inside, edges)[0].astype(np.int64)
