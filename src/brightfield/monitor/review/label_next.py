"""Which parts to label next: uncertain ones, those unlike all labelled ones, and some drawn at random."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.errors import ConfigError
from brightfield.monitor.review.records import Pool

FloatArray = npt.NDArray[np.float64]

_WIDER = 4
"""Of so many times the wanted number of most uncertain parts, those that differ most are taken."""

_ODDS_OF_ONE = 1e-9


@dataclass(frozen=True)
class Mix:
    """How parts to label are divided; the rest is drawn at random.

    Attributes:
        uncertain: The share of parts near the threshold, in [0, 1].
        novel: The share of parts unlike all labelled ones, in [0, 1].
    """

    uncertain: float = 0.6
    novel: float = 0.2

    def __post_init__(self) -> None:
        if min(self.uncertain, self.novel) < 0 or self.uncertain + self.novel > 1:
            raise ConfigError(
                f"shares of {self.uncertain} uncertain and {self.novel} novel parts; expected two shares, "
                "none below 0, that add up to 1 at most"
            )


def distances(values: npt.ArrayLike, threshold: float, *, probability: bool) -> FloatArray:
    """Return how far values are from the threshold, (N,): the smaller, the less sure the inspector is.

    Args:
        values: (N,), on the scale of the threshold.
        threshold: The threshold.
        probability: Whether both are probabilities, which are compared by their log-odds.
    """
    found = np.asarray(values, dtype=np.float64)
    if not probability:
        return np.abs(found - threshold)
    low, high = _ODDS_OF_ONE, 1.0 - _ODDS_OF_ONE
    p, t = np.clip(found, low, high), float(np.clip(threshold, low, high))
    return np.asarray(np.abs(np.log(p / (1.0 - p)) - np.log(t / (1.0 - t))))


def label_next(
    distance: npt.ArrayLike,
    embeddings: npt.ArrayLike | None,
    labelled: npt.ArrayLike | None,
    n: int,
    rng: np.random.Generator,
    mix: Mix | None = None,
) -> list[tuple[int, Pool]]:
    """Return which of N parts to label next, each with the reason.

    Of the most uncertain parts those are taken that are unlike each other and unlike the labelled ones, as
    parts that look alike teach the same. Novel ones are the farthest from all labelled and chosen ones, one
    after the other (farthest-first traversal: Sener and Savarese, Active learning for convolutional neural
    networks: a core-set approach, 2018). Without embeddings there are no novel ones.

    Args:
        distance: (N,), how far each part is from the threshold: see `distances`.
        embeddings: (N, E), what the parts look like; None if that is not known.
        labelled: (M, E), the same of the labelled parts; None without any.
        n: How many to choose; all where there are fewer.
        rng: For those drawn at random.
        mix: How they are divided.
    """
    far = np.asarray(distance, dtype=np.float64)
    shares = mix or Mix()
    n = min(n, len(far))
    spread = None if embeddings is None else _Spread(embeddings, labelled)
    n_uncertain, n_novel = round(n * shares.uncertain), round(n * shares.novel)
    free = np.ones(len(far), dtype=np.bool_)
    chosen: list[tuple[int, Pool]] = []

    def take(rows: Sequence[int], pool: Pool) -> None:
        for row in rows:
            free[row] = False
            chosen.append((int(row), pool))

    order = np.argsort(far, kind="stable")
    if spread is None:
        take(order[:n_uncertain].tolist(), Pool.UNCERTAIN)
    else:
        nearest = order[: min(len(order), _WIDER * n_uncertain)]
        take(spread.farthest(nearest, n_uncertain), Pool.UNCERTAIN)
        take(spread.farthest(np.flatnonzero(free), n_novel), Pool.NOVEL)
    left = np.flatnonzero(free)
    take(rng.choice(left, n - len(chosen), replace=False).tolist(), Pool.PASSED)
    return chosen


class _Spread:
    """How far each part is from all labelled and chosen ones, as more are chosen."""

    def __init__(self, embeddings: npt.ArrayLike, labelled: npt.ArrayLike | None) -> None:
        own = np.asarray(embeddings, dtype=np.float64)
        known = own[:0] if labelled is None else np.asarray(labelled, dtype=np.float64)
        scale = np.concatenate((own, known)).std(axis=0)
        scale[scale == 0] = 1.0
        self._own = own / scale
        self._square = np.full(len(own), np.inf)
        for one in known / scale:
            self._closer(one)

    def farthest(self, among: npt.NDArray[np.intp], n: int) -> list[int]:
        """Return up to n of some rows, each the farthest from all that came before it."""
        chosen: list[int] = []
        for _ in range(min(n, len(among))):
            row = int(among[np.argmax(self._square[among])])
            chosen.append(row)
            self._closer(self._own[row])
            self._square[row] = -1.0  # never again
        return chosen

    def _closer(self, one: FloatArray) -> None:
        self._square = np.minimum(self._square, ((self._own - one) ** 2).sum(axis=1))
