"""Confidence sequences: bounds of a rate that hold at all looks together, whenever one stops or goes on."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import numpy.typing as npt

from brightfield.errors import ConfigError

FloatArray = npt.NDArray[np.float64]

RARE = (0.5,)
"""Shapes for a rate that is expected to be far below its bound."""

WIDE = (1.0, 10.0, 100.0)
"""Shapes for a rate that may be near its bound or far from it."""

_NODES = 64
_LARGEST_LOG_ODDS = 25.0
_HALVINGS = 30  # to a millionth of the bound


def upper(
    events: npt.ArrayLike,
    others: npt.ArrayLike,
    alpha: float,
    *,
    shapes: tuple[float, ...] = RARE,
    weights: npt.ArrayLike = 1.0,
) -> FloatArray:
    """Return the upper bound of a rate; over all looks together it is ever too low with probability alpha.

    It is where `log_capital` reaches log(1 / alpha), which at the true rate happens at any look with
    probability alpha at most (Ville's inequality). Looks must be independent of one another, and drawn
    without regard to what they will show.

    Args:
        events: (...,) or (..., V), how many looks found the event; any number from 0 on.
        others: The same shape, how many did not.
        alpha: The probability of an error, in (0, 1).
        shapes: As in `log_capital`.
        weights: As in `log_capital`; (V,) where the counts have that axis.

    Returns:
        float64 (...,) in (0, 1]; 1 where nothing is known.

    Raises:
        ConfigError: If alpha, a count or a weight is out of range.
    """
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"alpha is {alpha}; expected the probability of an error, between 0 and 1")
    k, n, v = _counts(events, others, weights)
    alike = np.concatenate((k, n), axis=-1).reshape(-1, 2 * len(v))
    cases, case = np.unique(alike, axis=0, return_inverse=True)  # many lines at once repeat the same counts
    bounds = _upper(cases[:, : len(v)], cases[:, len(v) :], v, alpha, shapes)
    return bounds[case.reshape(k.shape[:-1])]


def _upper(
    events: FloatArray, others: FloatArray, weights: FloatArray, alpha: float, shapes: tuple[float, ...]
) -> FloatArray:
    """Return the bound (N,) of counts (N, V) by halving, on the scale of log-odds."""
    low = np.full(len(events), -_LARGEST_LOG_ODDS)
    high = -low
    beyond = _log_capital(high, events, others, weights, shapes) < -math.log(alpha)  # not even 1 is excluded
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        excluded = _log_capital(middle, events, others, weights, shapes) >= -math.log(alpha)
        low, high = np.where(excluded, low, middle), np.where(excluded, middle, high)
    return np.where(beyond, 1.0, 1.0 / (1.0 + np.exp(-high)))


def lower(
    events: npt.ArrayLike,
    others: npt.ArrayLike,
    alpha: float,
    *,
    shapes: tuple[float, ...] = WIDE,
    weights: npt.ArrayLike = 1.0,
) -> FloatArray:
    """Return the lower bound of a rate: 1 minus the upper bound of the rate of everything else."""
    return 1.0 - upper(others, events, alpha, shapes=shapes, weights=weights)


def log_capital(
    rate: npt.ArrayLike,
    events: npt.ArrayLike,
    others: npt.ArrayLike,
    *,
    shapes: tuple[float, ...] = RARE,
    weights: npt.ArrayLike = 1.0,
) -> FloatArray:
    """Return the logarithm of what a fair gambler has, who bets from 1 that the rate is below the given one.

    With equal weights it is the likelihood ratio of smaller rates against the given one, mixed over them: a
    rate is t times the given one, and t has the density a t^(a-1) on (0, 1), with equal shares for the shapes
    a. This is a beta-binomial mixture cut off at the hypothesis (Robbins, 1970; Howard, Ramdas, McAuliffe and
    Sekhon, Time-uniform, nonparametric, nonasymptotic confidence sequences, 2021). With weights it is the
    diversified bet of Waudby-Smith and Ramdas (Estimating means of bounded random variables by betting,
    2024): a look pays 1 - (1 - t) w for an event, and 1 + (1 - t) w r / (1 - r) for none. If w is
    proportional to 1 / the probability with which the part was drawn, that is fair where r is the true rate.
    It grows with r, so that all rates from the bound on are excluded.

    Args:
        rate: (...,), the rate r in [0, 1).
        events: (...,) or, with weights, (..., V): how many looks found the event.
        others: The same shape, how many did not.
        shapes: The shapes a, above 0; below 1 they favour rates near 0, above 1 rates near the given one.
        weights: (V,), the weights w, in (0, 1].

    Raises:
        ConfigError: If a count or a weight is out of range.
    """
    r = np.asarray(rate, dtype=np.float64)
    with np.errstate(divide="ignore"):
        log_odds = np.log(r) - np.log1p(-r)
    k, n, v = _counts(events, others, weights)
    return _log_capital(
        np.broadcast_to(log_odds, np.broadcast_shapes(r.shape, k.shape[:-1])), k, n, v, shapes
    )


def _log_capital(
    log_odds: FloatArray,
    events: FloatArray,
    others: FloatArray,
    weights: FloatArray,
    shapes: tuple[float, ...],
) -> FloatArray:
    t, log_share = _bets(shapes)  # (G,)
    odds = np.exp(log_odds)[..., None]  # (..., 1)
    wealth = np.broadcast_to(log_share, (*log_odds.shape, len(t))).copy()  # (..., G)
    for v, weight in enumerate(weights):
        wealth += events[..., v, None] * np.log1p((t - 1.0) * weight)
        wealth += others[..., v, None] * np.log1p((1.0 - t) * weight * odds)
    most = wealth.max(axis=-1)
    return np.asarray(most + np.log(np.exp(wealth - most[..., None]).sum(axis=-1)))


@cache
def _bets(shapes: tuple[float, ...]) -> tuple[FloatArray, FloatArray]:
    """Return the ratios t, (G,), and the logarithm of the share of each.

    Any nodes and shares that add up to 1 make a fair bet; those of Gauss and Legendre make it the mixture.
    """
    x, share = np.polynomial.legendre.leggauss(_NODES)
    x, share = (x + 1.0) / 2.0, share / 2.0
    ratios, shares = [], []
    for a in shapes:
        # the density itself, or where it has no bound the t = x^(1/a) of an x that is uniform
        ratios.append(x if a >= 1.0 else x ** (1.0 / a))
        shares.append(np.log(share) + (math.log(a) + (a - 1.0) * np.log(x) if a >= 1.0 else 0.0))
    log_share = np.concatenate(shares)
    return np.concatenate(ratios), log_share - np.log(np.exp(log_share).sum())


def _counts(
    events: npt.ArrayLike, others: npt.ArrayLike, weights: npt.ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the counts (..., V) and the weights (V,)."""
    k, n = np.broadcast_arrays(np.asarray(events, np.float64), np.asarray(others, np.float64))
    v = np.asarray(weights, dtype=np.float64)
    if v.ndim == 0:
        k, n, v = k[..., None], n[..., None], v[None]
    if k.ndim == 0 or k.shape[-1] != len(v):
        raise ConfigError(
            f"counts have the shape {k.shape} and there are {len(v)} weights; expected one each"
        )
    if not (np.isfinite(k).all() and np.isfinite(n).all()) or min(k.min(initial=0), n.min(initial=0)) < 0:
        raise ConfigError("a count of looks is negative or not finite; expected numbers from 0 on")
    if not ((v > 0).all() and (v <= 1).all()):
        raise ConfigError(f"weights are {v.tolist()}; expected numbers above 0, at most 1")
    return k, n, v
