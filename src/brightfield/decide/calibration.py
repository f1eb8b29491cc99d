"""From a method's scores to calibrated probabilities, or to p-values where only good parts are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.decide.checks import check_numbers, require
from brightfield.decide.conformal import conformal_p_values, good_allowed
from brightfield.decide.curves import CURVES, Curve
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.scores import Scores, defect_score
from brightfield.engine.numeric import softmax
from brightfield.errors import BundleError, DataError
from brightfield.verdict import Scale

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Temperature:
    """Softmax of the logits divided by one number, which never changes the most probable class.

    Of two classes the ranking of the images is kept too; of three or more only each image's own ranking of
    the classes is.

    Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.

    Attributes:
        temperature: Above 1 where the model was too sure of itself, below 1 where it was not sure enough.
    """

    temperature: float

    def __post_init__(self) -> None:
        require(math.isfinite(self.temperature) and self.temperature > 0, "temperature", self.temperature)

    def apply(self, logits: npt.ArrayLike) -> FloatArray:
        """Return the probabilities (N, K) of logits (N, K); rows sum to 1.

        Raises:
            DataError: If the logits are not finite numbers of shape (N, K).
        """
        values = check_numbers(logits, "logits", 2)
        return softmax(values / self.temperature)

    def as_dict(self) -> dict[str, Any]:
        """Return what `calibrator_from_dict` takes."""
        return {"kind": "temperature", "temperature": self.temperature}


@dataclass(frozen=True)
class ByType:
    """A curve for the probability of any defect, which a softmax shares out among the types of defect.

    The curve only increases with the log-odds of a defect, so that the order of the parts, on which
    guarantees rest, is the model's own; a softmax over all classes would change it a little.

    Attributes:
        curve: From the log-odds of any defect to its probability.
        temperature: Of the softmax over the defect types' logits, above 0.
    """

    curve: Curve
    temperature: float

    def __post_init__(self) -> None:
        require(math.isfinite(self.temperature) and self.temperature > 0, "temperature", self.temperature)

    def apply(self, logits: npt.ArrayLike, normal: int) -> FloatArray:
        """Return the probabilities (N, K) of logits (N, K); rows sum to 1.

        Raises:
            DataError: If the logits are not finite numbers of shape (N, K), or have no such column.
        """
        values = check_numbers(logits, "logits", 2)
        defect = self.curve.apply(defect_score(values, normal))  # (N,)
        shares = softmax(np.delete(values, normal, axis=1) / self.temperature)  # (N, K - 1)
        return np.insert(shares * defect[:, None], normal, 1.0 - defect, axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Return what `calibrator_from_dict` takes."""
        return {"kind": "by_type", "curve": self.curve.as_dict(), "temperature": self.temperature}


@dataclass(frozen=True)
class Conformal:
    """Scores of good parts that trained nothing, which say how unusual another part is among good ones.

    Attributes:
        good: The scores, in increasing order, one at least.
    """

    good: tuple[float, ...]

    def __post_init__(self) -> None:
        finite = all(math.isfinite(score) for score in self.good)
        if not self.good or not finite or any(a > b for a, b in pairwise(self.good)):
            raise DataError(
                f"the {len(self.good)} scores of good parts are not finite numbers in increasing order, one "
                "at least"
            )

    def apply(self, scores: npt.ArrayLike) -> FloatArray:
        """Return the p-values (N,) of scores (N,), in [1 / (good parts + 1), 1]; lower is more defective.

        Raises:
            DataError: If the scores are not finite numbers of shape (N,).
        """
        return conformal_p_values(self.good, scores)

    def as_dict(self) -> dict[str, Any]:
        """Return what `calibrator_from_dict` takes."""
        return {"kind": "conformal", "good": list(self.good)}


Calibrator = Temperature | Curve | ByType | Conformal
"""What gives scores a meaning; made by a fit, kept in a bundle."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """What is known of pictures once their scores are calibrated.

    Attributes:
        probability: float64 (N,) in [0, 1], of a defect; None without a normal class or of good parts alone.
        p_value: float64 (N,) in [0, 1], the share of good parts at least as unusual; None where there are
            probabilities.
        by_class: float64 (N, K), rows sum to 1; None without logits.
    """

    probability: FloatArray | None = None
    p_value: FloatArray | None = None
    by_class: FloatArray | None = None

    def on(self, scale: Scale, scores: npt.ArrayLike | None) -> FloatArray:
        """Return the values (N,) that a threshold on this scale is compared with.

        Args:
            scale: Which one.
            scores: (N,), of the same pictures; None where only the other scales are asked for.

        Raises:
            DataError: If there are no values on this scale.
        """
        known = {Scale.PROBABILITY: self.probability, Scale.P_VALUE: self.p_value, Scale.SCORE: scores}
        values = known[scale]
        if values is None:
            there = ", ".join(str(name) for name, found in known.items() if found is not None)
            raise DataError(
                f"the threshold is on the scale {str(scale)!r}, and these parts have values only on: "
                f"{there or 'none'}"
            )
        return np.asarray(values, dtype=np.float64)


def calibrate(calibrator: Calibrator, scores: Scores, normal: int | None) -> Calibrated:
    """Apply whichever calibrator `fit_calibrator` chose.

    Args:
        calibrator: What the fit gave.
        scores: Of any pictures, by the method that was calibrated.
        normal: The index of the normal class; None without one.

    Raises:
        DataError: If the scores do not suit the calibrator.
    """
    if isinstance(calibrator, Conformal):
        return Calibrated(p_value=calibrator.apply(scores.defect))
    if isinstance(calibrator, Temperature):
        if scores.logits is None:
            raise DataError("a temperature is for logits, and the method gives none; calibrate it anew")
        by_class = calibrator.apply(scores.logits)
        defect = None if normal is None else (1.0 - by_class[:, normal]).clip(0.0, 1.0)
        return Calibrated(defect, None, by_class)
    if isinstance(calibrator, ByType):
        if scores.logits is None or normal is None:
            raise DataError("a by_type curve serves logits of several classes, one of them normal")
        curve, by_class = calibrator.curve, calibrator.apply(scores.logits, normal)
        return Calibrated(curve.apply(scores.defect), None, by_class)
    if normal is None or (scores.logits is not None and scores.logits.shape[1] != 2):
        found = 0 if scores.logits is None else scores.logits.shape[1]
        raise DataError(
            f"a {calibrator.as_dict()['kind']} curve serves two classes, one of them normal; found {found} "
            f"classes, the normal one {'missing' if normal is None else 'among them'}"
        )
    probability = calibrator.apply(scores.defect)
    if scores.logits is None:
        return Calibrated(probability)
    columns = [probability, 1.0 - probability] if normal else [1.0 - probability, probability]
    return Calibrated(probability, None, np.stack(columns, axis=1))


def score_at(calibrator: Calibrator, point: OperatingPoint) -> float:
    """Return the least score at which a part stops passing.

    Infinite where the threshold lets every part pass, minus infinity where it lets none.

    Args:
        calibrator: What gives the scores their meaning.
        point: The operating point, on any scale.

    Raises:
        DataError: If the operating point is on a scale that the calibrator does not give.
    """
    if point.scale is Scale.SCORE:
        return point.stops_at
    if point.scale is Scale.P_VALUE and isinstance(calibrator, Conformal):
        stopped = good_allowed(len(calibrator.good), point.stops_at)
        if stopped < 0:
            return math.inf
        if stopped == len(calibrator.good):
            return -math.inf
        return math.nextafter(calibrator.good[-1 - stopped], math.inf)
    if point.scale is Scale.PROBABILITY and isinstance(calibrator, Curve | ByType | Temperature):
        return _reaches(calibrator, point.stops_at)
    raise DataError(
        f"the operating point is on the scale {str(point.scale)!r}, which a calibration of kind "
        f"{calibrator.as_dict()['kind']!r} does not give"
    )


def _reaches(calibrator: Curve | ByType | Temperature, probability: float) -> float:
    """Return the least score whose probability of a defect is this or more, by bisection of floats.

    A temperature alone is taken as one of two classes, as the score does not know how many there are.
    """
    if probability <= 0.0:
        return -math.inf

    def enough(score: float) -> bool:
        if isinstance(calibrator, Temperature):
            return float(calibrator.apply([[0.0, score]])[0, 1]) >= probability
        curve = calibrator.curve if isinstance(calibrator, ByType) else calibrator
        return float(curve.apply([score])[0]) >= probability

    low, high = -1.0, 1.0
    while enough(low):
        low *= 2.0
    while not enough(high):
        high *= 2.0
    while True:
        middle = low + (high - low) / 2.0
        if not low < middle < high:
            return high
        low, high = (low, middle) if enough(middle) else (middle, high)


def calibrator_from_dict(values: Mapping[str, Any]) -> Calibrator:
    """Return the calibrator that `as_dict` described.

    Raises:
        BundleError: If it is of an unknown kind, or a parameter is missing or out of range.
    """
    kind = values.get("kind")
    try:
        if kind == "temperature":
            return Temperature(float(values["temperature"]))
        if kind == "by_type":
            return ByType(_curve_from_dict(values["curve"]), float(values["temperature"]))
        if kind == "conformal":
            return Conformal(tuple(float(score) for score in values["good"]))
        if kind in CURVES:
            return _curve_from_dict(values)
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise BundleError(f"calibration of kind {kind!r} has a missing or wrong value: {error}") from error
    known = ", ".join(("temperature", "by_type", "conformal", *CURVES))
    raise BundleError(f"calibration is of kind {kind!r}; expected {known}")


def _curve_from_dict(values: Mapping[str, Any]) -> Curve:
    return CURVES[values["kind"]].from_dict(values)
