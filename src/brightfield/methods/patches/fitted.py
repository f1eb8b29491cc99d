"""The fitted methods on patches of feature maps: a memory bank, a flow, or both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import tile_origins
from brightfield.engine.measurement import compressed
from brightfield.engine.network import Network
from brightfield.engine.patches import Embedding
from brightfield.engine.pixels import normalise
from brightfield.engine.trunk import BATCH_PIXELS, Trunk, model_name, models_by_side
from brightfield.errors import said_if_unfit
from brightfield.methods.base import Judgement, Picture, Stored
from brightfield.methods.declared import plain
from brightfield.methods.good_parts.evidence import (
    DIGITS,
    Place,
    Seen,
    cells_in,
    in_pixels,
    judge_tiles,
    top_mean,
)
from brightfield.methods.patches.closest import Neighbours, closest_part
from brightfield.methods.patches.detectors import Bank, Detector, Flow, Member, at_scale
from brightfield.methods.patches.stored_bank import arrays_of, load_bank, settings_of
from brightfield.verdict import HeatmapKind

FloatArray = npt.NDArray[np.float32]

_FLOW = "flow"


@dataclass(frozen=True)
class _Tiles:
    """The evidence of one member on T tiles: distances as evidence (T, h, w), and which cells count.

    With `rows` also a bank's patch that is nearest to each cell, (T, h, w). `mean` is the mean patch vector
    of the cells that count, (T, D).
    """

    evidence: FloatArray
    inside: npt.NDArray[np.bool_]
    mean: FloatArray
    rows: npt.NDArray[np.intp] | None = None


class Features(Protocol):
    """Computes the maps of a trunk."""

    def maps(self, x: FloatArray, scale: float, needed: Sequence[int]) -> list[FloatArray]:
        """Return some maps, (N, C, h, w) each, of a normalised batch (N, 3, H, W) seen at a scale."""

    def models(self) -> dict[str, bytes]:
        """Return the trunk's ONNX models by the names under which they are stored."""


@dataclass(frozen=True, eq=False)
class ExportedFeatures:
    """The maps of an exported trunk, as `Features` has it.

    Attributes:
        networks: The trunk's models, as `Trunk` takes them.
    """

    networks: Mapping[int, Network]

    def maps(self, x: FloatArray, scale: float, needed: Sequence[int]) -> list[FloatArray]:
        """Return some maps of a normalised batch seen at a scale."""
        return Trunk(self.networks, (scale,)).maps(x, needed)

    def models(self) -> dict[str, bytes]:
        """Return the trunk's ONNX models by the names under which they are stored."""
        return {model_name(side): network.model for side, network in self.networks.items()}


class PatchMethod:
    """A fitted method on patches, as `Method` has it: the evidence of its members, added up."""

    heatmap_kind = HeatmapKind.EVIDENCE
    types: tuple[str, ...] = ()
    score_step = 10.0**-DIGITS

    def __init__(
        self,
        name: str,
        features: Features,
        members: Sequence[Member],
        preprocessing: Preprocessing,
        *,
        backbone: Mapping[str, Any],
    ) -> None:
        """Build the method from its trunk and members.

        Args:
            name: The method's name.
            features: What computes the trunk's maps.
            members: The detectors.
            preprocessing: The preprocessing, which cuts pictures into tiles.
            backbone: The description of the trunk for the manifest: its name, channels and strides.
        """
        self.name, self.features, self.members = name, features, tuple(members)
        self.preprocessing, self.backbone = preprocessing, dict(backbone)

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Return the judgement of each picture of a batch, with a heatmap if `explain` is set.

        A tile's score is the mean evidence of its most unusual patches, summed over the members; a picture's
        is that of its most unusual tile.

        Args:
            pictures: Images at working size, uint8 (h, w, 3) each.
            explain: Whether to compute heatmaps.
        """
        found: list[list[Neighbours]] = []

        def look(tiles: npt.NDArray[np.uint8], places: Sequence[Place], explain: bool) -> Seen:
            seen, banks = self._tiles(tiles, places, explain)
            found.extend(banks)
            return seen

        judgements = judge_tiles(pictures, self.preprocessing, look, explain=explain)
        return self._with_closest(judgements, found) if explain else judgements

    def _with_closest(
        self, judgements: Sequence[Judgement], found: Sequence[Sequence[Neighbours]]
    ) -> list[Judgement]:
        """Return judgements with the closest good part, given what the banks found in each tile."""
        rule, tiles = self.preprocessing, iter(found)
        out: list[Judgement] = []
        for judged in judgements:
            if judged.heat is None:
                out.append(judged)
                continue
            shape = (judged.heat.shape[0], judged.heat.shape[1])
            there = [(origin, next(tiles)) for origin in tile_origins(shape, rule.tile, rule.overlap)]
            closest = closest_part(judged.heat, there, rule.tile, rule.region_at(shape))
            out.append(replace(judged, closest=closest))
        return out

    def _tiles(
        self, tiles: npt.NDArray[np.uint8], places: Sequence[tuple[Any, Any]], explain: bool
    ) -> tuple[Seen, list[list[Neighbours]]]:
        """Return the score of each tile (T,), and with `explain` also what explains it.

        That is the evidence in pixels (T, side, side), and for each tile what each memory bank found. The
        embedding of a tile is its mean patch vector, as the first member sees it, compressed.
        """
        side = self.preprocessing.tile
        step = max(1, BATCH_PIXELS // side**2)
        scores = np.zeros(len(tiles), dtype=np.float64)
        heats = np.zeros((len(tiles), side, side), dtype=np.float32) if explain else None
        means: list[FloatArray] = []
        banks: list[list[Neighbours]] = [[] for _ in tiles]
        for at in range(0, len(tiles), step):
            x = normalise(tiles[at : at + step], self.preprocessing)
            every = self._seen(x, places[at : at + step], explain)
            means.append(every[0][1].mean)
            for member, seen in every:
                for row, (values, inside) in enumerate(zip(seen.evidence, seen.inside, strict=True)):
                    scores[at + row] += top_mean(values[inside], member.share)
                if heats is not None:
                    heats[at : at + step] += in_pixels(seen.evidence, seen.inside, side)
                if isinstance(member.detector, Bank) and member.detector.crops and seen.rows is not None:
                    crops, found = member.detector.crops, (seen.rows, seen.evidence, seen.inside)
                    for row, of_tile in enumerate(zip(*found, strict=True)):
                        banks[at + row].append(Neighbours(crops, *of_tile))
        return (scores, compressed(np.concatenate(means)), heats), banks

    def _seen(
        self, x: FloatArray, places: Sequence[tuple[Any, Any]], explain: bool
    ) -> list[tuple[Member, _Tiles]]:
        """Return each member's evidence on a normalised batch of tiles, (T, 3, side, side)."""
        out: list[tuple[Member, _Tiles]] = []
        for scale in sorted({member.scale for member in self.members}, reverse=True):
            here = at_scale(self.members, scale)
            needed = sorted({i for member in here for i in member.maps})
            maps = dict(zip(needed, self.features.maps(x, scale, needed), strict=True))
            for member in here:
                patches = member.embedding([maps[i] for i in member.maps])
                rows: npt.NDArray[np.intp] | None = None
                if explain and isinstance(member.detector, Bank):
                    distances, rows = member.detector.closest(patches)
                else:
                    distances = member.detector.distances(patches)
                evidence = member.evidence(distances)
                if rows is not None and isinstance(member.detector, Bank):
                    _resembling(member.detector, patches, evidence, rows)
                inside = self.cells(places, evidence.shape[1:3])
                out.append((member, _Tiles(evidence, inside, _mean_of(patches, inside), rows)))
        return out

    def cells(self, places: Sequence[tuple[Any, Any]], grid: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Return which cells of each tile's map lie in the picture, bool (T, h, w)."""
        return cells_in(places, self.preprocessing, grid)

    def stored(self) -> Stored:
        """Return the state from which `load_patch_method` builds the method."""
        networks = self.features.models()
        arrays: dict[str, npt.NDArray[Any]] = {}
        settings: list[dict[str, Any]] = []
        for i, member in enumerate(self.members):
            embedding = member.embedding
            arrays |= {f"{i}.whitening.{j}": w for j, w in enumerate(embedding.weights)}
            arrays[f"{i}.offset"] = embedding.offset
            if isinstance(member.detector, Bank):
                arrays |= arrays_of(member.detector, str(i))
            elif isinstance(member.detector, Flow):
                networks[f"{_FLOW}-{i}"] = member.detector.network.model
            settings.append(
                {
                    **{name: getattr(member, name) for name in _PLAIN},
                    "maps": list(member.maps),
                    "position": embedding.position,
                    "bank": settings_of(member.detector) if isinstance(member.detector, Bank) else None,
                }
            )
        return Stored(networks, arrays, plain({"backbone": self.backbone, "members": settings}))


def _mean_of(patches: FloatArray, inside: npt.NDArray[np.bool_]) -> FloatArray:
    """Return the mean patch vector of the cells that count, (T, h, w, D) to (T, D)."""
    weights = inside / inside.sum(axis=(1, 2), keepdims=True).astype(np.float32)
    return np.asarray(np.einsum("thw,thwd->td", weights.astype(np.float32), patches))


SHOWN = 64
"""The most unusual cells of a tile, one of which a verdict shows beside the good part that it resembles."""


def _resembling(bank: Bank, patches: FloatArray, evidence: FloatArray, rows: npt.NDArray[np.intp]) -> None:
    """Set the rows of the most unusual cells of each tile to those of the good patches that they resemble."""
    count = min(SHOWN, evidence[0].size)
    for vectors, values, of_tile in zip(patches, evidence, rows, strict=True):
        cells = np.unravel_index(np.argpartition(values, -count, axis=None)[-count:], values.shape)
        of_tile[cells] = bank.alike(vectors[cells])


_PLAIN = ("name", "scale", "calm", "unit", "share", "weight")
"""The attributes of a member that are stored as they are."""


def load_patchcore(
    stored: Stored, preprocessing: Preprocessing, _classes: Sequence[str], _normal: str | None
) -> PatchMethod:
    """Load PatchCore; see `load_patch_method`."""
    return load_patch_method("patchcore", stored, preprocessing)


def load_flow(
    stored: Stored, preprocessing: Preprocessing, _classes: Sequence[str], _normal: str | None
) -> PatchMethod:
    """Load the flow; see `load_patch_method`."""
    return load_patch_method("flow", stored, preprocessing)


def load_fusion(
    stored: Stored, preprocessing: Preprocessing, _classes: Sequence[str], _normal: str | None
) -> PatchMethod:
    """Load memory bank and flow; see `load_patch_method`."""
    return load_patch_method("fusion", stored, preprocessing)


def load_patch_method(name: str, stored: Stored, preprocessing: Preprocessing) -> PatchMethod:
    """Load a method from the state that `PatchMethod.stored` returned.

    Raises:
        BundleError: If the arrays do not fit the settings, or ONNX Runtime cannot run a network.
    """
    with said_if_unfit():
        members = [_member(i, values, stored) for i, values in enumerate(stored.settings["members"])]
        networks = models_by_side(stored.networks)
        if not members or not networks:
            raise ValueError(f"there are {len(members)} members and {len(networks)} networks")
        return PatchMethod(
            name,
            ExportedFeatures(networks),
            members,
            preprocessing,
            backbone=dict(stored.settings["backbone"]),
        )


def _member(i: int, values: Mapping[str, Any], stored: Stored) -> Member:
    maps = tuple(int(m) for m in values["maps"])
    embedding = Embedding(
        tuple(np.asarray(stored.arrays[f"{i}.whitening.{j}"], dtype=np.float32) for j in range(len(maps))),
        np.asarray(stored.arrays[f"{i}.offset"], dtype=np.float32),
        float(values["position"]),
    )
    if any(w.ndim != 2 or w.shape[1] != len(embedding.offset) for w in embedding.weights):
        raise ValueError("a whitening and its mean differ in length")
    detector: Detector
    if values["name"] == "bank":
        detector = load_bank(stored.arrays, values["bank"], str(i))
        if detector.patches.ndim != 2 or detector.patches.shape[1] != embedding.width:
            raise ValueError(f"the bank is {detector.patches.shape}; expected (K, {embedding.width})")
    else:
        detector = Flow(Network(stored.networks[f"{_FLOW}-{i}"]))
    return Member(
        name=str(values["name"]),
        scale=float(values["scale"]),
        maps=maps,
        embedding=embedding,
        detector=detector,
        calm=float(values["calm"]),
        unit=float(values["unit"]),
        share=float(values["share"]),
        weight=float(values["weight"]),
    )
