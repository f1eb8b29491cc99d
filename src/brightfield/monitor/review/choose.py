"""Choosing what people look at next."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice

import numpy as np
import numpy.typing as npt
from sqlalchemy import select

from brightfield.data.dataset import Dataset
from brightfield.monitor.audit.settled import Kind, needs_second_look
from brightfield.monitor.log.queries import conditions
from brightfield.monitor.log.records import Entry, Filter
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.log.tables import entries
from brightfield.monitor.measurement import embeddings
from brightfield.monitor.review.cases import Case, cases_of
from brightfield.monitor.review.label_next import Mix, distances, label_next
from brightfield.monitor.review.records import RANDOM, Item, Pool
from brightfield.monitor.review.shares import SHARES, numbers
from brightfield.verdict import Decision, Scale

MOST_AGAIN = 0.5
"""The largest share of a page that second looks may take."""

_MOST_CANDIDATES = 3000
_REJECTED = (str(Decision.REVIEW), str(Decision.DEFECT))


@dataclass
class _Page:
    """A page as it is filled; no entry is on it twice."""

    n: int
    items: list[Item] = field(default_factory=list)
    places: dict[int, int] = field(default_factory=dict)
    """The place of each entry among the items."""

    @property
    def room(self) -> int:
        return self.n - len(self.items)

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            if self.room > 0 and (item.entry_id is None or item.entry_id not in self.places):
                if item.entry_id is not None:
                    self.places[item.entry_id] = len(self.items)
                self.items.append(item)

    def draw(self, pool: Pool, order: Iterator[int], n: int) -> None:
        """Add the next n entries of a random order; one that is on the page already counts as drawn.

        Without that, the parts that are shown for what they look like would be drawn less often.
        """
        most = len(self.items) + min(n, self.room)
        while len(self.items) < most and (number := next(order, None)) is not None:
            if number in self.places:
                self.items[self.places[number]] = Item(pool, number)
            else:
                self.add([Item(pool, number)])


@dataclass(frozen=True)
class Choice:
    """What there is to choose from.

    Attributes:
        log: The log.
        asked: The entries that are meant: those of one inspector.
        cases: What was shown so far; those of other inspectors change nothing.
        normal: The class of good parts.
        rng: For all draws.
        known: Known pieces; None for none.
    """

    log: VerdictLog
    asked: Filter
    cases: Sequence[Case]
    normal: str
    rng: np.random.Generator
    known: Dataset | None = None

    def waiting(self) -> set[int]:
        """Return the entries that are on a page whose looks are not in yet."""
        return {c.entry_id for c in self.cases if c.waiting and c.entry_id is not None}


def choose(
    choice: Choice, n: int, shares: Mapping[Pool, float] = SHARES, named: Sequence[int] = ()
) -> list[Item]:
    """Return what to show on the next page, in a random order.

    Parts at random are drawn before all others, among all that were never drawn: so whether a part is drawn
    does not depend on what it looks like, or was shown for. Then comes what was named, then second looks at
    what is undecided, up to half of the page. What one kind cannot fill is filled with parts that passed.

    Args:
        choice: What there is to choose from.
        n: How many pictures.
        shares: The share of each kind.
        named: Entries that are to be shown in any case.
    """
    choice = replace(choice, cases=cases_of(choice.cases, choice.asked))
    page, first = _Page(n), list(dict.fromkeys(named))[:n]
    again = _second_looks(choice)[: int(MOST_AGAIN * (n - len(first)))]
    wanted = numbers(shares, n - len(first) - len(again))
    orders = {pool: in_random_order(choice, pool) for pool in RANDOM}
    for pool, order in orders.items():
        page.draw(pool, order, wanted.get(pool, 0))
    page.add(Item(Pool.ASKED, number) for number in first)
    page.add(again)
    page.add(_known_pieces(choice, wanted.get(Pool.KNOWN, 0)))
    page.add(_repeated(choice, wanted.get(Pool.TWICE, 0)))
    page.add(_in_band(choice, wanted.get(Pool.BAND, 0), page.places))
    to_label = {pool: wanted.get(pool, 0) for pool in (Pool.UNCERTAIN, Pool.NOVEL)}
    page.add(_worth_labelling(choice, to_label, page.places))
    for pool, order in orders.items():
        page.draw(pool, order, page.room)
    drawn_with = _probabilities(choice, page.items)
    mixed = [page.items[i] for i in choice.rng.permutation(len(page.items))]
    return [replace(item, probability=drawn_with.get(item.pool)) for item in mixed]


def _second_looks(choice: Choice) -> list[Item]:
    """Return what is undecided, what was looked at least first, so that no hard one keeps others away."""
    undecided = [
        (case, seen)
        for case in choice.cases
        if (seen := case.seen) is not None and not case.waiting and needs_second_look(seen, choice.normal)
    ]
    mixed = [undecided[i] for i in choice.rng.permutation(len(undecided))]
    mixed.sort(key=lambda one: len(one[1].opinions))
    return [
        Item(Pool.AGAIN, case.entry_id, case.piece, seen.truth, case.first)
        for case, seen in mixed
        if case.entry_id is not None or _has(choice.known, case.piece)
    ]


def _has(known: Dataset | None, piece: str | None) -> bool:
    return known is not None and any(sample.image == piece for sample in known.samples)


def _known_pieces(choice: Choice, n: int) -> list[Item]:
    """Return known pieces, those first that were shown least, and of good and defective ones as many.

    Over all pages: so a page with room for one shows now a defective one, now a good one.
    """
    if choice.known is None or n == 0:
        return []
    times = Counter(case.piece for case in choice.cases if case.piece is not None)
    samples = [choice.known.samples[i] for i in choice.rng.permutation(len(choice.known))]
    samples.sort(key=lambda sample: times[sample.image])
    kinds = [[s for s in samples if (s.label == choice.normal) == good] for good in (False, True)]
    shown = [sum(times[s.image] for s in kind) for kind in kinds]
    chosen: list[Item] = []
    while len(chosen) < n and any(kinds):
        next_kind = min((k for k, left in enumerate(kinds) if left), key=shown.__getitem__)
        sample = kinds[next_kind].pop(0)
        shown[next_kind] += 1
        chosen.append(Item(Pool.KNOWN, piece=sample.image, truth=sample.label))
    return chosen


def in_random_order(choice: Choice, pool: Pool) -> Iterator[int]:
    """Yield the entries of a random pool that have a picture and are not drawn, in a random order.

    Drawn is what was looked at because it was drawn, or may still be: what was lost with its page is free
    again. Whatever else is known of an entry, or whether it waits for another reason, changes nothing.
    """
    drawn = {case.entry_id for case in choice.cases if case.drawn}
    asked = replace(choice.asked, decision=str(Decision.OK) if pool is Pool.PASSED else _REJECTED)
    left = np.array([n for n in _with_picture(choice.log, asked) if n not in drawn], dtype=np.int64)
    yield from _pictured(choice.log, choice.rng.permutation(left).tolist())


def _probabilities(choice: Choice, items: Sequence[Item]) -> dict[Pool, float]:
    """Return the probability of being drawn for each random pool, among all parts of its kind."""
    found = {}
    for pool, decision in ((Pool.PASSED, str(Decision.OK)), (Pool.REJECTED, _REJECTED)):
        drawn = sum(item.pool is pool for item in items)
        if drawn:
            found[pool] = drawn / choice.log.count(replace(choice.asked, decision=decision))
    return found


def _repeated(choice: Choice, n: int) -> list[Item]:
    """Return entries drawn at random among the drawn ones that were looked at once, whatever was said.

    Three of four did not pass: with them people's misses can be seen, of which parts that passed show hardly
    any.
    """
    once = [
        case
        for case in choice.cases
        if case.seen is not None
        and case.seen.random
        and case.entry_id is not None
        and not case.waiting
        and Pool.TWICE not in case.pools
    ]
    order = choice.rng.permutation(len(once))
    kinds = [
        [once[i] for i in order if (seen := once[i].seen) is not None and seen.kind is kind]
        for kind in (Kind.REJECTED, Kind.PASSED)
    ]
    of_passed = min(round(n / 4), len(kinds[1]))
    chosen = kinds[0][: n - of_passed] + kinds[1][:of_passed]
    return [Item(Pool.TWICE, case.entry_id) for case in chosen]


def _in_band(choice: Choice, n: int, taken: Container[int]) -> list[Item]:
    """Return the newest entries in the review band that nobody judged."""
    if n <= 0:
        return []
    band = replace(choice.asked, decision=str(Decision.REVIEW), judged=False)
    waiting = choice.waiting()
    newest = (
        number
        for number in reversed(_with_picture(choice.log, band))
        if number not in waiting and number not in taken
    )
    return [Item(Pool.BAND, number) for number in islice(_pictured(choice.log, newest), n)]


def _worth_labelling(choice: Choice, wanted: Mapping[Pool, int], taken: Container[int]) -> list[Item]:
    """Return entries that teach the next inspector most, of the newest that nobody judged."""
    n = sum(wanted.values())
    if n == 0:
        return []
    waiting = choice.waiting()
    unjudged = replace(choice.asked, judged=False)
    found = choice.log.entries(unjudged, newest_first=True, most=_MOST_CANDIDATES)
    candidates = [
        entry
        for entry in found
        if entry.id not in waiting and entry.id not in taken
        if entry.value is not None and entry.threshold is not None
    ]
    if not candidates:
        return []
    judged = choice.log.entries(replace(choice.asked, judged=True), newest_first=True, most=_MOST_CANDIDATES)
    own, labelled = _embedded(candidates), _embedded(list(judged))
    if own is None or labelled is None or own.shape[1] != labelled.shape[1]:
        labelled = None
    mix = Mix(wanted[Pool.UNCERTAIN] / n, wanted[Pool.NOVEL] / n)
    chosen = label_next(_uncertainty(candidates), own, labelled, min(2 * n, len(candidates)), choice.rng, mix)
    left, items = dict(wanted), []
    for row, pool in chosen:
        entry = candidates[row]
        if left.get(pool, 0) > 0 and choice.log.picture_of(entry) is not None:
            left[pool] -= 1
            items.append(Item(pool, entry.id))
    return items


def _uncertainty(candidates: Sequence[Entry]) -> npt.NDArray[np.float64]:
    """Return how far each entry is from its own threshold, (N,)."""
    found = []
    for entry in candidates:
        value, threshold = float(entry.value or 0.0), float(entry.threshold or 0.0)
        found.append(distances([value], threshold, probability=entry.scale == Scale.PROBABILITY)[0])
    return np.array(found)


def _embedded(found: Sequence[Entry]) -> npt.NDArray[np.float32] | None:
    measured = [entry.measurement for entry in found if entry.measurement is not None]
    return embeddings(measured) if len(measured) == len(found) else None


def _with_picture(log: VerdictLog, asked: Filter) -> list[int]:
    """Return the entries whose picture is kept, or whose original file is there, by their number."""
    named = (entries.c.image != "") & entries.c.picture_sha256.is_not(None)
    query = select(entries.c.id, entries.c.picture, entries.c.image).where(
        entries.c.picture.is_not(None) | named, *conditions(asked)
    )
    rows = log.database.rows(query.order_by(entries.c.id))
    return [number for number, kept, image in rows if kept is not None or os.path.isfile(image)]


def _pictured(log: VerdictLog, numbers: Iterable[int]) -> Iterator[int]:
    """Yield the entries whose picture is what it was when they were judged."""
    return (number for number in numbers if log.picture_of(log.entry(number)) is not None)
