"""A method that lives in the tests only: what is coloured is defective, and the colour says of which type.

Pictures are grey. Red is a scratch, green a pit; the score is the strongest colour, from 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.decide.curves import Platt
from brightfield.decide.operating_point import OperatingPoint
from brightfield.inspector import FACTS, Inspector
from brightfield.methods.base import Judgement, Picture, Segments, Stored
from brightfield.methods.registry import Entry, register, unregister
from brightfield.verdict import HeatmapKind

NAME = "colour"
TYPES = ("scratch", "pit")
STRONG, FAINT = 255, 150
"""Levels of a colour on grey of 100: at the first a part is rejected, at the second it passes."""

PIXEL_THRESHOLD = 0.2


class Colour:
    """Finds what is coloured."""

    name = NAME
    heatmap_kind = HeatmapKind.EVIDENCE
    score_step = 0.0

    def __init__(self, types: tuple[str, ...]) -> None:
        self.types = types

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Judge images at working size."""
        return [self._judged(picture.astype(np.float32), explain) for picture in pictures]

    def _judged(self, picture: npt.NDArray[np.float32], explain: bool) -> Judgement:
        heat = (picture.max(2) - picture.min(2)) / np.float32(155)
        class_map = np.where(heat > 0, picture[..., :2].argmax(2) + 1, 0).astype(np.uint8)
        segments = Segments(self.types, class_map, heat.clip(0, 1)) if self.types and explain else None
        return Judgement(float(heat.max()), None, heat if explain else None, segments=segments)

    def stored(self) -> Stored:
        """Return all that is needed to build it again."""
        return Stored({}, {"nothing": np.zeros(1, np.float32)}, {"types": list(self.types)})


def load(
    stored: Stored, _preprocessing: Preprocessing, _classes: Sequence[str], _normal: str | None
) -> Colour:
    """Build the method again."""
    return Colour(tuple(stored.settings["types"]))


def inspector(
    *,
    types: tuple[str, ...] = TYPES,
    classes: tuple[str, ...] = ("OK", *TYPES),
    long_side: int | None = None,
    region: Region | None = None,
    **changes: Any,
) -> Inspector:
    """Return an inspector that rejects from half of the strongest colour on, where its probability is 0.5."""
    rule = Preprocessing(8, long_side, True, 64, 0, (0.4, 0.4, 0.4), (1, 1, 1), region)
    facts: dict[str, Any] = dict.fromkeys(FACTS)
    facts["training"] = {"folds": 0, "options": {}, "notes": []}
    values: dict[str, Any] = {
        "method": Colour(types),
        "preprocessing": rule,
        "classes": classes,
        "normal": "OK",
        "calibrator": Platt(20.0, -10.0),
        "operating_point": OperatingPoint("fixed=0.5", 0.5, 0, 0, 0, 0),
        "facts": facts,
        "reference": {"scores": np.array([0.0, 1.0]), "labels": np.array([0, 1])},
        "splits": {},
        "pixel_threshold": PIXEL_THRESHOLD,
    }
    return Inspector(**{**values, **changes})


def part(shape: tuple[int, int] = (60, 80), *shapes: tuple[str, slice, slice, int]) -> Picture:
    """Return a grey picture, (H, W, 3), with coloured rectangles: type, rows, columns, level."""
    picture = np.full((*shape, 3), 100, np.uint8)
    for defect_type, rows, columns, level in shapes:
        picture[rows, columns, TYPES.index(defect_type)] = level
    return picture


@contextmanager
def registered() -> Iterator[str]:
    """Let inspectors of the method be loaded inside the block."""
    register(NAME, Entry("finds colours", "none:Options", "colour_method:load", "none:make"))
    try:
        yield NAME
    finally:
        unregister(NAME)
