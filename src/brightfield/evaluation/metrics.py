"""The figures of an evaluation as pure functions of arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn import metrics as sk

from brightfield.errors import InputError
from brightfield.evaluation.intervals import Rate, clopper_pearson

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.int64]

BINS = 15


@dataclass(frozen=True)
class CalibrationBins:
    """A reliability diagram: bins of equal width over [0, 1].

    Attributes:
        edges: float64 (B + 1,).
        counts: int64 (B,), predictions in each bin.
        predicted: float64 (B,), their mean probability; NaN where a bin is empty.
        observed: float64 (B,), share of the events that happened; NaN where a bin is empty.
    """

    edges: FloatArray
    counts: IntArray
    predicted: FloatArray
    observed: FloatArray


def escape_rate(is_defect: BoolArray, passed: BoolArray, confidence: float = 0.95) -> Rate:
    """Return missed defects / all defects.

    Args:
        is_defect: bool (N,), whether the part is truly defective.
        passed: bool (N,), whether it was decided OK. A part sent to REVIEW did not pass, so it is no escape.
        confidence: Confidence level of the Clopper-Pearson interval, in (0, 1).
    """
    return clopper_pearson(int((is_defect & passed).sum()), int(is_defect.sum()), confidence)


def overkill_rate(is_defect: BoolArray, rejected: BoolArray, confidence: float = 0.95) -> Rate:
    """Return rejected good parts / all good parts.

    Args:
        is_defect: bool (N,), whether the part is truly defective.
        rejected: bool (N,), whether it was decided DEFECT. A part sent to REVIEW was not rejected, so it is
            no overkill.
        confidence: Confidence level of the Clopper-Pearson interval, in (0, 1).
    """
    return clopper_pearson(int((~is_defect & rejected).sum()), int((~is_defect).sum()), confidence)


def review_share(reviewed: BoolArray, confidence: float = 0.95) -> Rate:
    """Return parts sent to review / all parts.

    Args:
        reviewed: bool (N,), whether the part was decided REVIEW.
        confidence: Confidence level of the Clopper-Pearson interval, in (0, 1).
    """
    return clopper_pearson(int(reviewed.sum()), len(reviewed), confidence)


def auroc(event: BoolArray, values: FloatArray) -> float | None:
    """Return the area under the ROC curve; None where `event` (N,) is all true or all false."""
    return float(sk.roc_auc_score(event, values)) if _both(event) else None


def average_precision(event: BoolArray, values: FloatArray) -> float | None:
    """Return scikit-learn's average precision; None where `event` (N,) is all true or all false."""
    return float(sk.average_precision_score(event, values)) if _both(event) else None


def defect_figures(is_defect: BoolArray, stopped: BoolArray) -> dict[str, float | None]:
    """Return accuracy, and precision, recall and F1 of finding defects.

    Args:
        is_defect: bool (N,), whether the part is truly defective.
        stopped: bool (N,), whether it did not pass (DEFECT or REVIEW).

    Returns:
        The four figures in [0, 1]; all but the accuracy are None where no part is defective.
    """
    figures: dict[str, float | None] = {"accuracy": float((is_defect == stopped).mean())}
    known = bool(is_defect.any())
    figures["precision"] = float(sk.precision_score(is_defect, stopped, zero_division=0.0)) if known else None
    figures["recall"] = float(sk.recall_score(is_defect, stopped, zero_division=0.0)) if known else None
    figures["f1"] = float(sk.f1_score(is_defect, stopped, zero_division=0.0)) if known else None
    return figures


def calibration_bins(event: BoolArray, probability: FloatArray, bins: int = BINS) -> CalibrationBins:
    """Return the reliability diagram of probabilities: predicted and observed shares in bins of equal width.

    Args:
        event: bool (N,), whether the predicted event happened.
        probability: float64 (N,) in [0, 1], predicted probability of the event.
        bins: Number of bins; 15 as in Guo et al., "On Calibration of Modern Neural Networks", 2017.

    Raises:
        InputError: If a probability is outside [0, 1].
    """
    if len(probability) and (probability.min() < 0.0 or probability.max() > 1.0):
        found = f"{probability.min()} to {probability.max()}"
        raise InputError(f"probabilities range from {found}; expected [0, 1]: calibrate the scores first")
    place = np.minimum((probability * bins).astype(np.int64), bins - 1)
    counts = np.bincount(place, minlength=bins)
    empty = counts == 0
    divisor = np.where(empty, 1, counts)
    predicted = np.bincount(place, weights=probability, minlength=bins) / divisor
    observed = np.bincount(place, weights=event.astype(np.float64), minlength=bins) / divisor
    predicted[empty] = observed[empty] = np.nan
    return CalibrationBins(np.linspace(0.0, 1.0, bins + 1), counts, predicted, observed)


def expected_calibration_error(event: BoolArray, probability: FloatArray, bins: int = BINS) -> float | None:
    """Return the ECE over bins of equal width (Guo et al., 2017, equation 3); None without predictions.

    Args:
        event: bool (N,), such as whether the part is defective, or the label is correct.
        probability: float64 (N,) in [0, 1], predicted probability of the event.
        bins: Number of bins.
    """
    diagram = calibration_bins(event, probability, bins)
    if not diagram.counts.sum():
        return None
    gaps = np.nan_to_num(np.abs(diagram.predicted - diagram.observed))
    return float((diagram.counts * gaps).sum() / diagram.counts.sum())


def brier_score(event: BoolArray, probability: FloatArray) -> float:
    """Return the mean squared difference of probability (N,) and event (N,), in [0, 1]."""
    return float(((probability - event) ** 2).mean())


def brier_score_by_class(truth: IntArray, probabilities: FloatArray) -> float:
    """Return Brier's score of 1950: squared differences summed over the classes, in [0, 2].

    Args:
        truth: int64 (N,), the index of the true class.
        probabilities: float64 (N, K).
    """
    target = np.eye(probabilities.shape[1])[truth]
    return float(((probabilities - target) ** 2).sum(axis=1).mean())


def confusion_matrix(truth: Sequence[str], called: Sequence[str], classes: Sequence[str]) -> list[list[int]]:
    """Return counts [true class][called class], both in the order of `classes`."""
    counted = Counter(zip(truth, called, strict=True))
    return [[counted[true, guess] for guess in classes] for true in classes]


def classification_report(truth: Sequence[str], called: Sequence[str]) -> dict[str, Any]:
    """Return scikit-learn's `classification_report` of the classes that occur, with its default figures.

    A figure of 0 / 0 is 0, without scikit-learn's warning.
    """
    report = sk.classification_report(list(truth), list(called), output_dict=True, zero_division=0.0)
    return {name: _plain(entry) for name, entry in report.items()}


def _plain(entry: Any) -> Any:
    if isinstance(entry, dict):
        return {key: int(value) if key == "support" else float(value) for key, value in entry.items()}
    return float(entry)


def _both(event: BoolArray) -> bool:
    return bool(event.any()) and not bool(event.all())
