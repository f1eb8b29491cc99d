"""Sampling uncertainty of calibration figures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.evaluation.metrics import BINS, BoolArray, FloatArray

DRAWS = 1000
_AT_ONCE = 4_000_000  # numbers in memory at once


@dataclass(frozen=True)
class Spread:
    """The distribution of a figure over many resamples.

    Attributes:
        mean: Mean over the resamples.
        low: Lower end of the interval.
        high: Upper end of the interval.
        confidence: Confidence level of the interval, in (0, 1).
    """

    mean: float
    low: float
    high: float
    confidence: float

    def as_dict(self) -> dict[str, Any]:
        """Return the spread as metrics.json writes it."""
        return asdict(self)


def calibration_spread(
    event: BoolArray, probability: FloatArray, confidence: float = 0.95, draws: int = DRAWS, seed: int = 0
) -> dict[str, Spread]:
    """Return the bootstrap spreads of `ece` and `brier`, and the spread `ece_if_calibrated`.

    The intervals of `ece` and `brier` are basic bootstrap intervals, mirrored about the figure and cut at 0:
    resampling few images adds noise that raises the ECE, so its percentiles would be too high. As noise has
    also raised the figure itself, the upper end may equal the figure.

    `ece_if_calibrated` is the ECE of perfectly calibrated probabilities on as many images: events are drawn
    from the probabilities themselves (consistency resampling, Broecker and Smith, "Increasing the Reliability
    of Reliability Diagrams", 2007). It is above 0, as the share in each bin varies by chance. An ECE within
    this spread is no evidence of miscalibration.

    Args:
        event: bool (N,), whether the predicted event happened, N at least 1.
        probability: float64 (N,) in [0, 1], predicted probability of the event.
        confidence: Confidence level of the intervals, in (0, 1).
        draws: Number of resamples.
        seed: Seed of the resamples.
    """
    rng = np.random.default_rng(seed)
    n = len(probability)
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    member = np.zeros((n, BINS))
    member[np.arange(n), place] = 1.0  # (N, B)
    gaps = member * (probability - event)[:, None]  # (N, B)
    squares = (probability - event) ** 2
    values: dict[str, list[npt.NDArray[np.float64]]] = {"ece": [], "brier": [], "ece_if_calibrated": []}
    size = max(1, _AT_ONCE // n)
    for at in range(0, draws, size):
        batch = min(size, draws - at)
        picked = rng.integers(0, n, (batch, n))
        times = np.stack([np.bincount(row, minlength=n) for row in picked])  # (D, N)
        values["ece"].append(np.abs(times @ gaps).sum(1) / n)
        values["brier"].append(times @ squares / n)
        drawn = probability - (rng.random((batch, n)) < probability)  # (D, N)
        values["ece_if_calibrated"].append(np.abs(drawn @ member).sum(1) / n)
    spreads = {name: _spread(np.concatenate(batches), confidence) for name, batches in values.items()}
    for name, value in (("ece", float(np.abs(gaps.sum(0)).sum() / n)), ("brier", float(squares.mean()))):
        s = spreads[name]
        low, high = max(0.0, 2 * value - s.high), 2 * value - s.low
        spreads[name] = replace(s, low=min(low, value), high=max(high, value))
    return spreads


def _spread(values: npt.NDArray[np.float64], confidence: float) -> Spread:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return Spread(float(values.mean()), float(low), float(high), confidence)
