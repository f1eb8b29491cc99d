"""What a data set must hold before a training begins, and which images train, calibrate and test."""

from __future__ import annotations

import json
import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset, Sample, order_classes
from brightfield.data.fingerprints import near_duplicate_groups
from brightfield.data.split import fold_numbers, split
from brightfield.decide.policy import Policy, parse_policy
from brightfield.decide.threshold_selection import check_enough
from brightfield.disk.atomic import write_atomically
from brightfield.errors import ConfigError, DataError
from brightfield.methods.base import Learner
from brightfield.methods.registry import METHODS, learner
from brightfield.options import TrainOptions, own_options
from brightfield.progress import Progress

log = logging.getLogger(__name__)

HELD_OUT = 0.15
"""Share of the images that calibrate where the training images cannot."""

ENOUGH_FOR_A_TEMPERATURE = 2000


@dataclass(frozen=True)
class Ready:
    """A data set that a learner can learn from.

    Attributes:
        data: Every image with its split; its classes are those that train or calibrate.
        calibration: The images that calibrate: the training images where they do so out of fold.
        duplicates: (N,) of the training images, equal for near-duplicates.
        folds: (N,) of the training images, where they calibrate out of fold; else None.
    """

    data: Dataset
    calibration: Dataset
    duplicates: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp] | None


def choose_method(dataset: Dataset, asked: str) -> str:
    """Return the method that `--method` names, or for `auto` the one that suits the labels.

    Raises:
        ConfigError: If there is no such method.
    """
    if asked != "auto":
        return asked
    alone = [name for name, entry in METHODS.items() if entry.good_parts_alone]
    return alone[0] if alone and set(dataset.labels) == {dataset.normal} else "classifier"


def make_learner(dataset: Dataset, options: TrainOptions) -> Learner:
    """Return what learns the method that the options ask for.

    Raises:
        DataError: If an image has no label.
        ConfigError: If the options do not go together, or the method does not know one of them.
    """
    check_labels(dataset)
    if dataset.normal is None and options.policy not in ("auto", "f1"):
        raise ConfigError(
            f"--policy {options.policy!r} chooses a threshold, and where no class is normal there is none: "
            f"name the class of good parts with --normal ({', '.join(dataset.classes)}), or leave it out"
        )
    method = choose_method(dataset, options.method)
    made: Learner = learner(method)(own_options(method, options.own), dataset)
    return made


def near_duplicates(dataset: Dataset, folder: Path, progress: Progress) -> npt.NDArray[np.intp]:
    """Return a number for each image, equal for near-duplicates; a resumed training finds them again."""
    note = folder / "near-duplicates.json"
    if note.exists():
        return np.asarray(json.loads(note.read_text(encoding="utf-8")), dtype=np.intp)
    groups = near_duplicate_groups([s.path for s in dataset.samples], progress)
    write_atomically(note, json.dumps([int(g) for g in groups]).encode())
    return np.asarray(groups, dtype=np.intp)


def prepare(
    dataset: Dataset,
    learner: Learner,
    options: TrainOptions,
    duplicates: Sequence[int] | npt.NDArray[np.intp],
) -> Ready:
    """Share the images out and refuse what would only fail later.

    Where the splits are chosen here, near-duplicates stay together.

    Args:
        dataset: With splits of its own, or none.
        learner: What will learn.
        options: How.
        duplicates: (N,), equal for near-duplicates.

    Raises:
        DataError: If a class is missing or too small, or the images do not suffice for the policy.
        ConfigError: If the policy names a defect type that is not there.
    """
    policy = parse_policy(options.policy)
    groups = [int(g) for g in duplicates]
    out_of_fold = calibrates_out_of_fold(dataset, learner, options, policy)
    share = 0.0 if out_of_fold else HELD_OUT if options.calibration is None else options.calibration
    if dataset.normal is None:
        # there is no threshold to choose, and a temperature does not get better with more
        share = min(share, ENOUGH_FOR_A_TEMPERATURE / len(dataset))
    shared_out = split(dataset, test=options.test, calibration=share, seed=options.seed, duplicates=groups)
    train = shared_out.split("train")
    calibration = train if out_of_fold else shared_out.split("calibration")
    learner.check(train, calibration)
    check_calibration(calibration, policy)
    of_train = np.array([g for g, s in zip(groups, shared_out.samples, strict=True) if s.split == "train"])
    folds = None
    if out_of_fold:
        folds = np.array(fold_numbers(train, learner.folds, options.seed, duplicates=of_train.tolist()))
    known = {str(s.label) for s in shared_out.samples if s.split != "test"}
    data = replace(shared_out, classes=order_classes(known, shared_out.normal))
    return Ready(data, replace(calibration, classes=data.classes), of_train, folds)


def calibrates_out_of_fold(dataset: Dataset, learner: Learner, options: TrainOptions, policy: Policy) -> bool:
    """Tell whether the training images calibrate too, so that none has to be held out for that.

    A guarantee needs images that trained nothing; a split that the data set names for calibration is used.
    """
    own = any(s.split == "calibration" for s in dataset.samples)
    return learner.folds > 0 and options.calibration is None and not policy.promises and not own


def check_labels(dataset: Dataset) -> None:
    """Refuse a data set without a label for every image.

    Raises:
        DataError: If one is missing.
    """
    unlabelled = [s.image for s in dataset.samples if s.label is None]
    if unlabelled:
        more = f" and {len(unlabelled) - 3} more" if len(unlabelled) > 3 else ""
        raise DataError(f"training needs a label for every image; none for {', '.join(unlabelled[:3])}{more}")


def check_calibration(calibration: Dataset, policy: Policy) -> None:
    """Refuse before the training what would only fail after it.

    Args:
        calibration: The images that will calibrate.
        policy: What will choose the threshold on them.

    Raises:
        DataError: If there are too few for the policy.
        ConfigError: If the policy names a defect type that is not there.
    """
    if calibration.normal is not None:
        labels = [str(s.label) for s in calibration.samples]
        said = group_note(calibration.samples) if policy.promises else None
        if said is not None:
            log.warning("%s", said)
        try:
            check_enough(policy, [label != calibration.normal for label in labels], labels)
        except DataError as error:
            raise DataError(
                f"{error}. A larger --calibration SHARE of the images to choose on helps too"
            ) from error


def warn_of_near_duplicates(
    shared_out: Dataset, numbers: Sequence[int] | npt.NDArray[np.intp], policy: Policy
) -> None:
    """Warn of near-duplicates that the data set's own splits tear apart, and that a promise counts as parts.

    Args:
        shared_out: With a split for every image.
        numbers: One an image, equal for near-duplicates.
        policy: What will choose the threshold.
    """
    splits = [str(s.split) for s in shared_out.samples]
    of_number: dict[int, set[str]] = defaultdict(set)
    for split_name, number in zip(splits, numbers, strict=True):
        of_number[number].add(split_name)
    torn = [number for number in numbers if len(of_number[number]) > 1]
    if torn:
        log.warning(
            "%d pictures are nearly the same as one in another split (%s): what is measured there is "
            "flattered. `brightfield data check` names them",
            len(torn),
            " and ".join(sorted(set.union(*(of_number[number] for number in torn)))),
        )
    held = [number for split_name, number in zip(splits, numbers, strict=True) if split_name == "calibration"]
    if policy.promises and len(set(held)) < len(held):
        log.warning(
            "%d pictures of the calibration split are nearly the same as another: each counts as a part of "
            "its own, and the promise proves less than it says if they show one part",
            len(held) - len(set(held)),
        )


def group_note(samples: Sequence[Sample]) -> str | None:
    """Return what to say of samples whose groups show several pictures, to somebody who counts parts."""
    groups = [s.group for s in samples if s.group is not None]
    if len(set(groups)) == len(groups):
        return None
    return (
        f"{len(groups)} pictures show {len(set(groups))} groups: each picture counts as a part of its own, "
        "which proves less than it seems if pictures of a group are alike"
    )
