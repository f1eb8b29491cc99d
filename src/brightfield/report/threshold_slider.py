"""The data of the report's threshold slider."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from brightfield.evaluation.predictions import Predictions
from brightfield.verdict import Scale

Thresholds = tuple[float, float]

_WORDS = {False: ("Passes below", "Rejected from"), True: ("Passes above", "Rejected up to")}


def chosen_thresholds(predictions: Predictions, operating_point: Mapping[str, Any]) -> Thresholds | None:
    """Return (stops, rejects): the values from which parts no longer pass, and from which they are rejected.

    Between the two a part goes to review. On the scale of p-values both hold from the value downwards.

    Candidates are the thresholds of the operating point, those of the predictions, and the values at which
    the decisions change. The first that reproduce every decision are returned; None if none do, or without a
    normal class.
    """
    if predictions.normal is None:
        return None
    for stops, rejects in _candidates(predictions, operating_point):
        decisions = decide(predictions, stops, rejects)
        if np.array_equal(decisions, np.array(predictions.decisions, dtype=object)):
            return stops, rejects
    return None


def decide(predictions: Predictions, stops: float, rejects: float) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Return object (N,): OK, REVIEW or DEFECT at these thresholds."""
    values, down = predictions.values, _is_down(predictions)
    rejected = values <= rejects if down else values >= rejects
    stopped = values <= stops if down else values >= stops
    return np.where(rejected, "DEFECT", np.where(stopped, "REVIEW", "OK")).astype(object)


def slider_data(predictions: Predictions, chosen: Thresholds) -> dict[str, Any]:
    """Return the data of the page's script: values and truth of parts, range of the slider, thresholds.

    The slider of p-values is logarithmic, as thresholds on them are small.
    """
    down = _is_down(predictions)
    return {
        "values": [float(value) for value in predictions.values],
        "defect": [int(defect) for defect in predictions.is_defect],
        "scale": _span(predictions, chosen),
        "chosen": list(chosen),
        "band": bool(chosen[0] != chosen[1]),
        "down": down,
        "words": list(_WORDS[down]),
    }


def _is_down(predictions: Predictions) -> bool:
    return predictions.compared_on is Scale.P_VALUE


def _span(predictions: Predictions, chosen: Thresholds) -> list[float]:
    """Return the lower and the upper end of the slider."""
    values, scale = predictions.values, predictions.compared_on
    if scale is Scale.PROBABILITY:
        return [0.0, 1.0]
    if scale is Scale.P_VALUE:
        positive = [float(value) for value in (*values, *chosen) if value > 0.0]
        return [0.5 * min(positive, default=1.0), 1.0]  # half the smallest p-value stops no part
    low, high = float(values.min()), float(values.max())
    margin = 0.02 * (high - low or 1.0)
    return [min(low - margin, *chosen), max(high + margin, *chosen)]


def _candidates(predictions: Predictions, operating_point: Mapping[str, Any]) -> Iterator[Thresholds]:
    rejects, stops = operating_point.get("threshold"), operating_point.get("review")
    if isinstance(rejects, int | float):
        yield float(stops if isinstance(stops, int | float) else rejects), float(rejects)
    if predictions.thresholds is not None:
        every = np.unique(predictions.thresholds)
        if len(every) == 1:
            yield float(every[0]), float(every[0])
    sign = -1.0 if _is_down(predictions) else 1.0
    values = sign * predictions.values
    above = float(np.nextafter(values.max(), np.inf))
    least = float(values[predictions.decided("DEFECT")].min(initial=above))
    yield sign * float(values[predictions.decided("REVIEW")].min(initial=least)), sign * least
