"""The expected cost of errors at the line's prevalence of defects, and the thresholds of least cost."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.errors import ConfigError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Costs:
    """The cost of each error, in any one currency, and the prevalence of defects on the line.

    Attributes:
        escape: Cost of a defective part that passes, above 0.
        overkill: Cost of a good part that is rejected, above 0.
        prevalence: Share of defective parts on the line, in (0, 1).
        review: Cost of one review by a person, who is taken to be right, above 0; None without review.
    """

    escape: float
    overkill: float
    prevalence: float
    review: float | None = None

    def __post_init__(self) -> None:
        for name in ("escape", "overkill", "review"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigError(f"cost {name}={value:g}: expected a number above 0")
        if not 0.0 < self.prevalence < 1.0:
            raise ConfigError(
                f"cost prevalence={self.prevalence:g}: expected the share of defective parts on the line, "
                "between 0 and 1"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Costs:
        """Return the costs that `as_dict` described.

        Raises:
            KeyError: If a value is missing.
            ConfigError: If a value is out of range.
        """
        numbers = {f.name: values[f.name] for f in fields(Costs)}
        return Costs(**{name: None if v is None else float(v) for name, v in numbers.items()})  # type: ignore[arg-type]


def shifted(probabilities: npt.ArrayLike, before: float, after: float) -> FloatArray:
    """Return probabilities of a defect corrected for another prevalence (prior shift).

    Bayes' rule, where only the prevalence of defects changes and not the distribution of either kind: the
    odds are multiplied by the odds of the new prevalence over those of the old (Saerens et al., 2002,
    equation 4).

    Args:
        probabilities: Any shape, in [0, 1].
        before: Prevalence of defects where they were calibrated, in (0, 1).
        after: Prevalence of defects where they are used, in (0, 1).

    Raises:
        ConfigError: If a share is not between 0 and 1.
    """
    for name, share in (("before", before), ("after", after)):
        if not 0.0 < share < 1.0:
            raise ConfigError(
                f"the share of defects {name} the shift is {share:g}; expected a number between 0 and 1"
            )
    p = np.asarray(probabilities, dtype=np.float64)
    defect, good = p * (after / before), (1.0 - p) * ((1.0 - after) / (1.0 - before))
    return np.asarray(defect / (defect + good))


def least_cost(costs: Costs, share: float) -> tuple[float, float]:
    """Return the thresholds (low, high) of least expected cost.

    Parts pass below low, are rejected from high on, and go to review between, where a review by a
    person costs least (Chow, 1970). The thresholds are equal where a review never pays, as
    when it costs as much as the overkill that it may save.

    Args:
        costs: The costs, and the prevalence of defects on the line.
        share: Share of defects among the parts that the probabilities were calibrated on, in (0, 1).

    Returns:
        Two probabilities on the scale of the calibration, in [0, 1].
    """
    pass_or_reject = costs.overkill / (costs.overkill + costs.escape)
    low = high = pass_or_reject
    if costs.review is not None:
        person_from, person_to = costs.review / costs.escape, 1.0 - costs.review / costs.overkill
        if person_from < person_to:
            low, high = person_from, person_to
    back = shifted(np.array([low, high]), costs.prevalence, share)
    return float(back[0]), float(back[1])


def expected_cost(
    costs: Costs, escape_rate: npt.ArrayLike, overkill_rate: npt.ArrayLike, review: npt.ArrayLike = 0.0
) -> FloatArray:
    """Return the expected cost of one part on the line.

    Args:
        costs: The costs, and the prevalence of defects on the line.
        escape_rate: Share of the defective parts that pass, in [0, 1].
        overkill_rate: Share of the good parts that are rejected, in [0, 1].
        review: Share of all parts that a person reviews, in [0, 1].
    """
    escapes = costs.prevalence * np.asarray(escape_rate) * costs.escape
    overkills = (1.0 - costs.prevalence) * np.asarray(overkill_rate) * costs.overkill
    return np.asarray(escapes + overkills + np.asarray(review) * (costs.review or 0.0))
