"""Check a data set: its own faults, and whether training would refuse it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from brightfield.data.check import CheckReport, FurtherCheck, check
from brightfield.data.dataset import Dataset
from brightfield.data.finding import Finding, Severity
from brightfield.data.region_check import find_in_region
from brightfield.data.region_mask import read_region
from brightfield.errors import ConfigError, DataError
from brightfield.options import TrainOptions
from brightfield.pipeline.preflight import HELD_OUT, make_learner, prepare
from brightfield.progress import Progress


def check_data(
    dataset: Dataset, options: TrainOptions | None = None, *, progress: Progress | None = None
) -> CheckReport:
    """Return the faults of a data set, including those that training with these options would refuse.

    Args:
        dataset: The data set.
        options: The options of the training; None for the defaults.
        progress: Callback for progress reports.

    Raises:
        ConfigError: If the region of interest cannot be read.
    """
    chosen = options or TrainOptions()
    further: list[FurtherCheck] = [partial(_trainable, chosen)]
    if chosen.roi is not None:
        further.append(partial(find_in_region, read_region(Path(chosen.roi))))
    return check(dataset, further=further, progress=progress)


def _trainable(options: TrainOptions, dataset: Dataset, groups: Sequence[int]) -> Iterator[Finding]:
    """Yield a finding if training would refuse the data set, or could not hold images out for a guarantee."""
    try:
        learner = make_learner(dataset, options)
        ready = prepare(dataset, learner, options, groups)
    except (DataError, ConfigError) as error:
        yield Finding(Severity.ERROR, "cannot-train", str(error))
        return
    if ready.folds is None:
        return
    try:
        prepare(dataset, learner, replace(options, calibration=HELD_OUT), groups)
    except DataError as error:
        message = f"a policy that guarantees a rate needs images held out of training: {error}"
        yield Finding(Severity.WARNING, "cannot-hold-out", message)
