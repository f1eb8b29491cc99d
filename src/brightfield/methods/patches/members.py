"""Fitting of detectors on good parts: two passes over a stream of tiles, in bounded memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.patches import Embedding
from brightfield.methods.good_parts.evidence import Place, cells_in, top_mean, unit_of
from brightfield.methods.good_parts.stream import TileBatch
from brightfield.methods.patches.coreset import Coreset
from brightfield.methods.patches.crops import Crops
from brightfield.methods.patches.detectors import Bank, Detector, Member
from brightfield.methods.patches.fitted import Features
from brightfield.methods.patches.whitening import Moments

FloatArray = npt.NDArray[np.float32]

BANK, FLOW = "bank", "flow"

FLOW_WIDTH = 160
"""The most values of a patch vector that a flow sees: its convolutions grow with their square."""

ROUNDING = 1e-3
"""The rounding error of a whitened value, whose standard deviation over good parts is 1."""

MOST_FOR_A_FLOW = 2000
"""The most tiles that a flow learns from, evenly spaced over the pictures."""


@dataclass(frozen=True)
class MemberPlan:
    """The plan of a member before it is fitted; see `Member`.

    Attributes:
        name: The kind of detector: `bank` or `flow`.
        scale: The scale at which it sees a tile, as a share of the tile's side.
        maps: Which of the trunk's maps its patches are made of, the finest first.
        share: The share of a tile's patches whose mean makes the score.
        weight: The weight of its evidence beside that of other members.
    """

    name: str
    scale: float
    maps: tuple[int, ...]
    share: float
    weight: float = 1.0


@dataclass(frozen=True)
class Seen:
    """A trunk and how tiles are cut for it.

    Attributes:
        features: What computes the trunk's maps.
        preprocessing: The preprocessing.
        channels: The channels of each of the trunk's maps.
    """

    features: Features
    preprocessing: Preprocessing
    channels: tuple[int, ...]

    def maps(self, x: FloatArray, plans: Iterable[MemberPlan]) -> dict[tuple[float, int], FloatArray]:
        """Return the maps that the plans need of a normalised batch of tiles, by scale and number."""
        out: dict[tuple[float, int], FloatArray] = {}
        needed = sorted({(plan.scale, i) for plan in plans for i in plan.maps})
        for scale in sorted({s for s, _ in needed}, reverse=True):
            numbers = [i for s, i in needed if s == scale]
            for i, m in zip(numbers, self.features.maps(x, scale, numbers), strict=True):
                out[scale, i] = m
        return out

    def inside(self, places: Sequence[Place], grid: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Return which cells of each tile's map count, bool (T, h, w)."""
        return cells_in(places, self.preprocessing, grid)


def embeddings(seen: Seen, plans: Sequence[MemberPlan], batches: Iterable[TileBatch]) -> list[Embedding]:
    """Return the whitening embedding of each plan, fitted on a stream of tiles."""
    moments = [Moments([seen.channels[i] for i in plan.maps]) for plan in plans]
    for batch in batches:
        maps = seen.maps(batch.x, plans)
        for plan, one in zip(plans, moments, strict=True):
            of_plan = [maps[plan.scale, i] for i in plan.maps]
            one.add(of_plan, seen.inside(batch.places, of_plan[0].shape[2:]))
    most = {BANK: None, FLOW: FLOW_WIDTH}
    return [one.embedding(most=most[plan.name]) for plan, one in zip(plans, moments, strict=True)]


TAGS = 3
"""How many tags each patch of a coreset has: see `tags_of`."""


@dataclass
class Collected:
    """What a pass over the good parts collects for one member.

    Attributes:
        coreset: The coreset of a bank, with the tags of `tags_of`; None for a flow.
        tiles: The patch vectors of each tile that a flow learns from, float16 (h, w, D).
        inside: Which of their cells count, bool (h, w).
    """

    coreset: Coreset | None
    tiles: list[npt.NDArray[np.float16]] = field(default_factory=list)
    inside: list[npt.NDArray[np.bool_]] = field(default_factory=list)


def collect(
    seen: Seen,
    plans: Sequence[MemberPlan],
    embedded: Sequence[Embedding],
    collected: Sequence[Collected],
    batches: Iterable[TileBatch],
    *,
    every: int = 1,
) -> None:
    """Take the patches of a stream of tiles into what is collected; a flow gets each `every`-th tile."""
    number = 0
    for batch in batches:
        maps = seen.maps(batch.x, plans)
        for plan, embedding, one in zip(plans, embedded, collected, strict=True):
            patches = embedding([maps[plan.scale, i] for i in plan.maps])  # (T, h, w, D)
            inside = seen.inside(batch.places, patches.shape[1:3])
            if one.coreset is not None:
                one.coreset.add(patches[inside], tags_of(batch, inside))
                continue
            for row in range(len(patches)):
                if (number + row) % every == 0:
                    one.tiles.append(patches[row].astype(np.float16))
                    one.inside.append(inside[row])
        number += len(batch.x)


def tags_of(batch: TileBatch, inside: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    """Return where each counted cell comes from, int64 (n, `TAGS`).

    These are the picture's number, and the row and column of the cell's middle in the picture.
    """
    tile, *cells = np.nonzero(inside)
    origins = np.array([origin for _, origin in batch.places], dtype=np.int64)[tile]  # (n, 2)
    sides = np.array(batch.x.shape[2:]) / inside.shape[1:]
    middles = np.floor((np.column_stack(cells) + 0.5) * sides).astype(np.int64)
    return np.column_stack([batch.pictures[tile], origins + middles])


@dataclass(frozen=True)
class Measured:
    """Distances of held-out good parts, by which a member is standardised.

    Attributes:
        scores: The mean distance of each tile's most unusual patches, then the largest of each picture, (N,).
        ordinary: The median distance over all patches.
    """

    scores: npt.NDArray[np.float64]
    ordinary: float


def measure(
    seen: Seen, members: Sequence[Member], batches: Iterable[TileBatch], count: int
) -> list[Measured]:
    """Return each member's distances on a stream of tiles of `count` pictures."""
    plans = [MemberPlan(m.name, m.scale, m.maps, m.share) for m in members]
    scores = np.full((len(members), count), -np.inf)
    sampled: list[list[FloatArray]] = [[] for _ in members]
    for batch in batches:
        maps = seen.maps(batch.x, plans)
        for i, member in enumerate(members):
            distances = member.detector.distances(
                member.embedding([maps[member.scale, m] for m in member.maps])
            )
            inside = seen.inside(batch.places, distances.shape[1:3])
            for row, picture in enumerate(batch.pictures):
                values = distances[row][inside[row]]
                sampled[i].append(values[:: max(1, len(values) // 64)])
                scores[i, picture] = max(scores[i, picture], top_mean(values, member.share))
    return [Measured(s, float(np.median(np.concatenate(v)))) for s, v in zip(scores, sampled, strict=True)]


def standardised(member: Member, measured: Measured) -> Member:
    """Return a member whose evidence is 0 at an ordinary distance, in units of the spread of scores.

    Distances within `ROUNDING` of an ordinary one count as ordinary, so that good parts that are all the same
    picture have no evidence.
    """
    # the directions of a patch vector have variance 1; a bank adds them up, a flow takes their mean
    directions = member.embedding.width if isinstance(member.detector, Bank) else 1
    rounding = ROUNDING * math.sqrt(directions)
    unit = unit_of(measured.scores, measured.ordinary, rounding)
    return replace(member, calm=measured.ordinary + rounding, unit=unit)


def best_bank(members: Sequence[Member], good: Sequence[Measured], drawn: Sequence[Measured]) -> int | None:
    """Return which of several banks tells drawn defects from good parts best, by AUROC; None without a bank.

    Between kinds of detectors drawn defects are a poor judge, but among banks they point the right way.

    Args:
        members: The members.
        good: Each member's distances on held-out good parts.
        drawn: Each member's distances on held-out good parts with drawn defects.
    """
    banks = [i for i, member in enumerate(members) if member.name == BANK]
    areas = [auroc(good[i].scores, drawn[i].scores) for i in banks]
    return banks[int(np.argmax(areas))] if banks else None


def auroc(good: npt.NDArray[np.float64], defective: npt.NDArray[np.float64]) -> float:
    """Return the share of pairs of a good and a defective part in which the defective one scores higher."""
    above = (defective[:, None] > good[None, :]) + 0.5 * (defective[:, None] == good[None, :])
    return float(above.mean())


def bank_of(coreset: Coreset, crops: Crops | None = None) -> Bank:
    """Return the memory bank of a coreset, with the crops of its patches."""
    return Bank(coreset.vectors, crops, coreset.selection)


def unfitted(plan: MemberPlan, embedding: Embedding, detector: Detector) -> Member:
    """Return a member that is not standardised yet."""
    return Member(plan.name, plan.scale, plan.maps, embedding, detector, 0.0, 1.0, plan.share, plan.weight)
