"""The numbers behind the threshold slider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from brightfield.evaluation.predictions import Predictions

Thresholds = tuple[float, float]


def chosen_thresholds(predictions: Predictions, operating_point: Mapping[str, Any]) -> Thresholds | None:
    """Return (low, high): a part passes below `low`, is rejected from `high` on, and goes to review between.

    Takes the thresholds the operating point names, else those of the predictions, else the values at which
    the decisions change; the first that reproduce every decision. None where none do, or all are None.
    """
    if predictions.normal is None:
        return None
    for low, high in _candidates(predictions, operating_point):
        if np.array_equal(decide(predictions, low, high), np.array(predictions.decisions, dtype=object)):
            return low, high
    return None


def decide(predictions: Predictions, low: float, high: float) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Return object (N,): OK, REVIEW or DEFECT at these thresholds."""
    values = predictions.values
    return np.where(values >= high, "DEFECT", np.where(values >= low, "REVIEW", "OK")).astype(object)


def slider_data(predictions: Predictions, chosen: Thresholds) -> dict[str, Any]:
    """Return what the page's script needs: each part's value and truth, the scale, the chosen thresholds."""
    values = predictions.values
    calibrated = predictions.probabilities is not None
    ends = (0.0, 1.0) if calibrated else (float(values.min()), float(values.max()))
    margin = 0.0 if calibrated else 0.02 * (ends[1] - ends[0] or 1.0)
    return {
        "values": [float(value) for value in values],
        "defect": [int(defect) for defect in predictions.is_defect],
        "scale": [min(ends[0] - margin, chosen[0]), max(ends[1] + margin, chosen[1])],
        "chosen": list(chosen),
        "band": bool(chosen[0] < chosen[1]),
    }


def _candidates(predictions: Predictions, operating_point: Mapping[str, Any]) -> Iterator[Thresholds]:
    high, low = operating_point.get("threshold"), operating_point.get("review")
    if isinstance(high, int | float):
        yield float(low if isinstance(low, int | float) else high), float(high)
    if predictions.thresholds is not None:
        every = np.unique(predictions.thresholds)
        if len(every) == 1:
            yield float(every[0]), float(every[0])
    values = predictions.values
    above = float(np.nextafter(values.max(), np.inf))
    reject = float(values[predictions.decided("DEFECT")].min(initial=above))
    yield float(values[predictions.decided("REVIEW")].min(initial=reject)), reject
