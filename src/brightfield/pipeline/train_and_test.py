"""Train an inspector, judge the test split once and write the report."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.evaluation.run import Evaluation, evaluate
from brightfield.evaluation.summary import key_figures
from brightfield.inspector import Inspector
from brightfield.learn.processes import processes
from brightfield.learn.tracking import record_figures
from brightfield.options import TrainOptions
from brightfield.pipeline.train import train
from brightfield.progress import Progress
from brightfield.report.compose import write_evaluation


@dataclass(frozen=True)
class Tested:
    """A trained inspector and its evaluation on the test split.

    Attributes:
        inspector: The inspector, with the figures in its manifest.
        evaluation: The evaluation; None without a test split, or where another process evaluates.
    """

    inspector: Inspector
    evaluation: Evaluation | None


def train_and_test(
    data: str | Path | Dataset,
    output: str | Path,
    options: TrainOptions | None = None,
    *,
    report: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    saved: Callable[[], None] | None = None,
) -> Tested:
    """Train an inspector, save it, judge the test split once and store the figures in the bundle.

    Args:
        data: As in `train`.
        output: The bundle, as in `train`.
        options: The options of the training; None for the defaults.
        report: A folder for metrics.json, predictions.csv and report.html, or None.
        resume: As in `train`.
        progress: Callback for progress reports.
        saved: Callback for the moment after the inspector is saved and before it is tested.

    Raises:
        InputError: If the data or the options are wrong; the message says how to correct it.
    """
    options = options or TrainOptions()
    dataset = data if isinstance(data, Dataset) else load(data, normal=options.normal)
    inspector = train(dataset, output, options, resume=resume, progress=progress)
    if saved is not None:
        saved()
    if not processes().first or "test" not in inspector.splits.values():
        return Tested(inspector, None)
    evaluation = evaluate(inspector, dataset, split="test", progress=progress)
    record_figures("test", key_figures(evaluation.metrics), 0)
    inspector = inspector.with_metrics(evaluation.metrics)
    inspector.save(output)
    if report is not None:
        write_evaluation(inspector, evaluation, report, progress)
    return Tested(inspector, evaluation)
