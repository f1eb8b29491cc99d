"""What every method looks like from outside: the half that learns, and the half that judges."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.data.dataset import Dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.policy import Policy
from brightfield.decide.scores import Scores
from brightfield.progress import Progress, silent
from brightfield.verdict import HeatmapKind

Picture = npt.NDArray[np.uint8]
"""An image at its working size, uint8 (h, w, 3)."""


@dataclass(frozen=True)
class Judgement:
    """What a method says of one image before calibration.

    Attributes:
        score: Any scale, higher is more defective.
        logits: float64 (K,), where the method tells classes apart, else None.
        heat: float32 (h, w) at working size; None where not asked for. An attribution map lies in [0, 1]: the
            hottest place is at 1, or at less where what decided has no place. An evidence map is in the
            score's units, 0 where nothing is unusual.
    """

    score: float
    logits: npt.NDArray[np.float64] | None
    heat: npt.NDArray[np.float32] | None


@dataclass(frozen=True)
class Stored:
    """All that is needed to build a fitted method again.

    Attributes:
        networks: ONNX models by name.
        arrays: Further arrays by name.
        settings: JSON's own types.
    """

    networks: Mapping[str, bytes] = field(repr=False)
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    settings: Mapping[str, Any]


class Method(Protocol):
    """A fitted method: NumPy in, NumPy out. It never changes, and several threads may use it at once."""

    @property
    def name(self) -> str:
        """What `--method` calls it."""

    @property
    def heatmap_kind(self) -> HeatmapKind:
        """What its heatmaps mean."""

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Judge images at working size, all together; with a heatmap each where `explain` is set."""

    def stored(self) -> Stored:
        """Return all that is needed to build the method again."""


@dataclass(frozen=True)
class Job:
    """What a learner is given.

    Attributes:
        data: Every image with its split, `train` among them.
        policy: What will choose the threshold.
        seed: Of everything random.
        folder: Where it may keep what a training that was stopped goes on from.
        duplicates: (N,) of the training images, equal for near-duplicates, which stay together.
        folds: (N,) of the training images, the fold of each where they calibrate out of fold; else None.
        process_group: This process among those that share the work.
        progress: Told of every stage.
    """

    data: Dataset
    policy: Policy
    seed: int
    folder: Path
    duplicates: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp] | None
    process_group: Any
    progress: Progress = silent


@dataclass(frozen=True)
class Fitted:
    """What a learner returns.

    Attributes:
        method: The fitted method.
        preprocessing: What happens to every image before it.
        cache: The images that calibrate, decoded: the training images where there are `out_of_fold` scores.
        history: One row an epoch.
        out_of_fold: Scores of the training images by networks that had not been shown them, or None.
        facts: What the manifest's `training` says of the method.
        weights_licence: The terms of the pretrained weights.
        weights_sha256: Of the file they came from, or None.
        learned: Judges pictures by what learned, not by what is stored, to compare the two.
    """

    method: Method
    preprocessing: Preprocessing
    cache: PixelCache
    history: list[dict[str, float]]
    out_of_fold: Scores | None
    facts: Mapping[str, Any]
    weights_licence: str
    weights_sha256: str | None
    learned: Callable[[Sequence[Picture]], Scores]


class Learner(Protocol):
    """What learns a method. It is made for one training: `make(options, data)`.

    Attributes:
        options: Of the method, as they were resolved for this data set.
        folds: In how many folds the training images can calibrate; 0 where images must be held out.
        identity: JSON values that, beside data and options, a resumed training must share.
    """

    options: Any
    folds: int
    identity: Mapping[str, Any]

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Raise DataError where the splits lack what the method needs."""

    def check_processes(self, processes: Any) -> None:
        """Raise ConfigError where several processes cannot share the work."""

    def fit(self, job: Job) -> Fitted:
        """Learn, and return the fitted method."""
