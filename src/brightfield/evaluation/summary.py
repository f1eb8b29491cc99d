"""The figures of one evaluation: the document that becomes metrics.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from brightfield.evaluation import metrics
from brightfield.evaluation.intervals import clopper_pearson
from brightfield.evaluation.predictions import DECISIONS, Predictions
from brightfield.evaluation.uncertainty import calibration_spread

ANY_DEFECT = "any defect"

SUMMARY = (
    *("n", "n_defect", "accuracy", "auroc", "average_precision", "f1", "precision", "recall"),
    *("escape_rate", "overkill_rate", "review_share", "ece", "brier"),
)
"""What of an evaluation's figures the JSON of a training carries."""


def summarise(
    predictions: Predictions,
    *,
    operating_point: dict[str, Any],
    pixel: dict[str, Any] | None = None,
    confidence: float = 0.95,
) -> dict[str, Any]:
    """Return metrics.json: JSON values only, None for a figure that cannot be had.

    With a normal class, accuracy, precision, recall and F1 are about defect against OK at the operating
    point; a part sent to REVIEW did not pass, so there it counts as called defective. The escape and overkill
    rates count it as neither. AUROC and average precision rank by score. ECE and Brier score are those of the
    probability of a defect, and None where there is none.

    Without a normal class, accuracy is over all classes, the other figures are means over classes (AUROC and
    average precision one class against the rest), ECE is that of the most probable class (Guo et al., 2017),
    the Brier score sums over classes, and what needs a defect (`n_defect`, `escape_rate`, `overkill_rate`,
    `review_share`, `verdict_counts`) is None.

    `calibration_spread` holds the bootstrap intervals of `ece` and `brier`, and as `ece_if_calibrated` what
    exactly right probabilities would show on as many images.

    `confusion_matrix` counts [true class][called class] in the order of `classes`. A method that cannot tell
    defect types apart gets two classes there: the normal class and "any defect".

    Args:
        predictions: One row an image.
        operating_point: What chose the threshold; copied into the document.
        pixel: `PixelMetrics.as_dict()` where there are masks.
        confidence: Of every interval.
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
    """Return the key figures of a `metrics.json` document."""
    return {name: metrics.get(name) for name in SUMMARY}


def key_figures(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Return the key figures that there are as plain numbers, a rate without its interval."""
    plain = {name: v["value"] if isinstance(v, Mapping) else v for name, v in summary(metrics).items()}
    return {name: float(value) for name, value in plain.items() if value is not None}


def called_classes(predictions: Predictions) -> tuple[list[str], tuple[str, ...]]:
    """Return the class each part is called at the operating point, and the classes that can be called.

    With a normal class, a part that passed is called normal; one that did not (DEFECT or REVIEW) is called
    its most probable defect type. Where a type is unknown for any such part, all become one: "any defect".
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
    """Return n, precision, recall, F1 and AUROC against the rest by class, and escape rates by defect type.

    Args:
        predictions: One row an image.
        report: `classification_report` of the called classes; a class that is not in it gets None.
        confidence: Of the escape rates' intervals.
    """
    found: dict[str, dict[str, Any]] = {}
    truth = np.array(predictions.truth, dtype=object)
    for k, name in enumerate(predictions.classes):
        mine = np.asarray(truth == name, dtype=np.bool_)
        figures = report.get(name, {})
        entry: dict[str, Any] = {"n": int(mine.sum())}
        entry |= {
            key: figures.get(f"{key}-score" if key == "f1" else key) for key in ("precision", "recall", "f1")
        }
        table = predictions.class_probabilities
        entry["auroc"] = None if table is None else metrics.auroc(mine, table[:, k])
        if predictions.normal is not None and name != predictions.normal:
            passed = int((mine & predictions.decided("OK")).sum())
            entry["escape_rate"] = clopper_pearson(passed, int(mine.sum()), confidence).as_dict()
        found[name] = entry
    return found


def _defect_type(predictions: Predictions, i: int) -> str | None:
    """Return the defect type part i is called if it does not pass, or None where that is unknown."""
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
    """Return how far ECE and Brier score can be trusted; None where there are no probabilities."""
    table = predictions.class_probabilities
    if predictions.normal is not None:
        event, probability = predictions.is_defect, predictions.probabilities
    else:
        event = np.array([a == b for a, b in zip(predictions.truth, called, strict=True)], dtype=np.bool_)
        probability = None if table is None else table.max(axis=1)
    if probability is None or not len(probability):
        return None
    found = calibration_spread(event, probability, confidence)
    if predictions.normal is None:
        del found["brier"]  # that of all classes together is another figure
    return {name: spread.as_dict() for name, spread in found.items()}


def _of_defects(predictions: Predictions, confidence: float) -> dict[str, Any]:
    """Return the figures about defect against OK."""
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
    """Return the mean over the classes for which the one-against-the-rest figure exists."""
    if table is None:
        return None
    found = [figure(truth == k, table[:, k]) for k in range(table.shape[1])]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else None


def _verdict_counts(predictions: Predictions) -> dict[str, dict[str, int]]:
    """Return [true class][decision] counts."""
    counts = {name: dict.fromkeys(DECISIONS, 0) for name in predictions.classes}
    for name, decision in zip(predictions.truth, predictions.decisions, strict=True):
        counts[name][str(decision)] += 1
    return counts
