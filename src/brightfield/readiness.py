"""What a data set must hold before a training begins."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from brightfield.data.dataset import Dataset, Sample, check_judged
from brightfield.decide.choose import check_enough
from brightfield.decide.policy import Policy
from brightfield.errors import ConfigError, DataError

log = logging.getLogger(__name__)


def check_labels(dataset: Dataset) -> None:
    """Refuse a data set without a label for every image, or of one class only.

    Raises:
        DataError: If that is so.
    """
    unlabelled = [s.image for s in dataset.samples if s.label is None]
    if unlabelled:
        more = f" and {len(unlabelled) - 3} more" if len(unlabelled) > 3 else ""
        raise DataError(f"training needs a label for every image; none for {', '.join(unlabelled[:3])}{more}")
    if len(set(dataset.labels)) == 1:
        only = dataset.labels[0]
        raise DataError(f"the data set shows one class only, {only!r}; a classifier needs two: add the other")


def check_policy_applies(policy: str, dataset: Dataset) -> None:
    """Refuse to choose a threshold where no class is normal.

    Raises:
        ConfigError: If another policy than the default is asked for there.
    """
    if dataset.normal is None and policy not in ("auto", "f1"):
        raise ConfigError(
            f"--policy {policy!r} chooses a threshold, and where no class is normal there is none: "
            f"name the class of good parts with --normal ({', '.join(dataset.classes)}), or leave it out"
        )


def check_calibration(part: Dataset, policy: Policy) -> None:
    """Refuse before the training what would only fail after it.

    Args:
        part: The images that will calibrate.
        policy: What will choose the threshold on them.

    Raises:
        DataError: If the part lacks a kind of part, or holds too few for the policy.
        ConfigError: If the policy names a defect type that is not there.
    """
    check_judged(part, "give `calibration` a larger share, or --resplit to share all images out again")
    if part.normal is not None:
        labels = [str(s.label) for s in part.samples]
        said = group_note(part.samples) if policy.promises else None
        if said is not None:
            log.warning("%s", said)
        try:
            check_enough(policy, [label != part.normal for label in labels], labels)
        except DataError as error:
            raise DataError(
                f"{error}. A larger --calibration SHARE of the images to choose on helps too"
            ) from error


def warn_of_near_duplicates(parted: Dataset, numbers: Sequence[int], policy: Policy) -> None:
    """Warn of near-duplicates that the data set's own parts tear apart, and that a promise counts as parts.

    Args:
        parted: With a part for every image.
        numbers: One an image, equal for near-duplicates.
        policy: What will choose the threshold.
    """
    parts = [str(s.part) for s in parted.samples]
    of_number: dict[int, set[str]] = defaultdict(set)
    for part, number in zip(parts, numbers, strict=True):
        of_number[number].add(part)
    torn = [number for number in numbers if len(of_number[number]) > 1]
    if torn:
        log.warning(
            "%d pictures are nearly the same as one in another part (%s): what is measured there is "
            "flattered. `brightfield data check` names them",
            len(torn),
            " and ".join(sorted(set.union(*(of_number[number] for number in torn)))),
        )
    held = [number for part, number in zip(parts, numbers, strict=True) if part == "calibration"]
    if policy.promises and len(set(held)) < len(held):
        log.warning(
            "%d pictures of the calibration part are nearly the same as another: each counts as a part of "
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
