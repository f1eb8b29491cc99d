"""Fitting a calibrator on pictures that were not learned from."""

from __future__ import annotations

import logging
import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from brightfield.decide.calibration import ByType, Calibrator, Conformal, Temperature
from brightfield.decide.checks import check_counts, check_labels, check_numbers
from brightfield.decide.fit_curves import fit_curve
from brightfield.decide.scores import Scores
from brightfield.errors import DataError

TEMPERATURES = (0.02, 50.0)
"""The least and greatest temperature that a fit may give."""

logger = logging.getLogger(__name__)


def fit_calibrator(scores: Scores, labels: npt.ArrayLike, normal: int | None) -> Calibrator:
    """Fit what the labels of the calibration pictures allow.

    Good and defective parts give an increasing curve on the score of a defect, beside it a temperature for
    the types of defect where there are logits of three classes or more; good parts alone give conformal
    p-values; without a normal class the logits get a temperature.

    Args:
        scores: Of the calibration pictures.
        labels: (N,), int, the index of each picture's class.
        normal: The index of the normal class; None without one.

    Raises:
        DataError: If shapes or values are wrong, or there are no good parts, no logits where they are needed,
            or one class only where there is no normal one.
    """
    k = _classes(scores, labels, normal)
    classes = check_labels(labels, len(scores), k)
    if normal is None:
        if scores.logits is None:
            raise DataError(
                "there is no normal class, and the method gives one score for a defect and no logits of the "
                "classes; name the class that counts as good, or use a method that tells classes apart"
            )
        return fit_temperature(scores.logits, classes)
    defective = classes != normal
    if not defective.any() and len(classes):
        return Conformal(tuple(np.sort(scores.defect).tolist()))
    if defective.all():
        raise DataError(
            f"{int(defective.sum())} of {len(classes)} calibration images are defective; expected good ones "
            "too: add images, or give calibration a larger share"
        )
    curve = fit_curve(scores.defect, defective)
    if scores.logits is None or k == 2:
        return curve
    types = classes[defective] - (classes[defective] > normal)  # as if the normal class were not there
    if len(np.unique(types)) < 2:
        return ByType(curve, 1.0)
    of_types = np.delete(scores.logits[defective], normal, axis=1)
    return ByType(curve, fit_temperature(of_types, types).temperature)


def _classes(scores: Scores, labels: npt.ArrayLike, normal: int | None) -> int:
    """Return how many classes the logits are of, or without logits the labels may be of."""
    if scores.logits is not None:
        return int(scores.logits.shape[1])
    named = np.asarray(labels)
    return max(int(named.max()) + 1 if named.size and named.dtype.kind in "bui" else 1, (normal or 0) + 1)


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
        logger.warning("every class has the same logit on the calibration split: the model says nothing")
        return Temperature(1.0)
    targets = np.eye(k)[classes]  # (N, K)
    if np.array_equal(values.argmax(axis=1), classes):
        targets = (n * targets + 1 / k) / (n + 1)

    def loss(log_temperature: float) -> float:
        return float(-(targets * log_softmax(values / math.exp(log_temperature), axis=1)).sum() / n)

    bounds = (math.log(TEMPERATURES[0]), math.log(TEMPERATURES[1]))
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return Temperature(math.exp(found.x))
