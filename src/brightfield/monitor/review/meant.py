"""Which entries of a log are meant, and what their classes are called."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from brightfield.data.dataset import Dataset
from brightfield.errors import ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import UNTYPED, Decision

NORMAL = "OK"
"""The class of good parts where neither inspector nor log names one."""

_WITHOUT_TYPE = frozenset(
    {"anomaly", "bad", "defect", "defective", "defects", "fail", "faulty", "ng", "nok", "not_ok", "reject"}
)
"""Names of classes, in lower case, that say of a part no more than that it is defective."""

_DIGITS = 12


def entries_meant(log: VerdictLog, inspector: Inspector | None, since: str | None = None) -> Filter:
    """Return the entries that one inspector judged: the given one, or else the last one of the log.

    Args:
        log: The log.
        inspector: The inspector; None for the one that judged last.
        since: The time from which on entries are meant, as in `Filter`; None for all.

    Raises:
        DataError: If the log is empty, or the inspector judged none of its entries, or none since then.
        ConfigError: If `since` is no time.
    """
    last = next(log.entries(newest_first=True, most=1), None)
    if last is None:
        raise DataError(f"{log.shown} has no entries; `brightfield inspect --log` writes some")
    sha256 = last.inspector_sha256 if inspector is None else inspector.sha256
    meant = Filter() if sha256 is None else Filter(inspector=sha256)
    if inspector is not None and next(log.entries(meant, most=1), None) is None:
        raise DataError(
            f"no entry of {log.shown} was judged by this inspector; the last one was by "
            f"{(last.inspector_sha256 or 'one that is not known')[:_DIGITS]}: name that bundle"
        )
    if since is not None and next(log.entries(replace(meant, since=since), most=1), None) is None:
        raise DataError(
            f"no entry of {log.shown} was judged by this inspector from {since} on; the last one is of "
            f"{last.time}: name an earlier time"
        )
    return replace(meant, since=since)


def normal_of(log: VerdictLog, meant: Filter, inspector: Inspector | None, known: Dataset | None) -> str:
    """Return the class of good parts, as inspector, log or known pieces call it.

    Raises:
        ConfigError: If the inspector takes no decisions.
    """
    labels = log.counts(("decision", "label"), meant)
    if all(decision is None for decision, _ in labels):
        raise ConfigError(
            f"the inspector behind {log.shown} names classes and takes no decisions; a review needs an "
            "inspector with a normal class"
        )
    normal = (None if inspector is None else inspector.normal) or called_good(labels)
    return normal or (None if known is None else known.normal) or NORMAL


def types_of(
    log: VerdictLog, meant: Filter, normal: str, inspector: Inspector | None, known: Dataset | None
) -> list[str]:
    """Return the defect types that inspector, log and known pieces name; at least one.

    Where inspector and log tell no types apart, several types of known pieces are taken, and one alone is
    not: it would stand for all defects.
    """
    labels = log.counts(("decision", "label"), meant)
    own = {label for decision, label in labels if decision != Decision.OK and label is not None}
    own |= set() if inspector is None else set(inspector.classes)
    own |= {judged.truth for judged in log.judgements()}
    own -= {normal, UNTYPED}
    of_known = set() if known is None else set(known.classes) - {normal}
    if not all(name.lower() in _WITHOUT_TYPE for name in own):
        return sorted(own | of_known)
    return sorted(of_known) if len(of_known) > 1 else sorted(own) or [UNTYPED]


def called_good(labels: Mapping[tuple[str | None, ...], int]) -> str | None:
    """Return the class of most parts that passed, of counts by decision and label; None without any."""
    passed = {label: n for (decision, label), n in labels.items() if decision == Decision.OK}
    return max(passed, key=passed.__getitem__, default=None)
