"""Whitening: an embedding whose values are uncorrelated and of equal variance over good parts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brightfield.engine.patches import Embedding, averaged

FloatArray = npt.NDArray[np.float32]

SHRINKAGE = 0.05
"""The share of the mean variance that is mixed in, so that directions without variance stay finite."""

LEAST_VARIANCE = 1e-4
"""The least mean variance, as a share of the mean power: what is below it is rounding errors."""

KEPT = 0.995
"""The share of the variance that the kept directions hold."""


FEWEST = 2
"""The fewest directions that are kept: a flow has two halves."""


class Moments:
    """The mean and covariance of patches' features, added up over a stream.

    Attributes:
        count: How many patches were seen.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        """Start without patches, given the channels of each map."""
        self.channels = tuple(channels)
        width = sum(channels)
        self.count = 0
        self._sum = np.zeros(width, dtype=np.float64)
        self._products = np.zeros((width, width), dtype=np.float64)

    def add(self, maps: Sequence[FloatArray], inside: npt.NDArray[np.bool_]) -> None:
        """Take in maps (N, C, H, W) each, the finest first, and which of its cells count, bool (N, h, w)."""
        height, width = maps[0].shape[2:]
        joined = np.concatenate([averaged(np.moveaxis(m, 1, 3), height, width) for m in maps], axis=3)
        rows = joined[inside]  # (n, D)
        self.count += len(rows)
        self._sum += rows.sum(0, dtype=np.float64)
        self._products += (rows.T @ rows).astype(np.float64)

    def embedding(self, *, most: int | None = None) -> Embedding:
        """Return the whitening of these patches.

        Each map counts alike: its features are scaled to unit power first. Then the covariance, with a
        little of the identity mixed in (`SHRINKAGE`), is diagonalised, and the directions that hold 99.5% of
        the variance are scaled to variance 1.

        Args:
            most: The most directions that are kept; None for no limit.
        """
        mean = self._sum / self.count
        second = self._products / self.count
        scale = np.ones(len(mean))
        at = 0
        for channels in self.channels:
            power = float(np.trace(second[at : at + channels, at : at + channels]))
            scale[at : at + channels] = 1.0 / np.sqrt(power) if power > 0 else 1.0
            at += channels
        covariance = (second - np.outer(mean, mean)) * np.outer(scale, scale)
        power = max(float(np.diag(second) @ scale**2), 1.0)
        level = max(float(np.trace(covariance)), LEAST_VARIANCE * power) / len(covariance)
        covariance = (1 - SHRINKAGE) * covariance + SHRINKAGE * level * np.eye(len(covariance))
        variances, directions = np.linalg.eigh(covariance)
        variances = np.maximum(variances[::-1], SHRINKAGE * level)  # rounding may leave less
        directions = directions[:, ::-1]
        kept = int(np.searchsorted(np.cumsum(variances) / variances.sum(), KEPT)) + 1
        kept = min(max(kept, FEWEST), len(variances), most or len(variances))
        whitening = directions[:, :kept] / np.sqrt(variances[:kept]) * scale[:, None]  # (D, kept)
        ends = np.cumsum(self.channels)[:-1]
        weights = tuple(np.ascontiguousarray(w, dtype=np.float32) for w in np.split(whitening, ends))
        return Embedding(weights, (mean @ whitening).astype(np.float32))
