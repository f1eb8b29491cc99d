"""Where to cut a row of values so that a figure is greatest, or a share is reached."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


def _cuts(values: FloatArray, floor: float | None) -> tuple[FloatArray, FloatArray, npt.NDArray[np.intp]]:
    """Return each cut's next lower and next higher value, (M,), and where the values stand among them."""
    uppers, position = np.unique(values, return_inverse=True)
    lowest = uppers[0] if floor is None else floor
    return np.concatenate(([lowest], uppers[:-1])), uppers, position


def _middle(lowers: FloatArray, uppers: FloatArray, merit: FloatArray) -> float:
    """Return the middle of the gap of the best cut; of equal ones that of the widest."""
    best = np.flatnonzero(merit == merit.max())
    cut = best[np.argmax((uppers - lowers)[best])]
    return float((lowers[cut] + uppers[cut]) / 2)


def _at_or_above(position: npt.NDArray[np.intp], weights: npt.ArrayLike) -> FloatArray:
    """Return the sum of the weights of all values at or above each cut."""
    sums = np.bincount(position, weights=np.asarray(weights, dtype=np.float64))
    return np.asarray(sums[::-1].cumsum()[::-1], dtype=np.float64)


def best_f1(values: FloatArray, chance: FloatArray, floor: float | None) -> float:
    """Return the cut of the greatest F1, in the middle of its gap; of equal ones that of the widest.

    Args:
        values: (N,), what the cut is made in, N at least 1.
        chance: (N,), of each part to be defective: the F1 is 2 E[found] / (rejected + E[defects]), the
            plug-in rule of Lewis, 1995. Zeros and ones count.
        floor: The least value there can be; None where there is no least.
    """
    lowers, uppers, position = _cuts(values, floor)
    found, rejected = _at_or_above(position, chance), _at_or_above(position, np.ones(len(values)))
    return _middle(lowers, uppers, 2 * found / (rejected + max(chance.sum(), np.finfo(float).tiny)))


def best_youden(values: FloatArray, defect: BoolArray, floor: float | None) -> float:
    """Return the cut with the greatest recall + specificity - 1 (Youden, 1950), in the middle of its gap.

    Args:
        values: (N,), what the cut is made in.
        defect: (N,), with parts of both kinds.
        floor: The least value there can be; None where there is no least.
    """
    lowers, uppers, position = _cuts(values, floor)
    merit = _at_or_above(position, defect) / defect.sum() - _at_or_above(position, ~defect) / (~defect).sum()
    # counts divided, so that equal ones may differ in their last digit
    return _middle(lowers, uppers, merit.round(12))


def highest_with_recall(values: FloatArray, defect: BoolArray, recall: float) -> float:
    """Return the highest threshold that finds at least a share of the defects.

    Raises:
        DataError: If there are none.
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
    """Return the lowest threshold at which at least a share of what is rejected is defective.

    Raises:
        DataError: If none reaches it.
    """
    uppers, position = np.unique(values, return_inverse=True)
    reached = _at_or_above(position, defect) / _at_or_above(position, np.ones(len(values)))
    enough = np.flatnonzero(reached >= precision)
    if not len(enough):
        raise DataError(
            f"no threshold rejects with precision {precision:g} on the calibration split; the best reaches "
            f"{reached.max():.3f}: ask for less, or for a better inspector"
        )
    return float(uppers[enough[0]])
