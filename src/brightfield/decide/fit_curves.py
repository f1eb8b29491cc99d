"""Fitting the curves from one score to the probability of a defect, and choosing among them."""

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
"""Images of either kind from which on other curves than Platt's are tried."""

_FLATTEST = 1e-3  # the least slope a standard deviation of the scores, so that their order is never lost

logger = logging.getLogger(__name__)


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
    values, defect = _checked(scores, is_defect)
    mean, scale = float(values.mean()), _scale(values)
    (slope,), offset = _logistic(((values - mean) / scale)[:, None], defect)
    if slope <= _FLATTEST:
        logger.warning("the scores do not tell defective parts from good ones on the calibration split")
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
    """Return the centred isotonic curve; no probability it is pinned at is nearer to 0 or 1 than 1 / (N + 2).

    Args:
        scores: (N,), any scale, higher is more defective.
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong, or all parts are defective or all are good.
    """
    from sklearn.isotonic import IsotonicRegression

    values, defect = _checked(scores, is_defect)
    n = len(values)
    fitted = IsotonicRegression().fit_transform(values, defect.astype(np.float64))
    shares, step = np.unique(fitted.clip(1 / (n + 2), (n + 1) / (n + 2)), return_inverse=True)
    middles = np.bincount(step, weights=values) / np.bincount(step)
    slope = fit_platt(values, defect).slope
    return Isotonic(tuple(middles.tolist()), tuple(logit(shares).tolist()), slope)


FITS: dict[str, Callable[[npt.ArrayLike, npt.ArrayLike], Curve]] = {
    "platt": fit_platt,
    "beta": fit_beta,
    "isotonic": fit_isotonic,
}


def fit_curve(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> Curve:
    """Return the curve that cross-validation on these parts prefers, fitted on all of them.

    In the order of `FITS`, each takes the place of the best before it where its log loss on the parts left
    out is lower by more than twice the standard error of the difference. Platt's, the first, is taken always
    where either kind has fewer than `ENOUGH_TO_CHOOSE`.

    Args:
        scores: (N,), log-odds of the model, higher is more defective.
        is_defect: (N,), bool.

    Raises:
        DataError: If shapes or values are wrong, or all parts are defective or all are good.
    """
    values, defect = _checked(scores, is_defect)
    best = "platt"
    if min(int(defect.sum()), int((~defect).sum())) >= ENOUGH_TO_CHOOSE:
        losses = {name: left_out_losses(name, values, defect) for name in FITS}
        for name in FITS:
            ahead = losses[best] - losses[name]
            if ahead.mean() > 2 * ahead.std() / math.sqrt(len(ahead)):
                best = name
        said = ", ".join(f"{name} {loss.mean():.4f}" for name, loss in losses.items())
        logger.info("calibration by %s; log loss on parts left out: %s", best, said)
    return FITS[best](values, defect)


def left_out_losses(name: str, scores: FloatArray, is_defect: BoolArray) -> FloatArray:
    """Return the log loss (N,) of each part by a curve that was fitted without its fold.

    Args:
        name: One of `FITS`.
        scores: (N,), log-odds of the model.
        is_defect: (N,).
    """
    from sklearn.model_selection import StratifiedKFold

    shares = np.empty(len(scores))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    for fit, left in folds.split(scores[:, None], is_defect):
        shares[left] = FITS[name](scores[fit], is_defect[fit]).apply(scores[left])
    least = np.finfo(np.float64).tiny
    return np.asarray(-np.log(np.maximum(np.where(is_defect, shares, 1.0 - shares), least)))


def _checked(scores: npt.ArrayLike, is_defect: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    values = check_numbers(scores, "scores", 1)
    defect = check_labels(is_defect, len(values), 2).astype(np.bool_)
    check_counts(np.array([(~defect).sum(), defect.sum()]))
    return values, defect


def _scale(values: FloatArray) -> float:
    deviation = float(values.std())
    return deviation if deviation > 0 else 1.0


def _logistic(columns: FloatArray, defect: BoolArray) -> tuple[FloatArray, float]:
    """Return the slopes (D,) of columns (N, D), each `_FLATTEST` at least, and the offset."""
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
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options).x
    return found[:-1], float(found[-1])
