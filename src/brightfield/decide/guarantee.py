"""Distribution-free thresholds, whose error rate is bounded with a stated confidence."""

from __future__ import annotations

import math
from bisect import bisect_left
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
    """A proven upper bound on an error rate, with the counts that prove it.

    Attributes:
        kind: The error rate, one of `KINDS`.
        bound: Upper bound of the rate, in (0, 1).
        confidence: Confidence of the bound, over the draw of the calibration parts, in (0, 1).
        n: Number of parts that prove it: defective ones for escapes, good ones for overkills.
        errors: How many of these parts are decided wrongly.
        defect: The defect type that the bound is about; None for all types.
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
            ConfigError: If a value is out of range.
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
    """Check that a bound and a confidence lie between 0 and 1.

    Raises:
        ConfigError: If one of them does not.
    """
    for name, value in (("bound", bound), ("confidence", confidence)):
        if not 0.0 < value < 1.0:
            raise ConfigError(
                f"the {name} is {value:g}; expected a share above 0 and below 1: no number of "
                "parts proves 0 or 1"
            )


def upper_bound(errors: int, n: int, confidence: float) -> float:
    """Return the exact one-sided upper bound of a rate, given `errors` in `n` parts; 1 where n is 0.

    Clopper and Pearson, The use of confidence or fiducial limits, 1934.
    """
    from scipy.stats import beta  # imported here, as judging must not need SciPy

    if errors >= n:
        return 1.0
    return float(beta.ppf(confidence, errors + 1, n - errors))


def parts_needed(bound: float, confidence: float, errors: int = 0) -> int:
    """Return the fewest parts that prove the bound if so many of them are decided wrongly.

    With 95% confidence and no error these are 59, 149 and 299 parts for bounds of 5%, 2% and 1%: the least n
    for which (1 - bound)^n <= 1 - confidence.
    """
    check_bound(bound, confidence)
    n = max(1, math.ceil(math.log1p(-confidence) / math.log1p(-bound)) - 1)
    while (1.0 - bound) ** n > 1.0 - confidence:
        n += 1
    if not errors:
        return n
    few, enough = n, n
    while errors_allowed(enough, bound, confidence) < errors:
        few, enough = enough, 2 * enough
    return bisect_left(
        range(enough), errors, lo=few, key=lambda parts: errors_allowed(parts, bound, confidence)
    )


def errors_allowed(n: int, bound: float, confidence: float) -> int:
    """Return how many of n parts may be decided wrongly while the bound is proven; -1 where n is too few."""
    check_bound(bound, confidence)
    # the tail increases with the errors; 1e-12 accepts equality in spite of rounding
    limit = math.log1p(-confidence) + 1e-12
    return int(np.searchsorted(log_binomial_tail(n, bound), limit, side="right")) - 1


def escape_threshold(
    defective: npt.ArrayLike, bound: float, confidence: float, what: str = "defective parts"
) -> tuple[float, int]:
    """Return the highest threshold that proves the escape rate, and how many calibration parts escape at it.

    Parts below a threshold pass. Thresholds are tested from the safest, 0, upwards. At each, the hypothesis
    that more than `bound` of all defective parts pass is rejected if an exact binomial test of the observed
    escapes has a p-value of at most 1 - confidence. The result is the last threshold before the first that
    fails. The order is fixed in advance, so no correction for multiple tests is needed (Learn then Test,
    Angelopoulos et al., 2021, section 3.2, fixed-sequence testing). As escapes are counted at order
    statistics, this is Wilks' distribution-free tolerance limit of 1941, exact for continuous scores and
    conservative for tied ones. It holds for any scores whose ranking was not fitted on these parts; an
    increasing calibrator keeps the ranking.

    Args:
        defective: (N,), probabilities or scores of the defective calibration parts.
        bound: Upper bound of the escape rate, in (0, 1).
        confidence: Confidence of the bound, in (0, 1).
        what: Name of the parts in the error message.

    Raises:
        ConfigError: If the bound or the confidence is out of range.
        DataError: If the parts are too few; the message says how many more are needed.
    """
    values = np.sort(np.asarray(defective, dtype=np.float64))
    allowed = _errors_allowed(len(values), bound, confidence, "escape rate", what)
    threshold = float(values[allowed])
    return threshold, int((values < threshold).sum())


def overkill_threshold(
    good: npt.ArrayLike, bound: float, confidence: float, what: str = "good parts"
) -> tuple[float, int]:
    """Return the lowest threshold that proves the overkill rate, and how many calibration parts it rejects.

    Parts at or above the threshold are rejected. The test is that of `escape_threshold`, from above.

    Raises:
        ConfigError: If the bound or the confidence is out of range.
        DataError: If the parts are too few; the message says how many more are needed.
    """
    values = np.sort(np.asarray(good, dtype=np.float64))[::-1]
    allowed = _errors_allowed(len(values), bound, confidence, "overkill rate", what)
    threshold = math.nextafter(float(values[allowed]), math.inf)
    return threshold, int((values >= threshold).sum())


def _errors_allowed(n: int, bound: float, confidence: float, rate: str, what: str) -> int:
    """Return how many errors the bound allows among n parts; raise DataError where n is too few."""
    allowed = errors_allowed(n, bound, confidence)
    if allowed < 0:
        needed = parts_needed(bound, confidence)
        best = upper_bound(0, n, confidence)
        raise DataError(
            f"there are {n} {what} to choose the threshold on; to prove an {rate} of at most {bound:.4g} "
            f"with {confidence:.4g} confidence takes at least {needed} of them without an error, "
            f"{needed - n} more. {n} prove {'nothing' if n == 0 else f'at best {best:.3g}'}: add images to "
            "choose on, or ask for a higher bound or a lower confidence"
        )
    return allowed
