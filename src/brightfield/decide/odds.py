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


def logit(probability: float) -> float:
    """Return the log-odds of a probability; minus infinity for 0 or less, infinity for 1 or more."""
    if not 0.0 < probability < 1.0:
        return math.inf if probability > 0.0 else -math.inf
    return math.log(probability) - math.log1p(-probability)


def logsumexp(values: FloatArray) -> FloatArray:
    """Return log(sum(exp(values))) of every row of (N, K), as (N,), K at least 1.

    The largest terms of a row are kept out of the sum of the others, so that none of its digits are lost.
    """
    top = values.max(axis=1, keepdims=True)
    largest = values == top
    many = largest.sum(axis=1).astype(np.float64)
    others = np.exp(np.where(largest, -np.inf, values - top)).sum(axis=1)
    return np.asarray(np.log1p(others / many) + np.log(many) + top[:, 0])


def softmax(values: FloatArray) -> FloatArray:
    """Return the softmax of every row of (N, K); rows sum to 1."""
    weights = np.exp(values - values.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def log_binomial_tail(n: int, rate: float) -> FloatArray:
    """Return the logarithms (N,) of the chances of 0, 1, ... n - 1 or fewer events in n draws.

    Args:
        n: Draws, 0 at least.
        rate: The chance of an event in each, in (0, 1).
    """
    k = np.arange(n, dtype=np.float64)
    steps = np.log(n - k[:-1]) - np.log(k[1:])  # of the binomial coefficients
    ways = np.concatenate((np.zeros(min(n, 1)), np.cumsum(steps)))
    chances = ways + k * math.log(rate) + (n - k) * math.log1p(-rate)
    return np.asarray(np.logaddexp.accumulate(chances), dtype=np.float64)
