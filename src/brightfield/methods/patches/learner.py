"""The learners of the methods on patches, which learn from good parts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.methods.base import Fitted, Job
from brightfield.methods.good_parts.checks import check_good_parts, check_one_process
from brightfield.methods.patches.options import FlowOptions, FusionOptions, PatchCoreOptions, PatchOptions


class PatchLearner:
    """Fits a method on patches of good parts."""

    folds = 0
    good_parts_alone = True

    def __init__(self, name: str, options: PatchOptions) -> None:
        self.name = name
        self.options = options

    @property
    def identity(self) -> Mapping[str, Any]:
        """The method's name: its options are compared anyway."""
        return {"method": self.name}

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Check that training and calibration have good parts.

        Raises:
            DataError: If one has none.
        """
        check_good_parts(train, calibration, self.name)

    def check_processes(self, processes: Any) -> None:
        """Check that there is one process only.

        Raises:
            ConfigError: If there are several.
        """
        check_one_process(processes, self.name)

    def fit(self, job: Job) -> Fitted:
        """Fit the method on the good parts of the training split."""
        from brightfield.methods.patches.fit import fit  # here, as it imports torch

        return fit(job, self.name, self.options)


def make_patchcore(options: PatchCoreOptions, _dataset: Dataset) -> PatchLearner:
    """Return PatchCore's learner."""
    return PatchLearner("patchcore", options)


def make_flow(options: FlowOptions, _dataset: Dataset) -> PatchLearner:
    """Return the flow's learner."""
    return PatchLearner("flow", options)


def make_fusion(options: FusionOptions, _dataset: Dataset) -> PatchLearner:
    """Return the learner of memory bank and flow together."""
    return PatchLearner("fusion", options)
