"""Probabilities of every image's classes by networks that were not trained on it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.data.split import resplit
from brightfield.decide.calibration import calibrate
from brightfield.decide.fit_calibration import fit_calibrator
from brightfield.decide.scores import Scores
from brightfield.errors import DataError
from brightfield.learn.processes import processes
from brightfield.learn.recipes import find_recipe
from brightfield.methods.base import Job
from brightfield.options import TrainOptions
from brightfield.pipeline.preflight import Ready, make_learner, near_duplicates, prepare
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
    dataset: Dataset, *, folder: Path | None = None, seed: int = 0, progress: Progress | None = None
) -> OutOfFold:
    """Return calibrated probabilities of every image by classifiers that were trained without it.

    The features of a frozen network are computed once; a head is trained for each fold. Groups and
    near-duplicates stay in one fold.

    Args:
        dataset: The data set; its own splits are ignored.
        folder: Where decoded images and features are kept, for another call on the same images; None for a
            temporary one.
        seed: The seed of folds and heads.
        progress: Callback for progress reports.

    Raises:
        DataError: If there are fewer than two classes, a class is in one group, or an image cannot be read.
    """
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return _out_of_fold(dataset, folder, seed, progress or silent)
    with tempfile.TemporaryDirectory(prefix="brightfield-") as temporary:
        return _out_of_fold(dataset, Path(temporary), seed, progress or silent)


def _out_of_fold(dataset: Dataset, folder: Path, seed: int, progress: Progress) -> OutOfFold:
    options = TrainOptions(
        method="classifier",
        normal=dataset.normal,
        policy="f1" if dataset.normal is not None else "auto",
        seed=seed,
        test=0.0,
        own={"recipe": find_recipe(RECIPE)},
    )
    whole = resplit(dataset)
    learner = make_learner(whole, options)
    ready = prepare(whole, learner, options, near_duplicates(whole, folder, progress))
    fitted = learner.fit(_job(ready, options, folder, progress))
    if fitted.out_of_fold is None:
        raise DataError(f"recipe {RECIPE!r} gave no out-of-fold scores of {dataset.name}")
    data = ready.calibration
    labels = np.array([data.classes.index(str(s.label)) for s in data.samples])
    calibrator = fit_calibrator(fitted.out_of_fold, labels, data.normal_index)
    values = calibrate(calibrator, fitted.out_of_fold, data.normal_index)
    if values.by_class is None:
        raise DataError(f"{dataset.name} gave no probabilities; expected good and defective parts")
    return OutOfFold(resplit(data), fitted.out_of_fold, np.asarray(values.by_class), labels)


def _job(ready: Ready, options: TrainOptions, folder: Path, progress: Progress) -> Job:
    from brightfield.decide.policy import parse_policy

    return Job(
        data=ready.data,
        policy=parse_policy(options.policy),
        seed=options.seed,
        folder=folder,
        duplicates=ready.duplicates,
        folds=ready.folds,
        process_group=processes(),
        progress=progress,
    )
