"""The operating point: its thresholds, the policy that chose them, and the guarantees they carry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.decide.cost import Costs
from brightfield.decide.guarantee import Guarantee
from brightfield.errors import BundleError, ConfigError, DataError
from brightfield.verdict import Decision, Scale

BoolArray = npt.NDArray[np.bool_]


WORDS = {Scale.PROBABILITY: "probability of a defect", Scale.P_VALUE: "p-value", Scale.SCORE: "score"}
"""Names of the scales in messages and reports."""

VALUES = {
    Scale.PROBABILITY: "a probability in [0, 1]",
    Scale.P_VALUE: "a p-value in [0, 1]",
    Scale.SCORE: "a finite score",
}
"""Description of the values on each scale, for messages."""


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds, the policy that chose them, and their counts on the calibration split.

    On the scale of p-values lower is more defective: there, read "at least" below as "at most".

    Attributes:
        policy: The policy, as `parse_policy` takes it.
        threshold: A part is DEFECT if its value is at least this; in [0, 1] unless on the scale of scores.
        review: A part that is not DEFECT is REVIEW if its value is at least this; None without a review band.
        n_calibration: Number of parts that the thresholds were chosen on.
        n_defect: Number of defective parts among them.
        escapes: Number of defective parts among them that pass.
        overkills: Number of good parts among them that are rejected.
        reviewed: Number of parts among them that go to review.
        reviewed_defect: Number of defective parts among the reviewed ones.
        guarantees: Proven bounds of the error rates, each with its own confidence.
        costs: Costs of errors, where the policy weighs them.
        scale: The scale of the thresholds.
    """

    policy: str
    threshold: float
    n_calibration: int
    n_defect: int
    escapes: int
    overkills: int
    review: float | None = None
    reviewed: int = 0
    reviewed_defect: int = 0
    guarantees: tuple[Guarantee, ...] = ()
    costs: Costs | None = None
    scale: Scale = Scale.PROBABILITY

    def __post_init__(self) -> None:
        for name, value in (("threshold", self.threshold), ("review", self.review)):
            if value is not None and not _is_on(self.scale, value):
                raise ConfigError(f"{name} is {value}; expected {VALUES[self.scale]}")
        if self.review is not None and not self._beyond(self.threshold, self.review):
            order = "at least" if self.scale is Scale.P_VALUE else "at most"
            raise ConfigError(
                f"review is {self.review}; expected {order} the threshold, {self.threshold}: a part goes to "
                "a person before it is rejected"
            )
        reviewed_good = self.reviewed - self.reviewed_defect
        if not (
            min(self.escapes, self.overkills, self.reviewed_defect, reviewed_good) >= 0
            and self.escapes + self.reviewed_defect <= self.n_defect
            and self.overkills + reviewed_good <= self.n_good
        ):
            raise ConfigError(
                f"{self.escapes} escapes and {self.reviewed_defect} reviewed of {self.n_defect} defective, "
                f"{self.overkills} overkills and {reviewed_good} reviewed of {self.n_good} good parts; "
                "expected no negative count and none larger than the number of parts"
            )

    @property
    def n_good(self) -> int:
        """Number of good parts that the thresholds were chosen on."""
        return self.n_calibration - self.n_defect

    @property
    def stops_at(self) -> float:
        """The value from which a part no longer passes: `review`, or without a review band the threshold."""
        return self.threshold if self.review is None else self.review

    def rejected(self, values: npt.ArrayLike) -> BoolArray:
        """Return bool: which parts are DEFECT, given values of any shape on the operating point's scale."""
        return np.asarray(self._beyond(values, self.threshold), dtype=np.bool_)

    def stopped(self, values: npt.ArrayLike) -> BoolArray:
        """Return bool: which parts are DEFECT or REVIEW, given values as in `rejected`."""
        return np.asarray(self._beyond(values, self.stops_at), dtype=np.bool_)

    def decide(self, value: float) -> Decision:
        """Return the decision on a part with this value on the operating point's scale.

        Raises:
            DataError: If the value is outside that scale.
        """
        if not _is_on(self.scale, value):
            raise DataError(f"the {WORDS[self.scale]} is {value}; expected {VALUES[self.scale]}")
        if self._beyond(value, self.threshold):
            return Decision.DEFECT
        return Decision.REVIEW if self._beyond(value, self.stops_at) else Decision.OK

    def _beyond(self, values: npt.ArrayLike, bound: float) -> npt.NDArray[np.bool_] | np.bool_:
        numbers = np.asarray(values)
        return numbers <= bound if self.scale is Scale.P_VALUE else numbers >= bound

    def review_share(self, prevalence: float | None = None) -> float | None:
        """Return the share of parts expected to go to review at a prevalence of defects.

        Args:
            prevalence: Share of defective parts, in [0, 1]; None for that of the calibration split.

        Returns:
            The share in [0, 1], from the calibration split's counts; None where that split lacks good or
            defective parts that the prevalence implies.
        """
        if prevalence is None:
            return self.reviewed / self.n_calibration if self.n_calibration else None
        counts = (
            (prevalence, self.reviewed_defect, self.n_defect),
            (1.0 - prevalence, self.reviewed - self.reviewed_defect, self.n_good),
        )
        if any(share > 0 and n == 0 for share, _, n in counts):
            return None
        return sum(share * k / n for share, k, n in counts if n)

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return {
            **asdict(self),
            "guarantees": [g.as_dict() for g in self.guarantees],
            "scale": str(self.scale),
        }

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> OperatingPoint:
        """Return the operating point that `as_dict` described.

        Raises:
            BundleError: If a value is missing or out of range.
        """
        try:
            review, costs = values["review"], values["costs"]
            return OperatingPoint(
                policy=str(values["policy"]),
                threshold=float(values["threshold"]),
                n_calibration=int(values["n_calibration"]),
                n_defect=int(values["n_defect"]),
                escapes=int(values["escapes"]),
                overkills=int(values["overkills"]),
                review=None if review is None else float(review),
                reviewed=int(values["reviewed"]),
                reviewed_defect=int(values["reviewed_defect"]),
                guarantees=tuple(Guarantee.from_dict(g) for g in values["guarantees"]),
                costs=None if costs is None else Costs.from_dict(costs),
                scale=Scale(values["scale"]),
            )
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise BundleError(f"operating point has a missing or wrong value: {error}") from error


def fixed_point(point: OperatingPoint | None, threshold: float) -> OperatingPoint:
    """Return an operating point with a threshold given by hand, on the scale of another.

    The counts and guarantees of the other do not hold for it, and are left out.

    Raises:
        ConfigError: If there is no other, or the threshold is outside its scale.
    """
    if point is None:
        raise ConfigError(
            "--threshold needs a normal class, but this inspector has none and only names classes"
        )
    value = float(threshold)
    return OperatingPoint(f"fixed={value!r}", value, 0, 0, 0, 0, scale=point.scale)


def _is_on(scale: Scale, value: float) -> bool:
    return math.isfinite(value) if scale is Scale.SCORE else 0.0 <= value <= 1.0


def standing(probability: float, bound: float) -> float:
    """Return the position of a probability relative to a bound, in [0, 2].

    It is piecewise linear: 0 at probability 0, 1 at the bound, 2 at probability 1.
    """
    if probability < bound:
        return probability / bound
    return 1.0 + (probability - bound) / (1.0 - bound) if bound < 1.0 else 2.0
