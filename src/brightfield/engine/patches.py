"""Patch embeddings: feature maps, locally averaged, whitened and joined on the grid of the finest one."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from brightfield.engine.resample import averaging, summed

FloatArray = npt.NDArray[np.float32]

NEIGHBOURS = 3
"""The side of the window, in cells of a map, over which each patch's features are averaged."""


@dataclass(frozen=True, eq=False)
class Embedding:
    """A linear map from a picture's feature maps to one vector for each cell of the finest map.

    Averaging, enlarging and whitening are linear, so each map is whitened first, where it has the fewest
    cells, and then averaged and enlarged. Roth et al., Towards total recall in industrial anomaly detection,
    2022, section 3.1, with whitening added.

    Attributes:
        weights: The whitening of each map's channels, float32 (C, D) each.
        offset: float32 (D,), the whitened mean, which is subtracted.
        position: The weight of a cell's position, which is appended as two more values; 0 appends none.
    """

    weights: tuple[FloatArray, ...] = field(repr=False)
    offset: FloatArray = field(repr=False)
    position: float = 0.0

    @property
    def width(self) -> int:
        """The length of a patch vector."""
        return len(self.offset) + (2 if self.position else 0)

    def __call__(self, maps: Sequence[FloatArray]) -> FloatArray:
        """Return the patch vectors, (N, h, w, D), of one map or more, (N, C, H, W) each, the finest first."""
        height, width = maps[0].shape[2:]
        parts = (
            averaged(np.matmul(np.moveaxis(m, 1, 3), weights), height, width)  # (N, h, w, D)
            for m, weights in zip(maps, self.weights, strict=True)
        )
        out = next(parts)
        for part in parts:
            out += part
        out -= self.offset
        return out if not self.position else np.concatenate([out, self._places(out.shape)], axis=3)

    def _places(self, shape: tuple[int, ...]) -> FloatArray:
        """Return each cell's weighted position, float32 (N, h, w, 2); a picture's side is `position` long."""
        rows, columns = (
            (np.arange(side, dtype=np.float32) + np.float32(0.5)) / np.float32(side) for side in shape[1:3]
        )
        grid = np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1) * np.float32(self.position)
        return np.broadcast_to(grid, (shape[0], *grid.shape))


def averaged(cells: FloatArray, height: int, width: int) -> FloatArray:
    """Return cells (N, H, W, D), averaged over windows and enlarged to (N, height, width, D)."""
    across = summed(cells, averaging(cells.shape[2], width, NEIGHBOURS))  # (N, H, width, D)
    flat = across.reshape(len(across), across.shape[1], -1)  # (N, H, width * D)
    down = summed(flat, averaging(cells.shape[1], height, NEIGHBOURS))  # (N, height, width * D)
    return down.reshape(len(cells), height, width, -1)


@functools.lru_cache(maxsize=64)
def cells_inside(
    shape: tuple[int, int], origin: tuple[int, int], tile: int, grid: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    """Return which cells of a tile's map have their centre inside the picture, bool (h, w).

    Args:
        shape: The picture's height and width in pixels.
        origin: The tile's (top, left) in the picture; negative where it begins outside.
        tile: The tile's side in pixels.
        grid: The map's height and width in cells.
    """
    inside = []
    for length, start, cells in zip(shape, origin, grid, strict=True):
        at = start + (np.arange(cells) + 0.5) * tile / cells
        inside.append((at >= 0) & (at < length))
    both = inside[0][:, None] & inside[1][None, :]
    if not both.any():  # the picture is narrower than a cell: the cells of its middle stand for it
        middle = np.abs(_distances(shape[0], origin[0], tile, grid[0]))[:, None] + np.abs(
            _distances(shape[1], origin[1], tile, grid[1])
        )
        both = middle == middle.min()
    both.setflags(write=False)
    return both


def _distances(length: int, start: int, tile: int, cells: int) -> npt.NDArray[np.float64]:
    """Return how far the centre of each cell is from the middle of the picture along one side, in pixels."""
    return np.asarray(start + (np.arange(cells) + 0.5) * tile / cells - length / 2)
