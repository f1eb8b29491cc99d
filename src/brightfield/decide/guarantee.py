"""Thresholds whose error rate is bounded with a stated confidence, however the scores are distributed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.decide.odds import log_binomial_tail
from brightfield.errors import ConfigError, DataError

KINDS = ("escape", "overkill")


@dataclass(frozen=True)
class Guarantee:
    """A bound on an error rate, and what it rests on.

    Attributes:
        kind: One of `KINDS`.
        bound: What the rate is at most, in (0, 1).
        confidence: Of the draw of the calibration parts, in (0, 1).
        n: Parts it was proven on: defective ones for escapes, good ones for overkills.
        errors: Of these, how many are decided wrongly.
        defect: The defect type it is about; None for all.
    """

    kind: str
    bound: float
    confidence: float
    n: int
    errors: int
    defect: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"guarantee of kind {self.kind!r} is unknown; known are: {', '.join(KINDS)}")
        check_bound(self.bound, self.confidence)
        if not 0 <= self.errors <= errors_allowed(self.n, self.bound, self.confidence):
            raise ConfigError(
                f"{self.errors} errors of {self.n} parts do not prove a rate of at most {self.bound:g} with "
                f"{self.confidence:g} confidence"
            )

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> Guarantee:
        """Return the guarantee that `as_dict` described.

        Raises:
            KeyError: If a value is missing.
            ConfigError: If one is out of range.
        """
        defect = values["defect"]
        return Guarantee(
            kind=str(values["kind"]),
            bound=float(values["bound"]),
            confidence=float(values["confidence"]),
            n=int(values["n"]),
            errors=int(values["errors"]),
            defect=None if defect is None else str(defect),
        )


def check_bound(bound: float, confidence: float) -> None:
    """Refuse a bound or a confidence that is not between 0 and 1.

    Raises:
        ConfigError: If one is not.
    """
    for name, value in (("bound", bound), ("confidence", confidence)):
        if not 0.0 < value < 1.0:
            raise ConfigError(
                f"the {name} is {value:g}; expected a share between 0 and 1, both excluded: no number of "
                "parts proves more"
            )


def upper_bound(errors: int, n: int, confidence: float) -> float:
    """Return the exact one-sided upper bound of a rate of which `errors` in `n` were seen; 1 where n is 0.

    Clopper and Pearson, The use of confidence or fiducial limits, 1934.
    """
    from scipy.stats import beta  # here, as what only judges does without SciPy

    if errors >= n:
        return 1.0
    return float(beta.ppf(confidence, errors + 1, n - errors))


def parts_needed(bound: float, confidence: float) -> int:
    """Return the fewest parts that prove the bound without an error: 59, 149 and 299 for 5, 2 and 1%.

    That is the least n for which a binomial with the bound as its rate shows no error with probability
    1 - confidence at most.
    """
    check_bound(bound, confidence)
    n = max(1, math.ceil(math.log1p(-confidence) / math.log1p(-bound)) - 1)
    while (1.0 - bound) ** n > 1.0 - confidence:
        n += 1
    return n


def errors_allowed(n: int, bound: float, confidence: float) -> int:
    """Return how many of n parts may be decided wrongly while the bound is still proven; -1 for none of n."""
    check_bound(bound, confidence)
    # the tail only grows with the errors: the last that is small enough, or equal but for rounding
    enough = math.log1p(-confidence) + 1e-12
    return int(np.searchsorted(log_binomial_tail(n, bound), enough, side="right")) - 1


def escape_threshold(
    defective: npt.ArrayLike, bound: float, confidence: float, what: str = "defective parts"
) -> tuple[float, int]:
    """Return the highest threshold that proves the escape rate, and how many of the parts escape there.

    Parts below a threshold pass. Thresholds are tested from the safest, 0, upwards: at each the hypothesis
    that more than `bound` of all defective parts pass is rejected where an exact binomial test of the
    escapes seen has a p-value of 1 - confidence at most; the last threshold before the first that fails is
    taken. As the order is fixed beforehand no correction is due (Learn then Test, Angelopoulos et al., 2021,
    section 3.2, fixed-sequence testing). As escapes are counted at order statistics, this is Wilks'
    distribution-free tolerance limit of 1941, exact for continuous scores and cautious where they tie. It
    holds for any scores that were not fitted to the order of these parts: a calibrator that only increases
    changes nothing.

    Args:
        defective: (N,), probabilities or scores of the defective calibration parts.
        bound: On the escape rate, in (0, 1).
        confidence: In (0, 1).
        what: How the message calls the parts.

    Raises:
        ConfigError: If the bound or the confidence is out of range.
        DataError: If so few parts prove nothing; the message says how many more are needed.
    """
    values = np.sort(np.asarray(defective, dtype=np.float64))
    allowed = _enough(len(values), bound, confidence, "escape rate", what)
    threshold = float(values[allowed])
    return threshold, int((values < threshold).sum())


def overkill_threshold(
    good: npt.ArrayLike, bound: float, confidence: float, what: str = "good parts"
) -> tuple[float, int]:
    """Return the lowest threshold that proves the overkill rate, and how many of the parts it rejects.

    As `escape_threshold`, from the other end: parts at the threshold or above are rejected.

    Raises:
        ConfigError: If the bound or the confidence is out of range.
        DataError: If the parts do not suffice.
    """
    values = np.sort(np.asarray(good, dtype=np.float64))[::-1]
    allowed = _enough(len(values), bound, confidence, "overkill rate", what)
    threshold = math.nextafter(float(values[allowed]), math.inf)
    return threshold, int((values >= threshold).sum())


def _enough(n: int, bound: float, confidence: float, rate: str, what: str) -> int:
    allowed = errors_allowed(n, bound, confidence)
    if allowed < 0:
        needed = parts_needed(bound, confidence)
        best = upper_bound(0, n, confidence)
        raise DataError(
            f"there are {n} {what} to choose on; to prove an {rate} of at most {bound:.4g} with "
            f"{confidence:.4g} confidence takes at least {needed} of them without an error, {needed - n} "
            f"more. {n} prove {'nothing' if n == 0 else f'{best:.3g} at best'}: add images to "
            "choose on, or ask for less"
        )
    return allowed
