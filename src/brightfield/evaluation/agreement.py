"""Attribute agreement analysis: repeatability and correctness of the decisions of inspectors and people.

It is also known as gauge repeatability and reproducibility (R&R) for attribute data: AIAG, Measurement
Systems Analysis, 4th edition, 2010, chapter III, section C.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score

from brightfield.errors import DataError
from brightfield.evaluation.intervals import Rate, clopper_pearson
from brightfield.verdict import DECISIONS

THE_INSPECTOR = "the inspector"
"""The inspector's name among the appraisers."""

ACCEPTABLE = {"effectiveness": 0.90, "miss_rate": 0.02, "false_alarm_rate": 0.05}
MARGINAL = {"effectiveness": 0.80, "miss_rate": 0.05, "false_alarm_rate": 0.10}
"""The handbook's limits for a rating."""

UNRATED = "not rated"

_DRAWS = 2000

Shots = Sequence[Sequence[str]]
"""For each part the decisions of one appraiser, one per look; empty where the part was not shown."""


@dataclass(frozen=True)
class Appraiser:
    """The figures of one appraiser.

    Attributes:
        parts: Number of parts shown.
        decisions: Number of decisions, one per look.
        effectiveness: Correct decisions / decisions; REVIEW is neither correct nor a miss.
        miss_rate: Looks at defective parts decided OK / looks at defective parts; None without any.
        false_alarm_rate: Looks at good parts decided DEFECT / looks at good parts; None without any.
        review_share: Decisions REVIEW / decisions.
        intervals: Bootstrap intervals (low, high) of these four shares. Parts are resampled, as the looks at
            one part are not independent. For a share of 0 or 1 it is the exact interval over parts.
        erring: For effectiveness, misses and false alarms, the share of the parts concerned with any wrong
            look, any miss or any false alarm.
        repeatability: Share of the parts looked at several times on which all decisions are equal.
        always_right: Share of the parts on which every decision is correct.
        kappa: Fleiss' kappa of repeated looks; None without any, or where all decisions are equal.
        kappa_truth: Cohen's kappa of decisions and truth; None where neither varies.
        rating: `acceptable`, `marginal` or `unacceptable` by the handbook's limits; `not rated` without both
            good and defective parts.
    """

    parts: int
    decisions: int
    effectiveness: float
    miss_rate: float | None
    false_alarm_rate: float | None
    review_share: float
    intervals: dict[str, tuple[float, float] | None]
    erring: dict[str, Rate]
    repeatability: Rate
    always_right: Rate
    kappa: float | None
    kappa_truth: float | None
    rating: str

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as metrics.json writes them."""
        found = asdict(self)
        found["erring"] = {name: rate.as_dict() for name, rate in self.erring.items()}
        found["repeatability"] = self.repeatability.as_dict()
        found["always_right"] = self.always_right.as_dict()
        return found


@dataclass(frozen=True)
class Agreement:
    """The result of an agreement study.

    Attributes:
        appraisers: Figures of each appraiser, by name.
        all_alike: Share of the parts shown to every appraiser on which all decisions are equal.
        all_right: Share of the parts shown to every appraiser on which all decisions are correct.
        kappa: Fleiss' kappa of all decisions on those parts; None for one appraiser, or equal decisions.
    """

    appraisers: dict[str, Appraiser]
    all_alike: Rate
    all_right: Rate
    kappa: float | None

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as metrics.json writes them."""
        return {
            "appraisers": {name: a.as_dict() for name, a in self.appraisers.items()},
            "all_alike": self.all_alike.as_dict(),
            "all_right": self.all_right.as_dict(),
            "kappa": self.kappa,
        }


def attribute_agreement(
    is_defect: npt.ArrayLike, shots: Mapping[str, Shots], confidence: float = 0.95
) -> Agreement:
    """Return the agreement of appraisers with themselves, with each other and with the truth.

    Args:
        is_defect: bool (P,), whether each part is truly defective.
        shots: For each appraiser the decisions on each of the P parts, values of `DECISIONS`.
        confidence: Confidence level of the intervals, in (0, 1).

    Raises:
        DataError: If shapes or decisions are wrong, or an appraiser was shown nothing.
    """
    truth = np.asarray(is_defect, dtype=np.bool_)
    if not shots:
        raise DataError("there are no appraisers; expected at least one")
    for name, looks in shots.items():
        _check(name, looks, len(truth))
    appraisers = {name: _appraiser(truth, looks, confidence) for name, looks in shots.items()}
    shared = [i for i in range(len(truth)) if all(len(looks[i]) for looks in shots.values())]
    together = [[d for looks in shots.values() for d in looks[i]] for i in shared]
    right = sum(_all_right(decisions, bool(truth[i])) for i, decisions in zip(shared, together, strict=True))
    return Agreement(
        appraisers=appraisers,
        all_alike=clopper_pearson(sum(len(set(d)) == 1 for d in together), len(shared), confidence),
        all_right=clopper_pearson(right, len(shared), confidence),
        kappa=fleiss_kappa(together) if len(shots) > 1 else None,
    )


def fleiss_kappa(looks: Shots) -> float | None:
    """Return Fleiss' kappa: agreement beyond chance, 1 for perfect, 0 for chance.

    The number of looks may differ between parts; parts with a single look are left out. It is None where no
    part has two looks, or all decisions are equal. Fleiss, Measuring nominal scale agreement among many
    raters, 1971, equations 2 to 7.
    """
    counts = np.array([[Counter(d)[k] for k in DECISIONS] for d in looks if len(d) > 1], dtype=np.float64)
    if not len(counts):
        return None
    n = counts.sum(1)  # looks of each part, (P,)
    agreement = ((counts**2).sum(1) - n) / (n * (n - 1))  # share of agreeing pairs of looks, (P,)
    chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    return None if chance == 1.0 else float((agreement.mean() - chance) / (1.0 - chance))


def cohen_kappa(first: Sequence[str], second: Sequence[str]) -> float | None:
    """Return Cohen's kappa of two lists of decisions on the same looks (Cohen, 1960); None if all equal."""
    if len({*first, *second}) < 2:
        return None
    return float(cohen_kappa_score(first, second))


def _appraiser(truth: npt.NDArray[np.bool_], looks: Shots, confidence: float) -> Appraiser:
    shown = [i for i, decisions in enumerate(looks) if len(decisions)]
    defect = truth[shown]
    # (P, 5), counts of each part: looks, correct decisions, OK, DEFECT, REVIEW
    table = np.array([_counted(looks[i], bool(truth[i])) for i in shown], dtype=np.float64)
    shares = {name: _ratio(table, defect, name) for name in _RATIOS}
    intervals = _intervals(table, defect, confidence)
    several = [i for i in shown if len(looks[i]) > 1]
    alike = sum(len(set(looks[i])) == 1 for i in several)
    right = sum(_all_right(looks[i], bool(truth[i])) for i in shown)
    decided = [d for i in shown for d in looks[i]]
    correct = [_right(bool(truth[i])) for i in shown for _ in looks[i]]
    return Appraiser(
        parts=len(shown),
        decisions=len(decided),
        effectiveness=float(shares["effectiveness"] or 0.0),
        miss_rate=shares["miss_rate"],
        false_alarm_rate=shares["false_alarm_rate"],
        review_share=float(shares["review_share"] or 0.0),
        intervals=intervals,
        erring=_erring(table, defect, confidence),
        repeatability=clopper_pearson(alike, len(several), confidence),
        always_right=clopper_pearson(right, len(shown), confidence),
        kappa=fleiss_kappa([looks[i] for i in several]),
        kappa_truth=cohen_kappa(decided, correct),
        rating=_rating(shares),
    )


_RATIOS = {
    "effectiveness": (1, None),
    "miss_rate": (2, True),
    "false_alarm_rate": (3, False),
    "review_share": (4, None),
}
"""For each share, the column of the count table, and whether it is over defective parts; None for all."""


def _counted(decisions: Sequence[str], defect: bool) -> list[int]:
    counts = Counter(decisions)
    return [len(decisions), counts[_right(defect)], counts["OK"], counts["DEFECT"], counts["REVIEW"]]


def _ratio(table: npt.NDArray[np.float64], defect: npt.NDArray[np.bool_], name: str) -> float | None:
    column, kind = _RATIOS[name]
    rows = table if kind is None else table[defect == kind]
    return float(rows[:, column].sum() / rows[:, 0].sum()) if len(rows) else None


def _erring(
    table: npt.NDArray[np.float64], defect: npt.NDArray[np.bool_], confidence: float
) -> dict[str, Rate]:
    wrong = {
        "effectiveness": table[:, 1] < table[:, 0],
        "miss_rate": table[defect, 2] > 0,
        "false_alarm_rate": table[~defect, 3] > 0,
    }
    return {name: clopper_pearson(int(any_.sum()), len(any_), confidence) for name, any_ in wrong.items()}


def _intervals(
    table: npt.NDArray[np.float64], defect: npt.NDArray[np.bool_], confidence: float
) -> dict[str, tuple[float, float] | None]:
    """Return bootstrap percentile intervals over parts, resampled separately for good and defective ones."""
    rng = np.random.default_rng(0)
    kinds = [np.flatnonzero(defect == kind) for kind in (False, True)]
    drawn: dict[str, list[float]] = {name: [] for name in _RATIOS}
    for _ in range(_DRAWS):
        rows = np.concatenate([rng.choice(k, len(k)) for k in kinds if len(k)])
        for name in _RATIOS:
            value = _ratio(table[rows], defect[rows], name)
            if value is not None:
                drawn[name].append(value)
    ends = ((1 - confidence) / 2, (1 + confidence) / 2)
    found: dict[str, tuple[float, float] | None] = {}
    for name, values in drawn.items():
        share = _ratio(table, defect, name)
        if share in (
            0.0,
            1.0,
        ):  # resampling parts without errors gives no width, so the exact interval is used
            n = len(table) if _RATIOS[name][1] is None else int((defect == _RATIOS[name][1]).sum())
            exact = clopper_pearson(n if share else 0, n, confidence)
            found[name] = (float(exact.low or 0.0), float(1.0 if exact.high is None else exact.high))
        else:
            low, high = (float(np.quantile(values, end)) for end in ends) if values else (0.0, 1.0)
            found[name] = (low, high) if values else None
    return found


def _rating(shares: Mapping[str, float | None]) -> str:
    if shares["miss_rate"] is None or shares["false_alarm_rate"] is None:
        return UNRATED
    for name, limits in (("acceptable", ACCEPTABLE), ("marginal", MARGINAL)):
        within = [
            value is None or (value >= limit if figure == "effectiveness" else value <= limit)
            for figure, limit in limits.items()
            for value in [shares[figure]]
        ]
        if all(within):
            return name
    return "unacceptable"


def _right(defect: bool) -> str:
    return "DEFECT" if defect else "OK"


def _all_right(decisions: Sequence[str], defect: bool) -> bool:
    return set(decisions) == {_right(defect)}


def _check(name: str, looks: Shots, parts: int) -> None:
    if len(looks) != parts:
        raise DataError(f"{name} has decisions on {len(looks)} parts; expected {parts}")
    wrong = next((d for decisions in looks for d in decisions if d not in DECISIONS), None)
    if wrong is not None:
        raise DataError(f"{name} decided {wrong!r}; expected one of {', '.join(DECISIONS)}")
    if not any(len(decisions) for decisions in looks):
        raise DataError(f"{name} was shown no part; expected at least one decision")
