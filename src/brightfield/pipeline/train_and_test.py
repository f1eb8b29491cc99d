"""Train an inspector, judge the test split once and write the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.learn.processes import processes
from brightfield.options import TrainOptions
from brightfield.pipeline.tested import Tested, judge_test_split
from brightfield.pipeline.train import train
from brightfield.progress import Progress


@dataclass(frozen=True)
class Kept:
    """What is left of earlier trainings that one can use.

    Attributes:
        resume: Whether to continue an interrupted training, as in `train`.
        features: The folder in which features are kept from one training to the next; None keeps none.
    """

    resume: bool = False
    features: Path | None = None


def train_and_test(
    data: str | Path | Dataset,
    output: str | Path,
    options: TrainOptions | None = None,
    *,
    report: Path | None = None,
    kept: Kept | None = None,
    progress: Progress | None = None,
    saved: Callable[[], None] | None = None,
) -> Tested:
    """Train an inspector, save it, judge the test split once and store the figures in the bundle.

    Args:
        data: As in `train`.
        output: The bundle, as in `train`.
        options: The options of the training; None for the defaults.
        report: A folder for metrics.json, predictions.csv and report.html, or None.
        kept: What is left of earlier trainings that this one uses; None for nothing.
        progress: Callback for progress reports.
        saved: Callback for the moment after the inspector is saved and before it is tested.

    Raises:
        InputError: If the data or the options are wrong; the message says how to correct it.
    """
    options, kept = options or TrainOptions(), kept or Kept()
    dataset = data if isinstance(data, Dataset) else load(data, normal=options.normal)
    inspector = train(
        dataset, output, options, resume=kept.resume, progress=progress, kept_features=kept.features
    )
    if saved is not None:
        saved()
    if not processes().first or "test" not in inspector.splits.values():
        return Tested(inspector, None)
    return judge_test_split(inspector, dataset, output, report=report, progress=progress)
