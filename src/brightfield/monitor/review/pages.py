"""Pages in the log: what was shown, and what was said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from brightfield.monitor.log.database import Database
from brightfield.monitor.log.judging import in_pages, next_id
from brightfield.monitor.log.records import now
from brightfield.monitor.log.rows import storable
from brightfield.monitor.log.tables import looks, shown
from brightfield.monitor.review.records import Item, Pool, Said, Shown


def add_page(database: Database, page: str, items: Sequence[tuple[str, Item]]) -> list[Shown]:
    """Write down what a page shows, all or nothing.

    Args:
        database: The log.
        page: The page's id, which no other page has.
        items: The name of each picture on the page, and what it is.
    """
    at = now()

    def work(connection: Connection) -> list[Shown]:
        number = next_id(connection, shown)
        made = [Shown(number + i, page, name, item, at) for i, (name, item) in enumerate(items)]
        if made:
            connection.execute(insert(shown), [_row(one) for one in made])
        return made

    return database.write(work)


def find_shown(database: Database, page: str | None = None) -> Iterator[Shown]:
    """Yield what was shown, in the order of showing: on one page or on all."""
    wanted = [] if page is None else [shown.c.page == page]
    for row in in_pages(database, shown, wanted):
        values = {name: row[name] for name in ("entry_id", "piece", "truth", "first")}
        yield Shown(row["id"], row["page"], row["item"], Item(Pool(row["pool"]), **values), row["at"])


def add_looks(database: Database, said: Iterable[Said]) -> int:
    """Write down what was said, all or nothing, and return how much of it is new."""
    rows = [_look_row(one) for one in said]

    def work(connection: Connection) -> int:
        number = first = next_id(connection, looks)
        for row in rows:
            same = [looks.c[name] == row[name] for name in ("shown_id", "by", "at")]
            if connection.execute(select(looks.c.id).where(*same)).first() is None:
                connection.execute(insert(looks), {"id": number, **row})
                number += 1
        return number - first

    return database.write(work)


def find_looks(database: Database) -> Iterator[Said]:
    """Yield what was said, in the order in which it came in."""
    for row in in_pages(database, looks, []):
        yield Said(*(row[name] for name in ("shown_id", "truth", "by", "at", "seconds", "heat")))


def _row(one: Shown) -> dict[str, Any]:
    item = one.item
    texts = {"piece": item.piece, "truth": item.truth}
    return {
        "id": one.id,
        "page": one.page,
        "item": one.name,
        "pool": str(item.pool),
        "entry_id": item.entry_id,
        **{name: None if text is None else storable(text) for name, text in texts.items()},
        "first": item.first,
        "at": one.at,
    }


def _look_row(one: Said) -> dict[str, Any]:
    truth = None if one.truth is None else storable(one.truth)
    same = {"shown_id": one.shown_id, "by": storable(one.by), "at": one.at}
    return {**same, "truth": truth, "seconds": one.seconds, "heat": one.heat}
