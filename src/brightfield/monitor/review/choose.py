"""Choosing what people look at next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

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
from brightfield.monitor.review.cases import Case
from brightfield.monitor.review.label_next import Mix, distances, label_next
from brightfield.monitor.review.records import Item, Pool
from brightfield.monitor.review.shares import SHARES, numbers
from brightfield.verdict import Decision, Scale

MOST_AGAIN = 0.5
"""The largest share of a page that second looks may take."""

_MOST_CANDIDATES = 3000
_TRIES = 50
_REJECTED = (str(Decision.REVIEW), str(Decision.DEFECT))


@dataclass
class _Page:
    """A page as it is filled; no entry is on it twice."""

    n: int
    items: list[Item] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)

    @property
    def room(self) -> int:
        return self.n - len(self.items)

    def add(self, items: Iterable[Item]) -> None:
        for item in items:
            if self.room > 0 and (item.entry_id is None or item.entry_id not in self.taken):
                self.items.append(item)
                if item.entry_id is not None:
                    self.taken.add(item.entry_id)


@dataclass(frozen=True)
class Choice:
    """What there is to choose from.

    Attributes:
        log: The log.
        asked: The entries that are meant: those of one inspector.
        cases: What was shown so far.
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

    What was named comes first, then second looks at what is undecided, up to half of the page. What one kind
    cannot fill is filled with parts that passed.

    Args:
        choice: What there is to choose from.
        n: How many pictures.
        shares: The share of each kind.
        named: Entries that are to be shown in any case.
    """
    page = _Page(n)
    page.add(Item(Pool.ASKED, number) for number in named)
    page.add(_second_looks(choice)[: max(0, int(MOST_AGAIN * page.room))])
    wanted = numbers(shares, page.room)
    page.add(_known_pieces(choice, wanted.get(Pool.KNOWN, 0)))
    page.add(_drawn(choice, Pool.REJECTED, wanted.get(Pool.REJECTED, 0), page.taken))
    page.add(_repeated(choice, wanted.get(Pool.TWICE, 0)))
    page.add(_in_band(choice, wanted.get(Pool.BAND, 0), page.taken))
    to_label = {pool: wanted.get(pool, 0) for pool in (Pool.UNCERTAIN, Pool.NOVEL)}
    page.add(_worth_labelling(choice, to_label, page.taken))
    page.add(_drawn(choice, Pool.PASSED, page.room, page.taken))
    if page.room:
        page.add(_drawn(choice, Pool.REJECTED, page.room, page.taken))
    order = choice.rng.permutation(len(page.items))
    drawn_with = _probabilities(choice, page.items)
    return [replace(page.items[i], probability=drawn_with.get(page.items[i].pool)) for i in order]


def _second_looks(choice: Choice) -> list[Item]:
    undecided = [
        case
        for case in choice.cases
        if case.seen is not None and not case.waiting and needs_second_look(case.seen, choice.normal)
    ]
    return [
        Item(Pool.AGAIN, case.entry_id, case.piece, case.seen.truth, case.first)
        for case in undecided
        if case.seen is not None and (case.entry_id is not None or _has(choice.known, case.piece))
    ]


def _has(known: Dataset | None, piece: str | None) -> bool:
    return known is not None and any(sample.image == piece for sample in known.samples)


def _known_pieces(choice: Choice, n: int) -> list[Item]:
    """Return known pieces, good and defective ones in turn, those first that were shown least."""
    if choice.known is None or n == 0:
        return []
    times = Counter(case.piece for case in choice.cases if case.piece is not None)
    samples = [choice.known.samples[i] for i in choice.rng.permutation(len(choice.known))]
    samples.sort(key=lambda sample: times[sample.image])
    kinds = [[s for s in samples if (s.label == choice.normal) == good] for good in (False, True)]
    longest = max(map(len, kinds))
    in_turn = [kind[i] for i in range(longest) for kind in kinds if i < len(kind)]
    return [Item(Pool.KNOWN, piece=s.image, truth=s.label) for s in in_turn[:n]]


def _drawn(choice: Choice, pool: Pool, n: int, taken: set[int]) -> list[Item]:
    """Return entries drawn at random among those never drawn so before, whatever else is known of them."""
    if n <= 0:
        return []
    drawn = {c.entry_id for c in choice.cases if c.random} | choice.waiting() | taken
    decision = str(Decision.OK) if pool is Pool.PASSED else _REJECTED
    numbers_of_all = _ids(choice.log, replace(choice.asked, decision=decision))
    left = np.array([number for number in numbers_of_all if number not in drawn], dtype=np.int64)
    order = choice.rng.permutation(left).tolist()
    return [Item(pool, entry.id) for entry in _pictured(choice.log, order, n)]


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
        if case.random and case.seen is not None and not case.waiting and Pool.TWICE not in case.pools
    ]
    order = choice.rng.permutation(len(once))
    kinds = [
        [once[i] for i in order if (seen := once[i].seen) is not None and seen.kind is kind]
        for kind in (Kind.REJECTED, Kind.PASSED)
    ]
    of_passed = min(round(n / 4), len(kinds[1]))
    chosen = kinds[0][: n - of_passed] + kinds[1][:of_passed]
    return [Item(Pool.TWICE, case.entry_id) for case in chosen]


def _in_band(choice: Choice, n: int, taken: set[int]) -> list[Item]:
    """Return the newest entries in the review band that nobody judged."""
    if n <= 0:
        return []
    band = replace(choice.asked, decision=str(Decision.REVIEW), judged=False)
    away = choice.waiting() | taken
    newest = (e.id for e in choice.log.entries(band, newest_first=True) if e.id not in away)
    return [Item(Pool.BAND, entry.id) for entry in _pictured(choice.log, newest, n)]


def _worth_labelling(choice: Choice, wanted: Mapping[Pool, int], taken: set[int]) -> list[Item]:
    """Return entries that teach the next inspector most, of the newest that nobody judged."""
    n = sum(wanted.values())
    if n == 0:
        return []
    away = choice.waiting() | taken
    unjudged = replace(choice.asked, judged=False)
    found = choice.log.entries(unjudged, newest_first=True, most=_MOST_CANDIDATES)
    candidates = [e for e in found if e.id not in away and e.value is not None and e.threshold is not None]
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


def _ids(log: VerdictLog, asked: Filter) -> list[int]:
    return [row[0] for row in log.database.rows(select(entries.c.id).where(*conditions(asked)))]


def _pictured(log: VerdictLog, numbers: Iterable[int], n: int) -> Iterator[Entry]:
    """Yield the first n entries that have a picture."""
    found = 0
    for tried, number in enumerate(numbers):
        if found >= n or tried >= _TRIES * n:
            return
        entry = log.entry(number)
        if log.picture_of(entry) is not None:
            found += 1
            yield entry
