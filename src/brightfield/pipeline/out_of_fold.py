"""Probabilities of every image's classes by networks that were not trained on it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.data.region import Region
from brightfield.data.split import resplit
from brightfield.decide.calibration import calibrate
from brightfield.decide.fit_calibration import fit_calibrator
from brightfield.decide.policy import parse_policy
from brightfield.decide.scores import Scores
from brightfield.errors import DataError
from brightfield.learn.processes import processes
from brightfield.learn.recipes import find_recipe
from brightfield.methods.base import Job
from brightfield.options import TrainOptions
from brightfield.pipeline.preflight import make_learner, near_duplicates, prepare
from brightfield.progress import Progress, silent

RECIPE = "fast"


@dataclass(frozen=True)
class OutOfFold:
    """What networks say of images that they were not trained on.

    Attributes:
        data: The images, without splits.
        scores: Their scores.
        probabilities: float64 (N, K), calibrated, in the order of the data set's classes.
        labels: int (N,), the position of each image's class.
    """

    data: Dataset
    scores: Scores
    probabilities: npt.NDArray[np.float64]
    labels: npt.NDArray[np.intp]


def out_of_fold(
    dataset: Dataset,
    *,
    folder: Path | None = None,
    seed: int = 0,
    own: Mapping[str, Any] | None = None,
    region: Region | None = None,
    progress: Progress | None = None,
) -> OutOfFold:
    """Return calibrated probabilities of every image by classifiers that were trained without it.

    The features of a frozen network are computed once; a head is trained for each fold. Groups and
    near-duplicates stay in one fold.

    Args:
        dataset: The data set; its own splits are ignored.
        folder: Where decoded images and features are kept, for another call on the same images; None for a
            temporary one.
        seed: The seed of folds and heads.
        own: Options of the classifier, as for a training; its recipe has to train a head.
        region: The region of interest; None for whole pictures.
        progress: Callback for progress reports.

    Raises:
        DataError: If there are fewer than two classes, a class is in one group, or an image cannot be read.
    """
    options = TrainOptions(
        method="classifier",
        normal=dataset.normal,
        policy="auto" if dataset.normal is None else "f1",
        seed=seed,
        test=0.0,
        own={"recipe": find_recipe(RECIPE), **(own or {})},
    )
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return _judged(resplit(dataset), options, region, folder, progress or silent)
    with tempfile.TemporaryDirectory(prefix="brightfield-") as temporary:
        return _judged(resplit(dataset), options, region, Path(temporary), progress or silent)


def _judged(
    dataset: Dataset, options: TrainOptions, region: Region | None, folder: Path, progress: Progress
) -> OutOfFold:
    learner = make_learner(dataset, options)
    ready = prepare(dataset, learner, options, near_duplicates(dataset, folder, progress))
    job = Job(
        data=ready.data,
        policy=parse_policy(options.policy),
        seed=options.seed,
        folder=folder,
        duplicates=ready.duplicates,
        folds=ready.folds,
        process_group=processes(),
        region=region,
        progress=progress,
    )
    scores = learner.fit(job).out_of_fold
    if scores is None:
        raise DataError(f"the recipe gives no out-of-fold scores of {dataset.name}; expected one with folds")
    data = ready.calibration
    labels = np.array([data.classes.index(str(s.label)) for s in data.samples])
    calibrator = fit_calibrator(scores, labels, data.normal_index)
    probabilities = calibrate(calibrator, scores, data.normal_index).by_class
    if probabilities is None:
        raise DataError(f"{dataset.name} gives no probabilities; expected good and defective parts")
    return OutOfFold(resplit(data), scores, np.asarray(probabilities), labels)
