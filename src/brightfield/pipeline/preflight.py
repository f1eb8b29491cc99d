"""Checks before a training, and the splits of the data set that it uses."""

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
from brightfield.data.hold_out import hold_out, split_test
from brightfield.data.split import fold_numbers, split
from brightfield.decide.auto import OVERKILLS, resolve
from brightfield.decide.calibration import LEAST_DEFECTS
from brightfield.decide.guarantee import parts_needed
from brightfield.decide.policy import DEFAULT_CONFIDENCE, Policy, parse_policy
from brightfield.decide.rules import Rules, check_has_scale
from brightfield.decide.threshold_selection import check_enough
from brightfield.disk.atomic import write_atomically
from brightfield.errors import ConfigError, DataError
from brightfield.methods.base import Learner
from brightfield.methods.locating import check_masks
from brightfield.methods.registry import METHODS, learner
from brightfield.options import TrainOptions, own_options
from brightfield.pipeline.choice import choose_method
from brightfield.progress import Progress

log = logging.getLogger(__name__)

HELD_OUT = 0.15
"""Default share of the images for the calibration split, where out-of-fold scores cannot calibrate."""

MOST_HELD_OUT = 0.25
"""Largest default share of the good parts for calibration, where the method learns from them alone."""

ENOUGH_FOR_A_TEMPERATURE = 2000


@dataclass(frozen=True)
class Ready:
    """A checked data set with its splits.

    Attributes:
        data: Every image with its split; its classes are those of the train and calibration splits.
        calibration: The images that calibrate: with folds, the training images.
        duplicates: int (N,), a group number for each training image, equal for near-duplicates.
        folds: int (N,), the fold of each training image; None where no out-of-fold scores calibrate.
    """

    data: Dataset
    calibration: Dataset
    duplicates: npt.NDArray[np.intp]
    folds: npt.NDArray[np.intp] | None


def make_learner(dataset: Dataset, options: TrainOptions) -> Learner:
    """Return the learner of the method that the options name.

    Raises:
        DataError: If an image has no label.
        ConfigError: If options contradict each other, or one is unknown to the method.
    """
    check_labels(dataset)
    if dataset.normal is None and options.policy not in ("auto", "f1"):
        raise ConfigError(
            f"--policy {options.policy!r} chooses a threshold, and there is none where no class is normal: "
            f"name the class of good parts with --normal ({', '.join(dataset.classes)}), or remove --policy"
        )
    method = choose_method(dataset, options).method
    chosen: Learner = learner(method)(own_options(method, options.own), dataset)
    return chosen


def check_early(rules: Rules, dataset: Dataset, options: TrainOptions) -> None:
    """Check what can be known before the training of whether rules will fit the inspector.

    Raises:
        ConfigError: If the method marks no defects, the size of a pixel is needed and not known, or there is
            no normal class.
    """
    method = choose_method(dataset, options).method
    check_masks(method, METHODS[method].marks_defects)
    if dataset.normal is None:
        raise ConfigError(
            f"--rules reject parts, and no class is normal: name the class of good parts with --normal "
            f"({', '.join(dataset.classes)}), or remove --rules"
        )
    check_has_scale(rules, options.mm_per_pixel or rules.mm_per_pixel)


def near_duplicates(dataset: Dataset, folder: Path, progress: Progress) -> npt.NDArray[np.intp]:
    """Return a group number for each image, equal for near-duplicates; `folder` keeps them for `--resume`."""
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
    """Split the data set, and check what would otherwise fail after the training.

    Near-duplicates stay in one split, except where the data set has splits of its own.

    Args:
        dataset: The data set, with or without splits of its own.
        learner: The learner of the method.
        options: The options of the training.
        duplicates: (N,), a group number for each image, equal for near-duplicates.

    Raises:
        DataError: If a class is missing or too small, or the images are too few for the policy.
        ConfigError: If the policy names a defect type that is not there.
    """
    groups = [int(g) for g in duplicates]
    out_of_fold = calibrates_out_of_fold(dataset, learner, options)
    if learner.good_parts_alone and dataset.normal is not None:
        shared_out = with_defects_held_out(dataset, options, groups)
    else:
        shared_out = _shared_out(dataset, options, groups, out_of_fold)
    train = shared_out.split("train")
    calibration = train if out_of_fold else shared_out.split("calibration")
    learner.check(train, calibration)
    check_calibration(calibration, parse_policy(options.policy), least_defects(learner))
    of_train = np.array([g for g, s in zip(groups, shared_out.samples, strict=True) if s.split == "train"])
    folds = None
    if out_of_fold:
        folds = np.array(fold_numbers(train, learner.folds, options.seed, duplicates=of_train.tolist()))
    known = {str(s.label) for s in shared_out.samples if s.split != "test"}
    data = replace(shared_out, classes=order_classes(known, shared_out.normal))
    return Ready(data, replace(calibration, classes=data.classes), of_train, folds)


def _shared_out(dataset: Dataset, options: TrainOptions, groups: Sequence[int], out_of_fold: bool) -> Dataset:
    share = 0.0 if out_of_fold else HELD_OUT if options.calibration is None else options.calibration
    if dataset.normal is None:
        # no threshold is chosen, and more images do not improve a temperature
        share = min(share, ENOUGH_FOR_A_TEMPERATURE / len(dataset))
    return split(dataset, test=options.test, calibration=share, seed=options.seed, duplicates=groups)


def with_defects_held_out(dataset: Dataset, options: TrainOptions, groups: Sequence[int]) -> Dataset:
    """Return the data set with splits for a method that learns from good parts alone."""
    tested = split_test(dataset, test=options.test, seed=options.seed, duplicates=groups)
    n_good = tested.split("train").labels.count(dataset.normal)
    good = good_held_out(n_good, options.calibration)
    shared_out = hold_out(tested, good, seed=options.seed, duplicates=groups)
    left = [s for s in shared_out.samples if s.split == "train" and s.label != dataset.normal]
    if left:
        log.warning(
            "%d defective parts stay in the train split and are not used, as good parts alone are learned "
            "from: %s",
            len(left),
            "the data set has a calibration split of its own"
            if any(s.split == "calibration" for s in dataset.samples)
            else "they share a group with good parts, of which only so many can be held out",
        )
    return shared_out


def good_held_out(n_good: int, share: float | None = None) -> int:
    """Return how many good parts calibrate, where a method learns from good parts alone.

    By default these are as many as prove the next smaller overkill bound of `auto`, if a quarter of the good
    parts suffices for that, but no fewer than `HELD_OUT` of them; a quarter where none can be proven.

    Args:
        n_good: Number of good parts to learn from and to calibrate on.
        share: The share to hold out, in [0, 1); None for the default.
    """
    if share is not None:
        return round(share * n_good)
    most = int(MOST_HELD_OUT * n_good)
    proving = (parts_needed(bound, DEFAULT_CONFIDENCE) for bound in OVERKILLS)
    return max(round(HELD_OUT * n_good), next((n for n in proving if n <= most), most))


def least_defects(learner: Learner) -> int:
    """Return the number of defective parts from which a learner's method gets a probability."""
    return LEAST_DEFECTS if learner.good_parts_alone else 1


def policy_on(images: Dataset, policy: Policy, learner: Learner) -> Policy:
    """Return the policy that `auto` stands for on these images; any other policy unchanged."""
    if images.normal is None:
        return policy
    return resolve(policy, [label != images.normal for label in images.labels], least_defects(learner))


def calibrates_out_of_fold(dataset: Dataset, learner: Learner, options: TrainOptions) -> bool:
    """Return whether out-of-fold scores of the training images calibrate, so that no images are held out.

    They do not where the policy guarantees a rate, which needs held-out images, or where the data set or the
    options define a calibration split.
    """
    own = any(s.split == "calibration" for s in dataset.samples)
    untested = dataset.subset(s for s in dataset.samples if s.split != "test")
    promises = policy_on(untested, parse_policy(options.policy), learner).promises
    return learner.folds > 0 and options.calibration is None and not promises and not own


def check_labels(dataset: Dataset) -> None:
    """Check that every image has a label.

    Raises:
        DataError: If a label is missing.
    """
    unlabelled = [s.image for s in dataset.samples if s.label is None]
    if unlabelled:
        more = f" and {len(unlabelled) - 3} more" if len(unlabelled) > 3 else ""
        raise DataError(
            f"training needs a label for every image; there is none for {', '.join(unlabelled[:3])}{more}"
        )


def check_calibration(calibration: Dataset, policy: Policy, least_defects: int = 1) -> None:
    """Check before the training that the policy can choose a threshold on the calibration images.

    Args:
        calibration: The images that will calibrate.
        policy: How the threshold will be chosen.
        least_defects: Number of defective parts from which a probability is calibrated.

    Raises:
        DataError: If there are too few images for the policy.
        ConfigError: If the policy names a defect type that is not there.
    """
    if calibration.normal is not None:
        labels = [str(s.label) for s in calibration.samples]
        is_defect = [label != calibration.normal for label in labels]
        promises = resolve(policy, is_defect, least_defects).promises
        note = group_note(calibration.samples) if promises else None
        if note is not None:
            log.warning("%s", note)
        try:
            check_enough(policy, is_defect, labels, least_defects)
        except DataError as error:
            raise DataError(
                f"{error}. A larger --calibration SHARE also gives more images to choose on"
            ) from error


def warn_of_near_duplicates(
    shared_out: Dataset, numbers: Sequence[int] | npt.NDArray[np.intp], policy: Policy
) -> None:
    """Warn of near-duplicates in different splits, and of those that a guarantee counts as separate parts.

    Args:
        shared_out: The data set with a split for every image.
        numbers: A group number for each image, equal for near-duplicates.
        policy: How the threshold will be chosen.
    """
    splits = [str(s.split) for s in shared_out.samples]
    of_number: dict[int, set[str]] = defaultdict(set)
    for split_name, number in zip(splits, numbers, strict=True):
        of_number[number].add(split_name)
    torn = [number for number in numbers if len(of_number[number]) > 1]
    if torn:
        log.warning(
            "%d pictures are nearly the same as one in another split (%s): figures measured there are "
            "too good. `brightfield data check` names the pictures",
            len(torn),
            " and ".join(sorted(set.union(*(of_number[number] for number in torn)))),
        )
    held = [number for split_name, number in zip(splits, numbers, strict=True) if split_name == "calibration"]
    if policy.promises and len(set(held)) < len(held):
        log.warning(
            "%d pictures of the calibration split are nearly the same as another: each counts as a separate "
            "part, so the guarantee is weaker than stated if they show one part",
            len(held) - len(set(held)),
        )


def group_note(samples: Sequence[Sample]) -> str | None:
    """Return a note if groups hold several pictures, which are counted as separate parts; else None."""
    groups = [s.group for s in samples if s.group is not None]
    if len(set(groups)) == len(groups):
        return None
    return (
        f"{len(groups)} pictures show {len(set(groups))} groups: each picture counts as a separate part, "
        "so the evidence is weaker than the count suggests if pictures of a group are alike"
    )
