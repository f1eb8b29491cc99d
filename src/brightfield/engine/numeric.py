"""Special functions that NumPy lacks."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

_erf = np.frompyfunc(math.erf, 1, 1)


def erf(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the error function of each value, in the array's own float type."""
    return np.asarray(_erf(x), dtype=x.dtype)


def logsumexp(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return log(sum(exp(values))) along the last axis, of length 1 at least: (..., K) to (...).

    The largest terms, which become exp(0) = 1, are counted and not summed, so that small terms keep their
    digits (by `log1p`).
    """
    top = values.max(axis=-1, keepdims=True)
    largest = values == top
    many = largest.sum(axis=-1).astype(values.dtype)
    others = np.exp(np.where(largest, -np.inf, values - top)).sum(axis=-1)
    return np.asarray(np.log1p(others / many) + np.log(many) + top[..., 0])


def softmax(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the softmax along the last axis, without overflow."""
    shares = np.exp(values - values.max(axis=-1, keepdims=True))
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def log_sigmoid(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return log(1 / (1 + exp(-x))), without overflow."""
    return np.asarray(-np.logaddexp(0, -x))


def product(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the matrix product of (N, D) and the transpose of a large (K, D): (N, K).

    With one or two rows, memory sets the speed and more threads do not help, so the matrix library's
    threads, which spin while they wait, are not used.
    """
    return np.asarray(np.einsum("nd,kd->nk", a, b) if len(a) <= 2 else a @ b.T)


def small_product(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the matrix product of (N, D) and a small (D, K), computed block by block in one thread.

    A matrix library shares larger products among threads, which spin while they wait. That takes many times
    as long where other programs use the same cores.
    """
    step = max(1, _ONE_THREAD // b.size)
    whole = len(a) // step * step
    # (whole, D) -> (whole / step, step, D): a stacked product multiplies block by block
    pieces = np.matmul(a[:whole].reshape(-1, step, a.shape[1]), b).reshape(whole, b.shape[1])
    return pieces if whole == len(a) else np.concatenate([pieces, a[whole:] @ b])


_ONE_THREAD = 4 * 65536
"""The number of multiplications up to which OpenBLAS uses one thread."""
