"""A picture in a few numbers: how bright, sharp and large it is, and what it looks like to the method."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from brightfield.engine.numeric import product

FloatArray = npt.NDArray[np.float32]

WIDTH = 32
"""The length to which pooled vectors are compressed."""

GRID = 4
"""The side of the grid of cells into which a picture or a map is averaged, where it stands for itself."""

_SAMPLES = 128
"""The most rows and columns of a picture that are measured."""

_LINES = 32
"""The most rows, and the most columns, along which sharpness is measured."""

_FAR = 4
"""The distance in pixels of two levels whose difference is coarse structure; that of neighbours is fine."""


@dataclass(frozen=True)
class Measurement:
    """A picture in a few numbers, measured alike for the reference and for the line.

    Levels are grey levels at working size within the region of interest, from 0 for black to 1 for white.

    Attributes:
        embedding: What the picture looks like, float32 (E,): the method's own features, compressed, or else a
            small grid of levels and edges.
        brightness: The mean level, in [0, 1].
        contrast: The standard deviation of the levels, in [0, 0.5].
        sharpness: Fine structure in relation to coarse: the root mean square difference of neighbouring
            levels, divided by that of levels 4 px apart. 0.25 where all is smooth, 0.5 at a sharp edge, 1 for
            pure noise; the picture's brightness and contrast have no influence.
        height: The height of the picture as it came, in pixels.
        width: The width of the picture as it came, in pixels.
        row: The height at which the edges of the picture lie in the mean, from 0 (top) to 1 (bottom).
        column: The same across, from 0 (left) to 1 (right).
    """

    embedding: FloatArray | None = field(repr=False, compare=False)
    brightness: float
    contrast: float
    sharpness: float
    height: int
    width: int
    row: float = 0.5
    column: float = 0.5


def measure(
    working: npt.NDArray[np.uint8],
    inside: npt.NDArray[np.bool_] | None,
    size: tuple[int, int],
    embedding: FloatArray | None,
) -> Measurement:
    """Return the measurement of a picture.

    It takes evenly spaced pixels, few enough that its cost hardly grows with the picture.

    Args:
        working: The picture at working size, uint8 (h, w, 3).
        inside: Which of its pixels are looked at, bool (h, w); None for all.
        size: The (height, width) of the picture as it came.
        embedding: What the method says of it, float32 (E,); None for a grid of levels and edges.
    """
    rows, columns = (_spaced(side, _SAMPLES) for side in working.shape[:2])
    small = _grey(working[rows, columns])  # (r, c)
    edges, seen = _edges(small), small
    if inside is not None:
        kept = inside[rows, columns]
        edges, seen = edges * kept, small[kept] if kept.any() else small
    row, column = _centre(edges)
    return Measurement(
        embedding=_grid(small, edges) if embedding is None else np.asarray(embedding, dtype=np.float32),
        brightness=float(seen.mean()),
        contrast=float(seen.std()),
        sharpness=_sharpness(working, inside),
        height=size[0],
        width=size[1],
        row=row,
        column=column,
    )


def compressed(vectors: FloatArray) -> FloatArray:
    """Return vectors (N, D), compressed to float32 (N, 32) by random signs; with D of 32 or less unchanged.

    Distances survive such a projection (Achlioptas, Database-friendly random projections, 2003). The signs
    come from a hash, so that they are the same with every version of everything.
    """
    if vectors.shape[1] <= WIDTH:
        return vectors
    return np.asarray(product(vectors, _signs(vectors.shape[1])), dtype=np.float32)


def in_cells(values: FloatArray, side: int = GRID) -> FloatArray:
    """Return a map (h, w) averaged over a grid of cells, float32 (side * side,)."""
    down, across = (np.arange(side) * length // side for length in values.shape)
    sums = np.add.reduceat(np.add.reduceat(values, down, axis=0), across, axis=1)
    heights, widths = (
        np.maximum(np.diff(starts, append=length), 1)
        for starts, length in zip((down, across), values.shape, strict=True)
    )
    return np.asarray((sums / np.outer(heights, widths)).ravel(), dtype=np.float32)


def _spaced(side: int, most: int) -> slice:
    return slice(None, None, max(1, -(-side // most)))


@lru_cache(maxsize=8)
def _signs(length: int) -> FloatArray:
    """Return random signs, float32 (32, length), each +-1 / sqrt(length)."""
    stream = hashlib.shake_256(b"brightfield: random projection").digest(length * WIDTH // 8)
    bits = np.unpackbits(np.frombuffer(stream, dtype=np.uint8)).reshape(WIDTH, length)
    signs = (bits * np.float32(2) - np.float32(1)) / np.float32(np.sqrt(length))
    signs.setflags(write=False)
    return signs


def _grey(pixels: npt.NDArray[np.uint8]) -> FloatArray:
    """Return grey levels in [0, 1], float32 (..., 3) to (...)."""
    red, green, blue = (pixels[..., channel].astype(np.float32) for channel in range(3))
    return np.asarray((red + green + blue) / np.float32(3 * 255))


def _edges(levels: FloatArray) -> FloatArray:
    """Return the sum of both absolute differences to the next level, 0 at the far ends, (r, c)."""
    out = np.zeros_like(levels)
    out[:-1] += np.abs(np.diff(levels, axis=0))
    out[:, :-1] += np.abs(np.diff(levels, axis=1))
    return out


def _centre(weights: FloatArray) -> tuple[float, float]:
    """Return the centre of weights (r, c) as shares of height and width; the middle if all are 0."""
    total = float(weights.sum())
    if total <= 0:
        return 0.5, 0.5
    down, across = (
        float(((np.arange(n) + 0.5) / n) @ weights.sum(axis=1 - axis)) / total
        for axis, n in enumerate(weights.shape)
    )
    return down, across


def _grid(levels: FloatArray, edges: FloatArray) -> FloatArray:
    return np.concatenate([in_cells(levels), in_cells(edges)])


def _sharpness(working: npt.NDArray[np.uint8], inside: npt.NDArray[np.bool_] | None) -> float:
    """Return fine structure in relation to coarse, along whole rows and along whole columns."""
    rows, columns = (_spaced(side, _LINES) for side in working.shape[:2])
    lines = [_grey(working[rows]), _grey(working[:, columns]).T]  # (n, length) each
    kept = [None, None] if inside is None else [inside[rows], inside[:, columns].T]
    near, far = (
        sum(_difference(levels, of, apart) for levels, of in zip(lines, kept, strict=True))
        for apart in (1, _FAR)
    )
    return float(np.sqrt(near / far)) if far > 0 else 0.0


def _difference(levels: FloatArray, kept: npt.NDArray[np.bool_] | None, apart: int) -> float:
    """Return the mean square difference of levels (n, length) so many pixels apart; 0 if there are none."""
    values = np.square(levels[:, apart:] - levels[:, :-apart])
    if kept is not None:
        values = values[kept[:, apart:] & kept[:, :-apart]]
    return float(values.mean()) if values.size else 0.0
