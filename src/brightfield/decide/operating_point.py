"""The operating point: thresholds, what chose them, and what is promised of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from brightfield.decide.cost import Costs
from brightfield.decide.guarantee import Guarantee
from brightfield.errors import BundleError, ConfigError, DataError
from brightfield.verdict import Decision


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds, the policy that chose them, and what they did on the calibration part.

    Attributes:
        policy: As `parse_policy` takes it.
        threshold: A part is DEFECT where its probability is this or more; in [0, 1].
        review: A part below the threshold is REVIEW where its probability is this or more; None for no band.
        n_calibration: Parts it was chosen on.
        n_defect: Defective ones among them.
        escapes: Defective ones among them that it passes.
        overkills: Good ones among them that it rejects.
        reviewed: Parts among them that it leaves to a person.
        reviewed_defect: Defective ones among those.
        guarantees: What is promised of the rates, each with its own confidence.
        costs: What errors cost, where the policy weighed them.
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

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigError(f"threshold is {self.threshold}; expected a probability in [0, 1]")
        if self.review is not None and not 0.0 <= self.review <= self.threshold:
            raise ConfigError(
                f"review is {self.review}; expected a probability from 0 to the threshold, {self.threshold}"
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
                "expected counts no larger than the parts"
            )

    @property
    def n_good(self) -> int:
        """Good ones among the parts it was chosen on."""
        return self.n_calibration - self.n_defect

    @property
    def passes_below(self) -> float:
        """The probability below which a part passes: where the review band starts, if there is one."""
        return self.threshold if self.review is None else self.review

    def decide(self, probability: float) -> Decision:
        """Return what happens to a part with this probability of a defect.

        Raises:
            DataError: If it is no probability.
        """
        if not 0.0 <= probability <= 1.0:
            raise DataError(f"probability of a defect is {probability}; expected a number in [0, 1]")
        if probability >= self.threshold:
            return Decision.DEFECT
        return Decision.REVIEW if probability >= self.passes_below else Decision.OK

    def review_share(self, prevalence: float | None = None) -> float | None:
        """Return the share of parts that a person is to see, where defects have a share.

        Args:
            prevalence: The share of defective parts, in [0, 1]; None takes the calibration part as it is.

        Returns:
            The forecast from the calibration part's counts; None where it lacks a kind that is there.
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
        return {**asdict(self), "guarantees": [g.as_dict() for g in self.guarantees]}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> OperatingPoint:
        """Return the operating point that `as_dict` described.

        Raises:
            BundleError: If a value is missing or out of range.
        """
        try:
            review, costs = values["review"], values.get("costs")
            return OperatingPoint(
                policy=str(values["policy"]),
                threshold=float(values["threshold"]),
                n_calibration=int(values["n_calibration"]),
                n_defect=int(values["n_defect"]),
                escapes=int(values["escapes"]),
                overkills=int(values["overkills"]),
                review=None if review is None else float(review),
                # bundles of the first version knew no band
                reviewed=int(values.get("reviewed", 0)),
                reviewed_defect=int(values.get("reviewed_defect", 0)),
                guarantees=tuple(Guarantee.from_dict(g) for g in values.get("guarantees", ())),
                costs=None if costs is None else Costs.from_dict(costs),
            )
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise BundleError(f"operating point has a missing or wrong value: {error}") from error


def standing(probability: float, bound: float) -> float:
    """Return where a probability stands against a bound, in [0, 2]: 1 and more from the bound on.

    It is linear from 0 at a probability of 0 to 1 at the bound, and from there to 2 at a probability of 1.
    """
    if probability < bound:
        return probability / bound
    return 1.0 + (probability - bound) / (1.0 - bound) if bound < 1.0 else 2.0
