"""The content of a report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brightfield.errors import InputError
from brightfield.evaluation.defect_figures import ImageDefects
from brightfield.evaluation.predictions import Predictions
from brightfield.verdict import Defect, HeatmapKind

KINDS = ("escape", "overkill", "review", "confusion")


@dataclass(frozen=True)
class Pair:
    """The most unusual place of a part beside the good part that comes closest there.

    Attributes:
        image: Name of the good part's picture in the training data.
        part_png: The place on the part as PNG.
        good_png: The place on the good part as PNG, of the same size.
    """

    image: str
    part_png: bytes = field(repr=False)
    good_png: bytes = field(repr=False)


@dataclass(frozen=True)
class Exhibit:
    """One image shown in the report.

    Attributes:
        image: Name of the image in the data set.
        kind: `escape`, `overkill`, `review` or `confusion` (a wrong class was predicted).
        truth: The true class.
        label: The predicted label.
        value: The value on the threshold's scale; for a confusion the label's probability; None where
            unknown.
        threshold: The threshold; None without one.
        picture_png: The image as PNG.
        overlay_png: The image with the heatmap on it as PNG, of the same size; None without a heatmap.
        closest: The most unusual place beside the closest good part; None where the method keeps none.

    Raises:
        InputError: If the kind is unknown or the picture is empty.
    """

    image: str
    kind: str
    truth: str
    label: str
    value: float | None
    threshold: float | None
    picture_png: bytes = field(repr=False)
    overlay_png: bytes | None = field(repr=False)
    closest: Pair | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"exhibit kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        if not self.picture_png:
            raise InputError(f"the exhibit of {self.image} has an empty picture; expected the bytes of a PNG")


@dataclass(frozen=True)
class Outlined:
    """One defect shown enlarged in the report, with the outlines of what is true and what was found.

    Attributes:
        kind: `missed`, `stray` (found where the mask shows nothing) or `found`.
        image: Name of the image in the data set.
        truth: The true defect; None for a stray one.
        found: The found defect; None for a missed one.
        seen: Whether any pixel of the true defect was found.
        iou: The IoU of the two; 0 without either.
        picture_png: The place as PNG.
        outlined_png: The same place with outlines as PNG, of the same size.
    """

    kind: str
    image: str
    truth: Defect | None
    found: Defect | None
    seen: bool
    iou: float
    picture_png: bytes = field(repr=False)
    outlined_png: bytes = field(repr=False)


@dataclass(frozen=True)
class Report:
    """The content of report.html.

    Attributes:
        title: The heading.
        predictions: The predictions, one per image.
        metrics: The figures that `summarise` returned for them.
        history: One row per epoch with numeric series by name (`epoch` is the horizontal axis); may be empty.
        exhibits: Images to show, the worst first within each kind.
        facts: Values by name, in sections (data, model, training, ...).
        notes: Notes for the reader, such as a warning about few parts.
        heatmap_kind: The meaning of the heatmaps beside the exhibits.
        against_masks: The defects found in each image beside those of its mask; empty without masks.
        outlined: Defects to show, in the order of their kinds.
        types: The defect types that the method tells apart; empty for none.
    """

    title: str
    predictions: Predictions
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, float]] = ()
    exhibits: Sequence[Exhibit] = ()
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    heatmap_kind: HeatmapKind = HeatmapKind.ATTRIBUTION
    against_masks: Sequence[ImageDefects] = ()
    outlined: Sequence[Outlined] = ()
    types: Sequence[str] = ()
