"""Some columns of many entries, where whole entries would take too long to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import select

from brightfield.monitor.log.database import Database
from brightfield.monitor.log.queries import conditions
from brightfield.monitor.log.records import Filter
from brightfield.monitor.log.tables import entries

_PAGE = 20_000
_AT_ONCE = 500


def columns(database: Database, asked: Filter, names: Sequence[str]) -> Iterator[tuple[Any, ...]]:
    """Yield these columns of the entries that a filter means, in the order of the log.

    They are read a page at a time, so that no transaction stays open.
    """
    wanted = [entries.c.id, *(entries.c[name] for name in names)]
    last = 0
    while True:
        page = (
            select(*wanted).where(entries.c.id > last, *conditions(asked)).order_by(entries.c.id).limit(_PAGE)
        )
        rows = database.rows(page)
        for row in rows:
            yield tuple(row[1:])
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


def columns_of(
    database: Database, numbers: Iterable[int], names: Sequence[str]
) -> dict[int, tuple[Any, ...]]:
    """Return these columns of the entries with these numbers."""
    wanted, every = [entries.c.id, *(entries.c[name] for name in names)], sorted(set(numbers))
    found: dict[int, tuple[Any, ...]] = {}
    for start in range(0, len(every), _AT_ONCE):
        some = entries.c.id.in_(every[start : start + _AT_ONCE])
        found |= {row[0]: tuple(row[1:]) for row in database.rows(select(*wanted).where(some))}
    return found
