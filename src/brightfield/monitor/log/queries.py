"""Which entries a filter means, as conditions of SQL; counts of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select

from brightfield.errors import ConfigError
from brightfield.monitor.log.records import Filter, Range, Texts
from brightfield.monitor.log.tables import entries, judgements

COUNTED_BY = {
    "decision": entries.c.decision,
    "label": entries.c.label,
    "lot": entries.c.lot,
    "station": entries.c.station,
    "inspector": entries.c.inspector_sha256,
    "day": entries.c.day,
}
"""What entries can be counted by."""

_HEX = re.compile(r"[0-9a-f]{1,64}")
_BEHIND_HEX = "g"


def conditions(asked: Filter) -> list[ColumnElement[bool]]:
    """Return the conditions that a filter sets.

    Raises:
        ConfigError: If a time or the digits of an inspector cannot be understood.
    """
    return [*_of_time(asked), *_of_texts(asked), *_of_numbers(asked), *_of_what_happened(asked)]


def counted(asked: Filter, by: Sequence[str]) -> Select[Any]:
    """Return the query for the number of entries, last, in each group.

    Raises:
        ConfigError: If entries cannot be counted by that.
    """
    if unknown := [name for name in by if name not in COUNTED_BY]:
        raise ConfigError(
            f"entries cannot be counted by {unknown[0]!r}; expected one of {', '.join(COUNTED_BY)}"
        )
    groups = [COUNTED_BY[name] for name in by]
    return select(*groups, func.count()).select_from(entries).where(*conditions(asked)).group_by(*groups)


def moment(given: str | datetime, *, end: bool = False) -> str:
    """Return a time as the log keeps it, in UTC, which it is taken for where it names no zone.

    Args:
        given: A datetime, or ISO 8601 such as `2026-03-01` or `2026-03-01T14:30+01:00`.
        end: Whether a date alone means its end instead of its beginning.

    Raises:
        ConfigError: If it is no time.
    """
    try:
        parsed = given if isinstance(given, datetime) else datetime.fromisoformat(given.strip())
        if end and isinstance(given, str) and _is_date(given.strip()):
            parsed += timedelta(days=1)
        aware = parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ConfigError(
            f"{given!r} is no time; expected a date such as 2026-03-01, or a time such as "
            "2026-03-01T14:30 (UTC) or 2026-03-01T14:30+01:00"
        ) from error
    return aware.isoformat(timespec="microseconds")


def _is_date(text: str) -> bool:
    """Return whether a text is a date alone, in any form that is understood."""
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _of_time(asked: Filter) -> Iterator[ColumnElement[bool]]:
    if asked.since is not None:
        yield entries.c.time >= moment(asked.since)
    if asked.until is not None:
        yield entries.c.time < moment(asked.until, end=True)


def _of_texts(asked: Filter) -> Iterator[ColumnElement[bool]]:
    wanted: dict[ColumnElement[str], Texts] = {
        entries.c.part: asked.part,
        entries.c.lot: asked.lot,
        entries.c.station: asked.station,
        entries.c.decision: asked.decision,
        entries.c.label: asked.label,
    }
    for column, texts in wanted.items():
        if isinstance(texts, str):
            yield column == texts
        elif texts is not None:
            yield column.in_(texts)
    if asked.inspector is not None:
        yield from _of_inspector(asked.inspector.strip().lower())


def _of_inspector(digits: str) -> Iterator[ColumnElement[bool]]:
    if not _HEX.fullmatch(digits):
        raise ConfigError(
            f"inspector is {digits!r}; expected the SHA-256 of its manifest, or its first digits (0-9, a-f)"
        )
    column = entries.c.inspector_sha256
    yield column >= digits
    yield column < digits + _BEHIND_HEX


def _of_numbers(asked: Filter) -> Iterator[ColumnElement[bool]]:
    yield from _within(entries.c.score, asked.score)
    yield from _within(entries.c.probability, asked.probability)
    if asked.after is not None:
        yield entries.c.id > asked.after


def _within(column: ColumnElement[float], wanted: Range) -> Iterator[ColumnElement[bool]]:
    least, greatest = wanted or (None, None)
    if least is not None:
        yield column >= least
    if greatest is not None:
        yield column <= greatest


def _of_what_happened(asked: Filter) -> Iterator[ColumnElement[bool]]:
    if asked.judged is not None:
        found = entries.c.id.in_(select(judgements.c.entry_id))
        yield found if asked.judged else ~found
    if asked.pictured is not None:
        yield entries.c.picture.is_not(None) if asked.pictured else entries.c.picture.is_(None)
