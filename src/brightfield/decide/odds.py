"""Probabilities and log-odds in NumPy alone, so that judging needs no SciPy."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]


def expit(log_odds: npt.ArrayLike) -> FloatArray:
    """Return the probability of log-odds, 1 / (1 + exp(-x)), of any shape."""
    with np.errstate(over="ignore"):  # exp(-x) is infinite far below 0, and 1 / infinity is the right 0
        return np.asarray(1.0 / (1.0 + np.exp(-np.asarray(log_odds, dtype=np.float64))))


def log_binomial_tail(n: int, rate: float) -> FloatArray:
    """Return the log of the binomial distribution function at 0, 1, ..., n - 1 events in n draws.

    Args:
        n: Number of draws, at least 0.
        rate: Probability of an event in each draw, in (0, 1).

    Returns:
        float64 (n,).
    """
    k = np.arange(n, dtype=np.float64)
    ratios = np.log(n - k[:-1]) - np.log(k[1:])  # of neighbouring binomial coefficients, (n - 1,)
    log_coefficients = np.concatenate((np.zeros(min(n, 1)), np.cumsum(ratios)))
    log_chances = log_coefficients + k * math.log(rate) + (n - k) * math.log1p(-rate)
    return np.asarray(np.logaddexp.accumulate(log_chances), dtype=np.float64)
