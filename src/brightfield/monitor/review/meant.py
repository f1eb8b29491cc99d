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


def classes_of(
    log: VerdictLog, meant: Filter, inspector: Inspector | None, known: Dataset | None
) -> tuple[str, list[str]]:
    """Return the class of good parts, and the defect types that inspector, log and known pieces name.

    Raises:
        ConfigError: If the inspector takes no decisions, or known pieces have another class of good parts.
    """
    labels = log.counts(("decision", "label"), meant)
    if all(decision is None for decision, _ in labels):
        raise ConfigError(
            f"the inspector behind {log.shown} names classes and takes no decisions; a review needs an "
            "inspector with a normal class"
        )
    normal = (None if inspector is None else inspector.normal) or called_good(labels)
    if known is not None and known.normal is None:
        raise ConfigError(
            f"no class of {known.name} counts as good ({', '.join(known.classes)}); known pieces are good "
            "and defective ones: call the folder of the good ones as the log does"
        )
    normal = normal or (None if known is None else known.normal) or NORMAL
    if known is not None and known.normal != normal:
        raise ConfigError(
            f"the class of good parts is {known.normal!r} among the known pieces and {normal!r} in the log; "
            "rename the folder"
        )
    found = {label for decision, label in labels if decision != Decision.OK and label is not None}
    found |= set() if inspector is None else set(inspector.classes)
    found |= set() if known is None else set(known.classes)
    found |= {judged.truth for judged in log.judgements()}
    types = sorted(found - {normal, UNTYPED})
    return normal, types or [UNTYPED]


def called_good(labels: Mapping[tuple[str | None, ...], int]) -> str | None:
    """Return the class of most parts that passed, of counts by decision and label; None without any."""
    passed = {label: n for (decision, label), n in labels.items() if decision == Decision.OK}
    return max(passed, key=passed.__getitem__, default=None)
