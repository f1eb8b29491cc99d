"""What is wrong with a data set, and whether a training would refuse it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial

from brightfield.data.check import CheckReport, check
from brightfield.data.dataset import Dataset
from brightfield.data.finding import Finding, Severity
from brightfield.errors import ConfigError, DataError
from brightfield.options import TrainOptions
from brightfield.pipeline.preflight import HELD_OUT, make_learner, prepare
from brightfield.progress import Progress


def check_data(
    dataset: Dataset, options: TrainOptions | None = None, *, progress: Progress | None = None
) -> CheckReport:
    """Return what is wrong with a data set, asking what a training with these options would ask.

    Args:
        dataset: The data set.
        options: How it would be trained; the defaults where None.
        progress: Told of every image.
    """
    asked = partial(_trainable, options or TrainOptions())
    return check(dataset, further=(asked,), progress=progress)


def _trainable(options: TrainOptions, dataset: Dataset, groups: Sequence[int]) -> Iterator[Finding]:
    """Yield why a training would refuse the data set, or could hold no images out for a promise."""
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
        message = f"a policy that promises a rate needs images held out of training: {error}"
        yield Finding(Severity.WARNING, "cannot-hold-out", message)
