"""Compare the defects found in one image with those that its mask shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brightfield.decide.defects import Found, find, measured
from brightfield.engine.regions import areas
from brightfield.evaluation.defect_figures import ImageDefects, TrueDefect
from brightfield.evaluation.matching import Regions, match
from brightfield.evaluation.type_pixels import TypeMap
from brightfield.verdict import BoolMap, Defect, FloatMap

SPECK = 4
"""The most pixels of a true region that counts as no defect: a slip of the pen, too small to be measured."""


@dataclass(frozen=True)
class Numbered:
    """Connected defects, and the pixels of each.

    Attributes:
        regions: int32 (H, W), the number of the defect that each pixel belongs to, from 1 on; 0 for none.
        defects: The defects in the order of their numbers.
    """

    regions: Regions
    defects: tuple[Defect, ...]


def numbered(found: Found, mm_per_pixel: float | None = None) -> Numbered:
    """Return the defects of `measured` with the pixels of each."""
    return Numbered(_numbers(found), measured(found, mm_per_pixel))


def _numbers(found: Found) -> Regions:
    """Return the number of each pixel's defect among those of `measured`, int32 (H, W), from 1 on."""
    runs = found.runs
    order = np.argsort(-areas(runs), kind="stable")  # as `measured` has them
    number = np.empty(runs.count, dtype=np.int32)
    number[order] = np.arange(1, runs.count + 1)
    regions = np.zeros(found.mask.shape, dtype=np.int32)
    regions[found.mask] = np.repeat(number[runs.region], runs.length)
    return regions


def true_defects(
    true: TypeMap, types: Sequence[str], heatmap: FloatMap, mm_per_pixel: float | None = None
) -> Numbered:
    """Return the connected defects that a mask shows; pixels of two types belong to two defects.

    Args:
        true: uint8 (H, W), the type of each pixel as its position in `types` from 1 on; 0 where it is good.
        types: The names of the types.
        heatmap: float32 (H, W), from which each defect has its heat.
        mm_per_pixel: The side of a pixel in millimetres; None where it is not known.
    """
    regions = np.zeros(true.shape, dtype=np.int32)
    defects: list[Defect] = []
    for place, name in enumerate(types, start=1):
        of_type = true == place
        if of_type.any():
            here = numbered(find(of_type, heatmap, name), mm_per_pixel)
            regions[of_type] = here.regions[of_type] + len(defects)
            defects += here.defects
    return Numbered(regions, tuple(defects))


def found_defects(found: BoolMap, heatmap: FloatMap, defects: Sequence[Defect], untyped: str) -> Numbered:
    """Return the defects that an inspector found with the pixels of each.

    Args:
        found: bool (H, W), the pixels found.
        heatmap: float32 (H, W).
        defects: The verdict's defects; empty where it located none and the pixels are those of a hot place.
        untyped: The type of the defects in the latter case.
    """
    here = find(found, heatmap, untyped)
    known = len(defects) == here.runs.count  # they are these regions, measured
    return Numbered(_numbers(here), tuple(defects) if known else measured(here))


def compare(image: str, part: str, good: bool, true: Numbered, found: Numbered) -> ImageDefects:
    """Return how the found defects of an image go with the true ones.

    True regions of up to `SPECK` pixels are left out, and so is what was found on them alone.

    Args:
        image: The image's name in the data set.
        part: The part in the image.
        good: Whether the part is good.
        true: The true defects.
        found: The found defects.
    """
    sizes = np.array([0, *(defect.area for defect in true.defects)])
    speck = (sizes <= SPECK)[true.regions] & (true.regions > 0)
    matching = match(np.where(speck, 0, true.regions), found.regions)
    on_specks = set(np.unique(found.regions[speck]).tolist())
    partner = {t: (f, iou) for (t, f), iou in matching.pairs.items()}
    compared = []
    for number, defect in enumerate(true.defects, start=1):
        if defect.area > SPECK:
            other, iou = partner.get(number, (0, 0.0))
            hit = found.defects[other - 1] if other else None
            compared.append(TrueDefect(image, part, defect, number in matching.seen, iou, hit))
    matched = {f for _, f in matching.pairs}
    # what lies on a speck alone is neither found nor false
    ignored = matched | (on_specks - matching.lit)
    false = [(n, d) for n, d in enumerate(found.defects, start=1) if n not in ignored]
    stray = [d for n, d in false if n not in matching.lit]
    return ImageDefects(
        image=image,
        part=part,
        good=good,
        true=tuple(compared),
        false=Counter(d.type for _, d in false),
        stray=len(stray),
        largest_stray=stray[0] if stray else None,
        specks=int((sizes[1:] <= SPECK).sum()),
    )
