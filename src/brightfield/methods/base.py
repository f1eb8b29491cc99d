"""What every method that learns to inspect looks like from outside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.progress import Progress
from brightfield.verdict import HeatmapKind


@dataclass(frozen=True)
class Judgement:
    """What a method says of one image before calibration.

    Attributes:
        logits: float64 (K,), any scale.
        heat: float32 (h, w) at working size, in [0, 1]: the hottest place is at 1, or at less where
            what decided has no place; None where not asked for.
    """

    logits: npt.NDArray[np.float64]
    heat: npt.NDArray[np.float32] | None


class Method(Protocol):
    """A fitted method: it scores and never changes."""

    @property
    def name(self) -> str:
        """What `--method` calls it."""

    @property
    def heatmap_kind(self) -> HeatmapKind:
        """What its heatmaps mean."""

    def judge(self, working: npt.NDArray[np.uint8], *, explain: bool) -> Judgement:
        """Judge one image at working size, uint8 (h, w, 3)."""

    def score(self, cache: PixelCache, progress: Progress | None = None) -> npt.NDArray[np.float64]:
        """Return the logits of every cached image, float64 (N, K)."""

    def state(self) -> dict[str, npt.NDArray[Any]]:
        """Return the weights."""

    def settings(self) -> dict[str, Any]:
        """Return, with `state`, all that is needed to build the method again."""
