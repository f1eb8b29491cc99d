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


def logsumexp(x: npt.NDArray[Any], axis: int = -1) -> npt.NDArray[Any]:
    """Return log(sum(exp(x))) along an axis, without overflow."""
    top = x.max(axis=axis, keepdims=True)
    return np.asarray(np.squeeze(top, axis) + np.log(np.exp(x - top).sum(axis=axis)))


def softmax(x: npt.NDArray[Any], axis: int = -1) -> npt.NDArray[Any]:
    """Return the softmax along an axis, without overflow."""
    shares = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(shares / shares.sum(axis=axis, keepdims=True))


def log_sigmoid(x: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return log(1 / (1 + exp(-x))), without overflow."""
    return np.asarray(-np.logaddexp(0, -x))


def product(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Return the matrix product of (N, D) and (D, K).

    One or two rows wait for memory alone, so that the threads of a matrix library, which spin, are not woken.
    """
    return np.asarray(np.einsum("nd,dk->nk", a, b) if len(a) <= 2 else a @ b)
