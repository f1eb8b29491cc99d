"""Evidence on tiles: which cells count, a picture's score and its heatmap."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import at_peak, stitch
from brightfield.engine.patches import cells_inside
from brightfield.engine.resample import resampled, spreading
from brightfield.methods.base import Judgement, Picture

FloatArray = npt.NDArray[np.float32]

Place = tuple[tuple[int, int], tuple[int, int]]
"""The (height, width) of a picture at working size, and the (top, left) of a tile in it."""

Seen = tuple[npt.NDArray[np.float64], FloatArray, FloatArray | None]
"""The scores (T,), the embeddings (T, E) and the heat (T, side, side) of T tiles; heat where it is wanted."""

Look = Callable[[npt.NDArray[np.uint8], Sequence[Place], bool], Seen]
"""From tiles (T, side, side, 3), their places, and whether heat is wanted, to what was seen in them."""

LEAST_SPREAD = 0.03
"""The least spread of good parts' scores, as a share of their distance from ordinary patches."""

DIGITS = 2
"""The decimals of a score, whose unit is the spread of good parts: further ones are rounding errors, which
differ between batches and would part copies of one picture."""

SMOOTHING = 0.5
"""Standard deviation of the blur of enlarged maps, in cells of the map."""


def judge_tiles(
    pictures: Sequence[Picture], preprocessing: Preprocessing, look: Look, *, explain: bool
) -> list[Judgement]:
    """Return the judgement of each picture: that of its most unusual tile, and its tiles' heat joined.

    Its embedding is the mean of those of its tiles.

    Args:
        pictures: Images at working size, uint8 (h, w, 3) each.
        preprocessing: The preprocessing, which cuts pictures into tiles.
        look: Scores tiles.
        explain: Whether to compute heatmaps.
    """
    cut = [preprocessing.tiles(picture) for picture in pictures]
    places = [
        ((picture.shape[0], picture.shape[1]), origin)
        for picture, (_, origins) in zip(pictures, cut, strict=True)
        for origin in origins
    ]
    starts = np.cumsum([0, *(len(tiles) for tiles, _ in cut)])
    every = cut[0][0] if len(cut) == 1 else np.concatenate([tiles for tiles, _ in cut])
    scores, embeddings, heats = look(every, places, explain)
    out: list[Judgement] = []
    for i, (begin, end) in enumerate(pairwise(starts)):
        score, heat = round(float(scores[begin:end].max()), DIGITS), None
        if heats is not None:
            height, width = pictures[i].shape[:2]
            heat = np.ascontiguousarray(stitch(heats[begin:end], cut[i][1], (height, width)))
            # a small map's blur may leave less than the score: a part that is rejected is hot somewhere
            heat = at_peak(heat, score) if heat.max() < score else heat
        out.append(Judgement(score, None, heat, embedding=embeddings[begin:end].mean(0)))
    return out


def cells_in(
    places: Sequence[Place], preprocessing: Preprocessing, grid: tuple[int, ...]
) -> npt.NDArray[np.bool_]:
    """Return which cells of each tile's map (h, w) show the picture, within the region, bool (T, h, w).

    Where all of a tile is outside the region of interest, all of its cells in the picture count.
    """
    return np.stack([_cells(shape, origin, preprocessing, (grid[0], grid[1])) for shape, origin in places])


def _cells(
    shape: tuple[int, int], origin: tuple[int, int], preprocessing: Preprocessing, grid: tuple[int, int]
) -> npt.NDArray[np.bool_]:
    inside = cells_inside(shape, origin, preprocessing.tile, grid)
    if preprocessing.region is None:
        return inside
    rows, columns = (
        np.clip(start + (np.arange(cells) + 0.5) * preprocessing.tile / cells, 0, length - 1).astype(np.intp)
        for length, start, cells in zip(shape, origin, grid, strict=True)
    )
    looked_at = inside & preprocessing.region_at(shape)[np.ix_(rows, columns)]
    return looked_at if looked_at.any() else inside


def in_pixels(evidence: FloatArray, inside: npt.NDArray[np.bool_], side: int) -> FloatArray:
    """Return evidence (T, h, w) as (T, side, side), at least 0, blurred by half a cell."""
    # cells outside a picture show padding: their evidence must not be blurred into it
    calm = np.where(inside, evidence, 0).clip(min=0)
    rows, columns = (spreading(cells, side, SMOOTHING * side / cells) for cells in evidence.shape[1:3])
    return resampled(calm, rows, columns)


def top_mean(values: npt.NDArray[np.float32], share: float) -> float:
    """Return the mean of the largest values of (n,), n at least 1: of that share of them, at least of one."""
    count = max(1, math.floor(share * len(values) + 0.5))
    return float(np.partition(values, len(values) - count)[len(values) - count :].mean(dtype=np.float64))


def unit_of(scores: npt.NDArray[np.float64], ordinary: float, rounding: float) -> float:
    """Return the unit of evidence: the spread of held-out good parts' scores (N,).

    The spread is robust: the median absolute deviation, scaled to the standard deviation of a normal
    distribution, or where the scores hardly differ their distance from `ordinary`. It is
    `rounding` at the least, as good parts may all be one picture.
    """
    spread = 1.4826 * float(np.median(np.abs(scores - np.median(scores))))
    least = LEAST_SPREAD * abs(float(np.median(scores)) - ordinary)
    return max(spread, least, float(np.std(scores)) * 0.25, rounding)
