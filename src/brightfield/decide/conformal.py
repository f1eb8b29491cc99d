"""Conformal p-values of a part among good parts, for data without defects to calibrate on."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from brightfield.decide.checks import check_numbers
from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]


def conformal_p_values(good: npt.ArrayLike, new: npt.ArrayLike) -> FloatArray:
    """Return for each new score the share of good parts at least as unusual, counting the new part itself.

    Of good parts from the same distribution as `good`, at most a share a gets a p-value of a or less,
    whatever that distribution is. A p-value is not the probability of a defect: to estimate that takes scores
    of defective parts and their prevalence. Vovk, Gammerman and Shafer, Algorithmic Learning in a Random
    World, 2005, section 2.2; as a test for outliers Bates et al., 2023.

    Args:
        good: (N,), scores of good parts that were not trained on, N at least 1, higher is more unusual.
        new: (M,), scores on the same scale.

    Returns:
        float64 (M,), in [1 / (N + 1), 1].

    Raises:
        DataError: If shapes or values are wrong, or there are no good parts.
    """
    known = np.sort(check_numbers(good, "scores", 1))
    if not len(known):
        raise DataError("there are no good parts to compare with; expected at least one")
    at_least = len(known) - np.searchsorted(known, check_numbers(new, "scores", 1), side="left")
    return np.asarray((1 + at_least) / (1 + len(known)), dtype=np.float64)


def good_allowed(n: int, share: float) -> int:
    """Return how many of n good parts may lie at or above a score whose p-value is the share; -1 for none."""
    return int(np.searchsorted((1 + np.arange(n + 1)) / (1 + n), share, side="right")) - 1


def good_needed(share: float) -> int:
    """Return the fewest good parts among which a part can get a p-value of the share in (0, 1): 99 for 1%."""
    n = max(1, math.ceil(1.0 / share) - 2)
    while 1.0 / (1 + n) > share:
        n += 1
    return n


def check_good_enough(n: int, share: float) -> None:
    """Raise DataError where n good parts are too few for a p-value of the share.

    Raises:
        DataError: If they are too few; the message says how many more are needed.
    """
    if good_allowed(n, share) >= 0:
        return
    needed = good_needed(share)
    raise DataError(
        f"there are {n} good parts to choose the threshold on; to reject at most the share {share:.4g} of "
        f"good parts takes at least {needed}, {needed - n} more: add images of good parts, or allow a share "
        f"of {math.ceil(1e4 / (1 + n)) / 1e4:g} or more"
    )


def expected_overkill_threshold(good: npt.ArrayLike, share: float) -> float:
    """Return the lowest threshold at which at most a share of good parts is expected to be rejected.

    A part is rejected if and only if its conformal p-value is at most the share, that is, if its score lies
    above an order statistic of the good parts. The expectation is also over the draw of the calibration
    parts; for a single draw the share may be higher. `overkill_threshold` bounds it with a confidence.

    Args:
        good: (N,), scores or probabilities of good parts that were not trained on.
        share: Share of good parts that may be rejected, in (0, 1).

    Raises:
        DataError: If the scores are not finite numbers, or are too few.
    """
    known = np.sort(check_numbers(good, "scores", 1))
    check_good_enough(len(known), share)
    return math.nextafter(float(known[-1 - good_allowed(len(known), share)]), math.inf)
