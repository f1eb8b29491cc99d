"""How far calibration figures can be trusted: counting few images leaves doubt in them too."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.evaluation.metrics import BINS, BoolArray, FloatArray

DRAWS = 1000
_AT_ONCE = 4_000_000  # numbers in memory


@dataclass(frozen=True)
class Spread:
    """Where a figure lies over many draws.

    Attributes:
        mean: Over the draws.
        low: Lower end of the interval.
        high: Upper end of the interval.
        confidence: Share of the draws inside, in (0, 1).
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
    """Return the bootstrap spreads of `ece` and `brier`, and what `ece_if_calibrated` would be.

    The bootstrap's intervals are the basic ones, mirrored about the figure itself and not below 0: drawing
    again from few images adds chance to the ECE, and its plain quantiles would lie too high. As chance has
    lifted the figure itself too, the upper end may be the figure.

    The last is the ECE of an inspector whose probabilities are exactly right, on as many images with the same
    probabilities: events are drawn from the probabilities themselves (consistency resampling, Broecker and
    Smith, "Increasing the Reliability of Reliability Diagrams", 2007). As each bin's share strays from its
    probability by chance alone, that is not 0. An ECE within this spread shows no fault.

    Args:
        event: bool (N,), whether the thing predicted came true, N at least 1.
        probability: float64 (N,) in [0, 1], its predicted probability.
        confidence: Of the intervals.
        draws: How many.
        seed: Of the draws.
    """
    rng = np.random.default_rng(seed)
    n = len(probability)
    place = np.minimum((probability * BINS).astype(np.int64), BINS - 1)
    member = np.zeros((n, BINS))
    member[np.arange(n), place] = 1.0  # (N, B)
    gaps = member * (probability - event)[:, None]  # (N, B)
    squares = (probability - event) ** 2
    found: dict[str, list[npt.NDArray[np.float64]]] = {"ece": [], "brier": [], "ece_if_calibrated": []}
    size = max(1, _AT_ONCE // n)
    for at in range(0, draws, size):
        few = min(size, draws - at)
        picked = rng.integers(0, n, (few, n))
        times = np.stack([np.bincount(row, minlength=n) for row in picked])  # (D, N)
        found["ece"].append(np.abs(times @ gaps).sum(1) / n)
        found["brier"].append(times @ squares / n)
        drawn = probability - (rng.random((few, n)) < probability)  # (D, N)
        found["ece_if_calibrated"].append(np.abs(drawn @ member).sum(1) / n)
    spreads = {name: _spread(np.concatenate(values), confidence) for name, values in found.items()}
    for name, value in (("ece", float(np.abs(gaps.sum(0)).sum() / n)), ("brier", float(squares.mean()))):
        s = spreads[name]
        low, high = max(0.0, 2 * value - s.high), 2 * value - s.low
        spreads[name] = replace(s, low=min(low, value), high=max(high, value))
    return spreads


def _spread(values: npt.NDArray[np.float64], confidence: float) -> Spread:
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, [tail, 1.0 - tail])
    return Spread(float(values.mean()), float(low), float(high), confidence)
