"""Exact confidence intervals of a rate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from scipy.stats import beta

from brightfield.errors import InputError


@dataclass(frozen=True)
class Rate:
    """A share k of n with its confidence interval.

    Attributes:
        value: k / n in [0, 1]; None where n is 0.
        low: Lower end of the interval in [0, 1]; None where n is 0.
        high: Upper end of the interval in [0, 1]; None where n is 0.
        confidence: Probability, in (0, 1), that such an interval contains the true rate.
        k: Number of events.
        n: Number of trials.
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
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if k == 0 else float(beta.ppf(tail, k, n - k + 1))
    high = 1.0 if k == n else float(beta.ppf(1.0 - tail, k + 1, n - k))
    return Rate(k / n, low, high, confidence, k, n)
