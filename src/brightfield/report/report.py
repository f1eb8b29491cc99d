"""The report as a value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brightfield.errors import InputError
from brightfield.evaluation.predictions import Predictions
from brightfield.verdict import HeatmapKind

KINDS = ("escape", "overkill", "review", "confusion")


@dataclass(frozen=True)
class Exhibit:
    """One image worth looking at.

    Attributes:
        image: The image as the data set names it.
        kind: `escape`, `overkill`, `review` or `confusion` (called another class than the true one).
        truth: The true class.
        label: What the inspector called it.
        value: What the threshold is compared with; of a confusion the label's probability; None where there
            is none.
        threshold: What the value was compared with; None where nothing was.
        picture_png: The image as PNG.
        overlay_png: The image with the heatmap on it as PNG, of the same size; None without a heatmap.

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

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"exhibit kind is {self.kind!r}; expected one of {', '.join(KINDS)}")
        if not self.picture_png:
            raise InputError(f"the exhibit of {self.image} has an empty picture; expected the bytes of a PNG")


@dataclass(frozen=True)
class Report:
    """Everything report.html shows.

    Attributes:
        title: The heading.
        predictions: One row an image.
        metrics: What `summarise` returned for them.
        history: One row an epoch, any numeric series by name (`epoch` is the horizontal axis); may be empty.
        exhibits: Images to show, the worst first within each kind.
        facts: Section (data, model, training, fingerprints, ...) to name to value.
        notes: Sentences the reader must know, such as how few parts there were.
        heatmap_kind: What the heatmaps beside the exhibits mean.
    """

    title: str
    predictions: Predictions
    metrics: Mapping[str, Any]
    history: Sequence[Mapping[str, float]] = ()
    exhibits: Sequence[Exhibit] = ()
    facts: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    heatmap_kind: HeatmapKind = HeatmapKind.ATTRIBUTION
