"""Confidence intervals of shares and of mean counts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import beta, chi2, t

from brightfield.errors import InputError


@dataclass(frozen=True)
class Rate:
    """A share k of n, or a mean count of k in n, with its confidence interval.

    Attributes:
        value: k / n, of a share in [0, 1]; None where n is 0.
        low: Lower end of the interval; None where n is 0.
        high: Upper end of the interval, of a share at most 1; None where n is 0.
        confidence: Probability, in (0, 1), that such an interval contains the true rate.
        k: Number of events.
        n: Number of trials, or of units that events are counted in.
    """

    value: float | None
    low: float | None
    high: float | None
    confidence: float
    k: int
    n: int

    def as_dict(self) -> dict[str, Any]:
        """Return the rate as metrics.json writes it."""
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "confidence": self.confidence,
            "k": self.k,
            "n": self.n,
        }


def clopper_pearson(k: int, n: int, confidence: float = 0.95) -> Rate:
    """Return the share k of n with its exact two-sided interval (Clopper and Pearson, 1934).

    The interval contains the true rate with at least the given confidence, for any rate and any n.

    Args:
        k: Number of events, in [0, n].
        n: Number of trials.
        confidence: Confidence level, in (0, 1).

    Raises:
        InputError: If k is not between 0 and n, or the confidence is not between 0 and 1.
    """
    if not 0 <= k <= n:
        raise InputError(f"{k} of {n} is not a share; expected 0 <= k <= n")
    if not 0.0 < confidence < 1.0:
        raise InputError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    if n == 0:
        return Rate(None, None, None, confidence, 0, 0)
    return Rate(k / n, *_ends(k, n, confidence), confidence, k, n)


def clustered(k: Sequence[int], n: Sequence[int], confidence: float = 0.95) -> Rate:
    """Return a share of events whose trials come in clusters, such as the defects of one part.

    What happens to the trials of one cluster is alike, so they tell less than as many independent ones. The
    interval is Clopper and Pearson's for the number of independent trials that would vary as much (Korn and
    Graubard, "Confidence intervals for proportions with small expected number of positive counts estimated
    from survey data", 1998). With one trial in each cluster it is that of `clopper_pearson`. Where all trials
    or none are events, nothing shows how alike they are, and each cluster counts as one trial.

    Args:
        k: Number of events in each of C clusters, each in [0, n].
        n: Number of trials in each cluster; clusters without any do not count.
        confidence: Confidence level, in (0, 1).

    Raises:
        InputError: If a k is not between 0 and its n, or the confidence is not between 0 and 1.
    """
    for events, trials in zip(k, n, strict=True):
        clopper_pearson(events, trials, confidence)  # refuses what is no share
    plain = clopper_pearson(sum(k), sum(n), confidence)
    if plain.value is None:
        return plain
    effective = _independent_trials(k, n, plain.value, confidence)
    low, high = _ends(plain.value * effective, effective, confidence)
    return Rate(plain.value, low, high, confidence, plain.k, plain.n)


def mean_count(k: Sequence[int], n: Sequence[int], confidence: float = 0.95) -> Rate:
    """Return the mean number of events in a unit, such as the false defects of an image.

    The interval is the exact one of a Poisson count (Garwood, 1936). Where events come in heaps, so that
    counts vary more than Poisson's by a factor, it is that of as many times fewer events in fewer units.

    Args:
        k: Number of events in each of C clusters of units, at least 0.
        n: Number of units of each cluster; clusters without any do not count.
        confidence: Confidence level, in (0, 1).
    """
    units = np.array([number for number in n if number], dtype=np.float64)  # (C,)
    events = np.array([number for number, of in zip(k, n, strict=True) if of], dtype=np.float64)
    if not len(units):
        return Rate(None, None, None, confidence, 0, 0)
    total, mean = int(events.sum()), float(events.sum() / units.sum())
    heaps = 1.0
    if total and len(units) > 1:
        expected = mean * units
        heaps = max(1.0, float(((events - expected) ** 2 / expected).sum()) / (len(units) - 1))
    tail, fewer = (1.0 - confidence) / 2.0, total / heaps
    low = 0.0 if total == 0 else float(chi2.ppf(tail, 2 * fewer)) / 2.0
    high = float(chi2.ppf(1.0 - tail, 2 * fewer + 2)) / 2.0
    size = float(units.sum()) / heaps
    return Rate(mean, low / size, high / size, confidence, total, int(units.sum()))


def _independent_trials(k: Sequence[int], n: Sequence[int], share: float, confidence: float) -> float:
    """Return the number of independent trials whose share varies as much as that of these clusters."""
    trials = np.array([number for number in n if number], dtype=np.float64)  # (C,)
    events = np.array([number for number, of in zip(k, n, strict=True) if of], dtype=np.float64)
    clusters, total = len(trials), float(trials.sum())
    if clusters == 1 or share in (0.0, 1.0):
        return float(clusters)
    variance = clusters / (clusters - 1) * float(((events - share * trials) ** 2).sum()) / total**2
    independent = share * (1.0 - share) / (total - 1)  # the variance were there no clusters
    fewer = independent / variance if variance > independent else 1.0
    quantile = (1.0 + confidence) / 2.0
    spread = float(t.ppf(quantile, total - 1) / t.ppf(quantile, clusters - 1))  # few clusters: unsure of it
    return max(1.0, total * fewer * spread**2)


def _ends(k: float, n: float, confidence: float) -> tuple[float, float]:
    """Return the ends of Clopper and Pearson's interval of k of n, which need not be whole numbers."""
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1.0 - tail, k + 1, n - k))
    return low, high
