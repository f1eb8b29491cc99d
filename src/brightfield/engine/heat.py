"""Grad-CAM in closed form: which regions of a tile contributed to the decision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brightfield.engine.numeric import small_product, softmax
from brightfield.engine.resample import spreading, summed

FloatArray = npt.NDArray[np.float32]

SMOOTHING = 1 / 40
"""Standard deviation of the heat's Gaussian blur, as a share of the tile's side."""

WEIGHTS = ("map", "place", "both")


def score_gradient(logits: FloatArray, normal: int | None, explained: npt.NDArray[np.intp]) -> FloatArray:
    """Return the gradient of the explained score with respect to the logits, float32 (N, K).

    The score is the log-odds of a defect; without a normal class it is the logit of one class.

    Args:
        logits: float32 (N, K).
        normal: The index of the normal class, or None.
        explained: The class whose logit is explained for each row, (N,), where there is no normal class.
    """
    out = np.zeros_like(logits)
    if normal is None:
        out[np.arange(len(logits)), explained] = 1
        return out
    others = [k for k in range(logits.shape[1]) if k != normal]
    out[:, others] = softmax(logits[:, others])
    out[:, normal] = -1
    return out


def grad_cam(
    maps: Sequence[FloatArray],
    gradients: Sequence[FloatArray],
    size: int,
    baselines: Sequence[FloatArray | None],
    *,
    weights: str = "both",
) -> FloatArray:
    """Return the class activation maps of a batch of tiles, float32 (N, size, size), at least 0.

    With `map`, a channel is weighted by the mean of its gradient (Grad-CAM, Selvaraju et al. 2017, section
    3); with `place`, each position of a channel by its own gradient (HiResCAM, Draelos and Carin 2020). The
    first is also hot where an active channel matters only elsewhere in the tile; the second misses much of a
    large defect. `both` is their geometric mean, hot where they agree. All three are equal if the score is
    linear in the channel means of the last convolution. The positive parts of several maps are added: a fine
    map sharpens a coarse one, and no map cancels what another shows.

    Args:
        maps: Feature maps of the tiles, (N, C, H, H) each.
        gradients: Gradients of the score with respect to the maps, of the same shapes.
        size: The tile's side in pixels.
        baselines: For each map its channels' usual values, (C,), which are subtracted first; None for 0.
        weights: One of `WEIGHTS`.

    Raises:
        ValueError: If `weights` is none of these.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights {weights!r} are unknown; known are: {', '.join(WEIGHTS)}")
    kinds = ("map", "place") if weights == "both" else (weights,)
    by_side: dict[int, FloatArray] = {}  # maps of one size are added before they are enlarged
    for m, gradient, baseline in zip(maps, gradients, baselines, strict=True):
        cams = _cams(m, gradient, baseline, kinds)  # (N, kinds, H, H)
        by_side[m.shape[2]] = by_side[m.shape[2]] + cams if m.shape[2] in by_side else cams
    # a cell of a coarse map covers many pixels: blur hides the borders between cells, which mean nothing
    spreads = [spreading(side, size, SMOOTHING * size) for side in by_side]
    # the rows of each map are enlarged: (N, kinds, side, side) -> (N, kinds, size, side)
    tall = [summed(cams, spread) for cams, spread in zip(by_side.values(), spreads, strict=True)]
    # one product enlarges the columns of all maps and adds them up: wide is (size, sum of sides)
    wide = np.concatenate([s.dense(side) for side, s in zip(by_side, spreads, strict=True)], axis=1)
    joined = np.concatenate(tall, axis=-1)  # (N, kinds, size, sum of sides)
    total = small_product(joined.reshape(-1, joined.shape[-1]), wide.T).reshape(*joined.shape[:-1], size)
    total = total.clip(min=0)  # (N, kinds, size, size)
    return total[:, 0] if len(kinds) == 1 else np.sqrt(total[:, 0] * total[:, 1])


def _cams(
    m: FloatArray, gradient: FloatArray, baseline: FloatArray | None, kinds: Sequence[str]
) -> FloatArray:
    """Return the activation map of one feature map (N, C, H, W), in each kind of weighting: (N, kinds, H, W).

    Negative values are set to 0.
    """
    activation = m if baseline is None else m - baseline[:, None, None]
    # the gradient of a channel mean is 1 / (H W) at each position: times H W, maps of all sizes count alike
    area = m.shape[2] * m.shape[3]
    out = np.empty((len(m), len(kinds), *m.shape[2:]), dtype=np.float32)
    for row, kind in enumerate(kinds):
        if kind == "place":
            out[:, row] = np.einsum("nchw,nchw->nhw", gradient, activation)
        else:
            out[:, row] = np.einsum("nc,nchw->nhw", gradient.mean((2, 3)), activation)
    return np.asarray((out * area).clip(min=0))
