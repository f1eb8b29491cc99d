"""Gradients of pooled maps, and tiles pooled into pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.engine.numeric import log_sigmoid, logsumexp

FloatArray = npt.NDArray[np.float32]


def map_gradients(maps: Sequence[FloatArray], pools: Sequence[str], gradient: FloatArray) -> list[FloatArray]:
    """Return the gradient of each map (N, C, H, W) from that of the pooled vector, (N, D).

    Of a mean it is the same at every place of a channel; of a maximum it is at the place of the maximum,
    shared evenly where several places tie.
    """
    out: list[FloatArray] = []
    at = 0
    for m in maps:
        _, channels, height, width = m.shape
        total = np.zeros(m.shape, dtype=np.float32)
        for pool in pools:
            length = channels * (height * width if pool == "flatten" else 1)
            piece = gradient[:, at : at + length]
            at += length
            if pool == "flatten":
                total += piece.reshape(m.shape)
            elif pool == "mean":
                total += (piece / (height * width))[:, :, None, None]
            else:
                top = m == m.max(axis=(2, 3), keepdims=True)  # (N, C, H, W)
                total += top * (piece / top.sum(axis=(2, 3)))[:, :, None, None]
        out.append(total)
    return out


def defect_log_odds(logits: npt.NDArray[Any], normal: int) -> npt.NDArray[Any]:
    """Return log p(defect) - log p(normal) of (..., K) logits: shape (...)."""
    return np.asarray(logsumexp(np.delete(logits, normal, axis=-1)) - logits[..., normal])


def pool_tiles(logits: npt.NDArray[Any], normal: int | None) -> npt.NDArray[np.float64]:
    """Pool the logits of a picture's tiles, (T, K), into the picture's, float64 (K,).

    The worst tile decides (multiple-instance learning with the max rule, Dietterich et al. 1997). Without a
    normal class no tile is worse than another, and their mean counts.
    """
    values = np.asarray(logits, dtype=np.float64)
    if normal is None:
        return np.asarray(values.mean(0))
    return np.asarray(values[int(defect_log_odds(values, normal).argmax())])


def pool_bags(
    logits: npt.NDArray[Any], starts: npt.NDArray[np.int64], normal: int | None
) -> npt.NDArray[np.float64]:
    """Pool the logits of all tiles, (T, K), into those of N pictures, which begin at `starts` (N + 1,)."""
    return np.stack([pool_tiles(logits[a:b], normal) for a, b in pairwise(starts)])


def tile_weights(logits: npt.NDArray[Any], normal: int | None) -> npt.NDArray[np.float64]:
    """Return how much each tile says of its picture, (T, K) to (T,), in [0, 1].

    It is the tile's probability of a defect, not calibrated, as a share of the worst tile's. Without a normal
    class all say as much.
    """
    if normal is None:
        return np.ones(len(logits))
    log_defect = log_sigmoid(defect_log_odds(np.asarray(logits, dtype=np.float64), normal))
    return np.asarray(np.exp(log_defect - log_defect.max()))
