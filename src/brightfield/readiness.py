"""What a data set must hold before a training begins."""

from __future__ import annotations

import logging

from brightfield.data.dataset import Dataset
from brightfield.decide.choose import check_enough
from brightfield.decide.policy import Policy
from brightfield.errors import DataError

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


def check_calibration(part: Dataset, policy: Policy) -> None:
    """Refuse before the training what would only fail after it.

    Args:
        part: The images that will calibrate.
        policy: What will choose the threshold on them.

    Raises:
        DataError: If the part lacks a kind of part, or holds too few for the policy.
        ConfigError: If the policy names a defect type that is not there.
    """
    found = {s.label for s in part.samples}
    there = ", ".join(sorted(str(label) for label in found)) or "no images"
    mend = "give `calibration` a larger share, or --resplit to share all images out again"
    if part.normal is None:
        if len(found) < 2:
            raise DataError(f"the calibration part shows {there}; expected two classes at least: {mend}")
    elif part.normal not in found or len(found) < 2:
        raise DataError(f"the calibration part shows {there}; expected good and defective parts: {mend}")
    else:
        labels = [str(s.label) for s in part.samples]
        _warn_of_groups(part, policy)
        check_enough(policy, [label != part.normal for label in labels], labels)


def _warn_of_groups(part: Dataset, policy: Policy) -> None:
    groups = [s.group for s in part.samples if s.group is not None]
    if len(set(groups)) < len(groups) and any(c.confidence is not None for c in policy.clauses):
        log.warning(
            "the calibration part shows %d groups in %d pictures: the guarantee counts each picture as a "
            "part of its own, and promises too much if pictures of a group are alike",
            len(set(groups)),
            len(groups),
        )
