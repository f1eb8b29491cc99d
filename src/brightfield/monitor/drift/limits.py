"""The limits of all charts together, by resampling the reference, for one false alarm in so many parts."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.monitor.drift.charts import ODDS, Design, Parts, inflation, start, step
from brightfield.monitor.drift.neighbours import Alike
from brightfield.monitor.drift.pool import Pool

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

REFERENCES = 100
"""How many references are drawn, each from the one that is known: it could as well have been another."""

STREAMS = 40
"""How many lines are imagined for each of them. On every other one good and defective parts come in shares of
their own."""

RARE, BATCHES = 10_000.0, 5
"""For longer runs than these so many times as many lines are imagined: fewer hold too few alarms."""

KEPT = 0.9
"""For this share of the references the run length is kept."""

SHARE_SEEN = 0.05
FEWEST_PARTS, MOST_PARTS = 200, 500
"""A line is imagined for that share of the run length, within these bounds."""

FEWEST_LINES = 2.0
"""What a smaller share than so many of a reference's lines passes is extrapolated."""

HIGHEST = 0.75
"""The quantile of references above which they are extrapolated from."""

USUAL = 0.8
"""The quantile of a chart's maximum in which its statistics are measured, beside those of other charts."""

OF_REJECTS = slice(-2, None)
"""The charts of more and of fewer rejects."""

ONE_REJECT = math.log(ODDS)
"""What one reject is worth on its chart where rejects are rare. The usual maximum of these charts is no less,
so that a single reject is no alarm where the reference has none."""


@dataclass(frozen=True, eq=False)
class Limits:
    """The limits of the charts.

    Attributes:
        design: What the charts are made for.
        of_charts: The limit of each chart, (K,).
        alike: How alike neighbours were taken to be.
    """

    design: Design
    of_charts: FloatArray
    alike: Alike


def limits(pool: Pool, groups: IntArray, run_length: float, alike: Alike, seed: int = 0) -> Limits:
    """Return the limits with which all charts together alarm once in `run_length` parts in control.

    The reference is drawn again for some of the lines, as a finite one is off by chance and a chart would sum
    that up; nine in ten of them keep the run length: Gandy and Kvaloy, Guaranteed conditional performance of
    control charts via bootstrap methods, 2013. A run's length is nearly geometric, so the share of lines with
    an alarm within a few parts tells the mean.

    Args:
        pool: The reference.
        groups: The group of each chart, (K,), from 0 on: each group is to alarm as rarely. The last one is of
            verdicts, which are to say so where the shares of good and defective parts have changed.
        run_length: The mean number of parts to a false alarm of any chart.
        alike: How alike neighbours of the line are.
        seed: Of the draws.
    """
    parts = round(min(max(SHARE_SEEN * run_length, FEWEST_PARTS), MOST_PARTS))
    spread = inflation(alike.shares[: pool.embedded], alike.length)
    design = Design(spread, pool.active.shape[1], float(pool.rejected.mean()))
    batches = 1 if run_length <= RARE else BATCHES
    some = [maxima(pool, design, alike, parts, (seed, batch)) for batch in range(batches)]
    highest = np.concatenate(some, axis=1)  # (B, S, K)
    highest[:, 1::2, groups == groups.max()] = 0.0
    least = np.full(len(groups), 1e-9)
    least[OF_REJECTS] = ONE_REJECT
    of_charts = shared_limits(highest, groups, 1 - math.exp(-parts / run_length), least)
    if batches > 1:  # those of more alarms are of the first lines alone, and may be higher by chance
        of_rare = shared_limits(highest[:, :STREAMS], groups, 1 - math.exp(-parts / RARE), least)
        of_charts = np.maximum(of_charts, of_rare)
    return Limits(design, of_charts, alike)


def shared_limits(
    highest: FloatArray, groups: IntArray, share: float, least: float | FloatArray = 1e-9
) -> FloatArray:
    """Return limits (K,) that `share` of the lines pass at one chart at least, for nine in ten references.

    Each group of charts is passed as rarely. Within a group each chart's statistic is measured in its own
    usual maximum. A share too small to be counted on so many lines is told from the tail.

    Args:
        highest: The highest statistic of each chart on each line of each reference, (B, S, K).
        groups: The group of each chart, (K,).
        share: The share of lines, in (0, 1).
        least: The least usual maximum of each chart, above 0, and so its least limit.
    """
    usual = np.maximum(np.quantile(highest, USUAL, axis=(0, 1)), least)  # (K,)
    relative = highest / usual
    of_groups = np.stack(
        [relative[..., groups == g].max(axis=-1) for g in range(int(groups.max()) + 1)], axis=-1
    )  # (B, S, G)
    descending = -np.sort(-of_groups.reshape(-1, of_groups.shape[-1]), axis=0)  # (B S, G)
    higher = [np.searchsorted(-d, -of_groups[..., g]) for g, d in enumerate(descending.T)]
    rank = np.stack(higher).min(axis=0)  # (B, S): the fewest lines that are higher at some group
    allowed = math.exp(-passed_by(-np.log(rank + 1), share)) - 1
    places = np.arange(len(descending))
    of_each_group = np.array([np.interp(allowed, places, d) for d in descending.T])
    return np.asarray(np.maximum(usual * of_each_group[groups], least))


def passed_by(values: FloatArray, share: float) -> float:
    """Return what `share` of the lines pass, for nine in ten references.

    Values are (B, S), with exponential tails. The j-th highest of S is passed by j in S + 1 (Weibull's
    plotting position). Below `FEWEST_LINES` it is extrapolated by the mean excess (Davison and Smith, Models
    for exceedances over high thresholds, 1990) of the quarter of the references with the highest values, plus
    its standard error.
    """
    ascending, count = np.sort(values, axis=1), values.shape[1]
    lines = share * (count + 1)
    place = count - min(max(lines, FEWEST_LINES), count)  # from the lowest, at 0
    below = min(int(place), count - 2)
    weight = place - below
    of_each = (1 - weight) * ascending[:, below] + weight * ascending[:, below + 1]  # (B,)
    passed = float(np.quantile(of_each, KEPT))
    if lines >= FEWEST_LINES:
        return passed
    highest = values[of_each >= np.quantile(of_each, HIGHEST)]
    return passed + mean_excess(highest, passed) * math.log(FEWEST_LINES / lines)


def mean_excess(values: FloatArray, threshold: float) -> float:
    """Return by how much values above a threshold pass it on average, plus the standard error; 0 for none."""
    above = values[values > threshold]
    return float((above - threshold).mean() * (1 + 1 / math.sqrt(len(above)))) if len(above) else 0.0


def maxima(
    pool: Pool, design: Design, alike: Alike, parts: int, seed: tuple[int, int] = (0, 0)
) -> FloatArray:
    """Return the highest statistic of each chart within so many parts on imagined lines, (B, S, K).

    The share of rejects of each reference is drawn too, as one without any reject does not show that a line
    has none: from Jeffreys' posterior of a share.

    Args:
        pool: The reference.
        design: What the charts are made for.
        alike: How alike neighbours are.
        parts: The number of parts of each line.
        seed: Of the references, and which batch of their lines it is.
    """
    rng = np.random.default_rng(seed[0])
    drawn = (pool.drawn(rng, in_lots=not alike.independent) for _ in range(REFERENCES))
    scores = np.stack([pool.seen_by(rows) for rows in drawn])  # (B, N, P + C)
    of = np.repeat(np.arange(REFERENCES), STREAMS)  # the reference of each stream
    draw = _drawing(pool, len(of), rng)
    state = start(design, len(of))
    highest = np.zeros((1, 1))
    lot = draw()
    changed = _other_verdicts(pool.rejected, rng)[of]  # (B S, 2)
    if seed[1]:
        rng = np.random.default_rng(seed)
        draw = _drawing(pool, len(of), rng)
        lot = draw()
    own, common = np.sqrt(1 - alike.shares), np.sqrt(alike.shares)
    alike_rejects = float(alike.shares.mean())
    for _ in range(parts):
        row = draw()
        values, rejected = scores[of, row], pool.rejected[row]
        if not alike.independent:
            lot = np.where(rng.random(len(of)) < 1 / alike.length, draw(), lot)
            values = own * values + common * scores[of, lot]
            rejected = np.where(rng.random(len(of)) < alike_rejects, pool.rejected[lot], rejected)
        rejected = rejected ^ (rng.random(len(of)) < np.where(rejected, changed[:, 1], changed[:, 0]))
        state, now = step(design, state, Parts(values, pool.active[row], rejected))
        highest = np.maximum(highest, now)
    return highest.reshape(REFERENCES, STREAMS, -1)


def _other_verdicts(rejected: npt.NDArray[np.bool_], rng: np.random.Generator) -> FloatArray:
    """Return how often each reference has a passed part rejected, and a rejected one passed, (B, 2)."""
    found, count = int(rejected.sum()), len(rejected)
    share, drawn = found / count, rng.beta(found + 0.5, count - found + 0.5, size=REFERENCES)
    more = np.maximum(drawn - share, 0.0) / max(1 - share, 1e-9)
    fewer = np.maximum(share - drawn, 0.0) / max(share, 1e-9)
    return np.column_stack([more, fewer])


def _drawing(pool: Pool, streams: int, rng: np.random.Generator) -> Callable[[], IntArray]:
    """Return a function that draws a picture for each stream, (S,).

    Every other stream has the reference's shares of good and of defective parts. On the others these shares
    are anything, as they may be without any drift.
    """
    names, class_of = np.unique(pool.classes, return_inverse=True)
    by_class = np.argsort(class_of, kind="stable")
    counts = np.bincount(class_of)
    starts = np.cumsum(counts) - counts
    shares = np.tile(counts / counts.sum(), (streams, 1))  # (S, classes)
    if len(names) > 1 and names[0] == 0:
        defective = rng.random(len(shares[1::2]))
        types = rng.dirichlet(np.ones(len(names) - 1), size=len(defective))
        shares[1::2] = np.column_stack([1 - defective, defective[:, None] * types])
    bounds = np.cumsum(shares, axis=1)[:, :-1]

    def draw() -> IntArray:
        chosen = (rng.random(streams)[:, None] > bounds).sum(axis=1)
        return np.asarray(by_class[starts[chosen] + (rng.random(streams) * counts[chosen]).astype(np.int64)])

    return draw
