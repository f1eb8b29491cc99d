"""Paired comparison of two inspectors on the same parts, with tests of significance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import binomtest, norm

from brightfield.errors import DataError
from brightfield.evaluation.mask_meter import FIGURES
from brightfield.evaluation.metrics import BoolArray, FloatArray
from brightfield.evaluation.predictions import Predictions


@dataclass(frozen=True)
class Difference:
    """The difference of a figure between two inspectors on the same parts.

    Attributes:
        first: The figure of the first inspector.
        second: The figure of the second inspector.
        value: `first` - `second`.
        low: Lower end of the confidence interval of the difference.
        high: Upper end of the confidence interval of the difference.
        confidence: Confidence level of the interval, in (0, 1).
        p_value: P-value of the hypothesis of no difference; None without a test.
        test: Name of the test, `DeLong` or `McNemar`.
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
        """Return the difference as metrics.json writes it."""
        return asdict(self)


def check_comparable(first: str | None, second: str | None, truth: Sequence[str]) -> None:
    """Check before judging that two inspectors can be compared on some parts.

    Args:
        first: The normal class of the first inspector.
        second: The normal class of the second inspector.
        truth: The true class of every part.

    Raises:
        DataError: If the normal classes differ, or there are fewer than two good or two defective parts.
    """
    if first is None or first != second:
        raise DataError(
            f"the normal classes are {first!r} and {second!r}; expected the same normal class for "
            "both inspectors"
        )
    _check_enough(
        n_defect=sum(label != first for label in truth), n_good=sum(label == first for label in truth)
    )


def _check_enough(n_defect: int, n_good: int) -> None:
    if min(n_defect, n_good) < 2:
        raise DataError(
            f"{n_good} good and {n_defect} defective parts; expected at least two of each to compare"
        )


def against(first: Predictions, second: Predictions, confidence: float = 0.95) -> dict[str, Difference]:
    """Return the differences between two inspectors on the same parts, by figure.

    Args:
        first: Predictions of the first inspector.
        second: Predictions of the second inspector for the same images in the same order.
        confidence: Confidence level of the intervals, in (0, 1).

    Raises:
        DataError: If the images differ, there is no normal class, or there are fewer than two good or two
            defective parts.
    """
    if first.images != second.images or first.truth != second.truth:
        raise DataError(
            "the two inspectors judged different images; expected the same images in the same order"
        )
    check_comparable(first.normal, second.normal, first.truth)
    defect = first.is_defect
    passed, rejected = ([p.decided(kind) for p in (first, second)] for kind in ("OK", "DEFECT"))
    differences = {"auroc": delong(defect, first.scores, second.scores, confidence)}
    right = [defect == ~each for each in passed]
    differences["accuracy"] = mcnemar(right[0], right[1], confidence)
    differences["escape_rate"] = mcnemar(passed[0][defect], passed[1][defect], confidence)
    differences["overkill_rate"] = mcnemar(rejected[0][~defect], rejected[1][~defect], confidence)
    return differences


def pixels_against(
    first: Mapping[str, Any] | None, second: Mapping[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Return the pixel-level figures of two inspectors beside each other, by name, without a test.

    Args:
        first: The first inspector's, as metrics.json holds them; None without masks.
        second: The second inspector's.

    Returns:
        `first`, `second` and `value`, their difference, of each figure that both have.
    """
    pairs = {name: ((first or {}).get(name), (second or {}).get(name)) for name in FIGURES}
    return {
        f"pixel_{name}": {"first": a, "second": b, "value": a - b}
        for name, (a, b) in pairs.items()
        if a is not None and b is not None
    }


def delong(
    is_defect: BoolArray, first: FloatArray, second: FloatArray, confidence: float = 0.95
) -> Difference:
    """Return the difference of two AUROCs on the same parts, with DeLong's interval and test.

    DeLong, DeLong and Clarke-Pearson, "Comparing the areas under two or more correlated receiver operating
    characteristic curves", 1988.

    Args:
        is_defect: bool (N,), at least two good and two defective parts.
        first: float64 (N,), scores of the first inspector, on any scale, higher is more defective.
        second: float64 (N,), scores of the second inspector.
        confidence: Confidence level of the interval, in (0, 1).

    Raises:
        DataError: If there are fewer than two good or two defective parts.
    """
    n_defect, n_good = int(is_defect.sum()), int((~is_defect).sum())
    _check_enough(n_defect, n_good)
    placements = [_placements(values, is_defect) for values in (first, second)]
    areas = [float(above.mean()) for above, _ in placements]
    # variance of the placement values of defective and of good parts, (2, 2)
    covariance = (
        np.cov(np.stack([above for above, _ in placements])) / n_defect
        + np.cov(np.stack([below for _, below in placements])) / n_good
    )
    variance = float(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])
    value, error = areas[0] - areas[1], math.sqrt(max(0.0, variance))
    half_width = float(norm.ppf((1 + confidence) / 2)) * error
    if error == 0.0 and not np.array_equal(first, second):
        half_width = _without_variance(min(n_defect, n_good), confidence)
    p_value = float(2 * norm.sf(abs(value) / error)) if error > 0 else (1.0 if value == 0 else 0.0)
    low, high = max(-1.0, value - half_width), min(1.0, value + half_width)
    return Difference(areas[0], areas[1], value, low, high, confidence, p_value, "DeLong")


def auroc_interval(is_defect: BoolArray, scores: FloatArray, confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends of an AUROC's confidence interval, by DeLong's variance, cut to [0, 1].

    Args:
        is_defect: bool (N,), at least two good and two defective parts.
        scores: float64 (N,), on any scale, higher is more defective.
        confidence: Confidence level of the interval, in (0, 1).

    Raises:
        DataError: If there are fewer than two good or two defective parts.
    """
    n_defect, n_good = int(is_defect.sum()), int((~is_defect).sum())
    _check_enough(n_defect, n_good)
    above, below = _placements(scores, is_defect)
    error = math.sqrt(float(above.var(ddof=1)) / n_defect + float(below.var(ddof=1)) / n_good)
    half_width = float(norm.ppf((1 + confidence) / 2)) * error
    if error == 0.0:
        half_width = _without_variance(min(n_defect, n_good), confidence)
    area = float(above.mean())
    return max(0.0, area - half_width), min(1.0, area + half_width)


def _without_variance(n: int, confidence: float) -> float:
    """Return the half width where nothing varies: the bound of an event that none of n parts shows."""
    return float(1.0 - ((1.0 - confidence) / 2) ** (1.0 / n))


def mcnemar(first: BoolArray, second: BoolArray, confidence: float = 0.95) -> Difference:
    """Return the difference of two shares of the same parts, with McNemar's exact test.

    Only parts on which the two inspectors differ count in the test (McNemar, 1947). The interval is Wald's
    after adding 0.5 to each of the four counts (Agresti and Min, Simple improved confidence intervals for
    comparing matched proportions, 2005), so that it has a width even where they never differ.

    Args:
        first: bool (N,), such as whether the first inspector decides each part correctly, N at least 1.
        second: bool (N,), the same for the second inspector.
        confidence: Confidence level of the interval, in (0, 1).
    """
    only_first = int((first & ~second).sum())
    only_second = int((~first & second).sum())
    discordant = only_first + only_second
    p_value = float(binomtest(only_first, discordant).pvalue) if discordant else 1.0
    n = len(first) + 2.0
    centre = (only_first - only_second) / n
    half_width = (
        float(norm.ppf((1 + confidence) / 2)) * math.sqrt((discordant + 1.0) / n - centre**2) / math.sqrt(n)
    )
    low, high = max(-1.0, centre - half_width), min(1.0, centre + half_width)
    means = float(first.mean()), float(second.mean())
    value = (only_first - only_second) / len(first)
    return Difference(means[0], means[1], value, low, high, confidence, p_value, "McNemar")


def _placements(values: FloatArray, is_defect: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the placement values: each defective part's share of good parts below it, and the reverse."""
    good, defective = np.sort(values[~is_defect]), np.sort(values[is_defect])

    def below(sorted_values: FloatArray, at: FloatArray) -> FloatArray:
        ends = (np.searchsorted(sorted_values, at, side) for side in ("left", "right"))
        return np.asarray(sum(ends) / (2 * len(sorted_values)), dtype=np.float64)  # ties count half

    return below(good, values[is_defect]), 1.0 - below(defective, values[~is_defect])
