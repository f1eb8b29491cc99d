"""How often people are wrong, and the true share of defective parts behind what they call defective."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.monitor.audit.sequences import RARE, FloatArray, lower, upper
from brightfield.monitor.audit.tally import Known, Pairs

MISSED, ALARMED, LEAST_ALARMS = 0.4, 0.2, 0.2
"""How the probability of an error is divided among the bounds of people's errors.

There are two upper bounds of alarms, those at the first look and those that are left when all looks are in:
`MISSED + 2 * ALARMED + LEAST_ALARMS` is 1.
"""

_LEVEL = 0.05


@dataclass(frozen=True)
class Errors:
    """How often people are wrong; together the bounds hold at all looks.

    Attributes:
        missed: Upper bound of the share of defective parts that people call good.
        alarm_low: Lower bound of the share of good parts that people call defective, all looks in.
        alarm_high: Upper bound of that share at the first look.
        confirmed_high: Upper bound of that share, all looks in, those that are pending included.
    """

    missed: FloatArray
    alarm_low: FloatArray
    alarm_high: FloatArray
    confirmed_high: FloatArray


def errors_of(known: Known, alpha: float) -> Errors:
    """Return the bounds of people's errors that their looks at known pieces give.

    A part that passed and is called defective is looked at again, and two of three looks settle it. Known
    defective pieces are looked at once; that two further looks miss what the first one found is reckoned as
    if looks were independent. They are less likely to, as what one person finds is easy to see.

    Where none of a kind was shown, people are taken to make no error with that kind.

    Args:
        known: The looks at known pieces.
        alpha: The probability that at some look any of the bounds is wrong, in (0, 1).
    """
    defective, good = np.asarray(known.defective), np.asarray(known.good)
    once = upper(known.missed, defective - known.missed, MISSED * alpha)
    missed = once + (1.0 - once) * once**2  # found at the first look, and overruled by two more
    high = upper(known.alarmed, good - known.alarmed, ALARMED * alpha)
    at_most = np.minimum(np.asarray(known.confirmed + known.pending), good)
    confirmed = upper(at_most, good - at_most, ALARMED * alpha)
    return Errors(
        missed=np.where(defective > 0, missed, 0.0),
        alarm_low=lower(known.confirmed, good - known.confirmed, LEAST_ALARMS * alpha),
        alarm_high=np.where(good > 0, high, 0.0),
        confirmed_high=np.where(good > 0, confirmed, 0.0),
    )


def widened(
    errors: Errors, passed: Pairs, rejected: Pairs, shares: tuple[FloatArray, FloatArray, FloatArray]
) -> Errors:
    """Return people's errors, raised where repeated looks prove that known pieces show too few.

    Of pairs of independent looks at parts of which the share s is defective, 2 s m (1 - m) +
    2 (1 - s) f (1 - f) differ, with misses m and false alarms f. Real looks are alike more often, as a faint
    defect is missed twice. So where more pairs differ than the errors explain, real parts are harder than the
    known pieces, and the errors are raised to those that explain the pairs. That fewer differ proves nothing:
    repeated looks only ever widen.

    Args:
        errors: The errors that looks at known pieces give.
        passed: Repeated looks at parts that passed, most of which are good.
        rejected: Repeated looks at parts that did not pass.
        shares: The greatest share of defective parts among those that passed, and the least and the greatest
            among those that did not.
    """
    of_passed, least, greatest = shares
    by_misses, by_alarms = _differing(errors.missed), _differing(errors.alarm_high)
    alarms = _from_pairs(passed, of_passed * by_misses + by_alarms, 1.0 - of_passed)
    misses = _from_pairs(rejected, greatest * by_misses + (1.0 - least) * by_alarms, least)
    return Errors(
        missed=np.maximum(errors.missed, misses),
        alarm_low=errors.alarm_low,
        alarm_high=np.maximum(errors.alarm_high, alarms),
        confirmed_high=np.maximum(errors.confirmed_high, alarms),
    )


def _differing(error: FloatArray) -> FloatArray:
    """Return the greatest share of pairs that differ where independent looks err at most so often."""
    at_most = np.minimum(error, 0.5)
    return np.asarray(2.0 * at_most * (1.0 - at_most))


def _from_pairs(pairs: Pairs, explained: FloatArray, share: FloatArray) -> FloatArray:
    """Return the error in a share of the parts that pairs mean, at most 1/2; 0 where they are explained."""
    unexplained = lower(pairs.differing, pairs.alike, _LEVEL) > explained
    differing = upper(pairs.differing, pairs.alike, _LEVEL, shapes=RARE)
    inside = 1.0 - np.minimum(1.0, 2.0 * differing / np.maximum(share, 1e-9))
    return np.where(unexplained, (1.0 - np.sqrt(inside)) / 2.0, 0.0)


def true_share_high(called: FloatArray, errors: Errors) -> FloatArray:
    """Return the greatest share of defective parts where at most a share is called defective.

    Of a share s called defective, with misses m and false alarms f, (s - f) / (1 - m - f) is defective (Rogan
    and Gladen, Estimating prevalence from the results of a screening test, 1978). It grows with s and m, and
    falls with f. Where more would be false alarms than were called defective, people see known pieces
    otherwise than real parts, and nothing is subtracted.

    Args:
        called: Upper bound of the share that people call defective, in [0, 1].
        errors: The bounds of people's errors.
    """
    low = np.where(errors.alarm_low < called, errors.alarm_low, 0.0)
    sees = 1.0 - errors.missed - low
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (called - low) / sees
    return np.where((sees <= 0.0) & (called > low), 1.0, np.clip(np.nan_to_num(share), 0.0, 1.0))


def true_share_low(called: FloatArray, alarms: FloatArray) -> FloatArray:
    """Return the least share of defective parts where at least a share is called defective.

    That is the formula of `true_share_high`, without any misses: whoever misses many of the parts that
    passed need not have missed any of these.

    Args:
        called: Lower bound of the share that people call defective, in [0, 1].
        alarms: Upper bound of the share of good parts that people call defective.
    """
    return np.asarray(np.clip((called - alarms) / np.maximum(1.0 - alarms, 1e-12), 0.0, 1.0))


def true_share(called: npt.ArrayLike, missed: npt.ArrayLike, alarms: npt.ArrayLike) -> FloatArray:
    """Return the share of defective parts that these shares make most plausible, by the same formula."""
    s, m, f = (np.asarray(x, dtype=np.float64) for x in (called, missed, alarms))
    sees = np.maximum(1.0 - m - f, 1e-12)
    return np.asarray(np.clip((s - f) / sees, 0.0, 1.0))
