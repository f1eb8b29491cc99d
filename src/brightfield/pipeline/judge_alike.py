"""Judge the same test images with several inspectors, and rank these."""

from __future__ import annotations

import statistics
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from brightfield.data.dataset import Dataset
from brightfield.errors import DataError
from brightfield.evaluation.ranking import Comparison, Contender, rank
from brightfield.evaluation.run import Evaluation, Picked, evaluate_split
from brightfield.evaluation.summary import summarise
from brightfield.inspector import Inspector
from brightfield.progress import Progress, with_prefix

MOST_TIMED = 50
"""The number of test images, at most, on which the time of an image is measured."""


def judge_alike(
    inspectors: Mapping[str, Inspector], bundles: Mapping[str, Path], shared: Dataset, progress: Progress
) -> Comparison:
    """Return the comparison of trained methods on the test split; figures are added to their bundles."""
    test = Picked(shared.split("test"), (), {})
    evaluations = {
        name: evaluate_split(inspector, test, with_prefix(name, progress))
        for name, inspector in inspectors.items()
    }
    evaluations = _on_common_images(evaluations)
    figure, standings = rank({name: e.predictions for name, e in evaluations.items()})
    milliseconds = _milliseconds(inspectors, next(iter(evaluations.values())).dataset, progress)
    contenders = []
    for name in standings:
        tested = inspectors[name].with_metrics(evaluations[name].metrics)
        tested.save(bundles[name])
        size = sum(file.stat().st_size for file in bundles[name].rglob("*") if file.is_file())
        seconds = float(tested.facts["training"]["seconds"])
        contenders.append(
            Contender(tested, evaluations[name], seconds, milliseconds[name], size, bundles[name])
        )
    return Comparison(
        tuple(contenders), figure, tuple(standings.values()), {}, shared, tuple(_notes(evaluations))
    )


def _notes(evaluations: Mapping[str, Evaluation]) -> list[str]:
    """Return the notes of all evaluations; those that not all share begin with the method's name."""
    every = [set(evaluation.notes) for evaluation in evaluations.values()]
    shared = set.intersection(*every)
    notes = {
        note if note in shared else f"{name}: {note}": None
        for name, evaluation in evaluations.items()
        for note in evaluation.notes
    }
    return list(notes)


def _on_common_images(evaluations: Mapping[str, Evaluation]) -> dict[str, Evaluation]:
    """Return the evaluations on the images that every method could judge.

    Raises:
        DataError: If there is no such image.
    """
    common = set.intersection(*(set(e.predictions.images) for e in evaluations.values()))
    if not common:
        raise DataError("there is no test image that every method can judge; look at the images' sizes")
    return {name: _only(evaluation, common) for name, evaluation in evaluations.items()}


def _only(evaluation: Evaluation, images: Collection[str]) -> Evaluation:
    """Return an evaluation on these images; pixel figures stay those of all images it judged."""
    if len(evaluation.predictions) == len(images):
        return evaluation
    predictions = evaluation.predictions.only(images)
    point, pixel = evaluation.metrics["operating_point"], evaluation.metrics.get("pixel")
    return replace(
        evaluation,
        predictions=predictions,
        metrics=summarise(predictions, operating_point=point, pixel=pixel),
        dataset=evaluation.dataset.subset(s for s in evaluation.dataset.samples if s.image in images),
    )


def _milliseconds(
    inspectors: Mapping[str, Inspector], dataset: Dataset, progress: Progress
) -> dict[str, float]:
    """Return the median time of an image judged alone with its heatmap, by method.

    The methods judge each image in turn, so that what else the machine does slows all alike.
    """
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(len(dataset), MOST_TIMED)).astype(np.intp))
    times: dict[str, list[float]] = {name: [] for name in inspectors}
    for inspector in inspectors.values():
        inspector.prepare(explain=True)
    for done, row in enumerate(rows, start=1):
        for name, inspector in inspectors.items():
            times[name].append(inspector.inspect(dataset.samples[row].path).milliseconds)
        progress("time an image", done, len(rows))
    return {name: statistics.median(of_method) for name, of_method in times.items()}
