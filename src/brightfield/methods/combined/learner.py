"""The combined method's learner: good parts teach what is usual, the known defects a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.errors import DataError
from brightfield.methods.base import Fitted, Job
from brightfield.methods.combined.options import CombinedOptions
from brightfield.methods.good_parts.checks import check_good_parts, check_one_process

LEAST_DEFECTS = 4
"""The fewest known defects for a classifier: two in each of two folds."""


class CombinedLearner:
    """Fits a classifier and a method on patches.

    Known defects calibrate, as where good parts alone are learned from; the classifier learns from them too,
    and is calibrated on the scores of its members that were not shown them.
    """

    folds = 0
    good_parts_alone = True

    def __init__(self, options: CombinedOptions) -> None:
        self.options = options

    @property
    def identity(self) -> Mapping[str, Any]:
        """The method's name: its options are compared anyway."""
        return {"method": "combined"}

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Check that there are good parts to learn from, and some known defects that are not tested.

        Raises:
            DataError: If there are too few.
        """
        check_good_parts(train, calibration, "combined")
        known = len(calibration) - calibration.counts()[str(calibration.normal)]
        if known < LEAST_DEFECTS:
            raise DataError(
                f"combined learns from known defects too, and {known} are left to learn from; it needs "
                f"{LEAST_DEFECTS}: add some, or train with --method fusion, which needs none"
            )

    def check_processes(self, processes: Any) -> None:
        """Check that there is one process only.

        Raises:
            ConfigError: If there are several.
        """
        check_one_process(processes, "combined")

    def fit(self, job: Job) -> Fitted:
        """Fit both halves."""
        from brightfield.methods.combined.fit import fit  # here, as it imports torch

        return fit(job, self.options)


def make_combined(options: CombinedOptions, _dataset: Dataset) -> CombinedLearner:
    """Return the combined method's learner."""
    return CombinedLearner(options)
