"""What people did: how much they looked at and how fast, and how often they agree with the inspector."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

from brightfield.monitor.log.columns import columns_of
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.cases import find_cases
from brightfield.monitor.review.pages import find_looks, find_shown
from brightfield.monitor.review.records import RANDOM, Pool, Said, Shown
from brightfield.verdict import Decision


@dataclass(frozen=True)
class Share:
    """A count out of another.

    Attributes:
        k: The count.
        n: What it is out of.
    """

    k: int = 0
    n: int = 0

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.k / self.n if self.n else None


@dataclass(frozen=True)
class Person:
    """What one person did.

    Attributes:
        name: Who.
        looks: How many pictures they judged.
        seconds: The median of the seconds that they looked at one; None where it is not known.
    """

    name: str
    looks: int
    seconds: float | None


@dataclass(frozen=True)
class Work:
    """What people did since some moment.

    Attributes:
        looks: How many pictures were judged.
        unsure: At how many of these the person was not sure.
        seconds: The median of the seconds that a look took; None where it is not known.
        people: The same of each person, the most looks first.
        passed: Parts drawn at random that had passed, and how many of them people call good.
        rejected: Parts drawn at random that had been rejected, and how many of them people call defective.
        band: Parts that had been sent to review, and how many of them people call defective.
        missed: Looks at known defective pieces, and how many called them good.
        alarms: Looks at known good pieces, and how many called them defective.
        pools: How many looks there were of each reason to show a picture.
        waiting: How many pictures are on pages that have not come back, whenever these were made.
    """

    looks: int
    unsure: int
    seconds: float | None
    people: tuple[Person, ...]
    passed: Share
    rejected: Share
    band: Share
    missed: Share
    alarms: Share
    pools: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0

    def as_dict(self) -> dict[str, Any]:
        """Return the same as JSON types."""
        return asdict(self)


def work_of(log: VerdictLog, since: str, normal: str) -> Work:
    """Return what people did since a moment, as the log keeps it, in a line whose good parts have a class.

    How often they agree with the inspector is told of first looks at parts drawn at random, and of those in
    the review band: what was chosen for being doubtful would say too little for either.
    """
    shown = {one.id: one for one in find_shown(log.database)}
    looks = [one for one in find_looks(log.database) if one.at >= since]
    decisions = columns_of(
        log.database,
        (n for one in looks if (n := shown[one.shown_id].item.entry_id) is not None),
        ("decision",),
    )
    said = [_told(one, shown[one.shown_id], decisions, normal) for one in looks]
    pools = [str(shown[one.shown_id].item.pool) for one in looks]

    def share(kind: str, defective: bool) -> Share:
        of_kind = [found for name, found in said if name == kind and found is not None]
        return Share(sum(found == defective for found in of_kind), len(of_kind))

    return Work(
        looks=len(looks),
        unsure=sum(one.truth is None for one in looks),
        seconds=_median(looks),
        people=_people(looks),
        passed=share(Decision.OK, False),
        rejected=share(Decision.DEFECT, True),
        band=share(Decision.REVIEW, True),
        missed=share("known defective", False),
        alarms=share("known good", True),
        pools={str(pool): n for pool in Pool if (n := pools.count(str(pool)))},
        waiting=sum(case.waiting for case in find_cases(log.database)),
    )


def _told(
    one: Said, shown: Shown, decisions: Mapping[int, tuple[Any, ...]], normal: str
) -> tuple[str, bool | None]:
    """Return what was looked at, empty where it does not count, and whether the person calls it defective."""
    item = shown.item
    defective = None if one.truth is None else one.truth != normal
    if item.entry_id is None:
        first = item.pool is Pool.KNOWN
        return ("known good" if item.truth == normal else "known defective") if first else "", defective
    decision = str(decisions[item.entry_id][0])
    counts = item.pool in RANDOM or (item.pool is Pool.BAND and decision == Decision.REVIEW)
    return decision if counts else "", defective


def _people(looks: Sequence[Said]) -> tuple[Person, ...]:
    by_name: dict[str, list[Said]] = defaultdict(list)
    for one in looks:
        by_name[one.by].append(one)
    people = [Person(name, len(own), _median(own)) for name, own in by_name.items()]
    return tuple(sorted(people, key=lambda person: (-person.looks, person.name)))


def _median(looks: Sequence[Said]) -> float | None:
    seconds = [one.seconds for one in looks if one.seconds is not None]
    return median(seconds) if seconds else None
