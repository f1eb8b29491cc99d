"""Paired decisions of two inspectors: whether one errs more often, by how much, and what would be noticed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binom, norm

POWER = 0.8
"""A rise counts as one that would be noticed if it is in this share of all draws."""

_TINY = 1e-12
_STEPS = 24  # halvings of the range in which the smallest rise lies


def mid_p(worse: int, better: int) -> float:
    """Return the one-sided p-value of McNemar's exact test that errors have become more frequent, as a mid-p.

    Only parts on which the decisions differ count. Under the hypothesis each of them is as likely to have
    become wrong as right. The mid-p-value counts half of the probability of what was observed, so that the
    test errs about as often as it says; the plain exact test errs far less often with few such parts, and
    misses more (Fagerland, Lydersen and Laake, "The McNemar test for binary matched-pairs data: mid-p and
    asymptotic are better than exact conditional", 2013).

    Args:
        worse: Number of parts that were decided rightly and now are wrongly.
        better: Number of parts of which the reverse is true.
    """
    n = worse + better
    return float(binom.sf(worse, n, 0.5) + 0.5 * binom.pmf(worse, n, 0.5))


def rise_bounds(worse: int, better: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the lower and the upper confidence bound of the rise of an error rate on the same parts.

    They are the rises that the score test of the difference of paired shares just does not reject (Tango,
    "Equivalence test and confidence interval for the difference in proportions for the paired-sample design",
    1998). Each bound holds with the confidence by itself.

    Args:
        worse: Number of parts that were decided rightly and now are wrongly.
        better: Number of parts of which the reverse is true.
        n: Number of all parts, at least 1.
        confidence: Confidence of each bound, in (0, 1).
    """
    z = float(norm.ppf(confidence))

    def beyond(rise: float, sign: int) -> float:
        return _score(worse, better, n, rise) - sign * z

    # the score falls from the lowest rise, -1, to the highest, 1
    low = -1.0 if beyond(-1.0, 1) <= 0 else float(brentq(beyond, -1.0, 1.0, args=(1,)))
    high = 1.0 if beyond(1.0, -1) >= 0 else float(brentq(beyond, -1.0, 1.0, args=(-1,)))
    return low, high


def _score(worse: int, better: int, n: int, rise: float) -> float:
    """Return Tango's score statistic of a hypothetical rise; at a rise of 0 it is McNemar's."""
    middle = -worse - better + (2 * n - worse + better) * rise
    root = math.sqrt(max(0.0, middle**2 + 8 * n * better * rise * (1 - rise)))
    share = (root - middle) / (4 * n)  # the likeliest share that improves, were this the rise
    variance = n * (2 * share + rise * (1 - rise))
    return (worse - better - n * rise) / math.sqrt(max(variance, _TINY))


def rise_p(worse: int, better: int, n: int, margin: float) -> float:
    """Return the one-sided p-value that an error rate has risen by no more than the margin.

    It is that of Tango's score test of the margin, but no smaller than McNemar's mid-p-value, as the former
    is of large numbers.

    Args:
        worse: Number of parts that were decided rightly and now are wrongly.
        better: Number of parts of which the reverse is true.
        n: Number of all parts, at least 1.
        margin: Rise that does not matter, in [0, 1).
    """
    return max(mid_p(worse, better), float(norm.sf(_score(worse, better, n, margin))))


def is_worse(worse: int, better: int, n: int, margin: float, level: float) -> bool:
    """Return whether it is shown that an error rate has risen by more than the margin.

    The arguments are those of `rise_p`, and the greatest p-value that is not called chance, in (0, 1).
    """
    return rise_p(worse, better, n, margin) <= level


@dataclass(frozen=True)
class Flips:
    """Decisions on n parts that changed: `worse` of them are wrong now, `better` are right now."""

    worse: int
    better: int
    n: int

    @property
    def rise(self) -> float:
        """The rise of the error rate."""
        return (self.worse - self.better) / self.n

    @property
    def variance(self) -> float:
        """The variance of the rise."""
        return ((self.worse + self.better) / self.n - self.rise**2) / self.n


def is_paid_for(risen: Flips, fallen: Flips, margin: float, level: float) -> bool:
    """Return whether a rise of one error rate comes with as large a fall of another.

    So it is where a threshold has moved. The other rate must have fallen by more than chance, and the sum of
    both must not have risen by more than the margin and by more than chance (one-sided normal test of the
    sum, as the two are of different parts).

    Args:
        risen: The decisions behind the rate that has risen.
        fallen: Those behind the other rate, of other parts.
        margin: Rise that does not matter, in [0, 1).
        level: The greatest p-value that is called more than chance, in (0, 1).
    """
    if not fallen.n or mid_p(fallen.better, fallen.worse) > level:
        return False
    both, variance = risen.rise + fallen.rise, risen.variance + fallen.variance
    return both <= margin or float(norm.sf(both / math.sqrt(max(variance, _TINY)))) > level


def noticed_rise(n: int, flips: float, margin: float, level: float, power: float = POWER) -> float | None:
    """Return the smallest rise of an error rate that `is_worse` notices in a share `power` of all draws.

    Args:
        n: Number of parts.
        flips: Share of parts whose decision changes for the better by chance alone, in [0, 0.5); as many
            change for the worse besides the rise.
        margin: As in `is_worse`.
        level: As in `is_worse`.
        power: Share of draws of n parts in which it is to be noticed, in (0, 1).

    Returns:
        The rise in (0, 1 - 2 * flips]; None if no rise would be noticed so often.
    """
    most = 1.0 - 2.0 * flips
    better = np.arange(int(binom.ppf(1.0 - 1e-9, n, flips)) + 1)  # (C,)
    needed = np.array([_least_noticed(int(c), n, margin, level) for c in better])

    def share_noticed(rise: float) -> float:
        # given how many improve, the others get worse independently
        chance = min(1.0, (flips + rise) / (1.0 - flips))
        noticed = binom.sf(needed - 1, n - better, chance)
        return float((binom.pmf(better, n, flips) * noticed).sum())

    if n == 0 or share_noticed(most) < power:
        return None
    low, high = 0.0, most
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if share_noticed(middle) >= power else (middle, high)
    return high


def _least_noticed(better: int, n: int, margin: float, level: float) -> int:
    """Return the least number of parts that must have become wrong to be noticed; n + 1 if none suffices."""
    low, high = better + 1, n + 1  # noticing never ends as more become wrong
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if is_worse(middle, better, n, margin, level) else (middle + 1, high)
    return low
