"""Defects: the connected regions of a mask, with their types and their measures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.engine.rectangles import smallest_rectangles
from brightfield.engine.regions import (
    Runs,
    areas,
    boxes,
    centres,
    largest_by_region,
    parts_of,
    regions_of,
)
from brightfield.verdict import BoolMap, ClassMap, Defect, FloatMap


@dataclass(frozen=True, eq=False)
class Found:
    """The connected regions that a mask marks, with what is known of their P pixels, row by row.

    Attributes:
        mask: The marked pixels, bool (H, W).
        runs: The regions.
        heat: The heat of each pixel, float32 (P,).
        types: The type of each region.
        probability: The probability in [0, 1] that each pixel is defective, float32 (P,); None where the
            method gives none.
    """

    mask: BoolMap
    runs: Runs
    heat: npt.NDArray[np.float32]
    types: tuple[str, ...]
    probability: npt.NDArray[np.float32] | None = None


def find(mask: BoolMap, heatmap: FloatMap, defect_type: str) -> Found:
    """Return the connected regions of a mask, bool (H, W), all of one type; pixels may touch at a corner."""
    runs = regions_of(mask)
    return Found(mask, runs, heatmap[mask], (defect_type,) * runs.count)


def voted(
    runs: Runs, type_of_pixel: npt.NDArray[np.uint8], weight: npt.NDArray[np.float32], n_types: int
) -> npt.NDArray[np.intp]:
    """Return the type of each region, int (count,): that of its pixels with the greatest sum of weights.

    Args:
        runs: The regions.
        type_of_pixel: The type of each pixel from 1 on, uint8 (P,); 0 for a pixel that has no vote.
        weight: The weight of each pixel, float32 (P,), at least 0.
        n_types: The number of types.

    Returns:
        The types from 1 on; the first of those that are equal, 0 where no pixel has a vote.
    """
    region = np.repeat(runs.region, runs.length)
    cells = region * (n_types + 1) + type_of_pixel
    # pixels that are all of probability 0 still vote
    votes = np.bincount(cells, weight.astype(np.float64) + 1e-6, minlength=runs.count * (n_types + 1))
    table = votes.reshape(runs.count, n_types + 1)
    table[:, 0] = 0
    return np.where(table.any(axis=1), table.argmax(axis=1), 0)


def class_map_of(found: Found, types: Sequence[str]) -> ClassMap:
    """Return the type of each pixel as its position in `types` from 1 on, uint8 (H, W), 0 where none is."""
    out = np.zeros(found.mask.shape, dtype=np.uint8)
    of_region = np.array([types.index(name) + 1 for name in found.types], dtype=np.uint8)
    out[found.mask] = np.repeat(of_region[found.runs.region], found.runs.length)
    return out


def measured(found: Found, mm_per_pixel: float | None = None) -> tuple[Defect, ...]:
    """Return the defects with their measures, the largest first; of equal area the higher one first."""
    runs = found.runs
    size, box, centre, sides = areas(runs), boxes(runs), centres(runs), smallest_rectangles(runs)
    heat = largest_by_region(runs, found.heat)
    probability = None if found.probability is None else largest_by_region(runs, found.probability)
    return tuple(
        Defect(
            type=found.types[i],
            area=int(size[i]),
            length=float(sides[i, 0]),
            width=float(sides[i, 1]),
            centre=(float(centre[i, 0]), float(centre[i, 1])),
            box=(int(box[i, 0]), int(box[i, 1]), int(box[i, 2]), int(box[i, 3])),
            heat=float(heat[i]),
            probability=None if probability is None else float(probability[i]),
            mm_per_pixel=mm_per_pixel,
        )
        for i in np.argsort(-size, kind="stable")
        if size[i]
    )


def inside(found: Found, area: BoolMap) -> Found:
    """Return what lies in an area, bool (H, W); what is left of a region counts as one, even if in pieces."""
    mask = found.mask & area
    kept = area[found.mask]
    probability = None if found.probability is None else found.probability[kept]
    return Found(mask, parts_of(found.runs, mask), found.heat[kept], found.types, probability)
