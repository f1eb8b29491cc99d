"""From a model's scores to calibrated probabilities, fitted on the calibration part alone."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, logsumexp, softmax

from brightfield.decide.checks import check_counts, check_labels, check_numbers, require
from brightfield.decide.curves import CURVES, Curve, fit_curve
from brightfield.errors import BundleError, DataError

FloatArray = npt.NDArray[np.float64]

TEMPERATURES = (0.02, 50.0)
"""The least and greatest temperature that a fit may give."""

logger = logging.getLogger(__name__)


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
        return np.asarray(softmax(values / self.temperature, axis=1), dtype=np.float64)

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

    def apply(self, logits: npt.ArrayLike, normal_index: int) -> FloatArray:
        """Return the probabilities (N, K) of logits (N, K); rows sum to 1.

        Raises:
            DataError: If the logits are not finite numbers of shape (N, K), or have no such column.
        """
        values = check_numbers(logits, "logits", 2)
        defect = self.curve.apply(defect_score(values, normal_index))  # (N,)
        shares = softmax(np.delete(values, normal_index, axis=1) / self.temperature, axis=1)  # (N, K - 1)
        return np.insert(shares * defect[:, None], normal_index, 1.0 - defect, axis=1)

    def as_dict(self) -> dict[str, Any]:
        """Return what `calibrator_from_dict` takes."""
        return {"kind": "by_type", "curve": self.curve.as_dict(), "temperature": self.temperature}


Calibrator = Temperature | Curve | ByType
"""What turns scores into probabilities; made by a fit, kept in a bundle."""


def fit_calibrator(logits: npt.ArrayLike, labels: npt.ArrayLike, normal_index: int | None) -> Calibrator:
    """Fit what suits the classes: a curve on the log-odds of a defect, or a temperature with no normal class.

    Args:
        logits: (N, K), any scale.
        labels: (N,), the index of each image's class.
        normal_index: The column of the normal class; None without one.

    Raises:
        DataError: If shapes or values are wrong, or the calibration part holds one class only.
    """
    values = check_numbers(logits, "logits", 2)
    classes = check_labels(labels, *values.shape)
    if normal_index is None:
        return fit_temperature(values, classes)
    curve = fit_curve(defect_score(values, normal_index), classes != normal_index)
    if values.shape[1] == 2:
        return curve
    defective = classes != normal_index
    types = classes[defective] - (classes[defective] > normal_index)  # as if the normal class were not there
    if len(np.unique(types)) < 2:
        return ByType(curve, 1.0)
    return ByType(
        curve, fit_temperature(np.delete(values[defective], normal_index, axis=1), types).temperature
    )


def probabilities(calibrator: Calibrator, logits: npt.ArrayLike, normal_index: int | None) -> FloatArray:
    """Return calibrated probabilities (N, K) by class, whichever calibrator `fit_calibrator` chose.

    Raises:
        DataError: If the logits are not finite numbers of shape (N, K), or do not suit the calibrator.
    """
    values = check_numbers(logits, "logits", 2)
    if isinstance(calibrator, Temperature):
        return calibrator.apply(values)
    if isinstance(calibrator, ByType) and normal_index is not None:
        return calibrator.apply(values, normal_index)
    if isinstance(calibrator, ByType) or normal_index is None or values.shape[1] != 2:
        raise DataError(
            f"a {calibrator.as_dict()['kind']} curve serves two classes, one of them normal; found "
            f"{values.shape[1]} classes"
        )
    defect = calibrator.apply(defect_score(values, normal_index))
    columns = np.empty_like(values)
    columns[:, normal_index] = 1.0 - defect
    columns[:, 1 - normal_index] = defect
    return columns


def defect_score(logits: npt.ArrayLike, normal_index: int) -> FloatArray:
    """Return the log-odds (N,) of any defect against the normal class, from logits (N, K).

    Raises:
        DataError: If the logits are not finite numbers of shape (N, K), or have no such column or only that.
    """
    values = check_numbers(logits, "logits", 2)
    if values.shape[1] < 2 or not 0 <= normal_index < values.shape[1]:
        raise DataError(
            f"column {normal_index} of {values.shape[1]} is the normal class; expected another too"
        )
    defects = np.delete(values, normal_index, axis=1)  # (N, K - 1)
    return np.asarray(logsumexp(defects, axis=1) - values[:, normal_index], dtype=np.float64)


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Temperature:
    """Return the temperature with the least negative log-likelihood, within `TEMPERATURES`.

    Where no image is mistaken the likelihood only grows as the temperature falls to 0, so the targets are
    then smoothed as if one more image had been seen that could be of any class: finite, and sharper with
    more images.

    Args:
        logits: (N, K), any scale.
        labels: (N,), the index of each image's class.

    Raises:
        DataError: If shapes or values are wrong, or only one class is there.
    """
    values = check_numbers(logits, "logits", 2)
    n, k = values.shape
    classes = check_labels(labels, n, k)
    check_counts(np.bincount(classes, minlength=k))
    if np.ptp(values, axis=1).max() == 0:
        logger.warning("every class has the same logit on the calibration part: the model says nothing")
        return Temperature(1.0)
    targets = np.eye(k)[classes]  # (N, K)
    if np.array_equal(values.argmax(axis=1), classes):
        targets = (n * targets + 1 / k) / (n + 1)

    def loss(log_temperature: float) -> float:
        return float(-(targets * log_softmax(values / math.exp(log_temperature), axis=1)).sum() / n)

    bounds = (math.log(TEMPERATURES[0]), math.log(TEMPERATURES[1]))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return Temperature(math.exp(found.x))


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
        if kind in CURVES:
            return _curve_from_dict(values)
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise BundleError(f"calibration of kind {kind!r} has a missing or wrong value: {error}") from error
    raise BundleError(f"calibration is of kind {kind!r}; expected temperature, by_type, {', '.join(CURVES)}")


def _curve_from_dict(values: Mapping[str, Any]) -> Curve:
    return CURVES[values["kind"]].from_dict(values)
