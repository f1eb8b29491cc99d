"""The figures of one evaluation, as metrics.json holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brightfield.evaluation import metrics
from brightfield.evaluation.intervals import clopper_pearson
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.uncertainty import calibration_spread
from brightfield.verdict import DECISIONS

ANY_DEFECT = "any defect"

SUMMARY = (
    *("n", "n_defect", "accuracy", "auroc", "average_precision", "f1", "precision", "recall"),
    *("escape_rate", "overkill_rate", "review_share", "ece", "brier"),
)
"""The key figures, which `train --json` prints."""


def summarise(
    predictions: Predictions,
    *,
    operating_point: dict[str, Any],
    pixel: dict[str, Any] | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return the figures of an evaluation as JSON values; None for a figure that does not exist.

    With a normal class, accuracy, precision, recall and F1 are about defect against OK at the operating
    point; a part sent to REVIEW did not pass, so they count it as predicted defective. The escape and
    overkill rates count it as neither. AUROC and average precision rank by score. ECE and Brier score are
    those of the probability of a defect, and None without such a probability.

    Without a normal class, accuracy is over all classes, the other figures are means over classes (AUROC and
    average precision one class against the rest), ECE is that of the most probable class (Guo et al., 2017),
    the Brier score sums over classes, and the figures that need defects (`n_defect`, `escape_rate`,
    `overkill_rate`, `review_share`, `verdict_counts`) are None.

    `calibration_spread` holds the bootstrap intervals of `ece` and `brier`, and in `ece_if_calibrated` the
    ECE of perfectly calibrated probabilities on as many images.

    `confusion_matrix` counts [true class][predicted class] in the order of `classes`. For a method that tells
    no defect types apart it has two classes: the normal class and "any defect".

    Args:
        predictions: The predictions.
        operating_point: `OperatingPoint.as_dict()`, copied into the result; empty without one.
        pixel: `PixelMetrics.as_dict()`; None without masks.
        confidence: Confidence level of every interval, in (0, 1).
    """
    called, shown = called_classes(predictions)
    truth = [name if name in shown else ANY_DEFECT for name in predictions.truth]
    document: dict[str, Any] = {"n": len(predictions)}
    if predictions.normal is None:
        document |= _of_classes(predictions, called, confidence)
    else:
        document |= _of_defects(predictions, confidence)
    document["calibration_spread"] = _calibration_spread(predictions, called, confidence)
    report = metrics.classification_report(truth, called)
    document |= {
        "classes": list(shown),
        "confusion_matrix": metrics.confusion_matrix(truth, called, shown),
        "per_class": per_class(predictions, report, confidence),
        "classification_report": report,
        "operating_point": operating_point,
    }
    return document if pixel is None else document | {"pixel": pixel}


def summary(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the key figures of metrics.json."""
    return {name: metrics.get(name) for name in SUMMARY}


def key_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the key figures that are not None as numbers; a rate is given without its interval."""
    plain = {name: v["value"] if isinstance(v, Mapping) else v for name, v in summary(metrics).items()}
    return {name: float(value) for name, value in plain.items() if value is not None}


def called_classes(predictions: Predictions) -> tuple[list[str], tuple[str, ...]]:
    """Return the predicted class of each part at the operating point, and the classes that can be predicted.

    With a normal class, that class is predicted for a part that passed; for any other (DEFECT or REVIEW) it
    is the most probable defect type. Where that type is unknown for any such part, all types become "any
    defect".
    """
    normal = predictions.normal
    if normal is None:
        extra = sorted(set(predictions.labels) - set(predictions.classes))
        return list(predictions.labels), (*predictions.classes, *extra)
    passed = predictions.decided("OK")
    types = [normal if passed[i] else _defect_type(predictions, i) for i in range(len(predictions))]
    known = [name for name in types if name is not None]
    if len(known) == len(types):
        return known, predictions.classes
    return [normal if name == normal else ANY_DEFECT for name in types], (normal, ANY_DEFECT)


def per_class(
    predictions: Predictions, report: Mapping[str, Any], confidence: float
) -> dict[str, dict[str, Any]]:
    """Return n, precision, recall, F1 and one-vs-rest AUROC by class, and escape rates by defect type.

    Args:
        predictions: The predictions.
        report: `classification_report` of the predicted classes; the figures of a class not in it are None.
        confidence: Confidence level of the escape rates' intervals, in (0, 1).
    """
    by_class: dict[str, dict[str, Any]] = {}
    truth = np.array(predictions.truth, dtype=object)
    for k, name in enumerate(predictions.classes):
        of_class = np.asarray(truth == name, dtype=np.bool_)
        figures = report.get(name, {})
        entry: dict[str, Any] = {"n": int(of_class.sum())}
        entry |= {
            key: figures.get(f"{key}-score" if key == "f1" else key) for key in ("precision", "recall", "f1")
        }
        table = predictions.class_probabilities
        entry["auroc"] = None if table is None else metrics.auroc(of_class, table[:, k])
        if predictions.normal is not None and name != predictions.normal:
            passed = int((of_class & predictions.decided("OK")).sum())
            entry["escape_rate"] = clopper_pearson(passed, int(of_class.sum()), confidence).as_dict()
        by_class[name] = entry
    return by_class


def _defect_type(predictions: Predictions, i: int) -> str | None:
    """Return the predicted defect type of part i, were it not to pass; None where the type is unknown."""
    label, types = predictions.labels[i], predictions.classes[1:]
    if label in types:
        return label
    if len(types) == 1:
        return types[0]
    if predictions.class_probabilities is not None and types:
        return types[int(predictions.class_probabilities[i, 1:].argmax())]
    return None


def _calibration_spread(
    predictions: Predictions, called: list[str], confidence: float
) -> dict[str, Any] | None:
    """Return the bootstrap spread of ECE and Brier score; None without probabilities."""
    table = predictions.class_probabilities
    if predictions.normal is not None:
        event, probability = predictions.is_defect, predictions.probabilities
    else:
        event = np.array([a == b for a, b in zip(predictions.truth, called, strict=True)], dtype=np.bool_)
        probability = None if table is None else table.max(axis=1)
    if probability is None or not len(probability):
        return None
    spreads = calibration_spread(event, probability, confidence)
    if predictions.normal is None:
        del spreads["brier"]  # the Brier score over all classes is another figure
    return {name: spread.as_dict() for name, spread in spreads.items()}


def _of_defects(predictions: Predictions, confidence: float) -> dict[str, Any]:
    """Return the figures of defects against good parts."""
    defect, scores = predictions.is_defect, predictions.scores
    probability = predictions.probabilities
    passed, reviewed = predictions.decided("OK"), predictions.decided("REVIEW")
    rejected = predictions.decided("DEFECT")
    right = int((defect == ~passed).sum())
    return {
        "n_defect": int(defect.sum()),
        **metrics.defect_figures(defect, ~passed),
        "accuracy_interval": clopper_pearson(right, len(predictions), confidence).as_dict(),
        "auroc": metrics.auroc(defect, scores),
        "average_precision": metrics.average_precision(defect, scores),
        "escape_rate": metrics.escape_rate(defect, passed, confidence).as_dict(),
        "overkill_rate": metrics.overkill_rate(defect, rejected, confidence).as_dict(),
        "review_share": metrics.review_share(reviewed, confidence).as_dict(),
        "ece": None if probability is None else metrics.expected_calibration_error(defect, probability),
        "brier": None if probability is None else metrics.brier_score(defect, probability),
        "verdict_counts": _verdict_counts(predictions),
    }


def _of_classes(predictions: Predictions, called: list[str], confidence: float) -> dict[str, Any]:
    """Return the figures of a plain classification problem."""
    index = {name: k for k, name in enumerate(predictions.classes)}
    truth = np.array([index[name] for name in predictions.truth], dtype=np.int64)
    right = np.array([a == b for a, b in zip(predictions.truth, called, strict=True)], dtype=np.bool_)
    means = metrics.classification_report(predictions.truth, called)["macro avg"]
    table = predictions.class_probabilities
    return {
        "n_defect": None,
        "accuracy": float(right.mean()),
        "accuracy_interval": clopper_pearson(int(right.sum()), len(right), confidence).as_dict(),
        "auroc": _mean_over_classes(metrics.auroc, truth, table),
        "average_precision": _mean_over_classes(metrics.average_precision, truth, table),
        "f1": means["f1-score"],
        "precision": means["precision"],
        "recall": means["recall"],
        "escape_rate": None,
        "overkill_rate": None,
        "review_share": None,
        "ece": None if table is None else metrics.expected_calibration_error(right, table.max(axis=1)),
        "brier": None if table is None else metrics.brier_score_by_class(truth, table),
        "verdict_counts": None,
    }


def _mean_over_classes(figure: Any, truth: Any, table: Any) -> float | None:
    """Return the mean of a one-vs-rest figure over the classes for which it exists."""
    if table is None:
        return None
    by_class = [figure(truth == k, table[:, k]) for k in range(table.shape[1])]
    known = [value for value in by_class if value is not None]
    return float(np.mean(known)) if known else None


def _verdict_counts(predictions: Predictions) -> dict[str, dict[str, int]]:
    """Return the counts [true class][decision]."""
    counts = {name: dict.fromkeys(DECISIONS, 0) for name in predictions.classes}
    for name, decision in zip(predictions.truth, predictions.decisions, strict=True):
        counts[name][str(decision)] += 1
    return counts
