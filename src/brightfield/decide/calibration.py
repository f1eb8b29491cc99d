"""From a model's scores to calibrated probabilities, fitted on the calibration part alone."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize, minimize_scalar
from scipy.special import expit, log_softmax, logit, logsumexp, softmax

from brightfield.errors import BundleError, DataError

FloatArray = npt.NDArray[np.float64]

TEMPERATURES = (0.02, 50.0)
"""The least and greatest temperature that a fit may give."""

FEWEST = 10
"""Images of a class below which a fit is logged as uncertain."""

_FLATTEST = 1e-3  # the least slope a standard deviation of the scores, so that their order is never lost

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
        _require(math.isfinite(self.temperature) and self.temperature > 0, "temperature", self.temperature)

    def apply(self, logits: npt.ArrayLike) -> FloatArray:
        """Return the probabilities (N, K) of logits (N, K); rows sum to 1.

        Raises:
            DataError: If the logits are not finite numbers of shape (N, K).
        """
        values = _numbers(logits, "logits", 2)
        return np.asarray(softmax(values / self.temperature, axis=1), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return what `calibrator_from_dict` takes."""
        return {"kind": "temperature", "temperature": self.temperature}


@dataclass(frozen=True)
class Platt:
    """A logistic curve on one score: strictly increasing, so that the ranking of the images is kept.

    Platt, Probabilistic Outputs for Support Vector Machines, 1999, section 2.

    Attributes:
        slope: Log-odds for each unit of the score, above 0.
        offset: Log-odds at score 0.
    """

    slope: float
    offset: float

    def __post_init__(self) -> None:
        _require(math.isfinite(self.slope) and self.slope > 0, "slope", self.slope)
        _require(math.isfinite(self.offset), "offset", self.offset)

    def apply(self, scores: npt.ArrayLike) -> FloatArray:
        """Return the probability (N,) of a defect for scores (N,).

        Raises:
            DataError: If the scores are not finite numbers of shape (N,).
        """
        values = _numbers(scores, "scores", 1)
        return np.asarray(expit(self.slope * values + self.offset), dtype=np.float64)

    def as_dict(self) -> dict[str, Any]:
        """Return what `calibrator_from_dict` takes."""
        return {"kind": "platt", "slope": self.slope, "offset": self.offset}


Calibrator = Temperature | Platt
"""What turns scores into probabilities; made by a fit, kept in a bundle."""


def fit_calibrator(logits: npt.ArrayLike, labels: npt.ArrayLike, normal_index: int | None) -> Calibrator:
    """Fit what suits the classes: Platt on the log-odds of two with a normal class, else a temperature.

    Args:
        logits: (N, K), any scale.
        labels: (N,), the index of each image's class.
        normal_index: The column of the normal class; None without one.

    Raises:
        DataError: If shapes or values are wrong, or the calibration part holds one class only.
    """
    values = _numbers(logits, "logits", 2)
    classes = _labels(labels, *values.shape)
    if normal_index is None or values.shape[1] != 2:
        return fit_temperature(values, classes)
    return fit_platt(defect_score(values, normal_index), classes != normal_index)


def probabilities(calibrator: Calibrator, logits: npt.ArrayLike, normal_index: int | None) -> FloatArray:
    """Return calibrated probabilities (N, K) by class, whichever calibrator `fit_calibrator` chose.

    Raises:
        DataError: If the logits are not finite numbers of shape (N, K), or do not suit the calibrator.
    """
    values = _numbers(logits, "logits", 2)
    if isinstance(calibrator, Temperature):
        return calibrator.apply(values)
    if normal_index is None or values.shape[1] != 2:
        raise DataError(
            f"Platt's curve serves two classes, one of them normal; found {values.shape[1]} classes"
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
    values = _numbers(logits, "logits", 2)
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
    values = _numbers(logits, "logits", 2)
    n, k = values.shape
    classes = _labels(labels, n, k)
    _check_counts(np.bincount(classes, minlength=k))
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


def fit_platt(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> Platt:
    """Return the logistic curve with the least cross-entropy to Platt's smoothed targets.

    The smoothing, (defects + 1) / (defects + 2) and 1 / (good + 2), keeps it finite where the scores separate
    the parts. Where the scores rank the parts backwards, or not at all, the curve is all but flat at the
    share of defects, still increasing, and a warning is logged.

    Lin, Lin and Weng, A Note on Platt's Probabilistic Outputs, 2007, equation 5.

    Args:
        scores: (N,), any scale, higher is more defective.
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong, or all parts are defective or all are good.
    """
    values = _numbers(scores, "scores", 1)
    defect = _labels(is_defect, len(values), 2).astype(bool)
    n_defect, n_good = int(defect.sum()), int((~defect).sum())
    _check_counts(np.array([n_good, n_defect]))
    targets = np.where(defect, (n_defect + 1) / (n_defect + 2), 1 / (n_good + 2))  # (N,)
    mean, deviation = float(values.mean()), float(values.std())
    scale = deviation if deviation > 0 else 1.0
    standard = (values - mean) / scale

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        z = parameters[0] * standard + parameters[1]
        miss = expit(z) - targets
        cost = float((np.logaddexp(0, z) - targets * z).mean())
        return cost, np.array([(miss * standard).mean(), miss.mean()])

    start = np.array([_FLATTEST, logit(targets.mean())])
    bounds = [(_FLATTEST, None), (None, None)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    slope, offset = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    if slope <= _FLATTEST:
        logger.warning("the scores do not tell defective parts from good ones on the calibration part")
    return Platt(float(slope / scale), float(offset - slope * mean / scale))


def calibrator_from_dict(values: Mapping[str, Any]) -> Calibrator:
    """Return the calibrator that `as_dict` described.

    Raises:
        BundleError: If it is of an unknown kind, or a parameter is missing or out of range.
    """
    kind = values.get("kind")
    try:
        if kind == "temperature":
            return Temperature(float(values["temperature"]))
        if kind == "platt":
            return Platt(float(values["slope"]), float(values["offset"]))
    except (KeyError, TypeError, ValueError, DataError) as error:
        raise BundleError(f"calibration of kind {kind!r} has a missing or wrong value: {error}") from error
    raise BundleError(f"calibration is of kind {kind!r}; expected 'temperature' or 'platt'")


def _require(condition: bool, name: str, value: float) -> None:
    if not condition:
        raise DataError(f"{name} is {value}; expected a finite number, above 0 unless it is an offset")


def _numbers(values: npt.ArrayLike, name: str, dimensions: int) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    expected = "(N, K)" if dimensions == 2 else "(N,)"
    if array.ndim != dimensions:
        raise DataError(f"{name} have shape {array.shape}; expected {expected}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(
            f"{bad} of {array.size} {name} are not finite; the model diverged or an image is broken"
        )
    return array


def _labels(values: npt.ArrayLike, n: int, k: int) -> npt.NDArray[np.intp]:
    array = np.asarray(values)
    if array.shape != (n,):
        raise DataError(f"labels have shape {array.shape}; expected ({n},), one for each image")
    if n and (array.dtype.kind not in "bui" or array.min() < 0 or array.max() >= k):
        raise DataError(
            f"labels are {array.dtype} from {array.min()} to {array.max()}; expected 0 to {k - 1}"
        )
    return array.astype(np.intp)


def _check_counts(counts: npt.NDArray[np.intp]) -> None:
    present = counts[counts > 0]
    if len(present) < 2:
        raise DataError(
            f"the {counts.sum()} calibration images show {len(present)} of {len(counts)} classes; "
            "expected two at least: add images, or give calibration a larger share"
        )
    if present.min() < FEWEST:
        logger.warning("calibrated on few images of a class (%d): probabilities are uncertain", present.min())
