"""From a policy and the calibration part to an operating point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from brightfield.decide.cost import least_cost, shifted
from brightfield.decide.guarantee import Guarantee, escape_threshold, overkill_threshold
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import PASSING, REJECTING, Clause, Policy
from brightfield.errors import ConfigError, DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.object_]


@dataclass(frozen=True)
class _Parts:
    """What is chosen on, and the share of defects where the probabilities were calibrated."""

    values: FloatArray
    defect: BoolArray
    kinds: Kinds | None
    share: float


def choose(
    policy: Policy,
    probabilities: npt.ArrayLike,
    is_defect: npt.ArrayLike,
    types: Sequence[str] | None = None,
    calibrated_share: float | None = None,
) -> OperatingPoint:
    """Choose the operating point on the calibration part.

    Args:
        policy: How to choose.
        probabilities: (N,), of a defect, in [0, 1].
        is_defect: (N,), bool.
        types: (N,), each part's class, for guarantees of one defect type.
        calibrated_share: The share of defects where the probabilities were calibrated; None if on these.

    Raises:
        ConfigError: If the policy names a defect type that is not there.
        DataError: If shapes or values are wrong, or the parts do not suffice for the policy.
    """
    values, defect = _checked(probabilities, is_defect)
    kinds = None if types is None else np.array(list(types), dtype=object)
    if kinds is not None and kinds.shape != values.shape:
        raise DataError(f"{values.shape} probabilities and {kinds.shape} types; expected (N,) of both")
    parts = _Parts(values, defect, kinds, _share_of_defects(defect, calibrated_share))
    found = [(clause, _threshold(clause, parts)) for clause in policy.clauses]
    low, high = _ends(found, parts)
    for clause in policy.clauses:
        if clause.name == "precision" and clause.value is not None:
            _check_precision(values, defect, high, clause.value)
    promises = [
        _promise(clause, _members(clause, defect, kinds), values < low, values >= high)
        for clause in policy.clauses
        if clause.confidence is not None
    ]
    costs = next((c.costs for c in policy.clauses if c.costs is not None), None)
    point = OperatingPoint(str(policy), high, 0, 0, 0, 0, review=low if low < high else None, costs=costs)
    return replace(count(point, values, defect), guarantees=tuple(promises))


def check_enough(policy: Policy, is_defect: npt.ArrayLike, types: Sequence[str]) -> None:
    """Refuse a policy whose guarantees so many parts cannot prove, whatever their probabilities are.

    Args:
        policy: What will be asked.
        is_defect: (N,), bool.
        types: (N,), each part's class.

    Raises:
        ConfigError: If the policy names a defect type that is not there.
        DataError: If the parts do not suffice; the message says how many are missing.
    """
    defect = np.asarray(is_defect, dtype=np.bool_)
    alike = np.linspace(0.0, 0.5, len(defect))
    parts = _Parts(alike, defect, np.array(list(types), dtype=object), _share_of_defects(defect, None))
    for clause in policy.clauses:
        if clause.confidence is not None:
            _threshold(clause, parts)


def count(point: OperatingPoint, probabilities: npt.ArrayLike, is_defect: npt.ArrayLike) -> OperatingPoint:
    """Return an operating point with its counts taken on other parts, of which it promises nothing.

    Args:
        point: Which one.
        probabilities: (N,), of a defect, in [0, 1].
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong.
    """
    values, defect = _checked(probabilities, is_defect)
    passed, rejected = values < point.passes_below, values >= point.threshold
    reviewed = ~passed & ~rejected
    return replace(
        point,
        n_calibration=len(values),
        n_defect=int(defect.sum()),
        escapes=int((defect & passed).sum()),
        overkills=int((~defect & rejected).sum()),
        reviewed=int(reviewed.sum()),
        reviewed_defect=int((reviewed & defect).sum()),
        guarantees=(),
    )


def _share_of_defects(defect: BoolArray, calibrated_share: float | None) -> float:
    if calibrated_share is not None:
        return calibrated_share
    return float(defect.mean()) if len(defect) else 0.0


def _ends(found: Sequence[tuple[Clause, float]], parts: _Parts) -> tuple[float, float]:
    """Return (low, high): parts pass below `low`, are rejected from `high` on, and go to a person between."""
    first = found[0][0]
    if len(found) == 1 and first.costs is not None:
        return least_cost(first.costs, parts.share)
    passing = [t for clause, t in found if clause.name in PASSING]
    rejecting = [t for clause, t in found if clause.name in REJECTING]
    if passing and rejecting and max(rejecting) <= min(passing):
        # one threshold serves both; the lowest of those that do lets the fewest defects pass
        return max(rejecting), max(rejecting)
    # what holds of a threshold holds of lower ones for what passes, and of higher ones for what is rejected
    ends = [min(passing)] if passing else []
    ends += [max(rejecting)] if rejecting else []
    ends += [t for clause, t in found if clause.name not in PASSING + REJECTING]
    return min(ends), max(ends)


def _threshold(clause: Clause, parts: _Parts) -> float:
    values, defect, kinds = parts.values, parts.defect, parts.kinds
    if clause.costs is not None:
        _need_both(defect, clause.name, "name the threshold with fixed=T")
        return least_cost(clause.costs, parts.share)[1]
    if clause.name == "f1":
        return _best_f1(values, defect, parts.share)
    if clause.name == "youden":
        return _best_youden(values, defect)
    if clause.value is None:
        raise ConfigError(f"policy {clause.name!r} lacks its value")
    if clause.confidence is not None:
        members = values[_members(clause, defect, kinds)]
        if clause.name == "overkill":
            return overkill_threshold(members, clause.value, clause.confidence)[0]
        what = "defective parts" if clause.defect is None else f"parts of type {clause.defect!r}"
        return escape_threshold(members, clause.value, clause.confidence, what)[0]
    if clause.name == "recall":
        return _highest_with_recall(values, defect, clause.value)
    if clause.name == "precision":
        return _lowest_with_precision(values, defect, clause.value)
    return clause.value


def _members(clause: Clause, defect: BoolArray, kinds: Kinds | None) -> BoolArray:
    """Return which parts a guarantee is about."""
    if clause.name == "overkill":
        return ~defect
    if clause.defect is None:
        return defect
    there = sorted({str(k) for k in kinds[defect]}) if kinds is not None else []
    if kinds is None or clause.defect not in there:
        raise ConfigError(
            f"policy {str(clause)!r} is about defects of type {clause.defect!r}; the calibration part holds "
            f"{', '.join(there) or 'no types'}"
        )
    return np.asarray(defect & (kinds == clause.defect), dtype=np.bool_)


def _promise(clause: Clause, members: BoolArray, passed: BoolArray, rejected: BoolArray) -> Guarantee:
    wrong = rejected if clause.name == "overkill" else passed
    return Guarantee(
        kind=clause.name,
        bound=float(clause.value or 0.0),
        confidence=float(clause.confidence or 0.0),
        n=int(members.sum()),
        errors=int((members & wrong).sum()),
        defect=clause.defect,
    )


def _cuts(values: FloatArray) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Return each cut's next lower and next higher value, (M,), and where the values stand among them."""
    uppers, position = np.unique(values, return_inverse=True)
    return np.concatenate(([0.0], uppers[:-1])), uppers, position


def _middle(lowers: FloatArray, uppers: FloatArray, merit: FloatArray) -> float:
    """Return the middle of the gap of the best cut; of equal ones that of the widest."""
    best = np.flatnonzero(merit == merit.max())
    cut = best[np.argmax((uppers - lowers)[best])]
    return float((lowers[cut] + uppers[cut]) / 2)


def _at_or_above(position: npt.NDArray[np.intp], weights: npt.ArrayLike) -> FloatArray:
    """Return the sum of the weights of all values at or above each cut."""
    sums = np.bincount(position, weights=np.asarray(weights, dtype=np.float64))
    return np.asarray(sums[::-1].cumsum()[::-1], dtype=np.float64)


def _best_f1(values: FloatArray, defect: BoolArray, share: float) -> float:
    """Return the cut of the greatest expected F1, in the middle of its gap; of equal ones that of the widest.

    The expectation is 2 E[found] / (rejected + E[defects]) under the calibrated probabilities (the plug-in
    rule of Lewis 1995). Counting the calibration part's own defects instead follows the luck of those few
    parts: the F1 on other parts is lower, and the threshold varies several times as much.
    """
    _need_both(defect, "f1", "add images, or name the threshold with fixed=T")
    lowers, uppers, position = _cuts(values)
    here = float(defect.mean())
    # where defects are as common as in the calibration, its probabilities hold as they are
    chance = values if here == share else shifted(values, share, here)
    found, rejected = _at_or_above(position, chance), _at_or_above(position, np.ones(len(values)))
    return _middle(lowers, uppers, 2 * found / (rejected + max(chance.sum(), np.finfo(float).tiny)))


def _best_youden(values: FloatArray, defect: BoolArray) -> float:
    """Return the cut with the greatest recall + specificity - 1 (Youden, 1950), in the middle of its gap."""
    _need_both(defect, "youden", "add images, or name the threshold with fixed=T")
    lowers, uppers, position = _cuts(values)
    merit = _at_or_above(position, defect) / defect.sum() - _at_or_above(position, ~defect) / (~defect).sum()
    # counts divided, so that equal ones may differ in their last digit
    return _middle(lowers, uppers, merit.round(12))


def _highest_with_recall(values: FloatArray, defect: BoolArray, recall: float) -> float:
    scores = np.sort(values[defect])[::-1]
    n = len(scores)
    if n == 0:
        raise DataError(
            "the calibration part holds no defective part; policy recall=R needs some: add images"
        )
    # Not ceil(recall * n), which rounding can push past a whole number: 0.07 * 100 > 7.
    enough = np.arange(1, n + 1) / n >= recall
    return float(scores[np.argmax(enough)])


def _lowest_with_precision(values: FloatArray, defect: BoolArray, precision: float) -> float:
    _need_both(defect, "precision=P", "add images")
    _, uppers, position = _cuts(values)
    reached = _at_or_above(position, defect) / _at_or_above(position, np.ones(len(values)))
    enough = np.flatnonzero(reached >= precision)
    if not len(enough):
        raise DataError(
            f"no threshold rejects with precision {precision:g} on the calibration part; the best reaches "
            f"{reached.max():.3f}: ask for less, or for a better inspector"
        )
    return float(uppers[enough[0]])


def _check_precision(values: FloatArray, defect: BoolArray, threshold: float, precision: float) -> None:
    """Refuse a threshold that another clause moved up to where the precision, which may fall, is lost."""
    rejected = values >= threshold
    reached = float(defect[rejected].mean()) if rejected.any() else 1.0
    if reached < precision:
        raise DataError(
            f"beside the other policy parts are rejected from {threshold:.4g} on, with precision "
            f"{reached:.3f} instead of {precision:g}: ask for one of the two"
        )


def _need_both(defect: BoolArray, policy: str, mend: str) -> None:
    n_defect = int(defect.sum())
    if n_defect in (0, len(defect)):
        raise DataError(
            f"{n_defect} of {len(defect)} calibration parts are defective; policy {policy} needs good ones "
            f"and defective ones: {mend}"
        )


def _checked(probabilities: npt.ArrayLike, is_defect: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    values = np.asarray(probabilities, dtype=np.float64)
    defect = np.asarray(is_defect)
    if values.ndim != 1 or values.shape != defect.shape:
        raise DataError(f"{values.shape} probabilities and {defect.shape} labels; expected (N,) of both")
    if defect.dtype != np.bool_ and not np.isin(defect, (0, 1)).all():
        raise DataError(f"is_defect is {defect.dtype}; expected bool, true for a defective part")
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError("a probability of a defect is not in [0, 1]; scores must be calibrated first")
    return values, defect.astype(np.bool_)
