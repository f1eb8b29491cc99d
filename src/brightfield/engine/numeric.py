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

    The largest terms are kept out of the sum of the others, so that none of its digits are lost.
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
    """Return the matrix product of (N, D) and (D, K).

    One or two rows wait for memory alone, so that the threads of a matrix library, which spin, are not woken.
    """
    return np.asarray(np.einsum("nd,dk->nk", a, b) if len(a) <= 2 else a @ b)
