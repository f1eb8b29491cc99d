"""Grad-CAM in closed form: which places of a tile moved the decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brightfield.engine.numeric import small_product, softmax
from brightfield.engine.resample import spreading, summed

FloatArray = npt.NDArray[np.float32]

SMOOTHING = 1 / 40
"""The heat's blur as a share of the tile's side (standard deviation)."""

WEIGHTS = ("map", "place", "both")


def score_gradient(logits: FloatArray, normal: int | None, named: npt.NDArray[np.intp]) -> FloatArray:
    """Return the gradient with respect to logits (N, K) of what heat explains.

    That is the log-odds of a defect, or without a normal class the logit of the class `named`, (N,).
    """
    out = np.zeros_like(logits)
    if normal is None:
        out[np.arange(len(logits)), named] = 1
        return out
    others = [k for k in range(logits.shape[1]) if k != normal]
    out[:, others] = softmax(logits[:, others])
    out[:, normal] = -1
    return out


def grad_cam(
    maps: Sequence[FloatArray],
    gradients: Sequence[FloatArray],
    size: int,
    calm: Sequence[FloatArray | None],
    *,
    weights: str = "both",
) -> FloatArray:
    """Return the class activation maps of a batch of tiles, float32 (N, size, size), at least 0.

    Each channel is weighted by its map's mean gradient of the score (`map`: Grad-CAM, Selvaraju et al. 2017,
    section 3), or each place of it by its own gradient (`place`: HiResCAM, Draelos and Carin 2020). The first
    also glows where a channel is active that matters elsewhere, the second misses much of a large defect;
    `both` is their geometric mean, hot where they agree. For a score that is linear in the means of the last
    convolution all are the same. Given several maps, what speaks for the score in each is added, so that a
    fine one can sharpen a coarse one, and none hides what another found.

    Args:
        maps: (N, C, H, W) each, of tiles, which are square.
        gradients: Of the score, of the same shapes.
        size: Of the tile in pixels.
        calm: The usual value of each channel (C,) a map, from which its activation counts; None for 0.
        weights: One of `WEIGHTS`.

    Raises:
        ValueError: If the weights are not one of them.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights {weights!r} are unknown; known are: {', '.join(WEIGHTS)}")
    kinds = ("map", "place") if weights == "both" else (weights,)
    by_side: dict[int, FloatArray] = {}  # maps of one size are added before they are enlarged
    for m, gradient, usual in zip(maps, gradients, calm, strict=True):
        cams = _cams(m, gradient, usual, kinds)
        by_side[m.shape[2]] = by_side[m.shape[2]] + cams if m.shape[2] in by_side else cams
    # one place of a coarse map stands for many pixels: the edges between them mean nothing
    spreads = [spreading(side, size, SMOOTHING * size) for side in by_side]
    tall = [summed(cams, spread) for cams, spread in zip(by_side.values(), spreads, strict=True)]
    wide = np.concatenate([s.dense(side) for side, s in zip(by_side, spreads, strict=True)], axis=1)
    joined = np.concatenate(tall, axis=-1)  # (N, kinds, size, sum of sides)
    total = small_product(joined.reshape(-1, joined.shape[-1]), wide.T).reshape(*joined.shape[:-1], size)
    total = total.clip(min=0)
    return total[:, 0] if len(kinds) == 1 else np.sqrt(total[:, 0] * total[:, 1])


def _cams(m: FloatArray, gradient: FloatArray, usual: FloatArray | None, kinds: Sequence[str]) -> FloatArray:
    """Return one map's activation, weighted each way and at least 0: (N, kinds, H, W)."""
    activation = m if usual is None else m - usual[:, None, None]
    # the gradient of a mean over a map is 1 / (H W): times H W, maps of different sizes count alike
    area = m.shape[2] * m.shape[3]
    out = np.empty((len(m), len(kinds), *m.shape[2:]), dtype=np.float32)
    for row, kind in enumerate(kinds):
        if kind == "place":
            out[:, row] = np.einsum("nchw,nchw->nhw", gradient, activation)
        else:
            out[:, row] = np.einsum("nc,nchw->nhw", gradient.mean((2, 3)), activation)
    return np.asarray((out * area).clip(min=0))
