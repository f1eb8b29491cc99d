"""How far a part is from the reference, value by value, whatever class it belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brightfield.monitor.drift.pool import Pool, levelled, slopes_of
from brightfield.monitor.drift.ranks import NormalScores
from brightfield.monitor.drift.reference import Reference, Seen
from brightfield.monitor.measurement import LEVELS, SIZES, Measurement, column, embeddings

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

OFF, SCORE = "off", "score"

CHARTED = (OFF, *LEVELS, *SIZES, SCORE)
"""The values with a CUSUM each: how far the embedding is off the reference's, what is measured, the score."""

PICTURES_PER_VALUE, MOST_EMBEDDED = 10, 20
"""The embedding is taken in its main directions: one for so many pictures, and so many at the most."""

FEWEST_OF_A_KIND = 12
"""A label with fewer pictures in the reference has no values of its own."""

FOLDS = 10
_DARKEST = 1 / 255
_POOLED_FOR = 20.0  # how many pictures the common spread counts for, beside a kind's own


@dataclass(frozen=True, eq=False)
class Kind:
    """What is usual for parts with one label.

    Attributes:
        embedding: Their mean embedding, (E,).
        middle: The mean of each value, (V,).
        spread: The standard deviation of each value, (V,), above 0.
    """

    embedding: FloatArray
    middle: FloatArray
    spread: FloatArray


@dataclass(frozen=True, eq=False)
class Standard:
    """What is usual, and the transform that makes it standard normal.

    Values are V = P + C: P of the embedding, in the main directions in which parts of one label differ, and
    one for each of `CHARTED`. Each is relative to parts with the same label. As labels are not always right,
    what defective parts still differ by in the mean is taken off in proportion to the score, so that a change
    of the mix of good and defective parts moves no value's mean.

    Attributes:
        kinds: What is usual for each label; the first for good parts and for labels without one.
        number_of: The position of each label in `kinds`.
        others: The position in `kinds` for labels that the reference hardly has.
        directions: The embedding's main directions, (E, P).
        levels: The transform of scores to levels, which are standard normal.
        slopes: How much of each value is taken off for a level of 1, (V,).
        scores: The transform of values.
        normal: The label of good parts, or None.
    """

    kinds: tuple[Kind, ...] = field(repr=False)
    number_of: dict[str, int]
    others: int
    directions: FloatArray = field(repr=False)
    levels: NormalScores = field(repr=False)
    slopes: FloatArray = field(repr=False)
    scores: NormalScores = field(repr=False)
    normal: str | None

    @property
    def embedded(self) -> int:
        """The number of values of the embedding, P."""
        return int(self.directions.shape[1])

    def values(self, parts: Sequence[Seen]) -> FloatArray:
        """Return the values of parts, relative to their kinds, (n, V)."""
        numbers = self.kinds_of(parts)
        embedded = _embedded([part.measurement for part in parts])
        off_mean = embedded - np.stack([kind.embedding for kind in self.kinds])[numbers]
        raw = _raw(parts, embedded @ self.directions, _distance(off_mean, self.directions))
        middles, spreads = (
            np.stack([getattr(kind, name) for kind in self.kinds])[numbers] for name in ("middle", "spread")
        )
        return levelled((raw - middles) / spreads, _levels(parts, self.levels), self.slopes)

    def kinds_of(self, parts: Sequence[Seen]) -> IntArray:
        """Return the position in `kinds` for each part, (n,)."""
        return np.array([_kind(part.label, self.number_of, self.others, self.normal) for part in parts])

    def active(self, parts: Sequence[Seen]) -> npt.NDArray[np.bool_]:
        """Return which of `CHARTED` say something of each part, (n, C): scores only of those that passed."""
        out = np.ones((len(parts), len(CHARTED)), dtype=np.bool_)
        out[:, CHARTED.index(SCORE)] = [not part.rejected for part in parts]
        return out


def fit_standard(reference: Reference) -> tuple[Standard, Pool]:
    """Return what is usual for the reference's parts, and the pool from which lines are drawn.

    The pool's values are relative to the other parts of the reference, as a new part's are.
    """
    parts, normal, blocks = reference.parts, reference.normal, reference.blocks
    number_of, others = _numbered(parts, normal)
    numbers = np.array([_kind(part.label, number_of, others, normal) for part in parts])
    count = max([others, *number_of.values()]) + 1
    embedded = _embedded([part.measurement for part in parts])
    means = np.stack([_mean_of(embedded, numbers == k) for k in range(count)])
    off_mean = embedded - _means_of_others(embedded, numbers, blocks)
    size = max(1, min(MOST_EMBEDDED, len(parts) // PICTURES_PER_VALUE, embedded.shape[1] - 1))
    directions = _directions(off_mean, size)
    raw = _raw(parts, embedded @ directions, _distance_out_of_fold(off_mean, size, blocks))
    kinds = _kinds(raw, numbers, means)
    spreads = np.stack([kind.spread for kind in kinds])[numbers]
    relative = (raw - _means_of_others(raw, numbers, blocks)) / spreads
    levels = NormalScores.of(np.array([[part.score] for part in parts]))
    of_parts = _levels(parts, levels)
    slopes = slopes_of(relative, of_parts, reference.classes > 0)
    scores = NormalScores.of(levelled(relative, of_parts, slopes))
    standard = Standard(kinds, number_of, others, directions, levels, slopes, scores, normal)
    pool = Pool(
        values=relative,
        levels=of_parts,
        embedded=size,
        active=standard.active(parts),
        kinds=numbers,
        rejected=np.array([part.rejected for part in parts]),
        classes=reference.classes,
        blocks=blocks,
        lots=blocks,
    )
    return standard, pool


def _levels(parts: Sequence[Seen], levels: NormalScores) -> FloatArray:
    return levels(np.array([[part.score] for part in parts]))[:, 0]


def _numbered(parts: Sequence[Seen], normal: str | None) -> tuple[dict[str, int], int]:
    """Return a number for each label with enough parts, that of good parts first, and one for all others.

    Without a normal class the most frequent label is the first. If even all rare labels together have too
    few parts, they are compared with the first kind.
    """
    labels = [part.label for part in parts]
    counts = {label: labels.count(label) for label in sorted(set(labels))}
    first = normal if normal is not None else max(counts, key=counts.__getitem__)
    frequent = [label for label in counts if label != first and counts[label] >= FEWEST_OF_A_KIND]
    number_of = {label: i for i, label in enumerate([first, *frequent])}
    rare = sum(count for label, count in counts.items() if label not in number_of)
    return number_of, len(number_of) if rare >= FEWEST_OF_A_KIND else 0


def _kind(label: str, number_of: dict[str, int], others: int, normal: str | None) -> int:
    found = number_of.get(label)
    if found is not None:
        return found
    if others or normal is None or len(number_of) == 1:
        return others
    return 1  # a rare defect type is compared with another defect type rather than with good parts


def _embedded(measurements: Sequence[Measurement]) -> FloatArray:
    found = embeddings(measurements)
    return np.zeros((len(measurements), 1)) if found is None else found.astype(np.float64)


def _mean_of(values: FloatArray, rows: npt.NDArray[np.bool_]) -> FloatArray:
    return np.asarray(values[rows].mean(axis=0) if rows.any() else values.mean(axis=0))


def _means_of_others(values: FloatArray, numbers: IntArray, blocks: IntArray) -> FloatArray:
    """Return for each part the mean of its kind's parts of other blocks, (N, V); of its own if all are."""
    out = np.empty_like(values)
    for k in np.unique(numbers):
        rows = np.flatnonzero(numbers == k)
        _, own = np.unique(blocks[rows], return_inverse=True)
        of_block = np.zeros((own.max() + 1, values.shape[1]))
        np.add.at(of_block, own, values[rows])
        sizes = np.bincount(own)
        others = len(rows) - sizes
        sums = values[rows].sum(axis=0) - of_block
        means = np.where(others[:, None] > 0, sums, of_block) / np.where(others > 0, others, sizes)[:, None]
        out[rows] = means[own]
    return out


def _directions(centred: FloatArray, size: int) -> FloatArray:
    """Return the main directions of centred vectors (N, E), (E, size), by descending variance."""
    _, directions = np.linalg.eigh(centred.T @ centred)
    return np.asarray(directions[:, ::-1][:, :size])


def _distance(centred: FloatArray, directions: FloatArray) -> FloatArray:
    """Return how far vectors (n, E) are off the main directions, as a logarithm, (n,).

    Jackson and Mudholkar, Control procedures for residuals associated with principal component analysis,
    1979.
    """
    rest = centred - centred @ directions @ directions.T
    return np.asarray(np.log(np.linalg.norm(rest, axis=1) + 1e-9))


def _distance_out_of_fold(centred: FloatArray, size: int, blocks: IntArray) -> FloatArray:
    """Return the same for the reference's own vectors, each by directions that it had no part in."""
    fold = np.unique(blocks, return_inverse=True)[1] % FOLDS
    out = np.zeros(len(centred))
    for i in range(FOLDS):
        held_out = fold == i
        if held_out.any() and not held_out.all():
            out[held_out] = _distance(centred[held_out], _directions(centred[~held_out], size))
    return out


def _raw(parts: Sequence[Seen], main: FloatArray, off: FloatArray) -> FloatArray:
    """Return the values of parts before they are relative to anything, (n, V).

    Contrast is in relation to brightness, so that less light alone is darker and no more.
    """
    measurements = [part.measurement for part in parts]
    measured = {name: column(measurements, name).astype(np.float64) for name in (*LEVELS, *SIZES)}
    measured["contrast"] /= np.maximum(measured["brightness"], _DARKEST)
    return np.column_stack([main, off, *measured.values(), [part.score for part in parts]])


def _kinds(raw: FloatArray, numbers: IntArray, embedded: FloatArray) -> tuple[Kind, ...]:
    """Return what is usual for each kind; a rare kind's spread is drawn towards the common one."""
    middles = np.stack([_mean_of(raw, numbers == k) for k in range(len(embedded))])
    common = (raw - middles[numbers]).var(axis=0)
    smallest = 1e-9 + 1e-9 * np.abs(raw).mean(axis=0)
    kinds = []
    for k, middle in enumerate(middles):
        own = raw[numbers == k]
        squares = np.square(own - middle).sum(axis=0)
        spread = np.sqrt((squares + _POOLED_FOR * common) / (len(own) + _POOLED_FOR))
        kinds.append(Kind(embedded[k], middle, np.maximum(spread, smallest)))
    return tuple(kinds)
