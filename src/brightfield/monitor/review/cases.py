"""What was looked at so far: every part and known piece with all that was said of it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from brightfield.monitor.audit.settled import Kind, Opinion, Seen
from brightfield.monitor.log.columns import columns_of
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.judging import find_judgements, find_samples
from brightfield.monitor.log.queries import moment
from brightfield.monitor.log.records import Filter, Sampled
from brightfield.monitor.review.pages import find_looks, find_shown, withdrawn_pages
from brightfield.monitor.review.records import RANDOM, Pool, Said, Shown
from brightfield.verdict import Decision

LOST_DAYS = 7
"""After so many days a picture on a page whose looks never came may be shown again."""

_FREE = (*RANDOM, Pool.TWICE, Pool.KNOWN)
"""The pools whose looks depend neither on what was said before nor on what the part looks like."""

_FACTS = ("decision", "station", "inspector_sha256", "time")


@dataclass(frozen=True)
class Case:
    """A part, or one use of a known piece, with all looks at it.

    Attributes:
        first: The `id` of the `Shown` with which the use of a known piece began; None for an entry.
        entry_id: The entry; None for a known piece.
        piece: The known piece's name; None for an entry.
        inspector: The inspector that judged the entry; None for a known piece, or where it is not known.
        time: When the entry was written; empty for a known piece.
        pools: Why it was shown.
        seen: What was said of it; None while nobody looked at it.
        waiting: Whether it is on a page whose looks are not in yet.
        drawn: Whether it is an entry that was drawn at random, and was looked at for that or still may be.
        passed: Whether it is an entry that passed.
    """

    first: int | None
    entry_id: int | None
    piece: str | None
    inspector: str | None
    time: str
    pools: frozenset[Pool]
    seen: Seen | None
    waiting: bool
    drawn: bool
    passed: bool


@dataclass(frozen=True)
class _Found:
    """All that is known of one entry or use of a known piece.

    Attributes:
        rows: Where it was shown.
        said: What was said of each row that was looked at.
        lost: Pages from before this moment are not waited for.
        withdrawn: Nor are these pages.
        elsewhere: How it was last drawn without a page; None where it was not.
        told: What was said of it without a page.
    """

    rows: Sequence[Shown]
    said: Mapping[int, Sequence[Said]]
    lost: str
    withdrawn: Collection[str] = ()
    elsewhere: Sampled | None = None
    told: Sequence[Opinion] = ()

    @property
    def waiting(self) -> list[Shown]:
        return [
            row
            for row in self.rows
            if row.id not in self.said and row.at > self.lost and row.page not in self.withdrawn
        ]

    @property
    def opinions(self) -> tuple[Opinion, ...]:
        shown = [_opinion(one, row) for row in self.rows for one in self.said.get(row.id, ())]
        return _in_time((*shown, *self.told))

    def drawn_looks(self) -> list[str]:
        """Return when it was looked at because it had been drawn at random.

        What was looked at for another reason speaks for others from such a look on, and not before: else of a
        draw those parts would count first, or alone, that looked doubtful.
        """
        drawn = [row for row in self.rows if row.item.pool in RANDOM]
        return [one.at for row in drawn for one in self.said.get(row.id, ())] + [one.at for one in self.told]

    def may_come(self) -> bool:
        """Return whether it was drawn at random lately, and that look is not in yet."""
        lately = self.elsewhere is not None and self.elsewhere.at > self.lost
        return lately or any(row.item.pool in RANDOM for row in self.waiting)


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
    looks = list(find_looks(database))
    said = latest_looks(looks)
    elsewhere = _drawn_elsewhere(database, {row.page for rows in rows_of.values() for row in rows})
    told = _judged_elsewhere(database, elsewhere, looks)
    for number in elsewhere:
        rows_of.setdefault(("entry", number), [])
    facts = columns_of(database, (number for kind, number in rows_of if kind == "entry"), _FACTS)
    lost = (datetime.now(UTC) - timedelta(days=LOST_DAYS)).isoformat(timespec="microseconds")
    withdrawn = withdrawn_pages(database)
    cases = []
    for (kind, number), rows in rows_of.items():
        if kind == "piece":
            cases.append(_known_case(_Found(rows, said, lost, withdrawn)))
        else:
            found = _Found(rows, said, lost, withdrawn, elsewhere.get(number), told.get(number, ()))
            cases.append(_entry_case(number, facts[number], found))
    return cases


def cases_of(cases: Iterable[Case], asked: Filter) -> list[Case]:
    """Return the cases of a filter's inspector, from its time on; known pieces belong to all."""
    digits = (asked.inspector or "").strip().lower()
    since = "" if asked.since is None else moment(asked.since)
    return [
        case
        for case in cases
        if case.entry_id is None or ((case.inspector or "").startswith(digits) and case.time >= since)
    ]


def _known_case(found: _Found) -> Case:
    first, opinions = found.rows[0], found.opinions
    item = first.item
    seen = Seen(Kind.KNOWN, opinions, item.truth, piece=item.piece) if opinions else None
    pools = frozenset(row.item.pool for row in found.rows)
    waiting = bool(found.waiting)
    return Case(first.id, None, item.piece, None, "", pools, seen, waiting, drawn=False, passed=False)


def _entry_case(number: int, facts: tuple[Any, ...], found: _Found) -> Case:
    decision, station, inspector, time = facts
    kind = Kind.PASSED if decision == Decision.OK else Kind.REJECTED
    looks, opinions = found.drawn_looks(), found.opinions
    speaks = Seen(kind, opinions, None, station, random=bool(looks), since=min(looks, default=""))
    pools = {row.item.pool for row in found.rows}
    pools |= set() if found.elsewhere is None else {Pool(found.elsewhere.pool)}
    return Case(
        first=None,
        entry_id=number,
        piece=None,
        inspector=inspector,
        time=time,
        pools=frozenset(pools),
        seen=speaks if opinions else None,
        waiting=bool(found.waiting),
        drawn=bool(looks) or found.may_come(),
        passed=kind is Kind.PASSED,
    )


def _opinion(one: Said, row: Shown) -> Opinion:
    return Opinion(one.by, one.at, one.truth, asked_again=row.item.pool not in _FREE)


def _in_time(opinions: Iterable[Opinion]) -> tuple[Opinion, ...]:
    return tuple(sorted(opinions, key=lambda opinion: opinion.at))


def _drawn_elsewhere(database: Database, pages: set[str]) -> dict[int, Sampled]:
    """Return the entries that were drawn at random but not for a page, each with its last draw."""
    found = find_samples(database, None, None)
    return {s.entry_id: s for s in found if s.pool in RANDOM and s.draw not in pages}


def _judged_elsewhere(
    database: Database, drawn: Collection[int], looks: Iterable[Said]
) -> dict[int, list[Opinion]]:
    """Return what was said without a page of entries that were drawn without one.

    Whether a further look was asked for because of the first one is not known, so they make no pairs.
    """
    opinions: dict[int, list[Opinion]] = defaultdict(list)
    if not drawn:
        return opinions
    on_pages = {(one.by, one.at) for one in looks}
    for judged in find_judgements(database, None, None):
        if judged.entry_id in drawn and (judged.by, judged.at) not in on_pages:
            of_entry = opinions[judged.entry_id]
            of_entry.append(Opinion(judged.by, judged.at, judged.truth, asked_again=bool(of_entry)))
    return opinions


def latest_looks(looks: Iterable[Said]) -> dict[int, list[Said]]:
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
