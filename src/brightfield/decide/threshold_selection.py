"""Choose an operating point by a policy on the calibration split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from brightfield.decide.auto import resolve, warn_of_few
from brightfield.decide.calibration import LEAST_DEFECTS, Calibrated
from brightfield.decide.conformal import check_good_enough, expected_overkill_threshold
from brightfield.decide.cost import least_cost, shifted
from brightfield.decide.cuts import best_f1, best_youden, highest_with_recall, lowest_with_precision
from brightfield.decide.guarantee import Guarantee, escape_threshold, overkill_threshold
from brightfield.decide.operating_point import WORDS, OperatingPoint
from brightfield.decide.policy import (
    NEED_DEFECTS,
    PASSING,
    REJECTING,
    Clause,
    Policy,
    percent_hint,
)
from brightfield.errors import ConfigError, DataError
from brightfield.verdict import Scale

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Kinds = npt.NDArray[np.object_]

_WITHOUT_DEFECTS = "overkill=O, overkill<=O@C or fixed=T"


@dataclass(frozen=True)
class _Parts:
    """The parts that thresholds are chosen on; `share` is the prevalence where they were calibrated."""

    values: FloatArray
    defect: BoolArray
    kinds: Kinds | None
    share: float
    scale: Scale


def choose(
    policy: Policy,
    judged: Calibrated | npt.ArrayLike,
    is_defect: npt.ArrayLike,
    types: Sequence[str] | None = None,
    calibrated_share: float | None = None,
    scores: npt.ArrayLike | None = None,
) -> OperatingPoint:
    """Choose the operating point on the calibration split.

    The thresholds are on the scale of probabilities where there are any. Where there are none, `overkill=O`
    is a threshold on the p-values among these parts if there are any, and all else is chosen on the scores;
    `auto` then bounds the overkill rate unless `LEAST_DEFECTS` parts are defective.

    Args:
        policy: The policy.
        judged: The calibrated values of the parts; an array (N,) holds probabilities of a defect, in [0, 1].
            P-values must be among these same parts: leave them out where other parts calibrated.
        is_defect: (N,), bool.
        types: (N,), each part's class, for guarantees of one defect type.
        calibrated_share: Share of defects where the probabilities were calibrated; None for these parts'.
        scores: (N,), any scale, higher is more defective; needed where there are no probabilities.

    Raises:
        ConfigError: If the policy names a defect type that is not there, or a threshold out of range.
        DataError: If shapes or values are wrong, or the parts are too few for the policy.
    """
    calibrated = (
        judged if isinstance(judged, Calibrated) else Calibrated(np.asarray(judged, dtype=np.float64))
    )
    defect = _labels(is_defect)
    least = LEAST_DEFECTS if calibrated.probability is None else 1
    requested, policy = policy, resolve(policy, defect, least)
    _check_kinds(policy, defect)
    if policy is not requested:
        warn_of_few(policy, int((~defect).sum()))
    scale = _scale_for(policy, calibrated)
    if scale is Scale.P_VALUE:
        return _by_p_value(policy, calibrated, defect)
    values = _checked(calibrated.on(scale, scores), defect, scale)
    kinds = None if types is None else np.array(list(types), dtype=object)
    if kinds is not None and kinds.shape != values.shape:
        raise DataError(f"{values.shape} {scale} values and {kinds.shape} types; expected (N,) of both")
    parts = _Parts(values, defect, kinds, _share_of_defects(defect, calibrated_share), scale)
    thresholds = [(clause, _threshold(clause, parts)) for clause in policy.clauses]
    low, high = _ends(thresholds, parts)
    for clause in policy.clauses:
        if clause.name == "precision" and clause.value is not None:
            _check_precision(values, defect, high, clause.value)
    costs = next((c.costs for c in policy.clauses if c.costs is not None), None)
    review = low if low < high else None
    point = OperatingPoint(str(policy), high, 0, 0, 0, 0, review=review, costs=costs, scale=scale)
    passed, rejected = ~point.stopped(values), point.rejected(values)
    guarantees = [
        _guarantee(clause, _members(clause, defect, kinds), passed, rejected)
        for clause in policy.clauses
        if clause.confidence is not None
    ]
    return replace(count(point, values, defect), guarantees=tuple(guarantees))


def check_enough(
    policy: Policy, is_defect: npt.ArrayLike, types: Sequence[str], least_defects: int = 1
) -> None:
    """Check that a policy can be satisfied on these parts, whatever their scores are.

    Args:
        policy: The policy.
        is_defect: (N,), bool.
        types: (N,), each part's class.
        least_defects: Number of defective parts from which a probability is calibrated.

    Raises:
        ConfigError: If the policy names a defect type that is not there, or a threshold out of range.
        DataError: If the parts are too few; the message says how many are missing.
    """
    defect = np.asarray(is_defect, dtype=np.bool_)
    policy = resolve(policy, defect, least_defects)
    _check_kinds(policy, defect)
    placeholder = np.linspace(0.0, 0.5, len(defect))
    scale = Scale.PROBABILITY if int(defect.sum()) >= least_defects else Scale.SCORE
    kinds = np.array(list(types), dtype=object)
    parts = _Parts(placeholder, defect, kinds, _share_of_defects(defect, None), scale)
    for clause in policy.clauses:
        if clause.confidence is not None or clause.name in ("overkill", "fixed", "cost"):
            _threshold(clause, parts)


def count(
    point: OperatingPoint,
    judged: Calibrated | npt.ArrayLike,
    is_defect: npt.ArrayLike,
    scores: npt.ArrayLike | None = None,
) -> OperatingPoint:
    """Return an operating point with its counts taken on other parts, and without guarantees.

    Args:
        point: The operating point.
        judged: The calibrated values of the parts; an array (N,) holds values on the operating point's scale.
        is_defect: (N,), bool.
        scores: (N,), needed where the operating point is on the scale of scores and `judged` is no array.

    Raises:
        DataError: If shapes or values are wrong, or there are no values on the operating point's scale.
    """
    defect = _labels(is_defect)
    on_scale = judged.on(point.scale, scores) if isinstance(judged, Calibrated) else judged
    values = _checked(on_scale, defect, point.scale)
    stopped, rejected = point.stopped(values), point.rejected(values)
    reviewed = stopped & ~rejected
    return replace(
        point,
        n_calibration=len(values),
        n_defect=int(defect.sum()),
        escapes=int((defect & ~stopped).sum()),
        overkills=int((~defect & rejected).sum()),
        reviewed=int(reviewed.sum()),
        reviewed_defect=int((reviewed & defect).sum()),
        guarantees=(),
    )


def _scale_for(policy: Policy, calibrated: Calibrated) -> Scale:
    """Return the scale that the policy's thresholds will be on."""
    if calibrated.probability is not None:
        return Scale.PROBABILITY
    by_expectation = [c.name == "overkill" and c.confidence is None for c in policy.clauses]
    if by_expectation == [True] and calibrated.p_value is not None:
        return Scale.P_VALUE
    return Scale.SCORE


def _by_p_value(policy: Policy, calibrated: Calibrated, defect: BoolArray) -> OperatingPoint:
    """Return the operating point that rejects parts whose p-value is at most the policy's share."""
    share = float(policy.clauses[0].value or 0.0)
    check_good_enough(int((~defect).sum()), share)
    return count(OperatingPoint(str(policy), share, 0, 0, 0, 0, scale=Scale.P_VALUE), calibrated, defect)


def _check_kinds(policy: Policy, defect: BoolArray) -> None:
    """Raise DataError where the policy needs defective parts and all parts are good."""
    unmet = [c.name for c in policy.clauses if c.name in NEED_DEFECTS]
    if unmet and len(defect) and not defect.any():
        raise DataError(
            f"0 of {len(defect)} calibration parts are defective; policy {unmet[0]} needs some: add "
            f"images of defects, or choose by good parts alone with {_WITHOUT_DEFECTS}"
        )


def _share_of_defects(defect: BoolArray, calibrated_share: float | None) -> float:
    if calibrated_share is not None:
        return calibrated_share
    return float(defect.mean()) if len(defect) else 0.0


def _ends(thresholds: Sequence[tuple[Clause, float]], parts: _Parts) -> tuple[float, float]:
    """Return (low, high): parts pass below `low`, are rejected from `high` on, and go to review between."""
    first = thresholds[0][0]
    if len(thresholds) == 1 and first.costs is not None:
        return least_cost(first.costs, parts.share)
    passing = [t for clause, t in thresholds if clause.name in PASSING]
    rejecting = [t for clause, t in thresholds if clause.name in REJECTING]
    if passing and rejecting and max(rejecting) <= min(passing):
        # one threshold satisfies both clauses; the lowest such one lets the fewest defects pass
        return max(rejecting), max(rejecting)
    # a condition on what passes also holds at lower thresholds, one on what is rejected at higher ones
    ends = [min(passing)] if passing else []
    ends += [max(rejecting)] if rejecting else []
    ends += [t for clause, t in thresholds if clause.name not in PASSING + REJECTING]
    return min(ends), max(ends)


def _threshold(clause: Clause, parts: _Parts) -> float:
    values, defect, kinds = parts.values, parts.defect, parts.kinds
    if clause.costs is not None:
        if parts.scale is not Scale.PROBABILITY:
            raise DataError(
                "policy cost weighs errors by the probability of a defect, but this inspector gives none, as "
                f"good parts calibrated it: choose another policy, or train with {LEAST_DEFECTS} defective "
                "parts or more beside those of the test split"
            )
        _need_both(defect, clause.name, "name the threshold with fixed=T")
        return least_cost(clause.costs, parts.share)[1]
    floor = 0.0 if parts.scale is Scale.PROBABILITY else None
    if clause.name == "f1":
        _need_both(defect, "f1", "add images, or name the threshold with fixed=T")
        return best_f1(values, _chances(parts), floor)
    if clause.name == "youden":
        _need_both(defect, "youden", "add images, or name the threshold with fixed=T")
        return best_youden(values, defect, floor)
    if clause.value is None:
        raise ConfigError(f"policy {clause.name!r} lacks its value")
    if clause.confidence is not None:
        members = values[_members(clause, defect, kinds)]
        if clause.name == "overkill":
            lowest = overkill_threshold(members, clause.value, clause.confidence)[0]
            return _below_certainty(lowest, members, parts.scale)
        what = "defective parts" if clause.defect is None else f"parts of type {clause.defect!r}"
        return escape_threshold(members, clause.value, clause.confidence, what)[0]
    if clause.name == "recall":
        return highest_with_recall(values, defect, clause.value)
    if clause.name == "precision":
        _need_both(defect, "precision=P", "add images")
        return lowest_with_precision(values, defect, clause.value)
    if clause.name == "overkill":
        good = values[~defect]
        return _below_certainty(expected_overkill_threshold(good, clause.value), good, parts.scale)
    if parts.scale is Scale.PROBABILITY and not 0.0 <= clause.value <= 1.0:
        raise ConfigError(
            f"policy {str(clause)!r} is out of range{percent_hint(clause.value)}; expected a probability, "
            "0 <= T <= 1"
        )
    return clause.value


def _chances(parts: _Parts) -> FloatArray:
    """Return each part's probability of being defective (N,), by which the expected F1 is computed.

    These are the calibrated probabilities. Labels are used only where there are none: chosen by the labels of
    few calibration parts, the threshold varies several times as much and the F1 on other parts is lower.
    """
    if parts.scale is not Scale.PROBABILITY:
        return parts.defect.astype(np.float64)
    here = float(parts.defect.mean())
    # at the prevalence of the calibration its probabilities need no correction
    return parts.values if here == parts.share else shifted(parts.values, parts.share, here)


def _below_certainty(threshold: float, good: FloatArray, scale: Scale) -> float:
    """Return the threshold; raise DataError if it is a probability above 1."""
    if scale is Scale.PROBABILITY and threshold > 1.0:
        raise DataError(
            f"{int((good >= 1.0).sum())} of {len(good)} good parts have probability 1 of a defect, so no "
            "threshold reaches the requested overkill rate: check their labels"
        )
    return threshold


def _members(clause: Clause, defect: BoolArray, kinds: Kinds | None) -> BoolArray:
    """Return bool (N,): the parts that a clause's guarantee is about."""
    if clause.name == "overkill":
        return ~defect
    if clause.defect is None:
        return defect
    present = sorted({str(k) for k in kinds[defect]}) if kinds is not None else []
    if kinds is None or clause.defect not in present:
        raise ConfigError(
            f"policy {str(clause)!r} is about defects of type {clause.defect!r}; the calibration split holds "
            f"{', '.join(present) or 'no types'}"
        )
    return np.asarray(defect & (kinds == clause.defect), dtype=np.bool_)


def _guarantee(clause: Clause, members: BoolArray, passed: BoolArray, rejected: BoolArray) -> Guarantee:
    wrong = rejected if clause.name == "overkill" else passed
    return Guarantee(
        kind=clause.name,
        bound=float(clause.value or 0.0),
        confidence=float(clause.confidence or 0.0),
        n=int(members.sum()),
        errors=int((members & wrong).sum()),
        defect=clause.defect,
    )


def _check_precision(values: FloatArray, defect: BoolArray, threshold: float, precision: float) -> None:
    """Raise DataError where another clause raised the threshold so far that the precision is lost."""
    rejected = values >= threshold
    reached = float(defect[rejected].mean()) if rejected.any() else 1.0
    if reached < precision:
        raise DataError(
            f"together with the other policy, parts are rejected from {threshold:.4g} on, with precision "
            f"{reached:.3f} instead of {precision:g}: ask for one of the two only"
        )


def _need_both(defect: BoolArray, policy: str, remedy: str) -> None:
    n_defect = int(defect.sum())
    if n_defect in (0, len(defect)):
        raise DataError(
            f"{n_defect} of {len(defect)} calibration parts are defective; policy {policy} needs good "
            f"and defective parts: {remedy}"
        )


def _labels(is_defect: npt.ArrayLike) -> BoolArray:
    defect = np.asarray(is_defect)
    if defect.ndim != 1 or (defect.dtype != np.bool_ and not np.isin(defect, (0, 1)).all()):
        raise DataError(
            f"is_defect is {defect.dtype} of shape {defect.shape}; expected bool (N,), true for a "
            "defective part"
        )
    return defect.astype(np.bool_)


def _checked(values: npt.ArrayLike, defect: BoolArray, scale: Scale) -> FloatArray:
    """Return values (N,) on a scale; raise DataError for another shape or a value outside the scale."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != defect.shape:
        raise DataError(f"{array.shape} {scale} values and {defect.shape} labels; expected (N,) of both")
    if scale is Scale.SCORE and not np.isfinite(array).all():
        raise DataError("a score is not finite; the model diverged or an image is broken")
    if scale is not Scale.SCORE and not ((array >= 0) & (array <= 1)).all():
        raise DataError(f"a {WORDS[scale]} is not in [0, 1]; scores must be calibrated first")
    return array
