"""What was looked at so far: every part and known piece with all that was said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from brightfield.monitor.audit.settled import Kind, Opinion, Seen
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.tables import entries
from brightfield.monitor.review.pages import find_looks, find_shown
from brightfield.monitor.review.records import RANDOM, Pool, Said, Shown
from brightfield.verdict import Decision

LOST_DAYS = 7
"""After so many days a picture on a page whose looks never came may be shown again."""

_AT_ONCE = 500


@dataclass(frozen=True)
class Case:
    """A part, or one use of a known piece, with all looks at it.

    Attributes:
        first: The `id` of the `Shown` with which it began.
        entry_id: The entry; None for a known piece.
        piece: The known piece's name; None for an entry.
        inspector: The inspector that judged the entry; None for a known piece, or where it is not known.
        pools: Why it was shown.
        seen: What was said of it; None while nobody looked at it.
        waiting: Whether it is on a page whose looks are not in yet.
        passed: Whether it is an entry that passed.
    """

    first: int
    entry_id: int | None
    piece: str | None
    inspector: str | None
    pools: frozenset[Pool]
    seen: Seen | None
    waiting: bool
    passed: bool

    @property
    def random(self) -> bool:
        """Whether the entry was drawn at random."""
        return not self.pools.isdisjoint(RANDOM)


def find_cases(database: Database) -> list[Case]:
    """Return what was shown, in the order in which it first was."""
    by_case: dict[tuple[str, int], list[Shown]] = defaultdict(list)
    for one in find_shown(database):
        item = one.item
        key = ("piece", item.first or one.id) if item.entry_id is None else ("entry", item.entry_id)
        by_case[key].append(one)
    said = _latest(find_looks(database))
    facts = _entry_facts(database, [number for kind, number in by_case if kind == "entry"])
    lost = (datetime.now(UTC) - timedelta(days=LOST_DAYS)).isoformat(timespec="microseconds")
    return [_case(rows, said, facts, lost) for rows in by_case.values()]


def _case(
    rows: Sequence[Shown],
    said: dict[int, list[Said]],
    facts: dict[int, tuple[str | None, str | None, str | None]],
    lost: str,
) -> Case:
    item = rows[0].item
    decision, station, inspector = (None,) * 3 if item.entry_id is None else facts[item.entry_id]
    opinions = sorted(
        (
            Opinion(one.by, one.at, one.truth, row.item.pool is Pool.AGAIN)
            for row in rows
            for one in said.get(row.id, ())
        ),
        key=lambda opinion: opinion.at,
    )
    pools = frozenset(row.item.pool for row in rows)
    kind = Kind.KNOWN if item.entry_id is None else Kind.PASSED if decision == Decision.OK else Kind.REJECTED
    random = item.entry_id is None or not pools.isdisjoint(RANDOM)
    seen = Seen(kind, tuple(opinions), item.truth, station, random) if opinions else None
    waiting = any(row.id not in said and row.at > lost for row in rows)
    passed = kind is Kind.PASSED
    return Case(rows[0].id, item.entry_id, item.piece, inspector, pools, seen, waiting, passed)


def _latest(looks: Iterable[Said]) -> dict[int, list[Said]]:
    """Return what each person said last of each picture on a page."""
    latest: dict[tuple[int, str], Said] = {}
    for one in looks:
        before = latest.get((one.shown_id, one.by))
        if before is None or one.at >= before.at:
            latest[one.shown_id, one.by] = one
    by_shown: dict[int, list[Said]] = defaultdict(list)
    for one in latest.values():
        by_shown[one.shown_id].append(one)
    return by_shown


def _entry_facts(
    database: Database, numbers: Sequence[int]
) -> dict[int, tuple[str | None, str | None, str | None]]:
    """Return the decision, the station and the inspector of entries."""
    found: dict[int, tuple[str | None, str | None, str | None]] = {}
    columns = (entries.c.id, entries.c.decision, entries.c.station, entries.c.inspector_sha256)
    for start in range(0, len(numbers), _AT_ONCE):
        some = entries.c.id.in_(numbers[start : start + _AT_ONCE])
        with database.reading() as connection:
            for number, decision, station, inspector in connection.execute(select(*columns).where(some)):
                found[number] = (decision, station, inspector)
    return found
