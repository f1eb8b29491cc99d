"""What imagined lines are drawn from, and how a reference of some of its pictures sees all of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brightfield.monitor.drift.ranks import NormalScores

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

FEWEST_OF_EITHER = 12
"""The least number of good and of defective parts from which their difference is told."""

LEAST_APART = 0.5
"""The least difference of the mean levels of good and of defective parts by which values are levelled."""

_DECIMALS = 6  # further ones are rounding errors, which would rank equal values


@dataclass(frozen=True, eq=False)
class Pool:
    """The pictures of the reference.

    Attributes:
        values: Each picture's values, relative to its kind, (N, P + C).
        levels: The normal score of each picture's score, (N,).
        embedded: How many of the values are of the embedding, P.
        active: Whether a CUSUM's value says something of the picture, bool (N, C).
        kinds: A number for what each picture is said to show, (N,): values are relative to its kind.
        rejected: Whether it is rejected, bool (N,).
        classes: A number for what each picture really shows, (N,); 0 for good parts.
        blocks: A number for what was taken together, (N,), such as a part: it is drawn together too.
        lots: A number for each lot, (N,), or else each block: what is drawn together for lines that come in
            lots.
    """

    values: FloatArray = field(repr=False)
    levels: FloatArray = field(repr=False)
    embedded: int
    active: BoolArray = field(repr=False)
    kinds: IntArray = field(repr=False)
    rejected: BoolArray = field(repr=False)
    classes: IntArray = field(repr=False)
    blocks: IntArray = field(repr=False)
    lots: IntArray = field(repr=False)

    def __len__(self) -> int:
        return len(self.values)

    def levelled(self) -> FloatArray:
        """Return the values as a line's are, (N, P + C)."""
        return levelled(self.values, self.levels, slopes_of(self.values, self.levels, self.classes > 0))

    def drawn(self, rng: np.random.Generator, *, in_lots: bool) -> IntArray:
        """Return rows of a reference that could as well have been taken, by blocks or lots, about (N,)."""
        names, block_of = np.unique(self.lots if in_lots else self.blocks, return_inverse=True)
        by_block = np.split(np.argsort(block_of, kind="stable"), np.cumsum(np.bincount(block_of))[:-1])
        return np.concatenate([by_block[b] for b in rng.integers(len(names), size=len(names))])

    def seen_by(self, rows: IntArray) -> FloatArray:
        """Return the normal scores of all pictures by a reference of some of them, (N, P + C)."""
        centred = self.values.copy()
        for kind in np.unique(self.kinds):
            drawn = rows[self.kinds[rows] == kind]
            if len(drawn):
                centred[self.kinds == kind] -= self.values[drawn].mean(axis=0)
        slopes = slopes_of(centred[rows], self.levels[rows], self.classes[rows] > 0)
        values = levelled(centred, self.levels, slopes)
        return NormalScores.of(values[rows])(values)


def slopes_of(values: FloatArray, levels: FloatArray, defective: BoolArray) -> FloatArray:
    """Return how much of each value goes with a level of 1 between good and defective parts, (V,).

    It is the ratio of the differences of means (Wald, The fitting of straight lines if both variables are
    subject to error, 1940), so that what is left has one mean for both. It is 0 where too few parts of either
    sort are known, or the levels hardly differ.

    Args:
        values: The values of parts, (N, V); the last is the score itself, and keeps all.
        levels: The normal scores of their scores, (N,).
        defective: Whether they are known to be defective, (N,).
    """
    slopes = np.zeros(values.shape[1])
    if min(int(defective.sum()), int((~defective).sum())) < FEWEST_OF_EITHER:
        return slopes
    apart = float(levels[defective].mean() - levels[~defective].mean())
    if apart >= LEAST_APART:
        slopes[:-1] = (values[defective].mean(axis=0) - values[~defective].mean(axis=0))[:-1] / apart
    return slopes


def levelled(values: FloatArray, levels: FloatArray, slopes: FloatArray) -> FloatArray:
    """Return values (n, V) without what goes with their levels (n,)."""
    return np.asarray(np.round(values - levels[:, None] * slopes, _DECIMALS))
