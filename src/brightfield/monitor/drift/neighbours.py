"""How alike neighbours of a line are, from the differences of parts that lie close and far apart."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOST_APART = 128
"""Parts further apart are taken as unrelated."""

FEWEST_PAIRS = 20
"""The least number of pairs from which a difference is told."""

STRONGEST = 0.95
"""The largest share of the variance that may lie between lots."""

_LENGTHS = (2, 3, 5, 8, 13, 20, 30, 45, 70, 110)
_DRAWS = 200
_RARE = 0.995
_PRIOR_PARTS = 50.0
_FURTHEST = 4.0


@dataclass(frozen=True, eq=False)
class Alike:
    """How alike neighbours are: parts come in lots that have something in common.

    Attributes:
        shares: The share of each value's variance that lies between lots, (V,), in [0, 1); all 0 for
            independent parts.
        length: The mean number of parts of a lot, at least 1.
    """

    shares: FloatArray = field(repr=False)
    length: float = 1.0

    @property
    def independent(self) -> bool:
        """Whether neighbours are no more alike than any two parts."""
        return not self.shares.any()


def independent(values: int) -> Alike:
    """Return what holds for so many values of independent parts."""
    return Alike(np.zeros(values))


def likeness(line: FloatArray, positions: IntArray, reference: FloatArray) -> Alike | None:
    """Return how alike neighbours of a line are.

    Differences of neighbours are compared with those of any two pictures of the reference (an empirical
    variogram: Matheron, Principles of geostatistics, 1963). A drift therefore does not pass for likeness: it
    moves the level, which differences of neighbours hardly show. Lots count only where they were seen to
    change. Where all parts are alike, however far apart, there was one lot at most: nothing tells how much of
    that is the lot, and None is returned; so it is where there are too few parts. Where nothing varies parts
    are taken for independent.

    Args:
        line: The values of the line's parts, (n, V), as far as they were judged.
        positions: The place of each part in the line's order, (n,).
        reference: The values of the reference's pictures, (N, V).
    """
    shares = np.zeros(line.shape[1])
    varied = np.ptp(reference, axis=0) > 0
    if not varied.any():
        return independent(len(shares))
    line, reference = (values[:, varied].clip(-_FURTHEST, _FURTHEST) for values in (line, reference))
    rng = np.random.default_rng(0)
    usual = _usual_difference(reference, rng)
    order = np.argsort(positions, kind="stable")
    found = _correlations(line[order], positions[order], usual)
    if len(found) < 2:
        return None
    apart, rho = np.array([d for d, _ in found]), np.stack([r for _, r in found])  # (b,), (b, V)
    if not _beyond_chance(rho[0], len(line), reference, usual, rng):
        return Alike(shares)
    strong = rho[0].clip(min=0.0)
    fading = (rho @ strong) / max(float(rho[0] @ strong), 1e-9)  # (b,), 1 at the first
    if fading[-1] > 0.5:
        return None
    fits = [float(np.square(fading - (1 - 1 / length) ** (apart - apart[0])).sum()) for length in _LENGTHS]
    length = _LENGTHS[int(np.argmin(fits))]
    weighed = (len(line) * rho[0] + _PRIOR_PARTS * rho[0].mean()) / (len(line) + _PRIOR_PARTS)
    # neighbours are of one lot in all but one of `length` pairs
    found_shares = (weighed / (1 - 1 / length) ** apart[0]).clip(0.0, 1.0)
    on_the_safe_side = found_shares + (1 - found_shares) / np.sqrt(len(line))
    shares[varied] = np.minimum(on_the_safe_side, STRONGEST)
    return Alike(shares, float(length))


def _usual_difference(reference: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return the mean absolute difference of two pictures of the reference (Gini's), (V,), above 0."""
    first, second = rng.integers(len(reference), size=(2, 20 * len(reference)))
    return np.asarray(np.maximum(np.abs(reference[first] - reference[second]).mean(axis=0), 1e-9))


def _correlations(line: FloatArray, positions: IntArray, usual: FloatArray) -> list[tuple[float, FloatArray]]:
    """Return pairs of a mean distance and the correlation of parts so far apart, (V,), nearest first."""
    furthest = min(MOST_APART, max(1, int(positions[-1] - positions[0]) // 2))
    sums: dict[int, tuple[float, FloatArray, int]] = {}
    for lag in range(1, min(len(line), furthest + 1)):
        distances = positions[lag:] - positions[:-lag]
        differences = np.abs(line[lag:] - line[:-lag])
        for octave in np.unique(np.log2(np.maximum(distances, 1)).astype(np.int64)):
            here = (distances >= 2**octave) & (distances < 2 ** (octave + 1)) & (distances <= furthest)
            if here.any():
                apart, total, pairs = sums.get(int(octave), (0.0, np.zeros(line.shape[1]), 0))
                sums[int(octave)] = (
                    apart + float(distances[here].sum()),
                    total + differences[here].sum(axis=0),
                    pairs + int(here.sum()),
                )
    return [
        (apart / pairs, 1 - np.square(total / pairs / usual))
        for _, (apart, total, pairs) in sorted(sums.items())
        if pairs >= FEWEST_PAIRS
    ]


def _beyond_chance(
    nearest: FloatArray, count: int, reference: FloatArray, usual: FloatArray, rng: np.random.Generator
) -> bool:
    """Return whether so many independent parts would hardly be as alike, in the mean or in one value."""
    mean, largest = [], []
    for _ in range(_DRAWS):
        drawn = reference[rng.integers(len(reference), size=count)]
        by_chance = 1 - np.square(np.abs(np.diff(drawn, axis=0)).mean(axis=0) / usual)
        mean.append(by_chance.mean())
        largest.append(by_chance.max())
    return bool(nearest.mean() > np.quantile(mean, _RARE) or nearest.max() > np.quantile(largest, _RARE))
