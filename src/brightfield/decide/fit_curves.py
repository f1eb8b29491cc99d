"""Fit the calibration curves from a score to the probability of a defect, and choose among them."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit, logit

from brightfield.decide.checks import check_counts, check_labels, check_numbers
from brightfield.decide.curves import Beta, Curve, Isotonic, Platt, sides

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

FOLDS = 5
ENOUGH_TO_CHOOSE = 50
"""From this many good and this many defective images on, curves other than Platt's are tried."""

_FLATTEST = 1e-3  # least slope per standard deviation of the scores, so that the curve stays increasing

_DIGITS = 12  # to which the steps of an isotonic fit are told apart

logger = logging.getLogger(__name__)


def fit_platt(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> Platt:
    """Return the logistic curve with the least cross-entropy to Platt's smoothed targets.

    The smoothed targets, (defects + 1) / (defects + 2) and 1 / (good + 2), keep the slope finite where the
    scores separate the parts. Where the scores rank the parts in reverse, or not at all, the curve is nearly
    flat at the share of defects, still increasing, and a warning is logged.

    Lin, Lin and Weng, A Note on Platt's Probabilistic Outputs, 2007, equation 5.

    Args:
        scores: (N,), any scale, higher is more defective.
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong, or all parts are defective or all are good.
    """
    values, defect = _checked(scores, is_defect)
    mean, scale = float(values.mean()), _scale(values)
    (slope,), offset = _logistic(((values - mean) / scale)[:, None], defect)
    if slope <= _FLATTEST:
        logger.warning("the scores do not separate defective from good parts on the calibration split")
    return Platt(float(slope / scale), float(offset - slope * mean / scale))


def fit_beta(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> Beta:
    """Return the beta curve with the least cross-entropy to Platt's smoothed targets.

    Args:
        scores: (N,), log-odds of the model, higher is more defective.
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong, or all parts are defective or all are good.
    """
    values, defect = _checked(scores, is_defect)
    scale = _scale(values)
    (lower, upper), offset = _logistic(np.stack(sides(values), axis=1) / scale, defect)
    return Beta(float(lower / scale), float(upper / scale), offset)


def fit_isotonic(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> Isotonic:
    """Return the centred isotonic curve, with knots at probabilities in [1 / (N + 2), 1 - 1 / (N + 2)].

    Args:
        scores: (N,), any scale, higher is more defective.
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong, or all parts are defective or all are good.
    """
    from sklearn.isotonic import IsotonicRegression

    values, defect = _checked(scores, is_defect)
    n = len(values)
    steps = IsotonicRegression().fit_transform(values, defect.astype(np.float64))  # (N,)
    # two steps that differ by rounding alone are one, or their log-odds would tie
    clipped = steps.clip(1 / (n + 2), (n + 1) / (n + 2)).round(_DIGITS)
    shares, step = np.unique(clipped, return_inverse=True)
    centres = np.bincount(step, weights=values) / np.bincount(step)  # (steps,)
    slope = fit_platt(values, defect).slope
    return Isotonic(tuple(centres.tolist()), tuple(logit(shares).tolist()), slope)


FITS: dict[str, Callable[[npt.ArrayLike, npt.ArrayLike], Curve]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}


def fit_curve(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> Curve:
    """Return the curve with the best cross-validated log loss, fitted on all parts.

    In the order of `FITS`, a curve replaces the best so far where its out-of-fold log loss is lower by more
    than twice the standard error of the difference. With fewer than `ENOUGH_TO_CHOOSE` good or defective
    parts it is always Platt's.

    Args:
        scores: (N,), log-odds of the model, higher is more defective.
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong, or all parts are defective or all are good.
    """
    values, defect = _checked(scores, is_defect)
    best = "platt"
    if min(int(defect.sum()), int((~defect).sum())) >= ENOUGH_TO_CHOOSE:
        losses = {name: out_of_fold_losses(name, values, defect) for name in FITS}
        for name in FITS:
            gain = losses[best] - losses[name]
            if gain.mean() > 2 * gain.std() / math.sqrt(len(gain)):
                best = name
        means = ", ".join(f"{name} {loss.mean():.4f}" for name, loss in losses.items())
        logger.info("calibration curve: %s; out-of-fold log loss: %s", best, means)
    return FITS[best](values, defect)


def out_of_fold_losses(name: str, scores: FloatArray, is_defect: BoolArray) -> FloatArray:
    """Return the out-of-fold log loss (N,) of each part.

    Args:
        name: Name of the curve, one of `FITS`.
        scores: float64 (N,), log-odds of the model.
        is_defect: bool (N,).
    """
    from sklearn.model_selection import StratifiedKFold

    probability = np.empty(len(scores))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for fit, held_out in folds.split(scores[:, None], is_defect):
        probability[held_out] = FITS[name](scores[fit], is_defect[fit]).apply(scores[held_out])
    least = np.finfo(np.float64).tiny
    return np.asarray(-np.log(np.maximum(np.where(is_defect, probability, 1.0 - probability), least)))


def _checked(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    values = check_numbers(scores, "scores", 1)
    defect = check_labels(is_defect, len(values), 2).astype(np.bool_)
    check_counts(np.array([(~defect).sum(), defect.sum()]))
    return values, defect


def _scale(values: FloatArray) -> float:
    deviation = float(values.std())
    return deviation if deviation > 0 else 1.0


def _logistic(columns: FloatArray, defect: BoolArray) -> tuple[FloatArray, float]:
    """Return the slopes (D,), each at least `_FLATTEST`, and the offset of a logistic fit on (N, D)."""
    n_defect, n_good = int(defect.sum()), int((~defect).sum())
    targets = np.where(defect, (n_defect + 1) / (n_defect + 2), 1 / (n_good + 2))  # (N,)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        z = columns @ parameters[:-1] + parameters[-1]
        miss = expit(z) - targets
        cost = float((np.logaddexp(0, z) - targets * z).mean())
        return cost, np.append(columns.T @ miss / len(miss), miss.mean())

    slopes = columns.shape[1]
    start = np.array([*[_FLATTEST] * slopes, logit(targets.mean())])
    bounds = [*[(_FLATTEST, None)] * slopes, (None, None)]
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 1000}
    fitted = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return fitted[:-1], float(fitted[-1])
