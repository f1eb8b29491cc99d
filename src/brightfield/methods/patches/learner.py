"""The learners of the methods on patches, which learn from good parts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.errors import ConfigError, DataError
from brightfield.methods.base import Fitted, Job
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


def check_good_parts(train: Dataset, calibration: Dataset, method: str) -> None:
    """Check that a method that learns from good parts alone has some to learn from and to be calibrated on.

    Raises:
        DataError: If no class is normal, or a split has too few good parts.
    """
    if train.normal is None:
        raise DataError(
            f"{method} learns what good parts look like, and no class of this data set is the good one "
            f"({', '.join(train.classes)}): name it with --normal"
        )
    for name, found, least in (("training", train, 2), ("calibration", calibration, 1)):
        good = found.counts()[train.normal]
        if good < least:
            raise DataError(
                f"the {name} split holds {good} good parts ({train.normal}); {method} needs {least} or more: "
                "add pictures of good parts"
            )


def check_one_process(processes: Any, method: str) -> None:
    """Check that a training is not distributed.

    Raises:
        ConfigError: If there are several processes.
    """
    if processes.world > 1:
        raise ConfigError(
            f"{processes.world} processes were started; {method} cannot be distributed: start one process"
        )


def make_patchcore(options: PatchCoreOptions, _dataset: Dataset) -> PatchLearner:
    """Return PatchCore's learner."""
    return PatchLearner("patchcore", options)


def make_flow(options: FlowOptions, _dataset: Dataset) -> PatchLearner:
    """Return the flow's learner."""
    return PatchLearner("flow", options)


def make_fusion(options: FusionOptions, _dataset: Dataset) -> PatchLearner:
    """Return the learner of memory bank and flow together."""
    return PatchLearner("fusion", options)
