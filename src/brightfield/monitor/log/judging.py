"""What is kept beside the entries: judgements by people, samples that were drawn, events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, Table, exists, func, insert, select

from brightfield.errors import InputError
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.queries import conditions
from brightfield.monitor.log.records import JUDGED_IN, Event, Filter, Judged, Sampled
from brightfield.monitor.log.rows import storable
from brightfield.monitor.log.tables import entries, events, judgements, samples

_PAGE = 1000
_SHOWN = 5
_AT_ONCE = 500


def add_judgements(database: Database, judged: Iterable[Judged]) -> int:
    """Add judgements and return how many are new; one by the same person at the same moment is kept once.

    Raises:
        InputError: If one names no class or no person, or an entry that is not there.
    """
    rows = [_judgement_row(one) for one in judged]
    return database.write(lambda c: _add_new(c, judgements, rows, ("entry_id", "by", "at", "source")))


def add_samples(database: Database, drawn: Iterable[Sampled]) -> int:
    """Add samples and return how many are new; an entry is drawn once from a pool in a draw.

    Raises:
        InputError: If a probability is out of range, or an entry is not there.
    """
    rows = [_sample_row(one) for one in drawn]
    return database.write(lambda c: _add_new(c, samples, rows, ("entry_id", "draw", "pool")))


def add_event(database: Database, event: Event) -> Event:
    """Add an event and return it with its number.

    Raises:
        InputError: If it names an entry that is not there.
    """

    def work(connection: Connection) -> int:
        if event.entry_id is not None:
            _check_entries(connection, {event.entry_id})
        number = next_id(connection, events)
        row = {"kind": event.kind, "text": storable(event.text), "entry_id": event.entry_id}
        facts = {"about": event.about, "at": event.at, "facts": dict(event.facts) or None}
        connection.execute(insert(events), {"id": number, **row, **facts})
        return number

    number = database.write(work)
    return Event(event.kind, event.text, event.entry_id, event.about, event.facts, event.at, number)


def find_judgements(database: Database, asked: Filter | None, source: str | None) -> Iterator[Judged]:
    """Yield judgements in the order in which they came in.

    Args:
        database: The log.
        asked: Which entries' are meant; None for all.
        source: The source of those that are meant; None for any.
    """
    wanted = [] if source is None else [judgements.c.source == source]
    for row in in_pages(database, judgements, [*wanted, *_of_entries(judgements, asked)]):
        yield Judged(row["entry_id"], row["truth"], row["by"], row["at"], row["source"], row["note"])


def find_samples(database: Database, asked: Filter | None, draw: str | None) -> Iterator[Sampled]:
    """Yield what was drawn, in the order of drawing; the arguments are like those of `find_judgements`."""
    wanted = [] if draw is None else [samples.c.draw == draw]
    for row in in_pages(database, samples, [*wanted, *_of_entries(samples, asked)]):
        facts = row["facts"] or {}
        yield Sampled(row["entry_id"], row["pool"], row["probability"], row["at"], row["draw"], facts)


def find_events(database: Database, kind: str | None, after: int) -> Iterator[Event]:
    """Yield events in the order in which they came in, those of one kind or all, behind one number."""
    wanted = [events.c.id > after, *([] if kind is None else [events.c.kind == kind])]
    for row in in_pages(database, events, wanted):
        same = {name: row[name] for name in ("kind", "text", "entry_id", "about", "at", "id")}
        yield Event(**same, facts=row["facts"] or {})


def latest_judgements(database: Database, numbers: Iterable[int]) -> dict[int, Judged]:
    """Return the last judgement on each of these entries that has any."""
    wanted = list(numbers)
    found: dict[int, Judged] = {}
    for start in range(0, len(wanted), _AT_ONCE):
        some = judgements.c.entry_id.in_(wanted[start : start + _AT_ONCE])
        for row in database.mappings(select(judgements).where(some).order_by(judgements.c.id)):
            values = (row[name] for name in ("entry_id", "truth", "by", "at", "source", "note"))
            found[row["entry_id"]] = Judged(*values)
    return found


def _judgement_row(one: Judged) -> dict[str, Any]:
    if not one.truth.strip() or not one.by.strip():
        raise InputError(f"a judgement on entry {one.entry_id} says no class, or not who judged; give both")
    if one.source not in JUDGED_IN:
        raise InputError(
            f"a judgement on entry {one.entry_id} comes from {one.source!r}; expected {', '.join(JUDGED_IN)}"
        )
    texts = {"truth": one.truth, "by": one.by, "at": one.at, "source": one.source, "note": one.note}
    return {"entry_id": one.entry_id, **{name: storable(text) for name, text in texts.items()}}


def _sample_row(one: Sampled) -> dict[str, Any]:
    if not 0.0 < one.probability <= 1.0:
        raise InputError(
            f"entry {one.entry_id} was drawn with probability {one.probability}; expected a number in (0, 1]"
        )
    row = {"entry_id": one.entry_id, "draw": one.draw, "pool": one.pool, "probability": one.probability}
    return {**row, "at": one.at, "facts": dict(one.facts) or None}


def _add_new(connection: Connection, table: Table, rows: list[dict[str, Any]], alone: tuple[str, ...]) -> int:
    """Insert the rows that are not there yet, as the columns of `alone` tell, and return how many."""
    _check_entries(connection, {row["entry_id"] for row in rows})
    number = first = next_id(connection, table)
    for row in rows:
        same = [table.c[name] == row[name] for name in alone]
        if connection.execute(select(table.c.id).where(*same)).first() is None:
            connection.execute(insert(table), {"id": number, **row})
            number += 1
    return number - first


def _check_entries(connection: Connection, numbers: set[int]) -> None:
    known: set[int] = set()
    wanted = sorted(numbers)
    for start in range(0, len(wanted), _AT_ONCE):
        some = entries.c.id.in_(wanted[start : start + _AT_ONCE])
        known.update(connection.execute(select(entries.c.id).where(some)).scalars())
    if missing := sorted(numbers - known):
        named = ", ".join(map(str, missing[:_SHOWN])) + (", ..." if len(missing) > _SHOWN else "")
        raise InputError(f"the log has no entry {named}; is this another log?")


def next_id(connection: Connection, table: Table) -> int:
    """Return the number of the next row of a table; writers take turns."""
    return int(connection.execute(select(func.coalesce(func.max(table.c.id), 0))).scalar_one()) + 1


def _of_entries(table: Table, asked: Filter | None) -> list[ColumnElement[bool]]:
    wanted = [] if asked is None else conditions(asked)
    return [exists().where(entries.c.id == table.c.entry_id, *wanted)] if wanted else []


def in_pages(database: Database, table: Table, wanted: list[ColumnElement[bool]]) -> Iterator[RowMapping]:
    """Yield rows by their number, a page at a time, so that no transaction stays open."""
    last = 0
    while True:
        page = select(table).where(table.c.id > last, *wanted).order_by(table.c.id).limit(_PAGE)
        rows = database.mappings(page)
        yield from rows
        if len(rows) < _PAGE:
            return
        last = rows[-1]["id"]
