"""The nearest of many vectors, by matrix products."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]

_PRODUCTS_AT_ONCE = 1 << 21
"""The most products of vectors held at once; more would not fit in the processor's cache."""


def squared_norms(vectors: FloatArray) -> FloatArray:
    """Return the squared Euclidean norm of each vector, (K, D) to (K,)."""
    return np.asarray(np.einsum("kd,kd->k", vectors, vectors))


def nearest(
    queries: FloatArray, vectors: FloatArray, norms: FloatArray
) -> tuple[FloatArray, npt.NDArray[np.intp]]:
    """Return each query's squared Euclidean distance to the nearest vector, and that vector's row.

    Args:
        queries: float32 (N, D).
        vectors: float32 (K, D), K at least 1.
        norms: Their `squared_norms`, (K,).

    Returns:
        float32 (N,), at least 0, and int (N,).
    """
    squares = np.empty(len(queries), dtype=np.float32)
    rows = np.empty(len(queries), dtype=np.intp)
    step = max(1, _PRODUCTS_AT_ONCE // len(vectors))
    doubled = vectors.T * np.float32(-2)  # (D, K)
    for at in range(0, len(queries), step):
        some = queries[at : at + step]
        products = some @ doubled  # (step, K)
        products += norms
        row = products.argmin(axis=1)
        rows[at : at + step] = row
        squares[at : at + step] = products[np.arange(len(row)), row] + squared_norms(some)
    return np.maximum(squares, 0, out=squares), rows
