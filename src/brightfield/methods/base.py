"""The protocols of a method: `Learner` for training and `Method` for inference."""

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
from brightfield.data.region import Region
from brightfield.decide.policy import Policy
from brightfield.decide.scores import Scores
from brightfield.progress import Progress, silent
from brightfield.verdict import Closest, HeatmapKind

Picture = npt.NDArray[np.uint8]
"""An image at its working size, uint8 (h, w, 3)."""


@dataclass(frozen=True)
class Segments:
    """Which pixels show a defect, and of which type, at working size.

    Attributes:
        types: The names of the defect types.
        class_map: uint8 (h, w): the most probable type of each pixel, as its position in `types` from 1 on,
            whether or not the pixel is defective; 0 where no type is.
        probability: float32 (h, w), the probability in [0, 1] that the pixel is defective, of whatever type.
    """

    types: tuple[str, ...]
    class_map: npt.NDArray[np.uint8] = field(repr=False)
    probability: npt.NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Judgement:
    """A method's result for one image, before calibration.

    Attributes:
        score: The defect score on any scale; higher is more defective.
        logits: float64 (K,) if the method distinguishes classes, else None.
        heat: float32 (h, w) at working size; None if not requested. An attribution map is in [0, 1]; its
            maximum is 1, or less if what decided has no position in the picture. An evidence map is in the
            score's units, and 0 where nothing is unusual.
        closest: The good part that comes closest at the most unusual place, with heat only; None where the
            method keeps no good parts.
        segments: The pixels' types, with heat only; None where the method tells no pixels apart.
        embedding: What the picture looks like to the method, float32 (E,), by which drift is noticed; of one
            length for all pictures. None where the method computes nothing of the kind.
    """

    score: float
    logits: npt.NDArray[np.float64] | None
    heat: npt.NDArray[np.float32] | None
    closest: Closest | None = None
    segments: Segments | None = None
    embedding: npt.NDArray[np.float32] | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Stored:
    """The serialised state of a fitted method, from which it can be loaded.

    Attributes:
        networks: The ONNX models by name.
        arrays: The other arrays by name.
        settings: The settings, as JSON types.
    """

    networks: Mapping[str, bytes] = field(repr=False)
    arrays: Mapping[str, npt.NDArray[Any]] = field(repr=False)
    settings: Mapping[str, Any]


class Method(Protocol):
    """A fitted method, on NumPy arrays; it never changes, and several threads may use it at once."""

    @property
    def name(self) -> str:
        """The method's name for `--method`."""

    @property
    def heatmap_kind(self) -> HeatmapKind:
        """The meaning of the method's heatmaps."""

    @property
    def types(self) -> tuple[str, ...]:
        """The defect types between which the method's segments tell pixels apart; empty without segments."""

    @property
    def score_step(self) -> float:
        """The step to which scores are rounded; 0 if they are not."""

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Return the judgement of each picture of a batch, with a heatmap if `explain` is set."""

    def stored(self) -> Stored:
        """Return the state from which the method can be loaded."""


@dataclass(frozen=True)
class SeenAs:
    """How an inspector sees pictures, as a training chose it by its pictures and by its machine's speed.

    Attributes:
        preprocessing: The preprocessing.
        views: The number of views that it learned from.
        reason: Why, in words.
    """

    preprocessing: Preprocessing
    views: int
    reason: str


@dataclass(frozen=True)
class Job:
    """The inputs of a fit.

    Attributes:
        data: The data set, with a split for every image.
        policy: The policy that will choose the threshold.
        seed: The seed of all random draws.
        folder: The folder for checkpoints, from which an interrupted training resumes.
        duplicates: The near-duplicate group of each training image, (N,); groups stay together.
        folds: The fold of each training image, (N,), for calibration on out-of-fold scores; None if a
            calibration split is held out instead.
        process_group: The process group that shares the work, and this process's rank in it.
        region: The region of interest, which the method's preprocessing must have; None for whole pictures.
        progress: Called during every stage.
        seen_as: How an earlier inspector sees pictures, which is to be kept; None to choose it anew.
        kept_features: The folder in which frozen features are kept from one training to the next; None keeps
            none.
    """

    data: Dataset
    policy: Policy
    seed: int
    folder: Path
    duplicates: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp] | None
    process_group: Any
    region: Region | None = None
    progress: Progress = silent
    seen_as: SeenAs | None = None
    kept_features: Path | None = None


@dataclass(frozen=True)
class Fitted:
    """The result of a fit.

    Attributes:
        method: The fitted method.
        preprocessing: The preprocessing of its input.
        cache: The decoded calibration images; with `out_of_fold` scores these are the training images.
        history: The training history, one row an epoch.
        out_of_fold: The score of each training image by networks trained without it; or None.
        facts: The method's entries under `training` in the manifest.
        weights_licence: The licence of the pretrained weights.
        weights_sha256: The SHA-256 of the weights' file, or None.
        learned: A function that scores pictures with the trained network itself, against which the stored
            method is compared.
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


@dataclass(frozen=True)
class Updated:
    """A fitted method that has taken in more good parts.

    Attributes:
        method: The method.
        scores_only_fall: Whether no picture can have a higher score than before.
        facts: What the manifest says of the update.
    """

    method: Method
    scores_only_fall: bool
    facts: Mapping[str, Any]


class Learner(Protocol):
    """Fits a method; one learner is made for each training, by `make(options, data)`.

    Attributes:
        options: The method's options, resolved for this data set.
        folds: The number of folds for calibration on out-of-fold scores; 0 if a calibration split must be
            held out.
        good_parts_alone: Whether it learns from good parts alone, so that every known defect that is not
            tested calibrates.
        identity: JSON values that must be unchanged, with the data and the options, to resume a training.
    """

    options: Any
    folds: int
    good_parts_alone: bool
    identity: Mapping[str, Any]

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Raise DataError if the method cannot be fitted and calibrated on these splits."""

    def check_processes(self, processes: Any) -> None:
        """Raise ConfigError if the method cannot use a process group of this size."""

    def fit(self, job: Job) -> Fitted:
        """Fit the method on the training split."""
