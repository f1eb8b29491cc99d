"""Gradients back through spatial pooling, and the pooling of tiles into pictures."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.engine.numeric import log_sigmoid, logsumexp

FloatArray = npt.NDArray[np.float32]


def map_gradients(maps: Sequence[FloatArray], pools: Sequence[str], gradient: FloatArray) -> list[FloatArray]:
    """Return the gradient with respect to each map, (N, C, H, W), given that of the pooled vector, (N, D).

    The gradient of a mean is spread evenly over the channel's positions. That of a maximum goes to the
    position of the maximum, in equal shares where several positions tie.

    Args:
        maps: The maps that were pooled, in the order in which they lie in the pooled vector.
        pools: The poolings of each map: `mean`, `max` or `flatten`.
        gradient: float32 (N, D).
    """
    out: list[FloatArray] = []
    at = 0  # the position in the pooled vector
    for m in maps:
        flat = m.reshape(*m.shape[:2], -1)  # (N, C, H W)
        total: FloatArray | None = None
        for pool in pools:
            length = flat[0].size if pool == "flatten" else flat.shape[1]
            piece = gradient[:, at : at + length]
            at += length
            if pool == "flatten":
                of_pool = piece.reshape(flat.shape)
            elif pool == "mean":
                of_pool = (piece / flat.shape[2])[:, :, None]
            else:
                top = flat == flat.max(axis=2, keepdims=True)
                of_pool = top * (piece / np.count_nonzero(top, axis=2).astype(np.float32))[:, :, None]
            total = of_pool if total is None else total + of_pool
        out.append(np.broadcast_to(np.float32(0) if total is None else total, flat.shape).reshape(m.shape))
    return out


def defect_log_odds(logits: npt.NDArray[Any], normal: int) -> npt.NDArray[Any]:
    """Return log p(defect) - log p(normal) of the logits: (..., K) to (...)."""
    return np.asarray(logsumexp(np.delete(logits, normal, axis=-1)) - logits[..., normal])


def pool_tiles(logits: npt.NDArray[Any], normal: int | None) -> npt.NDArray[np.float64]:
    """Return a picture's logits, float64 (K,), from those of its tiles, (T, K).

    They are those of the tile with the largest log-odds of a defect (multiple-instance learning with the max
    rule, Dietterich et al. 1997). Without a normal class they are the mean over the tiles.
    """
    values = np.asarray(logits, dtype=np.float64)
    if normal is None:
        return np.asarray(values.mean(0))
    return np.asarray(values[int(defect_log_odds(values, normal).argmax())])


def pool_bags(
    logits: npt.NDArray[Any], starts: npt.NDArray[np.int64], normal: int | None
) -> npt.NDArray[np.float64]:
    """Return the logits of N pictures, float64 (N, K), from those of all their tiles, (T, K).

    The tiles of picture i are `starts[i]` up to `starts[i + 1]`; `starts` is (N + 1,).
    """
    return np.stack([pool_tiles(logits[a:b], normal) for a, b in pairwise(starts)])


def tile_weights(logits: npt.NDArray[Any], normal: int | None) -> npt.NDArray[np.float64]:
    """Return each tile's weight in its picture's heatmap, from the tiles' logits: (T, K) to (T,), in [0, 1].

    The weight is the tile's uncalibrated probability of a defect divided by the largest one. Without a normal
    class all weights are 1.
    """
    if normal is None:
        return np.ones(len(logits))
    log_defect = log_sigmoid(defect_log_odds(np.asarray(logits, dtype=np.float64), normal))
    return np.asarray(np.exp(log_defect - log_defect.max()))
