"""Calibrators turn a method's scores into probabilities, or into p-values where only good parts calibrate."""

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

LEAST_DEFECTS = 10
"""Fewest defective parts that calibrate a probability where the method gives a score and no logits.

Fitted to fewer, a curve is mostly its smoothing: where it says 0.5, the truth may be 0.9. Ten events for each
fitted slope is the usual rule: Peduzzi et al., A simulation study of the number of events per variable in
logistic regression analysis, 1996.
"""


@dataclass(frozen=True)
class Temperature:
    """Temperature scaling: the softmax of the logits divided by one number.

    The most probable class of an image never changes. With two classes the ranking of the images does not
    change either; with three or more it may.

    Guo et al., On Calibration of Modern Neural Networks, 2017, section 4.2.

    Attributes:
        temperature: Above 0; above 1 for an overconfident model, below 1 for an underconfident one.
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
    """A curve gives the probability of any defect, and a softmax divides it among the defect types.

    The curve is increasing in the log-odds of a defect, so it keeps the model's ranking of the parts, on
    which guarantees rest. A softmax over all classes would change that ranking a little.

    Attributes:
        curve: From the log-odds of any defect to its probability.
        temperature: Temperature of the softmax over the defect types' logits, above 0.
    """

    curve: Curve
    temperature: float

    def __post_init__(self) -> None:
        require(math.isfinite(self.temperature) and self.temperature > 0, "temperature", self.temperature)

    def apply(self, logits: npt.ArrayLike, normal: int) -> FloatArray:
        """Return the probabilities (N, K) of logits (N, K); rows sum to 1.

        Raises:
            DataError: If the logits are not finite numbers of shape (N, K), or have no column `normal`.
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
    """Conformal p-values: the rank of a part's score among the scores of held-out good parts.

    Attributes:
        good: Scores of good parts that were not trained on, in increasing order, at least one.
    """

    good: tuple[float, ...]

    def __post_init__(self) -> None:
        finite = all(math.isfinite(score) for score in self.good)
        if not self.good or not finite or any(a > b for a, b in pairwise(self.good)):
            raise DataError(
                f"the {len(self.good)} scores of good parts cannot calibrate; expected at least one, all "
                "finite and in increasing order"
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
"""A fitted calibrator, as a bundle stores it."""


@dataclass(frozen=True, eq=False)
class Calibrated:
    """The calibrated values of pictures.

    Attributes:
        probability: float64 (N,) in [0, 1], probability of a defect; None without a normal class, or where
            good parts alone calibrate.
        p_value: float64 (N,) in [0, 1], the share of good parts at least as unusual; None where there are
            probabilities.
        by_class: float64 (N, K), probability of each class, rows sum to 1; None without logits.
    """

    probability: FloatArray | None = None
    p_value: FloatArray | None = None
    by_class: FloatArray | None = None

    def row(self, i: int) -> Calibrated:
        """Return the values of one picture, N = 1."""
        every = (self.probability, self.p_value, self.by_class)
        return Calibrated(*(None if values is None else values[i : i + 1] for values in every))

    def on(self, scale: Scale, scores: npt.ArrayLike | None) -> FloatArray:
        """Return the values (N,) that are compared with a threshold on this scale.

        Args:
            scale: The scale of the threshold.
            scores: (N,), scores of the same pictures; needed on the scale of scores only.

        Raises:
            DataError: If there are no values on this scale.
        """
        known = {Scale.PROBABILITY: self.probability, Scale.P_VALUE: self.p_value, Scale.SCORE: scores}
        values = known[scale]
        if values is None:
            available = ", ".join(str(name) for name, found in known.items() if found is not None)
            raise DataError(
                f"the threshold is on the scale {str(scale)!r}, but these parts have values only on: "
                f"{available or 'none'}"
            )
        return np.asarray(values, dtype=np.float64)


def calibrate(calibrator: Calibrator, scores: Scores, normal: int | None) -> Calibrated:
    """Return the calibrated values of scores.

    Args:
        calibrator: The calibrator that `fit_calibrator` returned.
        scores: Scores of any pictures, from the same method.
        normal: The index of the normal class; None without one.

    Raises:
        DataError: If the scores do not suit the calibrator.
    """
    if isinstance(calibrator, Conformal):
        return Calibrated(p_value=calibrator.apply(scores.defect))
    if isinstance(calibrator, Temperature):
        if scores.logits is None:
            raise DataError(
                "a temperature calibrates logits, but the method gives none; calibrate the method again"
            )
        by_class = calibrator.apply(scores.logits)
        defect = None if normal is None else (1.0 - by_class[:, normal]).clip(0.0, 1.0)
        return Calibrated(defect, None, by_class)
    if isinstance(calibrator, ByType):
        if scores.logits is None or normal is None:
            raise DataError("a by_type calibrator needs logits of several classes, one of them normal")
        curve, by_class = calibrator.curve, calibrator.apply(scores.logits, normal)
        return Calibrated(curve.apply(scores.defect), None, by_class)
    if normal is None or (scores.logits is not None and scores.logits.shape[1] != 2):
        found = 0 if scores.logits is None else scores.logits.shape[1]
        raise DataError(
            f"a {calibrator.as_dict()['kind']} curve needs two classes, one of them normal; found {found} "
            f"classes, the normal class {'missing' if normal is None else 'among them'}"
        )
    probability = calibrator.apply(scores.defect)
    if scores.logits is None:
        return Calibrated(probability)
    columns = [probability, 1.0 - probability] if normal else [1.0 - probability, probability]
    return Calibrated(probability, None, np.stack(columns, axis=1))


def score_at(calibrator: Calibrator, point: OperatingPoint) -> float:
    """Return the least score at which a part stops passing.

    It is infinite where every part passes, and minus infinity where no part passes.

    Args:
        calibrator: The calibrator of the scores.
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
        return _least_score(calibrator, point.stops_at)
    raise DataError(
        f"the operating point is on the scale {str(point.scale)!r}, which a calibration of kind "
        f"{calibrator.as_dict()['kind']!r} does not give"
    )


def _least_score(calibrator: Curve | ByType | Temperature, probability: float) -> float:
    """Return the least score with at least this probability of a defect, by bisection down to one float.

    A `Temperature` is taken to be of two classes, as a score does not tell the number of classes.
    """
    if probability <= 0.0:
        return -math.inf

    def reaches(score: float) -> bool:
        if isinstance(calibrator, Temperature):
            return float(calibrator.apply([[0.0, score]])[0, 1]) >= probability
        curve = calibrator.curve if isinstance(calibrator, ByType) else calibrator
        return float(curve.apply([score])[0]) >= probability

    low, high = -1.0, 1.0
    while reaches(low):
        low *= 2.0
    while not reaches(high):
        high *= 2.0
    while True:
        middle = low + (high - low) / 2.0
        if not low < middle < high:
            return high
        low, high = (low, middle) if reaches(middle) else (middle, high)


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
