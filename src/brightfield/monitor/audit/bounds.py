"""The bounds that an audit proves: how many defective parts pass, and how many good ones do not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.errors import ConfigError
from brightfield.monitor.audit.reviewers import (
    Errors,
    errors_of,
    true_share,
    true_share_high,
    true_share_low,
    widened,
)
from brightfield.monitor.audit.sequences import FloatArray, lower, upper
from brightfield.monitor.audit.tally import Evidence, Known, Looks

PASSED, REJECTED, PEOPLE = 0.5, 0.15, 0.2
"""How the probability of an error is divided: looks at parts that passed, at others, people's errors.

Most goes to what decides most: defective parts are rare among those that passed. Bounds each way use one of
the parts that passed and two of the others: `PASSED + 2 * REJECTED + PEOPLE` is 1.
"""

FEWEST_GROUPS = 8
"""Bounds of types and stations are corrected for this many at least, so that new ones change nothing."""


@dataclass(frozen=True)
class Bound:
    """One rate: its estimate, and the bounds that hold at every look.

    Attributes:
        value: The most plausible rate, in [0, 1]; NaN where nothing was looked at.
        low: Lower bound, in [0, 1].
        high: Upper bound, in [0, 1].
    """

    value: FloatArray
    low: FloatArray
    high: FloatArray

    def as_dict(self) -> dict[str, float | None]:
        """Return the numbers as JSON types."""
        value = float(self.value)
        return {"value": None if np.isnan(value) else value, "low": float(self.low), "high": float(self.high)}


@dataclass(frozen=True)
class Audit:
    """What an audit proves of one inspector on one line.

    All upper bounds together hold at every look with the stated confidence, and so do all lower bounds. They
    are about the line as it gave these parts: parts independent of one another, at rates that stay.

    Attributes:
        escape_rate: Missed defects of all defects: the defective parts that passed, of all defective parts.
        overkill_rate: The good parts that did not pass, of all good parts.
        defective_passed: The share of defective parts among those that passed.
        defective_rejected: The share of defective parts among those that did not.
        missed: The share of defective parts that people call good.
        alarms: The share of good parts that people call defective.
        confidence: The confidence of the upper bounds, and of the lower ones, in (0, 1).
        raised: Whether repeated looks raised what known pieces say of people's errors.
    """

    escape_rate: Bound
    overkill_rate: Bound
    defective_passed: Bound
    defective_rejected: Bound
    missed: Bound
    alarms: Bound
    confidence: float
    raised: npt.NDArray[np.bool_]

    def as_dict(self) -> dict[str, Any]:
        """Return the audit as JSON types."""
        names = ("escape_rate", "overkill_rate", "defective_passed", "defective_rejected", "missed", "alarms")
        rates = {name: getattr(self, name).as_dict() for name in names}
        return {**rates, "confidence": self.confidence, "raised": bool(self.raised)}


def audit(evidence: Evidence, confidence: float = 0.95) -> Audit:
    """Return what the looks prove, whenever one looks.

    Each share is bounded by a confidence sequence of its own; the probabilities of an error add up to at most
    1 - confidence. What people call defective is corrected for their errors, of which the least favourable
    count; undecided parts count as what is least favourable too.

    Args:
        evidence: The looks.
        confidence: The confidence, in (0, 1).

    Raises:
        ConfigError: If the confidence is out of range.
    """
    if not 0.0 < confidence < 1.0:
        raise ConfigError(f"confidence is {confidence}; expected a number between 0 and 1, such as 0.95")
    alpha = 1.0 - confidence
    known = errors_of(evidence.known, PEOPLE * alpha)
    passed, rejected = _shares(evidence, known, alpha)
    errors = widened(
        known, evidence.passed_twice, evidence.rejected_twice, (passed.high, rejected.low, rejected.high)
    )
    raised = (errors.missed > known.missed) | (errors.alarm_high > known.alarm_high)
    passed, rejected = _shares(evidence, errors, alpha)
    n_passed, n_rejected = np.asarray(evidence.n_passed), np.asarray(evidence.n_rejected)
    missed, alarms = _people(evidence.known, errors)
    return Audit(
        escape_rate=Bound(
            _share_of(n_passed * passed.value, n_rejected * rejected.value),
            np.nan_to_num(_share_of(n_passed * passed.low, n_rejected * rejected.high), nan=0.0),
            np.nan_to_num(_share_of(n_passed * passed.high, n_rejected * rejected.low), nan=1.0),
        ),
        overkill_rate=Bound(
            _share_of(n_rejected * (1 - rejected.value), n_passed * (1 - passed.value)),
            np.nan_to_num(_share_of(n_rejected * (1 - rejected.high), n_passed * (1 - passed.low)), nan=0.0),
            np.nan_to_num(_share_of(n_rejected * (1 - rejected.low), n_passed * (1 - passed.high)), nan=1.0),
        ),
        defective_passed=passed,
        defective_rejected=rejected,
        missed=missed,
        alarms=alarms,
        confidence=confidence,
        raised=np.asarray(raised),
    )


def audits(groups: Mapping[str, Evidence], confidence: float = 0.95) -> dict[str, Audit]:
    """Return what the looks prove of each defect type or station.

    All of their upper bounds together hold with the stated confidence, and so do all lower ones (Bonferroni):
    for up to `FEWEST_GROUPS` groups whichever may come to be, beyond that for the groups that are given.
    """
    each = 1.0 - (1.0 - confidence) / max(FEWEST_GROUPS, len(groups))
    return {name: audit(evidence, each) for name, evidence in groups.items()}


def _shares(evidence: Evidence, errors: Errors, alpha: float) -> tuple[Bound, Bound]:
    """Return the share of defective parts among those that passed, and among those that did not.

    Whoever calls a part defective that passed is asked again, so there false alarms are those confirmed.
    """
    sides = (
        (evidence.passed, PASSED, errors.confirmed_high),
        (evidence.rejected, REJECTED, errors.alarm_high),
    )
    passed, rejected = (
        Bound(
            _plausible(looks, evidence.known),
            true_share_low(_called_low(looks, share * alpha), alarms),
            true_share_high(_called_high(looks, share * alpha), errors),
        )
        for looks, share, alarms in sides
    )
    return passed, rejected


def _called_high(looks: Looks, alpha: float) -> FloatArray:
    return upper(np.asarray(looks.defective) + looks.unsettled, looks.good, alpha)


def _called_low(looks: Looks, alpha: float) -> FloatArray:
    return lower(looks.defective, np.asarray(looks.good) + looks.unsettled, alpha)


def _plausible(looks: Looks, known: Known) -> FloatArray:
    missed, alarms = _rate(known.missed, known.defective), _rate(known.confirmed, known.good)
    called = _share_of(np.asarray(looks.defective), np.asarray(looks.good))
    value = true_share(called, np.nan_to_num(missed), np.nan_to_num(alarms))
    return np.where(np.isnan(called), np.nan, value)


def _people(known: Known, errors: Errors) -> tuple[Bound, Bound]:
    missed, alarms = _rate(known.missed, known.defective), _rate(known.confirmed, known.good)
    return (
        Bound(missed, np.zeros_like(errors.missed), errors.missed),
        Bound(alarms, errors.alarm_low, errors.alarm_high),
    )


def _rate(k: Any, n: Any) -> FloatArray:
    return _share_of(np.asarray(k, np.float64), np.asarray(n, np.float64) - k)


def _share_of(part: FloatArray, rest: FloatArray) -> FloatArray:
    """Return part / (part + rest); NaN where both are 0."""
    whole = np.asarray(part + rest, dtype=np.float64)
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), np.nan)
