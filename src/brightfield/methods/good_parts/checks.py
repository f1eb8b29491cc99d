"""Checks before a method learns from good parts alone."""

from __future__ import annotations

from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.errors import ConfigError, DataError


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
