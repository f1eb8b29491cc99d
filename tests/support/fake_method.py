"""A method that lives in the tests only: from good parts alone it learns to give a score and a map.

A part's score is how far it is from the mean good part, at the place where it is farthest.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.scores import Scores
from brightfield.errors import BundleError, DataError
from brightfield.methods.base import Fitted, Job, Judgement, Picture, Stored
from brightfield.methods.declared import check_all, option
from brightfield.methods.registry import METHODS, Entry, register, unregister
from brightfield.verdict import HeatmapKind

NAME = "mean-part"


@dataclass(frozen=True)
class MeanPartOptions:
    """How the mean part is learned."""

    image_size: int = option(
        "the longer side of the working image", default=48, metavar="PX", low=8, high=512
    )
    gain: float = option("what distances are multiplied by", default=2.0, metavar="G", low=0)

    def __post_init__(self) -> None:
        check_all(self)


class MeanPart:
    """The mean good part."""

    name = NAME
    heatmap_kind = HeatmapKind.EVIDENCE
    types: tuple[str, ...] = ()
    score_step = 0.0

    def __init__(self, mean: npt.NDArray[np.float32], gain: float) -> None:
        self.mean, self.gain = mean, gain

    def judge(self, pictures: Sequence[Picture], *, explain: bool) -> list[Judgement]:
        """Judge images at working size."""
        maps = [self.distances(picture) for picture in pictures]
        return [Judgement(float(m.max()), None, m if explain else None) for m in maps]

    def distances(self, picture: Picture) -> npt.NDArray[np.float32]:
        """Return how far each place is from the mean part, (h, w)."""
        height, width = (min(a, b) for a, b in zip(picture.shape[:2], self.mean.shape, strict=True))
        out = np.zeros(picture.shape[:2], dtype=np.float32)
        grey = picture[:height, :width].mean(2, dtype=np.float32)
        out[:height, :width] = self.gain * np.abs(grey - self.mean[:height, :width]) / 255
        return out

    def stored(self) -> Stored:
        """Return all that is needed to build it again."""
        return Stored({}, {"mean": self.mean}, {"gain": self.gain})


def load(
    stored: Stored, _preprocessing: Preprocessing, _classes: Sequence[str], _normal: str | None
) -> MeanPart:
    """Build the method again."""
    try:
        return MeanPart(np.asarray(stored.arrays["mean"], dtype=np.float32), float(stored.settings["gain"]))
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"the mean part is not whole: {error}") from error


class MeanPartLearner:
    """Learns the mean good part."""

    folds = 0
    good_parts_alone = True

    def __init__(self, options: MeanPartOptions) -> None:
        self.options = options
        self.identity = {"image_size": options.image_size, "gain": options.gain}

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Refuse splits without good parts."""
        for name, found in (("train", train), ("calibration", calibration)):
            if found.normal is None or found.normal not in found.labels:
                raise DataError(f"the {name} split holds no good part; add some")

    def check_processes(self, processes: Any) -> None:
        """Any number may share this work, as there is none."""

    def fit(self, job: Job) -> Fitted:
        """Average the good training parts."""
        rule = Preprocessing(
            8, self.options.image_size, True, self.options.image_size, 0, (0, 0, 0), (1, 1, 1), job.region
        )
        train = job.data.split("train")
        caches = [
            build_cache([s.path for s in part.samples], rule=rule, folder=job.folder / "pixels")
            for part in (train, job.data.split("calibration"))
        ]
        good = [i for i, s in enumerate(train.samples) if s.label == train.normal]
        mean = np.mean([caches[0][i].mean(2) for i in good], axis=0).astype(np.float32)
        method = MeanPart(mean, self.options.gain)

        def learned(pictures: Sequence[Picture]) -> Scores:
            return Scores(np.array([method.distances(p).max() for p in pictures], dtype=np.float64))

        return Fitted(
            method=method,
            preprocessing=rule,
            cache=caches[1],
            history=[],
            out_of_fold=None,
            facts={"plan": "the mean of the good parts"},
            weights_licence="none",
            weights_sha256=None,
            learned=learned,
        )


def make_learner(options: MeanPartOptions, _dataset: Dataset) -> MeanPartLearner:
    """Return what learns the mean part."""
    return MeanPartLearner(options)


ENTRY = Entry(
    summary="the mean good part",
    options="fake_method:MeanPartOptions",
    load="fake_method:load",
    learner="fake_method:make_learner",
    good_parts_alone=True,
)


@contextmanager
def registered(*, beside: Collection[str] | None = None) -> Iterator[str]:
    """Let the method be trained and loaded inside the block; `beside` names which others stay, None all."""
    others = {} if beside is None else {n: e for n, e in METHODS.items() if n not in beside}
    every = dict(METHODS)
    for name in others:
        unregister(name)
    register(NAME, ENTRY)
    try:
        yield NAME
    finally:
        METHODS.clear()
        METHODS.update(every)
