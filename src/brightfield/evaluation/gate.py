"""The gate for a successor: is it worse than the inspector that it replaces, on the same parts?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.compare import delong
from brightfield.evaluation.metrics import BoolArray
from brightfield.evaluation.paired import Flips, is_paid_for, noticed_rise, rise_bounds, rise_p
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.ranking import is_right

SHOWN, OPEN, PAID, WORSE, UNTESTED = "no worse", "not shown", "paid for", "worse", "not tested"
"""The outcomes of a check.

Shown to be no worse; neither shown; higher, and paid for by fewer escapes; shown to be worse; too few parts.
"""

ESCAPES, OVERKILLS, REVIEWS, RANKING = "escape_rate", "overkill_rate", "good_for_review", "auroc"
ERRORS = "error_rate"
"""Without a normal class: the share of parts that get the wrong class."""

FEWEST_TO_RANK = 10
"""With fewer good or defective parts the AUROCs are not tested: DeLong's normal distribution needs them."""


@dataclass(frozen=True)
class Demands:
    """What is asked of a successor.

    Attributes:
        margin: The rise of an error rate, or fall of the AUROC, that does not matter, in [0, 1).
        confidence: One-sided confidence of every test and bound, in (0.5, 1).
        golden_flips: How many golden pictures may turn from right to wrong.
        strict: Whether what is not shown to be no worse by more than the margin is refused as well.
        trade: Whether more overkills, or more good parts for review, may be paid for by as many fewer
            escapes, as they are where a threshold has moved.

    Raises:
        ConfigError: If a value is out of range.
    """

    margin: float = 0.01
    confidence: float = 0.95
    golden_flips: int = 0
    strict: bool = False
    trade: bool = True

    def __post_init__(self) -> None:
        if not 0.0 <= self.margin < 1.0:
            raise ConfigError(f"--margin is {self.margin:g}; expected a share from 0 to 1, such as 0.01")
        if not 0.5 < self.confidence < 1.0:
            raise ConfigError(f"confidence is {self.confidence:g}; expected a number such as 0.95")
        if self.golden_flips < 0:
            raise ConfigError(f"--golden-flips is {self.golden_flips}; expected 0 or more pictures")

    @property
    def level(self) -> float:
        """The greatest p-value that is not called chance."""
        return 1.0 - self.confidence


@dataclass(frozen=True)
class Check:
    """One figure of both inspectors on the same parts.

    Attributes:
        name: `escape_rate`, `overkill_rate`, `good_for_review`, `auroc` or `error_rate`; for one defect type
            or class with ` of TYPE`.
        n: Number of parts that it is about.
        before: The figure of the inspector before; None without parts.
        after: The figure of the successor.
        rise: By how much the error has become more frequent; of the AUROC, by how much it has fallen.
        low: Lower confidence bound of the rise, one-sided.
        high: Upper confidence bound of the rise, one-sided.
        worse: Number of parts that were decided rightly and now are wrongly; None for the AUROC.
        better: Number of parts of which the reverse is true.
        p_value: One-sided p-value of a rise within the margin, corrected by Holm for the number of rates, or
            of types; of the AUROC that of no fall.
        test: The test, `McNemar` or `DeLong`; empty where nothing was tested.
        noticed: The smallest rise that would be noticed 4 times of 5; None where none would, and for the
            AUROC and single types.
        outcome: `SHOWN`, `OPEN`, `PAID`, `WORSE` or `UNTESTED`.
    """

    name: str
    n: int
    before: float | None = None
    after: float | None = None
    rise: float | None = None
    low: float | None = None
    high: float | None = None
    worse: int | None = None
    better: int | None = None
    p_value: float | None = None
    test: str = ""
    noticed: float | None = None
    outcome: str = UNTESTED


@dataclass(frozen=True)
class Golden:
    """The golden pictures, judged by both inspectors.

    Attributes:
        n: Number of golden pictures.
        broken: Names of those that were decided rightly and now are wrongly.
        mended: Names of those of which the reverse is true.
        wrong: Names of those that neither decides rightly.
        allowed: How many may be broken.
    """

    n: int
    broken: tuple[str, ...]
    mended: tuple[str, ...]
    wrong: tuple[str, ...]
    allowed: int = 0

    @property
    def kept(self) -> bool:
        """Whether no more are broken than allowed."""
        return len(self.broken) <= self.allowed


@dataclass(frozen=True)
class Gate:
    """The outcome of the gate.

    Attributes:
        checks: The checks on all parts.
        types: The escapes of each defect type, or the errors of each class; empty with one type alone.
        golden: The golden pictures; None without any.
        demands: What was asked of the successor.
        n: Number of parts that both judged, without golden pictures.
        n_defect: Number of defective ones among them; None without a normal class.
    """

    checks: tuple[Check, ...]
    types: tuple[Check, ...]
    golden: Golden | None
    demands: Demands = field(default_factory=Demands)
    n: int = 0
    n_defect: int | None = None

    @property
    def against(self) -> tuple[Check, ...]:
        """The checks that speak against the successor."""
        wrong = (WORSE, PAID, OPEN, UNTESTED) if self.demands.strict else (WORSE,)
        of_types = (check for check in self.types if check.outcome == WORSE)
        # how well it ranks is no rate that was asked for: only a proven fall counts
        main = (c for c in self.checks if c.outcome in ((WORSE,) if c.name == RANKING else wrong))
        return (*main, *of_types)

    @property
    def accepted(self) -> bool:
        """Whether the successor may replace the inspector before."""
        return not self.against and not self.untested and (self.golden is None or self.golden.kept)

    @property
    def untested(self) -> bool:
        """Whether all was to be shown, and there is no picture but golden ones to show it."""
        return self.demands.strict and not self.checks

    def as_dict(self) -> dict[str, Any]:
        """Return the outcome as JSON types."""
        golden = None if self.golden is None else {**asdict(self.golden), "kept": self.golden.kept}
        return {
            "accepted": self.accepted,
            **asdict(self.demands),
            "n": self.n,
            "n_defect": self.n_defect,
            "checks": [asdict(check) for check in self.checks],
            "types": [asdict(check) for check in self.types],
            "golden": golden,
        }


Pair = tuple[Predictions, Predictions]
"""Predictions of the inspector before and of its successor for the same images in the same order."""


def compare_successor(tested: Pair | None, demands: Demands, golden: Pair | None = None) -> Gate:
    """Compare a successor with the inspector before it, on parts from which neither learned.

    A rate counts as worse if it is shown with the confidence that it has risen by more than the margin, by
    tests of the parts that are decided differently, which are corrected for the number of rates. The AUROC
    counts as worse if it is lower by more than the margin on these parts, and DeLong's test says that this
    is more than chance: no other threshold would mend that. More overkills may be paid for by fewer escapes.
    A rate is shown to be no worse if the upper bound of its rise is within the margin, which takes many
    parts.

    Args:
        tested: The predictions of both; None where only golden pictures are compared.
        demands: What is asked of the successor.
        golden: The predictions of both for the golden pictures; None without any.

    Raises:
        DataError: If the images differ, or there is nothing to compare on.
    """
    replayed = None if golden is None else replay(*golden, demands.golden_flips)
    if tested is None:
        if replayed is None:
            raise DataError(
                "there is no picture on which the successor can be compared: every one taught an inspector; "
                "give more pictures, so that some are held out, or a golden set with --golden"
            )
        return Gate((), (), replayed, demands)
    before, after = tested
    _check_same(before, after)
    if before.normal is None:
        checks, types = _of_classes(before, after, demands)
        return Gate(checks, types, replayed, demands, len(before))
    checks, types = _of_parts(before, after, demands)
    return Gate(checks, types, replayed, demands, len(before), int(before.is_defect.sum()))


def replay(before: Predictions, after: Predictions, allowed: int = 0) -> Golden:
    """Compare the decisions on golden pictures; a good part that goes to review counts as wrong.

    Raises:
        DataError: If the images differ.
    """
    _check_same(before, after)
    was, now = is_right(before), is_right(after)

    def named(which: BoolArray) -> tuple[str, ...]:
        return tuple(before.images[i] for i in np.flatnonzero(which))

    return Golden(len(before), named(was & ~now), named(~was & now), named(~was & ~now), allowed)


def _check_same(before: Predictions, after: Predictions) -> None:
    if before.images != after.images or before.truth != after.truth:
        raise DataError(
            "the two inspectors judged different images; expected the same images in the same order"
        )
    if before.normal != after.normal:
        raise DataError(
            f"the normal classes are {before.normal!r} and {after.normal!r}; expected the same for both"
        )


def _of_parts(
    before: Predictions, after: Predictions, demands: Demands
) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    defect = before.is_defect
    passed = [p.decided("OK") for p in (before, after)]
    rejected = [p.decided("DEFECT") for p in (before, after)]
    review = [p.decided("REVIEW")[~defect] for p in (before, after)]
    checks = [
        _rate(ESCAPES, passed[0][defect], passed[1][defect], demands),
        _rate(OVERKILLS, rejected[0][~defect], rejected[1][~defect], demands),
    ]
    if review[0].any() or review[1].any():
        checks.append(_rate(REVIEWS, review[0], review[1], demands))
    checks = [_with_power(check, demands, len(checks)) for check in _corrected(checks, demands)]
    checks.append(_ranked(before, after, demands))
    truth = np.array(before.truth, dtype=object)
    kinds = sorted(set(before.truth) - {str(before.normal)})
    each = [
        _rate(f"{ESCAPES} of {kind}", passed[0][truth == kind], passed[1][truth == kind], demands)
        for kind in kinds
    ]
    types = _corrected(each, demands) if len(kinds) > 1 else ()
    if demands.trade:
        stopped = _flips(*(~p[~defect] for p in passed))
        checks = _paid(checks, stopped, _flips(*(p[defect] for p in passed)), demands)
    return tuple(checks), types


def _paid(checks: Sequence[Check], stopped: Flips, escaped: Flips, demands: Demands) -> list[Check]:
    """Return the checks, with another outcome for what fewer escapes pay for.

    Args:
        checks: The checks of all parts.
        stopped: How good parts changed that did not pass, be they rejected or sent to review.
        escaped: How defective parts changed that passed.
        demands: What is asked of the successor.
    """
    if not is_paid_for(stopped, escaped, demands.margin, demands.level):
        return list(checks)
    payable = [check.name in (OVERKILLS, REVIEWS) and check.outcome == WORSE for check in checks]
    return [replace(c, outcome=PAID) if paid else c for c, paid in zip(checks, payable, strict=True)]


def _flips(before: BoolArray, after: BoolArray) -> Flips:
    """Return how an error changed, given bool (N,) whether each part is decided wrongly."""
    return Flips(int((~before & after).sum()), int((before & ~after).sum()), len(before))


def _of_classes(
    before: Predictions, after: Predictions, demands: Demands
) -> tuple[tuple[Check, ...], tuple[Check, ...]]:
    wrong = [~is_right(p) for p in (before, after)]
    truth = np.array(before.truth, dtype=object)
    each = [
        _rate(f"{ERRORS} of {kind}", wrong[0][truth == kind], wrong[1][truth == kind], demands)
        for kind in sorted(set(before.truth))
    ]
    whole = _with_power(_rate(ERRORS, wrong[0], wrong[1], demands), demands, 1)
    return (whole,), _corrected(each, demands)


def _rate(name: str, before: BoolArray, after: BoolArray, demands: Demands) -> Check:
    """Return the check of an error rate, given bool (N,) whether each part is decided wrongly."""
    n = len(before)
    if n == 0:
        return Check(name, 0)
    flips = _flips(before, after)
    worse, better = flips.worse, flips.better
    low, high = rise_bounds(worse, better, n, demands.confidence)
    p_value = rise_p(worse, better, n, demands.margin)
    return Check(
        name=name,
        n=n,
        before=float(before.mean()),
        after=float(after.mean()),
        rise=flips.rise,
        low=low,
        high=high,
        worse=worse,
        better=better,
        p_value=p_value,
        test="McNemar",
        outcome=_outcome(p_value <= demands.level, high, demands),
    )


def _with_power(check: Check, demands: Demands, rates: int) -> Check:
    """Return the check of one of some rates with the smallest rise that would be noticed."""
    if check.worse is None or check.better is None:
        return check
    flips = min(check.worse, check.better) / check.n
    return replace(check, noticed=noticed_rise(check.n, flips, demands.margin, demands.level / rates))


def _ranked(before: Predictions, after: Predictions, demands: Demands) -> Check:
    """Return the check of the AUROC."""
    defect = before.is_defect
    if min(int(defect.sum()), int((~defect).sum())) < FEWEST_TO_RANK:
        return Check(RANKING, len(before))
    # the ends of this interval are one-sided bounds with the confidence each
    found = delong(defect, before.scores, after.scores, 2 * demands.confidence - 1)
    two_sided = 1.0 if found.p_value is None else found.p_value
    p_value = two_sided / 2 if found.value > 0 else 1.0 - two_sided / 2
    is_beyond = found.value > demands.margin and p_value <= demands.level
    return Check(
        name=RANKING,
        n=len(before),
        before=found.first,
        after=found.second,
        rise=found.value,
        low=found.low,
        high=found.high,
        p_value=p_value,
        test=found.test,
        outcome=_outcome(is_beyond, found.high, demands),
    )


def _outcome(is_beyond: bool, high: float, demands: Demands) -> str:
    return WORSE if is_beyond else SHOWN if high <= demands.margin else OPEN


def _corrected(checks: Sequence[Check], demands: Demands) -> tuple[Check, ...]:
    """Return the checks with p-values corrected for their number (Holm, 1979), and outcomes by these."""
    order = sorted(range(len(checks)), key=lambda i: checks[i].p_value or 0.0)
    corrected: dict[int, Check] = {}
    highest = 0.0
    for rank, i in enumerate(order):
        check = checks[i]
        highest = max(highest, min(1.0, (check.p_value or 0.0) * (len(checks) - rank)))
        chance = check.outcome == WORSE and highest > demands.level
        corrected[i] = replace(check, p_value=highest, outcome=OPEN if chance else check.outcome)
    return tuple(corrected[i] for i in range(len(checks)))
