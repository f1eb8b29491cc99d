"""What was looked at so far: every part and known piece with all that was said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import select

from brightfield.monitor.audit.settled import Kind, Opinion, Seen
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.judging import find_judgements, find_samples
from brightfield.monitor.log.tables import entries
from brightfield.monitor.review.pages import find_looks, find_shown
from brightfield.monitor.review.records import RANDOM, Pool, Said, Shown
from brightfield.verdict import Decision

LOST_DAYS = 7
"""After so many days a picture on a page whose looks never came may be shown again."""

_AT_ONCE = 500

_Facts = tuple[str | None, str | None, str | None]
"""The decision, the station and the inspector of an entry."""


@dataclass(frozen=True)
class Case:
    """A part, or one use of a known piece, with all looks at it.

    Attributes:
        first: The `id` of the `Shown` with which the use of a known piece began; None for an entry.
        entry_id: The entry; None for a known piece.
        piece: The known piece's name; None for an entry.
        inspector: The inspector that judged the entry; None for a known piece, or where it is not known.
        pools: Why it was shown.
        seen: What was said of it; None while nobody looked at it.
        waiting: Whether it is on a page whose looks are not in yet.
        passed: Whether it is an entry that passed.
    """

    first: int | None
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
    """Return what was shown, in the order in which it first was, and then what was drawn elsewhere.

    An entry that `VerdictLog.sample` drew from the pool `passed` or `rejected`, and that `VerdictLog.judge`
    judged, counts as if it had been on a page.
    """
    rows_of: dict[tuple[str, int], list[Shown]] = defaultdict(list)
    for one in find_shown(database):
        item = one.item
        key = ("piece", item.first or one.id) if item.entry_id is None else ("entry", item.entry_id)
        rows_of[key].append(one)
    said = _latest(find_looks(database))
    elsewhere = _drawn_elsewhere(database, {row.page for rows in rows_of.values() for row in rows})
    opinions = _judged_elsewhere(database, elsewhere, said)
    for number in elsewhere:
        rows_of.setdefault(("entry", number), [])
    facts = _entry_facts(database, [number for kind, number in rows_of if kind == "entry"])
    lost = (datetime.now(UTC) - timedelta(days=LOST_DAYS)).isoformat(timespec="microseconds")
    cases = []
    for (kind, number), rows in rows_of.items():
        shown = [_opinion(one, row) for row in rows for one in said.get(row.id, ())]
        waiting = any(row.id not in said and row.at > lost for row in rows)
        pools = {row.item.pool for row in rows}
        if kind == "piece":
            cases.append(_known_case(rows, shown, pools, waiting))
            continue
        pools |= {elsewhere[number]} if number in elsewhere else set()
        every = [*shown, *opinions.get(number, ())]
        cases.append(_entry_case(number, facts[number], every, pools, waiting))
    return cases


def _known_case(rows: Sequence[Shown], opinions: Sequence[Opinion], pools: set[Pool], waiting: bool) -> Case:
    item = rows[0].item
    seen = Seen(Kind.KNOWN, _in_time(opinions), item.truth, piece=item.piece) if opinions else None
    return Case(rows[0].id, None, item.piece, None, frozenset(pools), seen, waiting, passed=False)


def _entry_case(
    number: int, facts: _Facts, opinions: Sequence[Opinion], pools: set[Pool], waiting: bool
) -> Case:
    decision, station, inspector = facts
    kind = Kind.PASSED if decision == Decision.OK else Kind.REJECTED
    random = not pools.isdisjoint(RANDOM)
    seen = Seen(kind, _in_time(opinions), None, station, random) if opinions else None
    passed = kind is Kind.PASSED
    return Case(None, number, None, inspector, frozenset(pools), seen, waiting, passed)


def _opinion(one: Said, row: Shown) -> Opinion:
    return Opinion(one.by, one.at, one.truth, asked_again=row.item.pool is Pool.AGAIN)


def _in_time(opinions: Iterable[Opinion]) -> tuple[Opinion, ...]:
    return tuple(sorted(opinions, key=lambda opinion: opinion.at))


def _drawn_elsewhere(database: Database, pages: set[str]) -> dict[int, Pool]:
    """Return the entries that were drawn at random but not for a page, with their pool."""
    found = find_samples(database, None, None)
    return {s.entry_id: Pool(s.pool) for s in found if s.pool in RANDOM and s.draw not in pages}


def _judged_elsewhere(
    database: Database, drawn: Mapping[int, Pool], said: Mapping[int, list[Said]]
) -> dict[int, list[Opinion]]:
    """Return what was said without a page of entries that were drawn without one.

    Whether a further look was asked for because of the first one is not known, so they make no pairs.
    """
    opinions: dict[int, list[Opinion]] = defaultdict(list)
    if not drawn:
        return opinions
    on_pages = {(one.by, one.at) for looks in said.values() for one in looks}
    for judged in find_judgements(database, None, None):
        if judged.entry_id in drawn and (judged.by, judged.at) not in on_pages:
            of_entry = opinions[judged.entry_id]
            of_entry.append(Opinion(judged.by, judged.at, judged.truth, asked_again=bool(of_entry)))
    return opinions


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


def _entry_facts(database: Database, numbers: Sequence[int]) -> dict[int, _Facts]:
    """Return the decision, the station and the inspector of entries."""
    found: dict[int, _Facts] = {}
    columns = (entries.c.id, entries.c.decision, entries.c.station, entries.c.inspector_sha256)
    for start in range(0, len(numbers), _AT_ONCE):
        some = entries.c.id.in_(numbers[start : start + _AT_ONCE])
        with database.reading() as connection:
            for number, decision, station, inspector in connection.execute(select(*columns).where(some)):
                found[number] = (decision, station, inspector)
    return found
