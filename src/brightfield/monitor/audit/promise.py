"""Whether the promise of a threshold is proven or broken, and how many more looks it takes to know."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from brightfield.decide.guarantee import Guarantee, check_bound
from brightfield.errors import ConfigError
from brightfield.monitor.audit.bounds import audit
from brightfield.monitor.audit.tally import Evidence

PROVEN, BROKEN, OPEN = "proven", "broken", "open"

MOST_TIMES = 10_000
"""Looks are reckoned ahead up to this many times those that there are."""


@dataclass(frozen=True)
class Promise:
    """An upper bound of a rate, promised with a confidence.

    Attributes:
        kind: `escape` or `overkill`.
        bound: The bound, in (0, 1).
        confidence: The confidence, in (0, 1).
        defect: The defect type that it is about; None for all.
    """

    kind: str
    bound: float
    confidence: float = 0.95
    defect: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("escape", "overkill"):
            raise ConfigError(f"a promise of the kind {self.kind!r} is unknown; expected escape or overkill")
        check_bound(self.bound, self.confidence)

    @staticmethod
    def of(guarantee: Guarantee) -> Promise:
        """Return the promise that the guarantee of an operating point makes."""
        return Promise(guarantee.kind, guarantee.bound, guarantee.confidence, guarantee.defect)


@dataclass(frozen=True)
class Standing:
    """How a promise stands.

    Attributes:
        promise: The promise.
        outcome: `proven`, `broken` or `open`.
        low: Lower bound of the rate, at the promise's confidence.
        high: Upper bound of the rate, at the promise's confidence.
        looks: How many randomly drawn parts were looked at.
        more: How many more it takes until the promise is proven or broken, if all goes on as it did; 0 where
            it is, None where it would take more than `MOST_TIMES` times as many as there are.
        then: `proven` or `broken`, which of them it will then be; None where `more` is.
    """

    promise: Promise
    outcome: str
    low: float
    high: float
    looks: int
    more: int | None
    then: str | None

    def as_dict(self) -> dict[str, Any]:
        """Return the standing as JSON types."""
        return asdict(self)


def standing(promise: Promise, evidence: Evidence) -> Standing:
    """Return how a promise stands after the looks of an audit.

    More looks are taken to find what those so far found, in the same proportions, known pieces and repeated
    looks included.
    """
    of_it = evidence if promise.defect is None else evidence.of_type(promise.defect)
    low, high = _bounds(promise, of_it)
    outcome = _outcome(promise, low, high)
    looks = int(evidence.looks)
    if outcome != OPEN:
        return Standing(promise, outcome, low, high, looks, 0, outcome)

    def after(times: float) -> str:
        return _outcome(promise, *_bounds(promise, of_it.times(times)))

    times = None if looks == 0 else _least_times(after)
    if times is None:
        return Standing(promise, OPEN, low, high, looks, None, None)
    then = after(times)
    return Standing(promise, OPEN, low, high, looks, math.ceil((times - 1.0) * looks), then)


def _bounds(promise: Promise, evidence: Evidence) -> tuple[float, float]:
    found = audit(evidence, promise.confidence)
    rate = found.escape_rate if promise.kind == "escape" else found.overkill_rate
    return float(rate.low), float(rate.high)


def _outcome(promise: Promise, low: float, high: float) -> str:
    if high <= promise.bound:
        return PROVEN
    return BROKEN if low > promise.bound else OPEN


def _least_times(outcome: Callable[[float], str]) -> float | None:
    """Return the least factor, in steps of a hundredth, at which the outcome is not open."""
    enough = 2.0
    while outcome(enough) == OPEN:
        enough *= 2.0
        if enough > MOST_TIMES:
            return None
    few = enough / 2.0
    while enough - few > 0.01 * few:
        middle = (few + enough) / 2.0
        few, enough = (middle, enough) if outcome(middle) == OPEN else (few, middle)
    return enough
