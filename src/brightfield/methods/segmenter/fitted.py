"""The fitted segmenter: a network that tells apart which pixels are defective, and of which type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import stitch, tile_starts
from brightfield.engine.network import Network
from brightfield.engine.pixels import normalise
from brightfield.engine.resample import interpolating, resampled
from brightfield.errors import said_if_unfit
from brightfield.methods.base import Judgement, Picture, Segments, Stored
from brightfield.methods.segmenter.evidence import SPECK, class_logits, evidence_of, highest
from brightfield.verdict import HeatmapKind

FloatArray = npt.NDArray[np.float32]

PICTURES, TYPES = "pictures", "types"
"""The input of the ONNX model, normalised pictures (N, 3, H, W), and its output, the probability of each
defect type at a stride, (N, types, H/stride, W/stride)."""

GRAIN = 32
"""The sides of what the network sees are multiples of so many pixels."""

_NETWORK = "segmenter"


class Pixels(Protocol):
    """Computes the probability of each defect type in each pixel."""

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the probabilities (N, types, H/stride, W/stride) of normalised pictures (N, 3, H, W)."""

    def models(self) -> dict[str, bytes]:
        """Return the ONNX models by the names under which they are stored."""


@dataclass(frozen=True, eq=False)
class ExportedPixels:
    """The probabilities of an exported network, as `Pixels` has it."""

    network: Network

    def __call__(self, x: FloatArray) -> FloatArray:
        """Return the probabilities of each type."""
        return self.network({PICTURES: x}, [TYPES])[0]

    def models(self) -> dict[str, bytes]:
        """Return the ONNX model."""
        return {_NETWORK: self.network.model}


@dataclass(frozen=True)
class Known:
    """What a segmenter knows of classes and types.

    Attributes:
        types: The names of the defect types that it tells apart.
        class_of_type: The position of each type's class among the classes.
        classes: The number of classes.
        normal: The position of the normal class.
        fixed: Whether the network takes tiles of one size only.
    """

    types: tuple[str, ...]
    class_of_type: tuple[int, ...]
    classes: int
    normal: int
    fixed: bool = False


class Segmenter:
    """A fitted segmenter, as `Method` has it."""

    name = "segmenter"
    heatmap_kind = HeatmapKind.EVIDENCE
    score_step = 0.0

    def __init__(self, pixels: Pixels, known: Known, preprocessing: Preprocessing) -> None:
        """Build the method.

        Args:
            pixels: What computes the probabilities of pixels.
            known: The classes and types.
            preprocessing: The preprocessing; pictures larger than its tile are seen in overlapping pieces.
        """
        self.pixels, self.known, self.preprocessing = pixels, known, preprocessing

    @property
    def types(self) -> tuple[str, ...]:
        """The defect types between which pixels are told apart."""
        return self.known.types

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Return the judgement of each picture of a batch, with heat and segments if `explain` is set.

        The score is the mean evidence of the few most probably defective pixels.

        Args:
            pictures: Images at working size, uint8 (h, w, 3) each.
            explain: Whether to return heat and segments.
        """
        return [self._judge(picture, explain=explain) for picture in pictures]

    def _judge(self, picture: Picture, *, explain: bool) -> Judgement:
        shape = (picture.shape[0], picture.shape[1])
        types, stride = self._types(picture)  # (types, h/stride, w/stride)
        defective = types.sum(0, dtype=np.float32).clip(0, 1)
        inside = self._inside(shape, defective.shape, stride)
        top = highest(defective, inside, -(-SPECK // stride**2))
        score = float(evidence_of(defective.ravel()[top]).mean(dtype=np.float64))
        known = self.known
        found = types.reshape(len(types), -1)[:, top].mean(1)
        logits = class_logits(score, found, np.asarray(known.class_of_type), known.classes, known.normal)
        if not explain:
            return Judgement(score, logits, None)
        large = _enlarged(defective, shape, stride)
        if self.preprocessing.region is not None:
            large = np.where(self.preprocessing.region_at(shape), large, np.float32(0))
        heat = evidence_of(large)
        # enlarging blurs the places that made the score: a part that is rejected is hot somewhere
        hottest = float(heat.max())
        if 0 < hottest < score:
            heat = np.minimum(
                heat * np.float32(score / hottest * (1 + 1e-6)), evidence_of(np.ones(1, np.float32))
            )
        class_map = (types.argmax(0) + 1).astype(np.uint8)
        nearest = Image.fromarray(class_map).resize(
            (class_map.shape[1] * stride, class_map.shape[0] * stride), Image.Resampling.NEAREST
        )
        segments = Segments(known.types, np.asarray(nearest)[: shape[0], : shape[1]], large)
        return Judgement(score, logits, heat, segments=segments)

    def _inside(
        self, shape: tuple[int, int], grid: tuple[int, ...], stride: int
    ) -> npt.NDArray[np.bool_] | None:
        """Return which cells of a map show the region of interest, bool (h, w); None for all of them."""
        if self.preprocessing.region is None:
            return None
        rows, columns = (
            np.minimum(np.arange(cells) * stride + stride // 2, length - 1)
            for length, cells in zip(shape, grid, strict=True)
        )
        inside = self.preprocessing.region_at(shape)[np.ix_(rows, columns)]
        return inside if inside.any() else None

    def _types(self, picture: Picture) -> tuple[FloatArray, int]:
        """Return the probabilities (types, ceil(h/stride), ceil(w/stride)) of a picture, and the stride."""
        height, width = picture.shape[:2]
        tile = self.preprocessing.tile
        sides = [
            tile if self.known.fixed else min(tile, -(-side // GRAIN) * GRAIN) for side in (height, width)
        ]
        starts = [
            _starts(side, part, self.preprocessing.overlap)
            for side, part in zip((height, width), sides, strict=True)
        ]
        origins = [(top, left) for top in starts[0] for left in starts[1]]
        pieces = [self._piece(picture, origin, (sides[0], sides[1])) for origin in origins]
        maps = np.concatenate([self.pixels(piece) for piece in pieces])
        stride = sides[0] // maps.shape[2]
        grid = (-(-height // stride), -(-width // stride))
        return stitch(maps, [(top // stride, left // stride) for top, left in origins], grid), stride

    def _piece(self, picture: Picture, origin: tuple[int, int], sides: tuple[int, int]) -> FloatArray:
        """Return a piece of a picture, normalised (1, 3, *sides), padded below and on the right."""
        (top, left), (height, width) = origin, sides
        seen = picture[top : top + height, left : left + width]
        if seen.shape[:2] != sides:
            padded = np.empty((height, width, 3), np.uint8)
            padded[:] = self.preprocessing.fill
            padded[: seen.shape[0], : seen.shape[1]] = seen
            seen = padded
        return normalise(seen[None], self.preprocessing)

    def stored(self) -> Stored:
        """Return the state from which `load_segmenter` builds the method."""
        known = self.known
        settings = {
            "types": list(known.types),
            "class_of_type": list(known.class_of_type),
            "fixed": known.fixed,
        }
        return Stored(self.pixels.models(), {}, settings)


def _starts(length: int, part: int, overlap: int) -> list[int]:
    """Return the first pixel of each piece along one side, multiples of `GRAIN`, which all strides divide."""
    if length <= part:
        return [0]
    grains = tile_starts(-(-length // GRAIN), part // GRAIN, -(-overlap // GRAIN))
    return [grain * GRAIN for grain in grains]


def _enlarged(values: FloatArray, shape: tuple[int, int], stride: int) -> FloatArray:
    """Return a map of a stride enlarged to (h, w), linear between pixel centres."""
    if stride == 1:
        return values
    rows, columns = (interpolating(cells, cells * stride) for cells in values.shape)
    return np.ascontiguousarray(resampled(values, rows, columns)[: shape[0], : shape[1]])


def load_segmenter(
    stored: Stored, preprocessing: Preprocessing, classes: Sequence[str], normal: str | None
) -> Segmenter:
    """Load the method from the state that `Segmenter.stored` returned.

    Raises:
        BundleError: If a setting or the network is missing or wrong, or ONNX Runtime cannot run it.
    """
    with said_if_unfit():
        types = tuple(str(name) for name in stored.settings["types"])
        class_of_type = tuple(int(i) for i in stored.settings["class_of_type"])
        if normal is None or len(types) != len(class_of_type) or not types:
            raise ValueError("types and their classes do not fit, or no class is normal")
        for i in class_of_type:
            if not 0 <= i < len(classes):
                raise ValueError(f"a type is of class number {i}; there are {len(classes)}")
        at = classes.index(normal)
        if at in class_of_type:
            raise ValueError(f"a type is of the normal class, {normal!r}")
        known = Known(types, class_of_type, len(classes), at, bool(stored.settings["fixed"]))
        return Segmenter(ExportedPixels(Network(stored.networks[_NETWORK])), known, preprocessing)
