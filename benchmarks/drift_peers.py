"""Other ways to notice a drift, beside which ours is measured: PSI, Hotelling's T^2, evidently."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import stats

from brightfield.monitor.drift.reference import Seen
from brightfield.monitor.measurement import LEVELS

FloatArray = npt.NDArray[np.float64]

BINS = 10
PEER_WINDOW, PEER_LIMIT = 500, 0.20
"""The rule of a peer, and of many tutorials: a PSI above 0.20 over 500 pictures."""

SHORT_WINDOW = 50

PLAIN = len(LEVELS) + 1
"""The number of plain values before the embedding."""


def plain_values(parts: Sequence[Seen]) -> FloatArray:
    """Return what is measured of parts and their scores, and then their embeddings, (n, 6 + E)."""
    measured = [[getattr(part.measurement, name) for name in LEVELS] + [part.score] for part in parts]
    embedded = np.stack([np.asarray(part.measurement.embedding, dtype=np.float64) for part in parts])
    return np.column_stack([np.array(measured), embedded])


@dataclass(frozen=True)
class Psi:
    """The population stability index of plain values over the last parts: the largest of all values.

    Attributes:
        cuts: The deciles of each value in the reference, (V, 9).
        window: The number of parts.
        limit: An alarm is above it.
    """

    cuts: FloatArray
    window: int
    limit: float

    def highest(self, stream: npt.NDArray[np.int64]) -> FloatArray:
        """Return the index after each part, (T,); 0 before the window is full.

        Args:
            stream: Which decile each value of each part lies in, (T, V).
        """
        out = np.zeros(len(stream))
        sums = np.cumsum(np.eye(BINS)[stream], axis=0)  # (T, V, 10)
        sums[self.window :] -= sums[: -self.window].copy()
        shares = np.maximum(sums[self.window - 1 :] / self.window, 1e-4)
        index = ((shares - 1 / BINS) * np.log(shares * BINS)).sum(axis=2)  # (T - w + 1, V)
        out[self.window - 1 :] = index.max(axis=1)
        return out

    def deciles(self, values: FloatArray) -> npt.NDArray[np.int64]:
        """Return which decile of the reference each value lies in, (n, V)."""
        return np.stack(
            [np.searchsorted(cuts, column) for cuts, column in zip(self.cuts, values.T, strict=True)], axis=1
        )


def psi(reference: FloatArray, window: int, limit: float) -> Psi:
    """Return the index against a reference's plain values, (N, V)."""
    return Psi(np.quantile(reference, np.arange(1, BINS) / BINS, axis=0).T, window, limit)


def hotelling(reference: FloatArray, run_length: float, most: int = 20) -> Callable[[FloatArray], FloatArray]:
    """Return T^2 of single parts as a share of its limit, (n, 6 + E) to (n,).

    The limit is that of normal values for one false alarm in so many parts: Tracy, Young and Mason,
    Multivariate control charts for individual observations, 1992. The embedding is taken in its main
    directions.
    """
    middle = reference[:, PLAIN:].mean(axis=0)
    _, directions = np.linalg.eigh(np.cov(reference[:, PLAIN:].T))
    main = directions[:, ::-1][:, :most]

    def short(values: FloatArray) -> FloatArray:
        return np.column_stack([values[:, :PLAIN], (values[:, PLAIN:] - middle) @ main])

    known = short(reference)
    mean, count, width = known.mean(axis=0), *known.shape
    inverse = np.linalg.pinv(np.cov(known.T))
    quantile = stats.f.ppf(1 - 1 / run_length, width, count - width)
    limit = width * (count + 1) * (count - 1) / (count * (count - width)) * quantile

    def chart(values: FloatArray) -> FloatArray:
        off = short(values) - mean
        return np.asarray(np.einsum("nv,vw,nw->n", off, inverse, off) / limit)

    return chart


def write_for_evidently(place: Path, reference: FloatArray, windows: FloatArray) -> None:
    """Write embeddings of a reference (N, E) and of windows (K, w, E) for `evidently_side.py`."""
    np.savez(place, reference=reference, windows=windows)
