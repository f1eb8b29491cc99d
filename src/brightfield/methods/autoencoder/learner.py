"""The learner of the autoencoder, which learns from good parts alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.methods.autoencoder.options import AutoencoderOptions
from brightfield.methods.base import Fitted, Job
from brightfield.methods.good_parts.checks import check_good_parts, check_one_process

NAME = "autoencoder"


class AutoencoderLearner:
    """Trains the autoencoder on good parts."""

    folds = 0
    good_parts_alone = True

    def __init__(self, options: AutoencoderOptions) -> None:
        self.options = options

    @property
    def identity(self) -> Mapping[str, Any]:
        """The method's name: its options are compared anyway."""
        return {"method": NAME}

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Check that training and calibration have good parts.

        Raises:
            DataError: If one has none.
        """
        check_good_parts(train, calibration, NAME)

    def check_processes(self, processes: Any) -> None:
        """Check that there is one process only.

        Raises:
            ConfigError: If there are several.
        """
        check_one_process(processes, NAME)

    def fit(self, job: Job) -> Fitted:
        """Train the autoencoder on the good parts of the training split."""
        from brightfield.methods.autoencoder.fit import fit  # here, as it imports torch

        return fit(job, self.options)


def make_learner(options: AutoencoderOptions, _dataset: Dataset) -> AutoencoderLearner:
    """Return the autoencoder's learner."""
    return AutoencoderLearner(options)
