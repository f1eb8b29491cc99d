"""What errors cost at the line's own share of defects, and the thresholds that cost least."""

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
    """What each error costs, in any one currency, and how common defects are on the line.

    Attributes:
        escape: Of a defective part that passes.
        overkill: Of a good part that is rejected.
        prevalence: The share of defective parts on the line, in (0, 1).
        review: Of a part that a person looks at, who is taken to be right; None where nobody does.
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
            ConfigError: If one is out of range.
        """
        numbers = {f.name: values[f.name] for f in fields(Costs)}
        return Costs(**{name: None if v is None else float(v) for name, v in numbers.items()})  # type: ignore[arg-type]


def shifted(probabilities: npt.ArrayLike, before: float, after: float) -> FloatArray:
    """Return probabilities of a defect as they are where defects have another share.

    Bayes' rule, if only the share of defects changes and not what either kind looks like: the odds are
    multiplied by the odds of the new share over those of the old (Saerens et al., 2002, equation 4).

    Args:
        probabilities: Any shape, in [0, 1].
        before: The share of defects where they were calibrated, in (0, 1).
        after: The share where they are used, in (0, 1).

    Raises:
        ConfigError: If a share is not between 0 and 1.
    """
    for name, share in (("before", before), ("after", after)):
        if not 0.0 < share < 1.0:
            raise ConfigError(f"the share of defects {name} is {share:g}; expected one between 0 and 1")
    p = np.asarray(probabilities, dtype=np.float64)
    defect, good = p * (after / before), (1.0 - p) * ((1.0 - after) / (1.0 - before))
    return np.asarray(defect / (defect + good))


def least_cost(costs: Costs, share: float) -> tuple[float, float]:
    """Return (low, high) on probabilities calibrated where defects have a share: pass below, reject from.

    Between them a person looks, at the least expected cost of the three (Chow, 1970). They are equal where
    a person never pays, as when a review costs as much as the overkill it may save.

    Args:
        costs: What errors cost, and the line's own share of defects.
        share: The share of defects among the parts that the probabilities were calibrated on, in (0, 1).
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
        costs: What errors cost.
        escape_rate: Escapes among defective parts.
        overkill_rate: Overkills among good parts.
        review: The share of all the line's parts that a person sees.
    """
    escapes = costs.prevalence * np.asarray(escape_rate) * costs.escape
    overkills = (1.0 - costs.prevalence) * np.asarray(overkill_rate) * costs.overkill
    return np.asarray(escapes + overkills + np.asarray(review) * (costs.review or 0.0))
