"""The verdict of an inspector on one image, and its parts."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.decode import Pixels, to_rgb8
from brightfield.engine.measurement import Measurement
from brightfield.errors import InputError

FloatMap = npt.NDArray[np.float32]
BoolMap = npt.NDArray[np.bool_]
ClassMap = npt.NDArray[np.uint8]


BOX = ("top", "left", "height", "width")
"""The names of the four numbers of a box."""


UNTYPED = "defect"
"""The label of a part that does not pass, for a method that tells no defect types apart."""


class Decision(StrEnum):
    """The decision on a part: it passes, goes to review by a person, or is rejected."""

    OK = "OK"
    REVIEW = "REVIEW"
    DEFECT = "DEFECT"


DECISIONS = tuple(str(decision) for decision in Decision)
"""Every decision, as text."""


class Scale(StrEnum):
    """The scale of a threshold; lower is more defective for p-values, higher for the others."""

    PROBABILITY = "probability"
    P_VALUE = "p_value"
    SCORE = "score"

    @property
    def words(self) -> str:
        """Return the scale as it is written in a sentence."""
        return self.value.replace("_", "-")


class HeatmapKind(StrEnum):
    """The meaning of a heatmap: attribution shows what drove the decision, evidence where the defect is."""

    ATTRIBUTION = "attribution"
    EVIDENCE = "evidence"


@dataclass(frozen=True)
class Closest:
    """The good part that comes closest to a part at its most unusual place.

    Attributes:
        image: Name of the good part's picture, as the training data set had it.
        crop: What the good part looks like there, uint8 (h, w, 3) at working size.
        distance: How far the place is from it, in units of the method's score.
        box: The (top, left, height, width) of the place in pixels: of the image at working size in a
            `Judgement`, of the original image in a `Verdict`. The crop shows the same extent.
    """

    image: str
    crop: npt.NDArray[np.uint8] = field(repr=False, compare=False)
    distance: float
    box: tuple[int, int, int, int]

    def moved(self, shape: tuple[int, ...], size: tuple[int, int], corner: tuple[int, int]) -> Closest:
        """Return the same with its box in another picture.

        Args:
            shape: The (h, w, ...) of the picture that the box lies in.
            size: The (H, W) to which that picture is resized.
            corner: The row and column at which the resized picture lies in the other.
        """
        top, left, height, width = self.box
        rows, columns = (
            (start * new // old, max(start * new // old + 1, -(-(start + length) * new // old)))
            for start, length, old, new in zip((top, left), (height, width), shape, size, strict=False)
        )
        box = (corner[0] + rows[0], corner[1] + columns[0], rows[1] - rows[0], columns[1] - columns[0])
        return replace(self, box=box)

    def as_dict(self) -> dict[str, Any]:
        """Return the image, the distance and the box as `brightfield inspect --json` prints them."""
        box = dict(zip(BOX, self.box, strict=True))
        return {"image": self.image, "distance": self.distance, "box": box}


@dataclass(frozen=True)
class Defect:
    """One connected defect, measured in pixels of the original image.

    Attributes:
        type: The defect type.
        area: The number of its pixels.
        length: The longer side of the smallest rectangle, at any angle, around the defect, in pixels.
        width: The shorter side of that rectangle, in pixels.
        centre: The (row, column) of the centre of its area; a pixel's own centre is a whole number.
        box: The (top, left, height, width) of the pixels, upright.
        heat: The largest heat in it.
        probability: The largest probability of a defective pixel in it; None where the method gives none.
        mm_per_pixel: The side of a pixel in millimetres; None where it is not known.
    """

    type: str
    area: int
    length: float
    width: float
    centre: tuple[float, float]
    box: tuple[int, int, int, int]
    heat: float
    probability: float | None = None
    mm_per_pixel: float | None = None

    @property
    def area_mm2(self) -> float | None:
        """The area in square millimetres; None without a scale, like the other two."""
        return None if self.mm_per_pixel is None else self.area * self.mm_per_pixel**2

    @property
    def length_mm(self) -> float | None:
        """The length in millimetres."""
        return None if self.mm_per_pixel is None else self.length * self.mm_per_pixel

    @property
    def width_mm(self) -> float | None:
        """The width in millimetres."""
        return None if self.mm_per_pixel is None else self.width * self.mm_per_pixel

    def as_dict(self) -> dict[str, Any]:
        """Return the measures as `brightfield inspect --json` prints them, in six digits."""
        measures = {"length_px": self.length, "width_px": self.width}
        if self.mm_per_pixel is not None:
            of_mm = {name: getattr(self, name) for name in ("area_mm2", "length_mm", "width_mm")}
            measures = {**measures, **of_mm}
        return {
            "type": self.type,
            "area_px": self.area,
            **{name: _in_six_digits(value) for name, value in measures.items()},
            "centre": dict(zip(("row", "column"), map(_in_six_digits, self.centre), strict=True)),
            "box": dict(zip(BOX, self.box, strict=True)),
            "heat": _in_six_digits(self.heat),
            "probability": None if self.probability is None else _in_six_digits(self.probability),
        }


def _in_six_digits(value: float) -> float:
    return float(f"{value:.6g}")


@dataclass(frozen=True)
class Verdict:
    """The verdict of an inspector on one image.

    Attributes:
        decision: OK, REVIEW or DEFECT; None for a classifier without a normal class.
        label: The most probable class, or the defect type found.
        score: The method's score, any scale, higher is more defective.
        threshold: The threshold, on `scale`; None without a normal class.
        method: Name of the method that scored the image.
        milliseconds: Time from the decoded image to the verdict, in milliseconds.
        probabilities: Calibrated probability of each class; sums to 1, or is empty.
        probability: Calibrated probability of a defect in [0, 1]; None where none can be given.
        p_value: Share of good parts at least as unusual, in [0, 1]; None where a probability is given.
        heatmap: float32 (H, W) at the original image's size, 0 where nothing suggests a defect. The maximum
            of an attribution map follows the probability: 1 at the threshold (without a normal class, at a
            probability of 0.5 of the named class), 2 at probability 1. An evidence map is in units of the
            score at the threshold.
        heatmap_kind: What the heatmap means; None without one.
        mask: bool (H, W), true for defective pixels: those at the pixel threshold or hotter, of a part that
            passes too; None where the method locates no defects.
        image: Name of the picture, as the caller gave it.
        picture: The image for display, uint8 (H, W) or (H, W, 3); None without a heatmap.
        scale: The scale of the threshold; None without a threshold.
        region: bool (H, W), true where the inspector looks; None for everywhere, or without a heatmap.
        closest: The good part that comes closest at the most unusual place; None without a heatmap, or where
            the method keeps no good parts.
        defects: The connected defects of the mask, the largest first; empty where none was looked for.
        types: The names of the defect types that `class_map` tells apart; empty without one.
        class_map: uint8 (H, W), the type of each pixel of the mask as its position in `types` from 1 on, 0
            elsewhere; None where the method tells no types of pixels apart. A connected defect has one type.
        measured: Whether defects were looked for, so that without any there are none.
        rule: The limit that rejected the part, with what was found, as `scratch.length_mm <= 2.0: 3.4`; None
            where no limit is exceeded, or there are no rules.
        measurement: What drift needs of the picture; None unless it was asked for.
        inspector: The SHA-256 in the manifest of the bundle that judged; None for an inspector that was not
            loaded from one.
        image_sha256: The SHA-256 of the file that was judged; None unless a measurement was asked for, or if
            the image is no file.

    Raises:
        InputError: If a value is outside its range, or two values contradict each other.
    """

    decision: Decision | None
    label: str
    score: float
    threshold: float | None
    method: str
    milliseconds: float
    probabilities: dict[str, float] = field(default_factory=dict)
    probability: float | None = None
    p_value: float | None = None
    heatmap: FloatMap | None = field(default=None, repr=False, compare=False)
    heatmap_kind: HeatmapKind | None = None
    mask: BoolMap | None = field(default=None, repr=False, compare=False)
    image: str = ""
    picture: npt.NDArray[np.uint8] | None = field(default=None, repr=False, compare=False)
    scale: Scale | None = None
    region: BoolMap | None = field(default=None, repr=False, compare=False)
    closest: Closest | None = field(default=None, repr=False, compare=False)
    defects: tuple[Defect, ...] = field(default=(), repr=False)
    types: tuple[str, ...] = field(default=(), repr=False)
    class_map: ClassMap | None = field(default=None, repr=False, compare=False)
    measured: bool = field(default=False, repr=False)
    rule: str | None = None
    measurement: Measurement | None = field(default=None, repr=False, compare=False)
    inspector: str | None = field(default=None, repr=False)
    image_sha256: str | None = field(default=None, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not math.isfinite(self.score):
            raise InputError(f"score is {self.score}; expected a finite number")
        for name in ("probability", "p_value"):
            value = getattr(self, name)
            if value is not None and not 0.0 <= value <= 1.0:
                raise InputError(f"{name} is {value}; expected a number in [0, 1] or None")
        if self.scale is not None and self.value is None:
            raise InputError(f"scale is {str(self.scale)!r}, but {self.scale} is None; expected a value")
        if self.probabilities:
            total = sum(self.probabilities.values())
            if min(self.probabilities.values()) < 0 or not abs(total - 1.0) <= 1e-3:
                raise InputError(f"probabilities sum to {total:.4f}; expected 1, none below 0")
        if self.heatmap is not None and (self.heatmap.ndim != 2 or self.heatmap.dtype != np.float32):
            found = f"{self.heatmap.dtype} {self.heatmap.shape}"
            raise InputError(f"heatmap is {found}; expected float32 of shape (H, W)")
        if (self.heatmap is None) != (self.heatmap_kind is None):
            raise InputError("only one of heatmap and heatmap_kind is given; expected both or neither")
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.dtype != np.bool_):
            raise InputError(f"mask is {self.mask.dtype} {self.mask.shape}; expected bool of shape (H, W)")
        if self.class_map is not None and (self.mask is None or self.class_map.shape != self.mask.shape):
            raise InputError(f"class_map is {self.class_map.shape}; expected the shape of a mask beside it")

    @property
    def value(self) -> float | None:
        """The value that was compared with the threshold, on `scale`; None without a threshold."""
        known = {
            Scale.PROBABILITY: self.probability,
            Scale.P_VALUE: self.p_value,
            Scale.SCORE: self.score,
        }
        return None if self.scale is None else known[self.scale]

    def mask_of(self, defect_type: str) -> BoolMap:
        """Return the pixels of one defect type, bool (H, W).

        Raises:
            InputError: If there is no mask, or the verdict knows no such type.
        """
        if self.mask is None:
            raise InputError("this verdict has no mask; ask for a heatmap, of a method that makes masks")
        known = self.types or tuple({defect.type for defect in self.defects})
        if known and defect_type not in known:
            raise InputError(f"no pixel can be of the type {defect_type!r}; known are: {', '.join(known)}")
        if self.class_map is None:  # then all defects are of one type
            return self.mask.copy()
        return np.asarray(self.class_map == self.types.index(defect_type) + 1)

    def without_maps(self) -> Verdict:
        """Return the verdict without all that has the size of the picture; the measured defects stay."""
        return replace(
            self,
            heatmap=None,
            heatmap_kind=None,
            mask=None,
            picture=None,
            region=None,
            closest=None,
            class_map=None,
        )

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict as `brightfield inspect --json` prints it, without its maps."""
        defects = {"defects": [defect.as_dict() for defect in self.defects]} if self.measured else {}
        return {
            "image": self.image,
            "decision": None if self.decision is None else str(self.decision),
            "label": self.label,
            "score": self.score,
            "probability": self.probability,
            "p_value": self.p_value,
            "threshold": self.threshold,
            "method": self.method,
            "milliseconds": round(self.milliseconds, 3),
            "scale": None if self.scale is None else str(self.scale),
            "rule": self.rule,
            **defects,
        }

    def _repr_html_(self) -> str:
        """Return the picture, the heatmap and the decision as HTML for a notebook."""
        from brightfield.explain.notebook import verdict_html

        return verdict_html(self)


@dataclass(frozen=True)
class Look:
    """One picture and the inspector's verdict on it.

    Attributes:
        pixels: The decoded picture, (H, W) or (H, W, 3), uint8 or uint16.
        verdict: The verdict.
        bits: Bit depth of 16-bit pixels: their white level is 2^bits - 1.
        content: The bytes of the file that was judged, though the file may have been written over since; None
            unless a measurement was asked for, or if the image is no file.
    """

    pixels: Pixels
    verdict: Verdict
    bits: int = 8
    content: bytes | None = field(default=None, repr=False)

    @property
    def picture(self) -> npt.NDArray[np.uint8]:
        """The picture for display, uint8 (H, W, 3)."""
        return to_rgb8(self.pixels, self.bits)

    def _repr_html_(self) -> str:
        """Return the picture, the heatmap and the decision as HTML for a notebook."""
        return self.verdict._repr_html_()
