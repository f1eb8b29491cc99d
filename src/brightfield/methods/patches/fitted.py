"""The fitted methods on patches of feature maps: a memory bank, a flow, or both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import at_peak, stitch
from brightfield.engine.network import Network
from brightfield.engine.patches import Embedding, cells_inside
from brightfield.engine.pixels import normalise
from brightfield.engine.resample import resampled, spreading
from brightfield.engine.trunk import BATCH_PIXELS, Trunk, model_name, models_by_side
from brightfield.errors import BundleError
from brightfield.methods.base import Judgement, Picture, Stored
from brightfield.methods.declared import plain
from brightfield.methods.patches.detectors import Bank, Detector, Flow, Member, at_scale, top_mean
from brightfield.verdict import HeatmapKind

FloatArray = npt.NDArray[np.float32]

_FLOW = "flow"

SMOOTHING = 0.5
"""Standard deviation of the blur of enlarged maps, in cells of the map."""

DIGITS = 2
"""The decimals of a score, whose unit is the spread of good parts: further ones are rounding errors, which
differ between batches and would part copies of one picture."""


@dataclass(frozen=True)
class _Tiles:
    """The evidence of one member on T tiles: distances as evidence (T, h, w), and which cells count."""

    evidence: FloatArray
    inside: npt.NDArray[np.bool_]


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
        cut = [self.preprocessing.tiles(picture) for picture in pictures]
        places = [
            (picture.shape[:2], origin)
            for picture, (_, origins) in zip(pictures, cut, strict=True)
            for origin in origins
        ]
        starts = np.cumsum([0, *(len(tiles) for tiles, _ in cut)])
        every = cut[0][0] if len(cut) == 1 else np.concatenate([tiles for tiles, _ in cut])
        scores, heats = self._tiles(every, places, explain)
        out: list[Judgement] = []
        for i, (begin, end) in enumerate(pairwise(starts)):
            score, heat = round(float(scores[begin:end].max()), DIGITS), None
            if heats is not None:
                height, width = pictures[i].shape[:2]
                heat = np.ascontiguousarray(stitch(heats[begin:end], cut[i][1], (height, width)))
                # a small map's blur may leave less than the score: a part that is rejected is hot somewhere
                heat = at_peak(heat, score) if heat.max() < score else heat
            out.append(Judgement(score, None, heat))
        return out

    def _tiles(
        self, tiles: npt.NDArray[np.uint8], places: Sequence[tuple[Any, Any]], explain: bool
    ) -> tuple[npt.NDArray[np.float64], FloatArray | None]:
        """Return the score (T,) and with `explain` the evidence in pixels (T, side, side) of each tile."""
        side = self.preprocessing.tile
        step = max(1, BATCH_PIXELS // side**2)
        scores = np.zeros(len(tiles), dtype=np.float64)
        heats = np.zeros((len(tiles), side, side), dtype=np.float32) if explain else None
        for at in range(0, len(tiles), step):
            x = normalise(tiles[at : at + step], self.preprocessing)
            for member, seen in self._seen(x, places[at : at + step]):
                for row, (values, inside) in enumerate(zip(seen.evidence, seen.inside, strict=True)):
                    scores[at + row] += top_mean(values[inside], member.share)
                if heats is not None:
                    heats[at : at + step] += self._in_pixels(seen)
        return scores, heats

    def _seen(self, x: FloatArray, places: Sequence[tuple[Any, Any]]) -> list[tuple[Member, _Tiles]]:
        """Return each member's evidence on a normalised batch of tiles, (T, 3, side, side)."""
        out: list[tuple[Member, _Tiles]] = []
        for scale in sorted({member.scale for member in self.members}, reverse=True):
            here = at_scale(self.members, scale)
            needed = sorted({i for member in here for i in member.maps})
            maps = dict(zip(needed, self.features.maps(x, scale, needed), strict=True))
            for member in here:
                patches = member.embedding([maps[i] for i in member.maps])
                evidence = member.evidence(member.detector.distances(patches))
                out.append((member, _Tiles(evidence, self.cells(places, evidence.shape[1:3]))))
        return out

    def cells(self, places: Sequence[tuple[Any, Any]], grid: tuple[int, ...]) -> npt.NDArray[np.bool_]:
        """Return which cells of each tile's map lie in the picture, bool (T, h, w)."""
        side = self.preprocessing.tile
        return np.stack([cells_inside(shape, origin, side, (grid[0], grid[1])) for shape, origin in places])

    def _in_pixels(self, seen: _Tiles) -> FloatArray:
        """Return evidence (T, h, w) as (T, side, side), at least 0, blurred by half a cell."""
        side = self.preprocessing.tile
        # cells outside a picture show padding: their evidence must not be blurred into it
        calm = np.where(seen.inside, seen.evidence, 0).clip(min=0)
        rows, columns = (
            spreading(cells, side, SMOOTHING * side / cells) for cells in seen.evidence.shape[1:3]
        )
        return resampled(calm, rows, columns)

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
                arrays[f"{i}.bank"] = member.detector.patches
            elif isinstance(member.detector, Flow):
                networks[f"{_FLOW}-{i}"] = member.detector.network.model
            settings.append(
                {
                    **{name: getattr(member, name) for name in _PLAIN},
                    "maps": list(member.maps),
                    "position": embedding.position,
                }
            )
        return Stored(networks, arrays, plain({"backbone": self.backbone, "members": settings}))


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
    try:
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
    except (IndexError, KeyError, TypeError, ValueError) as e:
        raise BundleError(
            f"the bundle's arrays do not fit its settings ({type(e).__name__}: {str(e)[:200]}); "
            "it may come from another version: see created_with in its manifest"
        ) from e


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
        detector = Bank(np.asarray(stored.arrays[f"{i}.bank"], dtype=np.float32))
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
