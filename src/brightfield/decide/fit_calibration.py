"""Fit a calibrator on pictures that were not trained on."""

from __future__ import annotations

import logging
import math

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from brightfield.decide.calibration import LEAST_DEFECTS, ByType, Calibrator, Conformal, Temperature
from brightfield.decide.checks import check_counts, check_labels, check_numbers
from brightfield.decide.fit_curves import fit_curve
from brightfield.decide.scores import Scores
from brightfield.errors import DataError

TEMPERATURES = (0.02, 50.0)
"""The least and the greatest temperature that a fit may return."""

logger = logging.getLogger(__name__)


def fit_calibrator(scores: Scores, labels: npt.ArrayLike, normal: int | None) -> Calibrator:
    """Fit the calibrator that the labels of the calibration pictures allow.

    With good and defective parts it is an increasing curve on the score, and with logits of three classes or
    more also a temperature for the defect types. With good parts alone it is conformal p-values, and so it is
    for scores without logits with fewer defective parts than `LEAST_DEFECTS`. Without a normal class it is a
    temperature for the logits.

    Args:
        scores: Scores of the calibration pictures.
        labels: (N,), int, the index of each picture's class.
        normal: The index of the normal class; None without one.

    Raises:
        DataError: If shapes or values are wrong, if there are no good parts, if logits are needed and
            missing, or if there is no normal class and only one class is present.
    """
    k = _classes(scores, labels, normal)
    classes = check_labels(labels, len(scores), k)
    if normal is None:
        if scores.logits is None:
            raise DataError(
                "there is no normal class, and the method gives a score of a defect but no logits of the "
                "classes; name the class of good parts with --normal, or use a method with logits"
            )
        return fit_temperature(scores.logits, classes)
    defective = classes != normal
    least = LEAST_DEFECTS if scores.logits is None else 1
    if int(defective.sum()) < least and not defective.all():
        return Conformal(tuple(np.sort(scores.defect[~defective]).tolist()))
    if defective.all():
        raise DataError(
            f"{int(defective.sum())} of {len(classes)} calibration images are defective; expected good "
            "parts too: add images, or choose a larger --calibration"
        )
    curve = fit_curve(scores.defect, defective)
    if scores.logits is None or k == 2:
        return curve
    types = classes[defective] - (classes[defective] > normal)  # indices without the normal class
    if len(np.unique(types)) < 2:
        return ByType(curve, 1.0)
    of_types = np.delete(scores.logits[defective], normal, axis=1)
    return ByType(curve, fit_temperature(of_types, types).temperature)


def _classes(scores: Scores, labels: npt.ArrayLike, normal: int | None) -> int:
    """Return the number of classes: of the logits, or without logits as many as the labels need."""
    if scores.logits is not None:
        return int(scores.logits.shape[1])
    named = np.asarray(labels)
    return max(int(named.max()) + 1 if named.size and named.dtype.kind in "bui" else 1, (normal or 0) + 1)


def fit_temperature(logits: npt.ArrayLike, labels: npt.ArrayLike) -> Temperature:
    """Return the temperature with the least negative log-likelihood, within `TEMPERATURES`.

    Where every image is classified correctly, the likelihood keeps growing as the temperature falls to 0. The
    targets are then smoothed as if one more image of every class equally had been seen, which keeps the
    temperature above 0.

    Args:
        logits: float (N, K), any scale.
        labels: (N,), the index of each image's class.

    Raises:
        DataError: If shapes or values are wrong, or only one class is present.
    """
    values = check_numbers(logits, "logits", 2)
    n, k = values.shape
    classes = check_labels(labels, n, k)
    check_counts(np.bincount(classes, minlength=k))
    if np.ptp(values, axis=1).max() == 0:
        logger.warning(
            "all classes have equal logits on every calibration image: the model tells no classes apart"
        )
        return Temperature(1.0)
    targets = np.eye(k)[classes]  # (N, K)
    if np.array_equal(values.argmax(axis=1), classes):
        targets = (n * targets + 1 / k) / (n + 1)

    def loss(log_temperature: float) -> float:
        return float(-(targets * log_softmax(values / math.exp(log_temperature), axis=1)).sum() / n)

    bounds = (math.log(TEMPERATURES[0]), math.log(TEMPERATURES[1]))
    fit = minimize_scalar(loss, bounds=bounds, method="bounded", options={"xatol": 1e-9})
    return Temperature(math.exp(fit.x))
