"""What several looks at one part say together, and the counts that an audit rests on."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from brightfield.monitor.audit.tally import Evidence, Known, Looks, Pairs


class Kind(StrEnum):
    """What a person looked at."""

    PASSED = "passed"
    REJECTED = "rejected"
    KNOWN = "known"


@dataclass(frozen=True)
class Opinion:
    """What one person said at one look.

    Attributes:
        by: Who.
        at: When, as text that sorts by time.
        truth: The class that the person saw; None if they were not sure.
        asked_again: Whether the part was shown because of what was said of it before, or of what it looks
            like: such looks make no pairs.
    """

    by: str
    at: str
    truth: str | None
    asked_again: bool = False


@dataclass(frozen=True)
class Seen:
    """One part or known piece with all looks at it.

    Attributes:
        kind: Whether the part passed, did not pass, or is a known piece.
        opinions: The looks in the order of time, at least one.
        truth: The class of a known piece; None for a part.
        station: The station that judged the part, where known.
        random: Whether the part was drawn at random and looked at for that, so that it speaks for others.
        since: The moment from which it speaks for others, as text that sorts by time; empty for always.
        piece: The name of a known piece, by which it is known when it is shown again; None for a part.
    """

    kind: Kind
    opinions: tuple[Opinion, ...]
    truth: str | None = None
    station: str | None = None
    random: bool = True
    since: str = ""
    piece: str | None = None


@dataclass(frozen=True)
class Settled:
    """What the looks at a part say together.

    Attributes:
        defective: Whether it is defective; None while that is undecided.
        truth: The class that most say, where it is decided.
    """

    defective: bool | None
    truth: str | None


def settled(opinions: Sequence[Opinion], normal: str) -> Settled:
    """Return what most looks say; undecided where as many say one as the other, or nobody was sure."""
    sure = [o.truth for o in opinions if o.truth is not None]
    good = sum(truth == normal for truth in sure)
    if 2 * good == len(sure):
        return Settled(None, None)
    defective = 2 * good < len(sure)
    said = Counter(truth for truth in sure if (truth != normal) == defective)
    return Settled(defective, said.most_common(1)[0][0])


def settled_of(seen: Seen, normal: str) -> Settled:
    """Return what the looks at a part say, by the rule for its kind.

    That a part which passed is defective takes a second look: good parts are so many that false alarms would
    outnumber the defects found. Known good pieces are treated like it, so that they show how many false
    alarms are left.
    """
    found = settled(seen.opinions, normal)
    sure = sum(o.truth is not None for o in seen.opinions)
    twice = seen.kind is Kind.PASSED or (seen.kind is Kind.KNOWN and seen.truth == normal)
    return Settled(None, None) if twice and found.defective and sure < 2 else found


def needs_second_look(seen: Seen, normal: str) -> bool:
    """Return whether a part is undecided, so that it should be shown again."""
    return settled_of(seen, normal).defective is None


def evidence_of(seen: Iterable[Seen], n_passed: int, n_rejected: int, normal: str) -> Evidence:
    """Return the counts of looks, as `audit` takes them.

    Args:
        seen: The parts and known pieces that were looked at.
        n_passed: How many parts of the line passed, looked at or not.
        n_rejected: How many did not.
        normal: The class of good parts.
    """
    every = list(seen)
    of_kind = {kind: [s for s in every if s.kind is kind and s.random] for kind in Kind}
    return Evidence(
        n_passed=n_passed,
        n_rejected=n_rejected,
        passed=_looks(of_kind[Kind.PASSED], normal),
        rejected=_looks(of_kind[Kind.REJECTED], normal),
        known=_known([s for s in every if s.kind is Kind.KNOWN], normal),
        passed_twice=_pairs(of_kind[Kind.PASSED], normal),
        rejected_twice=_pairs(of_kind[Kind.REJECTED], normal),
    )


def _looks(seen: Sequence[Seen], normal: str) -> Looks:
    found = [settled_of(one, normal) for one in seen]
    counted = Counter(one.defective for one in found)
    types = Counter(str(one.truth) for one in found if one.defective)
    return Looks(counted[True], counted[False], counted[None], {name: float(n) for name, n in types.items()})


def _known(seen: Sequence[Seen], normal: str) -> Known:
    """Return the counts of known pieces, each as the share of the times that it was shown."""
    good = _by_piece(one for one in seen if one.truth == normal)
    defective = _by_piece(one for one in seen if one.truth != normal)
    # what was said at once settles a good piece, and any other answer takes another look
    said = [
        [(one.opinions[0].truth != normal, settled_of(one, normal).defective) for one in uses]
        for uses in good
    ]
    return Known(
        defective=len(defective),
        missed=sum(
            _share(settled_of(one, normal).defective is not True for one in uses) for uses in defective
        ),
        good=len(good),
        alarmed=sum(_share(alarm for alarm, _ in uses) for uses in said),
        confirmed=sum(_share(alarm and found is True for alarm, found in uses) for uses in said),
        pending=sum(_share(alarm and found is None for alarm, found in uses) for uses in said),
    )


def _by_piece(seen: Iterable[Seen]) -> list[list[Seen]]:
    """Return the times that each piece was shown; one without a name is a piece of its own."""
    by_name: dict[str | int, list[Seen]] = defaultdict(list)
    for i, one in enumerate(seen):
        by_name[i if one.piece is None else one.piece].append(one)
    return list(by_name.values())


def _share(of: Iterable[bool]) -> float:
    every = list(of)
    return sum(every) / len(every)


def _pairs(seen: Sequence[Seen], normal: str) -> Pairs:
    """Return how the first two looks compare that did not depend on each other."""
    differing = alike = 0
    for one in seen:
        free = [o.truth == normal for o in one.opinions if not o.asked_again and o.truth is not None]
        if len(free) >= 2:
            differing += free[0] != free[1]
            alike += free[0] == free[1]
    return Pairs(differing, alike)
