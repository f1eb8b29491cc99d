"""Judge the test split once, and store the figures in the bundle."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from brightfield.data.dataset import Dataset
from brightfield.evaluation.run import Evaluation, evaluate
from brightfield.evaluation.summary import key_figures
from brightfield.inspector import Inspector
from brightfield.learn.tracking import record_figures
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


def judge_test_split(
    inspector: Inspector,
    dataset: Dataset,
    output: str | Path,
    *,
    report: Path | None = None,
    progress: Progress | None = None,
) -> Tested:
    """Judge the test split of a data set, save the inspector with the figures, and write the report.

    Args:
        inspector: A trained inspector.
        dataset: The data set, which has pictures of the test split.
        output: The bundle.
        report: A folder for metrics.json, predictions.csv and report.html, or None.
        progress: Callback for progress reports.

    Raises:
        InputError: If a picture cannot be judged, or a file cannot be written.
    """
    evaluation = evaluate(inspector, dataset, split="test", progress=progress)
    record_figures("test", key_figures(evaluation.metrics), 0)
    inspector = inspector.with_metrics(evaluation.metrics)
    inspector.save(output)
    if report is not None:
        write_evaluation(inspector, evaluation, report, progress)
    return Tested(inspector, evaluation)
