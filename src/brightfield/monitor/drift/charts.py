"""Control charts of many streams at once: a multivariate EWMA, CUSUMs, and CUSUMs of rejects.

Each is a recursion: a state and a part's values give the next state and the charts' statistics. A line is one
stream; limits are found on thousands (`limits.py`). Both run through `step`.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

WEIGHT = 0.2
"""The weight of a part in the multivariate EWMA."""

ALLOWANCE = 0.75
"""What a CUSUM takes off each part's deviation, in standard deviations: half of what is to be found soon."""

ODDS = 2.5
"""How many times the odds of a reject must rise, or fall, to be found soon."""

PRIOR_PARTS = 10.0
"""How many parts the reference's share of rejects counts for, beside those of the line itself."""


@dataclass(frozen=True, eq=False)
class Design:
    """What the charts are made for.

    Attributes:
        inflation: How many times the variance of each value's EWMA is that of independent parts, (P,).
        values: The number of values with a CUSUM each, C.
        share_rejected: The share of rejects of the reference.
    """

    inflation: FloatArray = field(repr=False)
    values: int
    share_rejected: float


@dataclass(frozen=True, eq=False)
class State:
    """What the charts of S streams remember.

    Attributes:
        mean: The multivariate EWMA, (S, P).
        up: The upper CUSUM of each of C values, (S, C).
        down: The lower one.
        rejects: The CUSUM of more rejects and that of fewer, (S, 2).
        seen: The rejects and the parts so far, with those that the reference counts for, (S, 2).
    """

    mean: FloatArray
    up: FloatArray
    down: FloatArray
    rejects: FloatArray
    seen: FloatArray


@dataclass(frozen=True, eq=False)
class Parts:
    """One part of each of S streams.

    Attributes:
        scores: Normal scores, (S, P + C): those of the embedding first, then one for each CUSUM.
        active: Whether the values of the CUSUMs say something of the part, (S, C).
        rejected: Whether the part was rejected, (S,).
    """

    scores: FloatArray
    active: BoolArray
    rejected: BoolArray


def start(design: Design, streams: int = 1) -> State:
    """Return the state of so many streams before the first part."""
    share = design.share_rejected
    seen = np.tile([PRIOR_PARTS * share + 0.5, PRIOR_PARTS + 1.0], (streams, 1))
    zeros = np.zeros((streams, design.values))
    return State(np.zeros((streams, len(design.inflation))), zeros, zeros, np.zeros((streams, 2)), seen)


def step(design: Design, state: State, parts: Parts) -> tuple[State, FloatArray]:
    """Return the state after one more part, and the statistics (S, 1 + 2 C + 2) of all charts.

    They are the multivariate EWMA's T^2, the upper CUSUMs, the lower ones, more and fewer rejects.
    """
    embedded = state.mean.shape[1]
    mean = ewma(state.mean, parts.scores[:, :embedded])
    values = parts.scores[:, embedded:]
    up = np.where(parts.active, cusum(state.up, values), state.up)
    down = np.where(parts.active, cusum(state.down, -values), state.down)
    rejects, seen = bernoulli_cusums(state.rejects, state.seen, parts.rejected)
    out = np.column_stack([t_squared(mean, design.inflation), up, down, rejects])
    return State(mean, up, down, rejects, seen), out


def ewma(mean: FloatArray, values: FloatArray, weight: float = WEIGHT) -> FloatArray:
    """Return the exponentially weighted moving average after one more vector, (S, P).

    Roberts, Control chart tests based on geometric moving averages, 1959; of vectors: Lowry, Woodall, Champ
    and Rigdon, A multivariate exponentially weighted moving average control chart, 1992.
    """
    return (1 - weight) * mean + weight * values


def t_squared(mean: FloatArray, inflation: FloatArray, weight: float = WEIGHT) -> FloatArray:
    """Return the T^2 of an EWMA of uncorrelated standard values, (S, P) to (S,); its mean is P in control.

    Args:
        mean: The EWMA.
        inflation: How many times its variance is that of independent parts, (P,).
        weight: Its weight.
    """
    return np.asarray((2 - weight) / weight * (np.square(mean) / inflation).sum(axis=1))


def inflation(share: FloatArray, length: float, weight: float = WEIGHT) -> FloatArray:
    """Return how many times the variance of an EWMA is that of independent parts, (P,).

    Args:
        share: The share of each value's variance that lies between lots, (P,).
        length: The mean number of parts of a lot, whose end is as likely after each part.
        weight: The EWMA's weight.
    """
    kept = (1 - 1 / length) * (1 - weight)
    return np.asarray(1 - share + share * (1 + kept) / (1 - kept))


def cusum(total: FloatArray, values: FloatArray, allowance: float = ALLOWANCE) -> FloatArray:
    """Return the upper CUSUM after one more value; 0 at the least.

    Page, Continuous inspection schemes, 1954.
    """
    return np.maximum(0.0, total + values - allowance)


def bernoulli_cusums(
    totals: FloatArray, seen: FloatArray, rejected: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Return the CUSUMs of more and of fewer rejects after one more part, (S, 2), and what was seen, (S, 2).

    Reynolds and Stoumbos, A CUSUM chart for monitoring a proportion when inspecting continuously, 1999. The
    share in control is that of the line's own parts so far, as a training set's share of defects is seldom
    the line's.
    """
    share = seen[:, 0] / seen[:, 1]  # (S,)
    out = np.empty_like(totals)
    for i, odds in enumerate((ODDS, 1 / ODDS)):
        other = odds * share / (1 - share + odds * share)
        gain = np.where(rejected, np.log(other / share), np.log((1 - other) / (1 - share)))
        out[:, i] = np.maximum(0.0, totals[:, i] + gain)
    return out, seen + np.stack([rejected, np.ones_like(rejected)], axis=1)
