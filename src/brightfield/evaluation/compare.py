"""Two inspectors on the same parts: is one better, or was it luck?"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

from brightfield.errors import DataError
from brightfield.evaluation.metrics import BoolArray, FloatArray
from brightfield.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Difference:
    """A figure of one inspector less that of another, on the same parts.

    Attributes:
        first: The figure of the first.
        second: The figure of the second.
        value: First less second.
        low: Lower end of the difference's interval.
        high: Upper end.
        confidence: Of the interval, in (0, 1).
        p_value: Chance of so large a difference if there were none; None where no test was made.
        test: What made the interval and the p-value.
    """

    first: float
    second: float
    value: float
    low: float
    high: float
    confidence: float
    p_value: float | None
    test: str

    def as_dict(self) -> dict[str, Any]:
        """Return the difference as JSON writes it."""
        return asdict(self)


def check_comparable(first: str | None, second: str | None, truth: Sequence[str]) -> None:
    """Refuse two inspectors that cannot be compared on such parts, which is known before anything is judged.

    Args:
        first: The normal class of the first.
        second: That of the second.
        truth: The class of every part.

    Raises:
        DataError: If there is no normal class that both share, or either kind has fewer than two parts.
    """
    if first is None or first != second:
        raise DataError(
            f"the normal classes are {first!r} and {second!r}; expected one class that is normal for both "
            "inspectors"
        )
    _check_enough(
        n_defect=sum(label != first for label in truth), n_good=sum(label == first for label in truth)
    )


def _check_enough(n_defect: int, n_good: int) -> None:
    if min(n_defect, n_good) < 2:
        raise DataError(
            f"{n_good} good and {n_defect} defective parts; to compare inspectors takes two of either kind"
        )


def against(first: Predictions, second: Predictions, confidence: float = 0.95) -> dict[str, Difference]:
    """Return the differences between two inspectors' judgements of the same parts, by figure.

    Args:
        first: One row an image.
        second: The same images in the same order.
        confidence: Of the intervals.

    Raises:
        DataError: If the images differ, there is no normal class, or either kind has fewer than two parts.
    """
    if first.images != second.images or first.truth != second.truth:
        raise DataError("the two inspectors did not judge the same images; expected the same data set")
    check_comparable(first.normal, second.normal, first.truth)
    defect = first.is_defect
    passed, rejected = ([p.decided(kind) for p in (first, second)] for kind in ("OK", "DEFECT"))
    found = {"auroc": delong(defect, first.scores, second.scores, confidence)}
    right = [defect == ~each for each in passed]
    found["accuracy"] = mcnemar(right[0], right[1], confidence)
    found["escape_rate"] = mcnemar(passed[0][defect], passed[1][defect], confidence)
    found["overkill_rate"] = mcnemar(rejected[0][~defect], rejected[1][~defect], confidence)
    return found


def delong(
    is_defect: BoolArray, first: FloatArray, second: FloatArray, confidence: float = 0.95
) -> Difference:
    """Return the difference of two AUROCs on the same parts, with DeLong's interval and test.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", 1988.

    Args:
        is_defect: bool (N,), two parts of either kind at the least.
        first: float64 (N,), scores of the first inspector, on any scale, higher is more defective.
        second: float64 (N,), those of the second.
        confidence: Of the interval.

    Raises:
        DataError: If there are fewer than two good or two defective parts.
    """
    n_defect, n_good = int(is_defect.sum()), int((~is_defect).sum())
    _check_enough(n_defect, n_good)
    shares = [_placements(values, is_defect) for values in (first, second)]
    areas = [float(above.mean()) for above, _ in shares]
    # how often each defective part stands above the good ones, and each good one below the defective ones
    covariance = (
        np.cov(np.stack([above for above, _ in shares])) / n_defect
        + np.cov(np.stack([below for _, below in shares])) / n_good
    )
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    value, error = areas[0] - areas[1], math.sqrt(max(0.0, variance))
    reach = float(norm.ppf((1 + confidence) / 2)) * error
    if error == 0.0 and not np.array_equal(first, second):
        # nothing varies, as where both are perfect: so many parts would hide this share of parts that does
        reach = 1.0 - ((1.0 - confidence) / 2) ** (1.0 / min(n_defect, n_good))
    p_value = float(2 * norm.sf(abs(value) / error)) if error > 0 else (1.0 if value == 0 else 0.0)
    low, high = max(-1.0, value - reach), min(1.0, value + reach)
    return Difference(areas[0], areas[1], value, low, high, confidence, p_value, "DeLong")


def mcnemar(first: BoolArray, second: BoolArray, confidence: float = 0.95) -> Difference:
    """Return the difference of two shares of the same parts, with McNemar's exact test.

    Only parts on which the two differ count in the test (McNemar, 1947). The interval is Wald's after half a
    part is added to each of the four counts (Agresti and Min, Simple improved confidence intervals for
    comparing matched proportions, 2005), so that it has a width where the two never differ.

    Args:
        first: bool (N,), such as whether the first decides each part rightly, N at least 1.
        second: bool (N,), the same of the second.
        confidence: Of the interval.
    """
    only_first = int((first & ~second).sum())
    only_second = int((~first & second).sum())
    apart = only_first + only_second
    p_value = float(binomtest(only_first, apart).pvalue) if apart else 1.0
    n = len(first) + 2.0
    middle = (only_first - only_second) / n
    reach = float(norm.ppf((1 + confidence) / 2)) * math.sqrt((apart + 1.0) / n - middle**2) / math.sqrt(n)
    low, high = max(-1.0, middle - reach), min(1.0, middle + reach)
    means = float(first.mean()), float(second.mean())
    value = (only_first - only_second) / len(first)
    return Difference(means[0], means[1], value, low, high, confidence, p_value, "McNemar")


def _placements(values: FloatArray, is_defect: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return each defective part's share of good ones below it, and each good one's of defective above it."""
    good, defective = np.sort(values[~is_defect]), np.sort(values[is_defect])

    def below(sorted_values: FloatArray, at: FloatArray) -> FloatArray:
        ends = (np.searchsorted(sorted_values, at, side) for side in ("left", "right"))
        return np.asarray(sum(ends) / (2 * len(sorted_values)), dtype=np.float64)  # ties count half

    return below(good, values[is_defect]), 1.0 - below(defective, values[~is_defect])
