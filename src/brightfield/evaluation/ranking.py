"""Ranking of several methods that were trained on one split and judged the same test images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brightfield.data.dataset import Dataset
from brightfield.evaluation.compare import Difference, auroc_interval, delong, mcnemar
from brightfield.evaluation.intervals import clopper_pearson
from brightfield.evaluation.metrics import BoolArray, auroc
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.run import Evaluation
from brightfield.inspector import Inspector

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Contender:
    """A trained method of a comparison, and what it costs.

    Attributes:
        inspector: The inspector.
        evaluation: Its evaluation on the test images.
        seconds: Duration of its training in seconds.
        milliseconds: Median time of an image, from the decoded image to the verdict with its heatmap.
        size: Size of its bundle in bytes.
        bundle: The bundle; None where it is not kept.
    """

    inspector: Inspector = field(repr=False)
    evaluation: Evaluation = field(repr=False)
    seconds: float
    milliseconds: float
    size: int
    bundle: Path | None

    @property
    def method(self) -> str:
        """The method's name."""
        return self.inspector.method.name

    @property
    def predictions(self) -> Predictions:
        """Its predictions on the test images."""
        return self.evaluation.predictions


@dataclass(frozen=True)
class Standing:
    """Where a method stands among those compared.

    Attributes:
        value: The figure by which methods are ranked, in [0, 1], higher is better.
        low: Lower end of its confidence interval.
        high: Upper end of its confidence interval.
        against_best: This method's figure minus that of the best; None for the best itself.
    """

    value: float
    low: float
    high: float
    against_best: Difference | None

    @property
    def no_worse(self) -> bool:
        """Whether the figure is not significantly below that of the best."""
        found = self.against_best
        return found is None or found.p_value is None or found.p_value > 1 - found.confidence


@dataclass(frozen=True)
class Comparison:
    """Methods that were trained on one split and judged the same test images.

    Attributes:
        contenders: The methods compared, the best first.
        figure: The figure that ranks them: `auroc`, or `accuracy` where there is no AUROC to compare.
        standings: The standing of each contender, in the same order.
        left_out: Why methods were not compared, by name.
        dataset: The data set with its train, calibration and test splits.
        notes: Notes for the reader.
        output: The folder of the results; None where nothing was written.
    """

    contenders: tuple[Contender, ...]
    figure: str
    standings: tuple[Standing, ...]
    left_out: Mapping[str, str]
    dataset: Dataset = field(repr=False)
    notes: tuple[str, ...] = ()
    output: Path | None = None

    @property
    def best(self) -> Contender:
        """The method with the highest figure."""
        return self.contenders[0]

    @property
    def no_worse(self) -> tuple[Contender, ...]:
        """The best, and the methods that are not significantly worse."""
        pairs = zip(self.contenders, self.standings, strict=True)
        return tuple(contender for contender, standing in pairs if standing.no_worse)


def rank(
    predictions: Mapping[str, Predictions], confidence: float = CONFIDENCE
) -> tuple[str, dict[str, Standing]]:
    """Return the figure that ranks methods, and the standing of each, the best first.

    The figure is the AUROC, tested with DeLong's test, where there are at least two good and two defective
    parts. Otherwise it is the accuracy, tested with McNemar's. Each method is tested against the best; the
    p-values are not corrected for the number of methods, so that fewer count as no worse.

    Args:
        predictions: Predictions for the same images in the same order, by method.
        confidence: Confidence level of the intervals, in (0, 1).
    """
    first = next(iter(predictions.values()))
    defect = None if first.normal is None else first.is_defect
    if defect is not None and min(defect.sum(), (~defect).sum()) >= 2:
        return "auroc", _by_auroc(predictions, defect, confidence)
    return "accuracy", _by_accuracy(predictions, confidence)


def _by_auroc(
    predictions: Mapping[str, Predictions], defect: BoolArray, confidence: float
) -> dict[str, Standing]:
    areas = {name: float(auroc(defect, p.scores) or 0.0) for name, p in predictions.items()}
    order = sorted(areas, key=lambda name: -areas[name])  # stable: ties keep the order given
    best = predictions[order[0]]
    standings = {}
    for name in order:
        scores = predictions[name].scores
        against = None if name == order[0] else delong(defect, scores, best.scores, confidence)
        standings[name] = Standing(areas[name], *auroc_interval(defect, scores, confidence), against)
    return standings


def _by_accuracy(predictions: Mapping[str, Predictions], confidence: float) -> dict[str, Standing]:
    correct = {name: is_right(p) for name, p in predictions.items()}
    order = sorted(correct, key=lambda name: -float(correct[name].mean()))
    standings = {}
    for name in order:
        right = correct[name]
        rate = clopper_pearson(int(right.sum()), len(right), confidence)
        against = None if name == order[0] else mcnemar(right, correct[order[0]], confidence)
        standings[name] = Standing(float(right.mean()), rate.low or 0.0, rate.high or 0.0, against)
    return standings


def is_right(predictions: Predictions) -> BoolArray:
    """Return bool (N,): whether each part is decided correctly, where REVIEW counts as stopped.

    Without a normal class: whether the class is the true one.
    """
    if predictions.normal is not None:
        return np.asarray(predictions.is_defect != predictions.decided("OK"), dtype=np.bool_)
    pairs = zip(predictions.labels, predictions.truth, strict=True)
    return np.array([label == truth for label, truth in pairs], dtype=np.bool_)


def by_type(predictions: Predictions, confidence: float = CONFIDENCE) -> dict[str, dict[str, Any]]:
    """Return `n`, `auroc` and `recall` of each defect type there is; empty without a normal class.

    The AUROC is that of the type's parts against all good ones. Recall is the share of the type's parts that
    did not pass.
    """
    if predictions.normal is None:
        return {}
    truth = np.array(predictions.truth, dtype=object)
    good, passed = np.asarray(truth == predictions.normal), predictions.decided("OK")
    figures: dict[str, dict[str, Any]] = {}
    for name in predictions.classes:
        of_type = np.asarray(truth == name, dtype=np.bool_)
        if name == predictions.normal or not of_type.any():
            continue
        these = of_type | good
        n = int(of_type.sum())
        figures[name] = {
            "n": n,
            "auroc": auroc(of_type[these], predictions.scores[these]),
            "recall": clopper_pearson(n - int((of_type & passed).sum()), n, confidence).as_dict(),
        }
    return figures


def agreements(predictions: Mapping[str, Predictions]) -> list[dict[str, Any]]:
    """Return how many parts each combination of methods decides correctly, the most frequent first.

    Each entry has `right`, the names of the methods that are right, `n`, and of these `n_defect`, which is
    None without a normal class.
    """
    first = next(iter(predictions.values()))
    right = np.stack([is_right(p) for p in predictions.values()])  # (methods, N)
    defect = None if first.normal is None else first.is_defect
    counts = Counter(map(tuple, right.T.tolist()))
    found = []
    for pattern, n in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])):
        here = (right == np.array(pattern)[:, None]).all(axis=0)
        names = [name for name, correct in zip(predictions, pattern, strict=True) if correct]
        bad = None if defect is None else int((here & defect).sum())
        found.append({"right": names, "n": n, "n_defect": bad})
    return found


def disagreed(predictions: Mapping[str, Predictions]) -> BoolArray:
    """Return bool (N,): whether some methods decide a part correctly and others do not."""
    right = np.stack([is_right(p) for p in predictions.values()])  # (methods, N)
    return np.asarray(right.any(axis=0) & ~right.all(axis=0), dtype=np.bool_)
