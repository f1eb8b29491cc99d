"""The audit of a log: what the looks in it prove of the inspector that judged last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from brightfield.inspector import Inspector
from brightfield.monitor.audit.bounds import Audit, Bound, audit, audits
from brightfield.monitor.audit.promise import Promise, Standing, standing
from brightfield.monitor.audit.settled import Kind, Seen, evidence_of
from brightfield.monitor.audit.tally import Evidence, Known
from brightfield.monitor.log.queries import moment
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.cases import Case, cases_of, find_cases
from brightfield.monitor.review.meant import entries_meant, normal_of
from brightfield.verdict import Decision

FEW_PIECES = 30
"""Below so many known pieces of a kind, showing them again is said to add little."""

ENOUGH_PIECES = 50
"""With so many known pieces of each kind, the bound is told beside one that few pieces widen."""

_WIDENED = 1.25
"""A bound so many times the one that `ENOUGH_PIECES` would give is said to be widened by few pieces."""

_NOTHING = 0.99
"""An upper bound from here on is said to prove nothing."""


@dataclass(frozen=True)
class LogAudit:
    """What the looks in a log prove.

    Attributes:
        evidence: The counts of looks.
        whole: The bounds of all parts.
        by_type: The bounds of each defect type, corrected for being many.
        by_station: The same of each station, where there are several.
        promises: How each promise stands.
        notes: What the bounds rest on.
    """

    evidence: Evidence
    whole: Audit
    by_type: dict[str, Audit]
    by_station: dict[str, Audit]
    promises: tuple[Standing, ...]
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as JSON types."""
        found = self.evidence
        looks = {
            name: {"defective": one.defective, "good": one.good, "undecided": one.unsettled}
            for name, one in (("passed", found.passed), ("rejected", found.rejected))
        }
        known = found.known
        return {
            "parts": {"passed": found.n_passed, "rejected": found.n_rejected},
            "looks": {
                **looks,
                "known_defective": {"n": known.defective, "missed": known.missed},
                "known_good": {
                    "n": known.good,
                    "alarms": known.alarmed,
                    "confirmed": known.confirmed,
                    "pending": known.pending,
                },
                "twice": {
                    "n": sum(p.differing + p.alike for p in (found.passed_twice, found.rejected_twice)),
                    "differing": found.passed_twice.differing + found.rejected_twice.differing,
                },
            },
            **self.whole.as_dict(),
            "by_type": {name: one.as_dict() for name, one in self.by_type.items()},
            "by_station": {name: one.as_dict() for name, one in self.by_station.items()},
            "promises": [one.as_dict() for one in self.promises],
            "notes": list(self.notes),
        }


def audit_log(
    log: VerdictLog,
    inspector: Inspector | None = None,
    promises: Sequence[Promise] = (),
    confidence: float = 0.95,
    since: str | None = None,
) -> LogAudit:
    """Return what the looks in a log prove of one inspector.

    Args:
        log: The log.
        inspector: The inspector; None for the one that judged last.
        promises: Promises beside those of the inspector's own operating point.
        confidence: The confidence of the bounds, in (0, 1).
        since: The time from which on parts count, as in `Filter`: that of an alarm of drift, after which the
            rates are others; None for all. Known pieces count whenever they were looked at.

    Raises:
        DataError: If the log is empty, or the inspector judged none of its entries, or none since then.
        ConfigError: If the inspector takes no decisions, or the confidence or `since` cannot be used.
    """
    meant = entries_meant(log, inspector, since)
    normal = normal_of(log, meant, inspector, None)
    cases = cases_of(find_cases(log.database), meant)
    seen = [case.seen for case in cases if case.seen is not None]
    whole = _evidence(log, meant, seen, normal)
    types = sorted(set(whole.passed.types) | set(whole.rejected.types))
    stations = _stations(log, meant)
    found = audit(whole, confidence)
    return LogAudit(
        evidence=whole,
        whole=found,
        by_type=audits({name: whole.of_type(name) for name in types}, confidence),
        by_station=audits(
            {
                name: _evidence(log, replace(meant, station=name), _at_station(seen, name), normal)
                for name in stations
            },
            confidence,
        ),
        promises=tuple(standing(one, whole) for one in (*_own_promises(inspector), *promises)),
        notes=(
            *([] if since is None else [f"parts from {moment(since)} on count alone"]),
            *_why_wide(whole, found),
            *_notes(whole, cases, normal, bool(found.raised)),
        ),
    )


def _evidence(log: VerdictLog, meant: Filter, seen: Sequence[Seen], normal: str) -> Evidence:
    counts = log.counts(("decision",), meant)
    passed = counts.get((str(Decision.OK),), 0)
    return evidence_of(
        seen, passed, sum(n for (name,), n in counts.items() if name is not None) - passed, normal
    )


def _stations(log: VerdictLog, meant: Filter) -> list[str]:
    named = sorted(name for (name,) in log.counts(("station",), meant) if name is not None)
    return named if len(named) > 1 else []


def _at_station(seen: Sequence[Seen], name: str) -> list[Seen]:
    """Return the looks at parts of one station, and those at known pieces, which belong to all."""
    return [one for one in seen if one.kind is Kind.KNOWN or one.station == name]


def _own_promises(inspector: Inspector | None) -> list[Promise]:
    point = None if inspector is None else inspector.operating_point
    return [] if point is None else [Promise.of(guarantee) for guarantee in point.guarantees]


def _notes(evidence: Evidence, cases: Sequence[Case], normal: str, raised: bool) -> list[str]:
    notes = []
    if not evidence.known.defective:
        notes.append("no known defective piece was looked at: people are taken to miss no defect")
    if not evidence.known.good:
        notes.append("no known good piece was looked at: people are taken to call no good part defective")
    if not evidence.passed.n:
        notes.append("no part that passed was drawn at random and looked at: nothing is known of escapes")
    if not evidence.rejected.n:
        notes.append(
            "no part that did not pass was drawn at random and looked at: nothing is known of overkill, nor "
            "of how many defects there are, without which no bound on escapes is proven"
        )
    notes += _few_pieces(evidence, cases, normal)
    if raised:
        notes.append(
            "looks at the same part differ more often than known pieces explain: real parts are harder to "
            "judge, so people's errors count for more; add harder known pieces"
        )
    undecided = int(evidence.passed.unsettled + evidence.rejected.unsettled)
    if undecided:
        parts = (
            "1 part is undecided and counts"
            if undecided == 1
            else f"{undecided} parts are undecided and count"
        )
        notes.append(f"{parts} as what is worse; the next page shows what is undecided again")
    waiting = sum(case.waiting for case in cases)
    if waiting:
        pictures = "1 picture is" if waiting == 1 else f"{waiting} pictures are"
        notes.append(f"{pictures} on pages whose files have not come back")
    return notes


def nothing_proven(rate: Bound) -> bool:
    """Return whether the upper bound of a rate excludes next to nothing."""
    return float(rate.high) >= _NOTHING


def _why_wide(evidence: Evidence, found: Audit) -> list[str]:
    """Say what makes the bound of the escape rate wide, where it is few known pieces, or few looks."""
    known, high = evidence.known, float(found.escape_rate.high)
    enough = float(audit(replace(evidence, known=_enough(known)), found.confidence).escape_rate.high)
    few = min((n for n in (known.defective, known.good) if n), default=ENOUGH_PIECES) < ENOUGH_PIECES
    if few and high > _WIDENED * enough:
        kinds = (("defective", known.defective, found.missed), ("good", known.good, found.alarms))
        shown = [(f"{n:g} known {kind}", f"{float(rate.high):.0%}") for kind, n, rate in kinds if n]
        pieces, errors = (" and ".join(words) for words in zip(*shown, strict=True))
        return [
            f"{pieces} pieces are few, so people may be wrong in up to {errors} of such parts: that alone "
            f"widens the bound of escapes to {high:.1%}; with {ENOUGH_PIECES} different ones of each kind, "
            f"judged as so far, it would be {enough:.1%}"
        ]
    if nothing_proven(found.escape_rate) and evidence.looks:
        return [
            f"{evidence.passed.n:g} looks at parts that passed and {evidence.rejected.n:g} at parts that did "
            "not are too few to prove anything of escapes: look at more of both"
        ]
    return []


def _enough(known: Known) -> Known:
    """Return the counts of at least `ENOUGH_PIECES` of each kind that was shown, judged as so far."""
    defective = max(1.0, ENOUGH_PIECES / float(known.defective)) if known.defective else 1.0
    good = max(1.0, ENOUGH_PIECES / float(known.good)) if known.good else 1.0
    return Known(
        defective=defective * known.defective,
        missed=defective * known.missed,
        good=good * known.good,
        alarmed=good * known.alarmed,
        confirmed=good * known.confirmed,
        pending=good * known.pending,
    )


def _few_pieces(evidence: Evidence, cases: Sequence[Case], normal: str) -> list[str]:
    """Say where few known pieces are shown again and again."""
    known, notes = evidence.known, []
    for kind, pieces, good in (("defective", known.defective, False), ("good", known.good, True)):
        times = sum(
            case.seen is not None and case.entry_id is None and (case.seen.truth == normal) == good
            for case in cases
        )
        if times > pieces and pieces < FEW_PIECES:
            notes.append(
                f"{pieces} different known {kind} pieces were shown {times} times, and each counts once: "
                "with more pieces people's errors are bounded closer"
            )
    return notes
