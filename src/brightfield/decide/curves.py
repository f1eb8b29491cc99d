"""Increasing calibration curves from a score to the probability of a defect: Platt, beta and isotonic."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.decide.checks import check_numbers, require
from brightfield.decide.odds import expit

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Platt:
    """Platt scaling: a logistic curve on one score.

    It is strictly increasing, so it keeps the ranking of the images. Platt, Probabilistic Outputs for Support
    Vector Machines, 1999, section 2.

    Attributes:
        slope: Log-odds per unit of the score, above 0.
        offset: Log-odds at score 0.
    """

    slope: float
    offset: float

    def __post_init__(self) -> None:
        require(math.isfinite(self.slope) and self.slope > 0, "slope", self.slope)
        require(math.isfinite(self.offset), "offset", self.offset)

    def apply(self, scores: npt.ArrayLike) -> FloatArray:
        """Return the probability (N,) of a defect for scores (N,).

        Raises:
            DataError: If the scores are not finite numbers of shape (N,).
        """
        values = check_numbers(scores, "scores", 1)
        return expit(self.slope * values + self.offset)

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return {"kind": "platt", **asdict(self)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Platt:
        """Return the curve that `as_dict` described."""
        return Platt(float(values["slope"]), float(values["offset"]))


@dataclass(frozen=True)
class Beta:
    """Beta calibration: a strictly increasing curve with one slope for scores above 0 and another below.

    The log-odds at a score s are upper * log(1 + e^s) - lower * log(1 + e^-s) + offset, which is the beta
    calibration of expit(s). Kull, Silva Filho and Flach, Beta calibration, 2017, section 3.

    Attributes:
        lower: Slope far below score 0, in log-odds per unit of the score, above 0.
        upper: Slope far above score 0, in the same unit, above 0.
        offset: Log-odds added at every score.
    """

    lower: float
    upper: float
    offset: float

    def __post_init__(self) -> None:
        for name in ("lower", "upper"):
            value = getattr(self, name)
            require(math.isfinite(value) and value > 0, name, value)
        require(math.isfinite(self.offset), "offset", self.offset)

    def apply(self, scores: npt.ArrayLike) -> FloatArray:
        """Return the probability (N,) of a defect for scores (N,).

        Raises:
            DataError: If the scores are not finite numbers of shape (N,).
        """
        lower, upper = sides(check_numbers(scores, "scores", 1))
        return expit(self.lower * lower + self.upper * upper + self.offset)

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return {"kind": "beta", **asdict(self)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Beta:
        """Return the curve that `as_dict` described."""
        return Beta(float(values["lower"]), float(values["upper"]), float(values["offset"]))


@dataclass(frozen=True)
class Isotonic:
    """Centred isotonic regression: linear in log-odds between the centres of an isotonic fit's steps.

    A plain isotonic fit is flat on its steps, so that images tie; this curve is strictly increasing. Oron and
    Flournoy, 2017.

    Attributes:
        scores: Knots of the curve, strictly increasing, at least one.
        log_odds: Log-odds at the knots, strictly increasing.
        slope: Slope beyond the first and the last knot, in log-odds per unit of the score, above 0.
    """

    scores: tuple[float, ...]
    log_odds: tuple[float, ...]
    slope: float

    def __post_init__(self) -> None:
        x, y = np.array(self.scores), np.array(self.log_odds)
        whole = len(x) == len(y) > 0 and bool(np.isfinite(x).all() and np.isfinite(y).all())
        require(whole and bool((np.diff(x) > 0).all() and (np.diff(y) > 0).all()), "isotonic curve", len(x))
        require(math.isfinite(self.slope) and self.slope > 0, "slope", self.slope)

    def apply(self, scores: npt.ArrayLike) -> FloatArray:
        """Return the probability (N,) of a defect for scores (N,).

        Raises:
            DataError: If the scores are not finite numbers of shape (N,).
        """
        values = check_numbers(scores, "scores", 1)
        beyond = np.minimum(values - self.scores[0], 0) + np.maximum(values - self.scores[-1], 0)
        inside = np.interp(values, self.scores, self.log_odds)
        return expit(inside + self.slope * beyond)

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        values = {"scores": list(self.scores), "log_odds": list(self.log_odds), "slope": self.slope}
        return {"kind": "isotonic", **values}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Isotonic:
        """Return the curve that `as_dict` described."""
        x, y = (tuple(float(v) for v in values[name]) for name in ("scores", "log_odds"))
        return Isotonic(x, y, float(values["slope"]))


Curve = Platt | Beta | Isotonic
CURVES: dict[str, type[Platt] | type[Beta] | type[Isotonic]] = {
    "platt": Platt,
    "beta": Beta,
    "isotonic": Isotonic,
}


def sides(scores: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return log expit(s) and -log(1 - expit(s)), the two features of beta calibration, for scores (N,)."""
    return -np.logaddexp(0, -scores), np.logaddexp(0, scores)
