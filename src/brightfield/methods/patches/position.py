"""Whether parts lie still: whether alike patches of good parts are found near the same place."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from brightfield.engine.nearest import nearest, squared_norms

FloatArray = npt.NDArray[np.float32]

NEAR = 0.15
"""The distance within which places count as the same, as a share of a tile's side."""

STILL = 0.95
"""Parts lie still if this share of patches has its nearest one near the same place."""

UNUSUAL = 0.1
"""The share of patches farthest from others, of which the same must hold: background is alike everywhere."""

LATTICE = 14
"""About how many rows and columns of a tile's patches are looked at."""

QUERIES = 8
MOST = 48
"""How many tiles are compared with how many others."""


def position_weight(tiles: npt.NDArray[np.floating], wanted: str) -> float:
    """Return the weight of a patch's position, by which its place counts; 0 if parts do not lie still.

    For each patch of some good parts the nearest patch of others is looked for. Where nearly all lie near the
    same place, nothing is lost by counting the place, and a patch that is usual elsewhere is unusual here.
    The weight makes a distance of `NEAR` count as much as the typical distance of a patch to its nearest one.

    Args:
        tiles: The patch vectors of good parts' tiles, (T, h, w, D).
        wanted: `auto`, `yes` or `no`.
    """
    some = np.asarray(tiles[:MOST], dtype=np.float32)
    if wanted == "no" or len(some) < 2:
        return 0.0
    queries = max(1, min(QUERIES, len(some) // 2))
    anywhere, near = _distances(some[:queries], some[queries:], max(1, some.shape[1] // LATTICE))
    typical = float(np.median(anywhere))
    same = near <= anywhere * (1 + 1e-5)
    unusual = anywhere >= np.quantile(anywhere, 1 - UNUSUAL)
    still = min(same.mean(), same[unusual].mean()) >= STILL
    return typical / NEAR if (still or wanted == "yes") and typical > 0 else 0.0


def _distances(queries: FloatArray, others: FloatArray, step: int) -> tuple[FloatArray, FloatArray]:
    """Return the distance of patches to the nearest of others, anywhere and near their place, (n,) each.

    Every `step`-th row and column of the queries is looked at.
    """
    height, width, values = queries.shape[1:]
    flat = np.ascontiguousarray(others.reshape(-1, values))
    rows, columns = range(step // 2, height, step), range(step // 2, width, step)
    asked = np.ascontiguousarray(queries[:, step // 2 :: step, step // 2 :: step])
    squares, _ = nearest(asked.reshape(-1, values), flat, squared_norms(flat))
    near = np.empty((len(rows), len(columns), len(queries)), dtype=np.float32)
    reach = [max(1, round(NEAR * side)) for side in (height, width)]
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            window = others[
                :,
                max(0, row - reach[0]) : row + reach[0] + 1,
                max(0, column - reach[1]) : column + reach[1] + 1,
            ].reshape(-1, values)
            window = np.ascontiguousarray(window)
            near[i, j] = nearest(queries[:, row, column], window, squared_norms(window))[0]
    # squares are in the order (query, row, column)
    return np.sqrt(squares), np.sqrt(np.moveaxis(near, 2, 0)).ravel()
