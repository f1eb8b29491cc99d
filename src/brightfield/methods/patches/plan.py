"""The plan of a method on patches: the working size, the tiles, and the members."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.data.scan import ImageFacts
from brightfield.learn.backbone import BackboneSpec
from brightfield.methods.good_parts.sizes import Sizes, make_preprocessing
from brightfield.methods.patches.members import BANK, FLOW, MemberPlan

SIDE = 448
"""The side of whole pictures and of tiles where pictures are that large: smaller sides lose fine defects.

Smaller pictures are seen at the size that the backbone was trained on: enlarged, they show blur and noise.
"""


@dataclass(frozen=True)
class Plan:
    """The plan of a fit.

    Attributes:
        preprocessing: The preprocessing of every image.
        members: The members to fit.
        reason: The reason for the working size, in words.
    """

    preprocessing: Preprocessing
    members: tuple[MemberPlan, ...]
    reason: str


@dataclass(frozen=True)
class Wanted:
    """What the user asked for; None leaves a size to the plan.

    Attributes:
        kinds: The kinds of detectors, `bank` and `flow`.
        detail: Which maps a bank reads: `fine`, `deep`, or `auto` for both, of which one is chosen later.
        share: The share of a tile's patches whose mean makes the score.
        image_size: The side of whole pictures, or with tiles the longer side of pictures, in pixels.
        tile: The side of tiles in pixels.
    """

    kinds: tuple[str, ...]
    detail: str
    share: float
    image_size: int | None
    tile: int | None


def make_plan(facts: Sequence[ImageFacts], spec: BackboneSpec, wanted: Wanted, region: Region | None) -> Plan:
    """Return the plan for images with these facts.

    Raises:
        ConfigError: If tiles are larger than the images.
    """
    usual = float(np.median([math.sqrt(f.height * f.width) for f in facts]))
    known = spec.input_size
    whole = SIDE if usual >= SIDE and not spec.fixed_size else known
    sizes = Sizes(whole, wanted.image_size, wanted.tile)
    rule, reason = make_preprocessing(facts, sizes, spec.mean, spec.std, region)
    coarse = 1.0 if spec.fixed_size else min(1.0, known / rule.tile)
    return Plan(rule, members_for(spec, wanted, coarse), reason)


def members_for(spec: BackboneSpec, wanted: Wanted, coarse: float) -> tuple[MemberPlan, ...]:
    """Return the members of the wanted kinds for a backbone with these maps.

    A flow sees a tile at the scale `coarse`, at which the tile has the size that the backbone was trained on.
    """
    fine, middle, deep = maps_by_stride(spec)
    of_detail = {"fine": _each_once(fine, middle), "deep": _each_once(middle, deep)}
    plans: list[MemberPlan] = []
    if BANK in wanted.kinds:
        details = of_detail if wanted.detail == "auto" else (wanted.detail,)
        plans += [MemberPlan(BANK, 1.0, of_detail[detail], wanted.share) for detail in details]
    if FLOW in wanted.kinds:
        # at a coarser scale than the bank's a flow misses what is small: it counts by its share of the pixels
        weight = coarse**2 if plans else 1.0
        plans.append(MemberPlan(FLOW, coarse, of_detail["deep"], wanted.share, weight))
    return tuple(dict.fromkeys(plans))


def maps_by_stride(spec: BackboneSpec) -> tuple[int, int, int]:
    """Return the last map of stride 8, the last of stride 16, and the first of stride 32, or the nearest."""
    strides = np.asarray(spec.strides)
    fine, middle = (int(np.flatnonzero(strides == _nearest(strides, s))[-1]) for s in (8, 16))
    deep = int(np.flatnonzero(strides == _nearest(strides, 32))[0])
    return fine, middle, deep


def _nearest(strides: np.ndarray, wanted: int) -> int:
    return int(strides[np.abs(np.log2(strides / wanted)).argmin()])


def _each_once(*maps: int) -> tuple[int, ...]:
    return tuple(dict.fromkeys(maps))
