"""Thresholds on values: of the greatest F1 or Youden index, or that reach a recall or a precision."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def _cuts(values: FloatArray, floor: float | None) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Return the values (M,) next below and next above each cut, and the cut index (N,) of each value."""
    uppers, position = np.unique(values, return_inverse=True)
    lowest = uppers[0] if floor is None else floor
    return np.concatenate(([lowest], uppers[:-1])), uppers, position


def _middle(lowers: FloatArray, uppers: FloatArray, merit: FloatArray) -> float:
    """Return the middle of the gap with the greatest merit; of equal ones, of the widest gap."""
    best = np.flatnonzero(merit == merit.max())
    cut = best[np.argmax((uppers - lowers)[best])]
    return float((lowers[cut] + uppers[cut]) / 2)


def _at_or_above(position: npt.NDArray[np.intp], weights: npt.ArrayLike) -> FloatArray:
    """Return the sum of the weights of all values at or above each cut."""
    sums = np.bincount(position, weights=np.asarray(weights, dtype=np.float64))
    return np.asarray(sums[::-1].cumsum()[::-1], dtype=np.float64)


def best_f1(values: FloatArray, chance: FloatArray, floor: float | None) -> float:
    """Return the threshold of the greatest F1, in the middle of its gap; of equal ones, of the widest gap.

    Args:
        values: (N,), values to put the threshold on, N at least 1.
        chance: (N,), each part's probability of being defective: the F1 is 2 E[found] / (rejected +
            E[defects]), the plug-in rule of Lewis, 1995. Zeros and ones count the labels.
        floor: The least possible value; None where there is none.
    """
    lowers, uppers, position = _cuts(values, floor)
    defects_found, rejected = _at_or_above(position, chance), _at_or_above(position, np.ones(len(values)))
    return _middle(lowers, uppers, 2 * defects_found / (rejected + max(chance.sum(), np.finfo(float).tiny)))


def best_youden(values: FloatArray, defect: BoolArray, floor: float | None) -> float:
    """Return the threshold of the greatest recall + specificity - 1 (Youden, 1950), in the middle of its gap.

    Args:
        values: (N,), values to put the threshold on.
        defect: bool (N,), true for a defective part, with parts of both kinds.
        floor: The least possible value; None where there is none.
    """
    lowers, uppers, position = _cuts(values, floor)
    merit = _at_or_above(position, defect) / defect.sum() - _at_or_above(position, ~defect) / (~defect).sum()
    # equal merits may differ in the last digit, as the counts are divided
    return _middle(lowers, uppers, merit.round(12))


def highest_with_recall(values: FloatArray, defect: BoolArray, recall: float) -> float:
    """Return the highest threshold with at least this recall of the defects, in (0, 1].

    Raises:
        DataError: If there are no defective parts.
    """
    scores = np.sort(values[defect])[::-1]
    n = len(scores)
    if n == 0:
        raise DataError(
            "the calibration split holds no defective part; policy recall=R needs some: add images"
        )
    # Not ceil(recall * n), which rounding can push past a whole number: 0.07 * 100 > 7.
    enough = np.arange(1, n + 1) / n >= recall
    return float(scores[np.argmax(enough)])


def lowest_with_precision(values: FloatArray, defect: BoolArray, precision: float) -> float:
    """Return the lowest threshold with at least this precision of the rejected parts, in (0, 1].

    Raises:
        DataError: If no threshold reaches it.
    """
    uppers, position = np.unique(values, return_inverse=True)
    reached = _at_or_above(position, defect) / _at_or_above(position, np.ones(len(values)))
    enough = np.flatnonzero(reached >= precision)
    if not len(enough):
        raise DataError(
            f"no threshold rejects with precision {precision:g} on the calibration split; the best reaches "
            f"{reached.max():.3f}: ask for a lower precision, or train a better inspector"
        )
    return float(uppers[enough[0]])
