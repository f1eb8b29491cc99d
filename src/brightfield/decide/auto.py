"""The policy `auto`: what it stands for on the parts at hand, and what more good parts would prove."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from brightfield.decide.guarantee import parts_needed
from brightfield.decide.policy import DEFAULT_CONFIDENCE, Clause, Policy

OVERKILLS = (0.01, 0.02, 0.05, 0.1)
"""The bounds of the overkill rate that `auto` tries to prove with good parts, the smallest first."""

log = logging.getLogger(__name__)


def resolve(policy: Policy, is_defect: npt.ArrayLike, least_defects: int = 1) -> Policy:
    """Return the policy that `auto` stands for on these parts; any other policy unchanged.

    Args:
        policy: The policy.
        is_defect: (N,), bool.
        least_defects: Number of defective parts from which they choose the threshold; with fewer, the good
            parts choose it.
    """
    if policy.clauses != (Clause("auto"),):
        return policy
    defect = np.asarray(is_defect, dtype=np.bool_)
    n_good = int((~defect).sum())
    if int(defect.sum()) >= least_defects or not n_good:
        return Policy((Clause("f1"),))
    return good_parts_policy(n_good)


def good_parts_policy(n_good: int) -> Policy:
    """Return the smallest overkill bound of `OVERKILLS` that so many good parts can prove.

    The choice rests on their number alone, not on their scores, so that the guarantee holds. Too few good
    parts prove none of the bounds. The threshold is then the same as for the fewest that do, just above all
    of their scores, but only the expected overkill rate is stated, 1 / (n_good + 1).

    Args:
        n_good: Number of good parts that no method learned from, at least 1.
    """
    provable = (b for b in OVERKILLS if parts_needed(b, DEFAULT_CONFIDENCE) <= n_good)
    bound = next(provable, None)
    if bound is None:
        return Policy((Clause("overkill", 1.0 / (1 + n_good)),))
    return Policy((Clause("overkill", bound, DEFAULT_CONFIDENCE),))


def further_bounds(n_good: int, bound: float, confidence: float) -> list[tuple[float, int]]:
    """Return the bounds of `OVERKILLS` below `bound` that more good parts would prove, the largest first.

    Returns:
        Pairs of a bound and the number of good parts it takes, above `n_good`.
    """
    needed = [(b, parts_needed(b, confidence)) for b in reversed(OVERKILLS) if b < bound]
    return [(b, n) for b, n in needed if n > n_good]


def warn_of_few(policy: Policy, n_good: int) -> None:
    """Log a warning where `auto` became an expected overkill rate, as the good parts prove no bound."""
    share = policy.clauses[0].value
    if policy.promises or policy.clauses[0].name != "overkill" or share is None:
        return
    log.warning(
        "only %d good parts calibrate, which prove no overkill rate: the threshold lies just above all of "
        "them, and on average %.2g%% of good parts are expected to be rejected; %d good parts would prove "
        "at most %g%%",
        n_good,
        100 * share,
        parts_needed(OVERKILLS[-1], DEFAULT_CONFIDENCE),
        100 * OVERKILLS[-1],
    )
