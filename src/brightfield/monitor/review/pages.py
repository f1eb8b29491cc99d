"""Pages in the log: what was shown, and what was said of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sqlalchemy import Connection, insert, select

from brightfield.errors import InputError
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.judging import add_event, find_events, in_pages, next_id
from brightfield.monitor.log.records import Event, now
from brightfield.monitor.log.rows import storable
from brightfield.monitor.log.tables import looks, shown
from brightfield.monitor.review.records import Item, Pool, Said, Shown

WITHDRAWN = "withdrawn"
"""The kind of the event that a page is not waited for any more."""


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


def withdraw(database: Database, page: str) -> int:
    """Wait no longer for a page, and return how many of its pictures nobody has looked at.

    It is as if seven days had passed: they may be drawn again. What was looked at stays, and what comes back
    late counts. Whether a part is free does not depend on what it looks like, as the whole page is withdrawn.

    Raises:
        InputError: If the log knows no such page.
    """
    on_page = {one.id for one in find_shown(database, page)}
    if not on_page:
        raise InputError(
            f"there is no page {page!r} in this log; a page's id stands in its file's name, review-ID.html"
        )
    left = len(on_page - {said.shown_id for said in find_looks(database)})
    if left and page not in withdrawn_pages(database):
        text = f"page {page} with {left} pictures that nobody judged"
        add_event(database, Event(WITHDRAWN, text, facts={"page": page}))
    return left


def withdrawn_pages(database: Database) -> set[str]:
    """Return the pages that are not waited for."""
    return {str(event.facts.get("page")) for event in find_events(database, WITHDRAWN, 0)}


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
