"""An alarm in words: what has changed, since which part, and which pictures show it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.monitor.drift.change_point import change_point
from brightfield.monitor.drift.standard import CHARTED, OFF, SCORE

FloatArray = npt.NDArray[np.float64]

DRIFT, VERDICTS = "drift", "verdicts"
"""What an alarm is about: the pictures look different, or what is said of them has changed, as it does where
only the shares of good and defective parts change."""

LOOK, MORE, FEWER = "new look", "more rejects", "fewer rejects"

WORDS: Mapping[tuple[str, int], str] = MappingProxyType(
    {
        ("brightness", 1): "brighter",
        ("brightness", -1): "darker",
        ("contrast", 1): "higher contrast",
        ("contrast", -1): "lower contrast",
        ("sharpness", 1): "sharper",
        ("sharpness", -1): "blurrier",
        (SCORE, 1): "higher scores",
        (SCORE, -1): "lower scores",
        **{(name, sign): "shifted" for name in ("row", "column") for sign in (1, -1)},
        **{(name, sign): "other size" for name in ("height", "width") for sign in (1, -1)},
        **{(OFF, sign): LOOK for sign in (1, -1)},
    }
)
"""What it means that a value rose (1) or fell (-1)."""

SURE = 3.0
"""By how many standard errors a value must be off to be named as what has changed."""

PICTURES = 5
"""The most pictures that an alarm names."""


@dataclass(frozen=True)
class Alarm:
    """A change of the line.

    Attributes:
        at: The part at which it was noticed, counted from 1.
        since: The part from which it has most likely been there.
        what: What has changed, in words.
        also: What else has, the surest first.
        kind: `DRIFT` or `VERDICTS`.
        images: The names of the pictures that show it best, in their order.
        parts: Their numbers.
        until: The last part at which it was still there; `at` if nothing more is known.
    """

    at: int
    since: int
    what: str
    kind: str
    also: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    parts: tuple[int, ...] = ()
    until: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """All that has changed."""
        return (self.what, *self.also)

    def as_dict(self) -> dict[str, Any]:
        """Return the alarm as `brightfield monitor --json` prints it."""
        return {
            "at": self.at,
            "since": self.since,
            "what": self.what,
            "kind": self.kind,
            "also": list(self.also),
            "until": self.until,
            "images": list(self.images),
        }


@dataclass(frozen=True, eq=False)
class Recent:
    """The parts since the charts were last begun anew, as far as they are kept.

    Attributes:
        numbers: The part's number, n of them.
        images: Its name.
        scores: Its normal scores, each divided by the square root of how many times the variance of a mean is
            that of independent parts, (n, V).
        active: Whether the values charted say something of it, (n, C).
        rejected: Whether it was rejected, standardised: mean 0 and standard deviation 1 in control, (n,).
    """

    numbers: Sequence[int]
    images: Sequence[str]
    scores: FloatArray
    active: npt.NDArray[np.bool_]
    rejected: FloatArray = field(repr=False)


def drift_alarm(recent: Recent, embedded: int, chart: int) -> Alarm:
    """Return the alarm of a chart of drift.

    Args:
        recent: The parts since the charts were begun anew; the last one passed the limit.
        embedded: The number of values of the embedding, P.
        chart: Which of the charts of `step` passed its limit: 0 for the multivariate EWMA, else a CUSUM.
    """
    charted, sign = _charted(chart)
    told_by = slice(0, embedded) if charted is None else slice(embedded + charted, embedded + charted + 1)
    first = change_point(recent.scores[:, told_by])
    scores = recent.scores[first:]
    words = _surest(scores[:, embedded:])
    own = LOOK if charted is None else WORDS[CHARTED[charted], sign]
    words = words or [own]
    direction = scores[:, told_by].mean(axis=0)
    shown = _shown(recent, first, scores[:, told_by] @ direction)
    also = [word for word in dict.fromkeys([*words[1:], own]) if word != words[0]]
    return _alarm(recent, first, shown, what=words[0], kind=DRIFT, also=tuple(also))


def verdicts_alarm(recent: Recent, embedded: int, chart: int) -> Alarm:
    """Return the alarm of a chart of verdicts; the arguments are those of `drift_alarm`."""
    charted, sign = _charted(chart)
    if charted is None:
        more = chart == 1 + 2 * len(CHARTED)
        first = change_point(recent.rejected[:, None])
        shown = _shown(recent, first, recent.rejected[first:] * (1 if more else -1))
        return _alarm(recent, first, shown, what=MORE if more else FEWER, kind=VERDICTS)
    values = np.where(recent.active[:, charted], recent.scores[:, embedded + charted], 0.0)
    first = change_point(values[:, None])
    shown = _shown(recent, first, values[first:] * sign)
    return _alarm(recent, first, shown, what=WORDS[CHARTED[charted], sign], kind=VERDICTS)


def _charted(chart: int) -> tuple[int | None, int]:
    """Return which of `CHARTED` a chart watches, None for none, and whether for a rise (1) or a fall (-1)."""
    place = chart - 1
    if not 0 <= place < 2 * len(CHARTED):
        return None, 1
    return place % len(CHARTED), 1 if place < len(CHARTED) else -1


def _surest(charted: FloatArray) -> list[str]:
    """Return in words which of the charted values of parts (m, C) are off, the surest first.

    Another light comes before another contrast, which may come of it.
    """
    errors = charted.mean(axis=0) * math.sqrt(len(charted))  # in standard errors
    off = {
        name: float(error)
        for name, error in zip(CHARTED, errors, strict=True)
        if name not in (OFF, SCORE) and abs(error) >= SURE
    }
    named = sorted(off, key=lambda name: -abs(off[name]))
    if {"brightness", "contrast"} <= off.keys() and named.index("contrast") < named.index("brightness"):
        named.remove("brightness")
        named.insert(named.index("contrast"), "brightness")
    return list(dict.fromkeys(WORDS[name, 1 if off[name] > 0 else -1] for name in named))


def _shown(recent: Recent, first: int, strength: FloatArray) -> list[int]:
    """Return the positions of the parts that show a change best, of those from `first` on, in order."""
    best = np.argsort(-strength, kind="stable")[:PICTURES]
    return sorted(int(first + i) for i in best)


def _alarm(recent: Recent, first: int, shown: list[int], **said: Any) -> Alarm:
    return Alarm(
        at=recent.numbers[-1],
        since=recent.numbers[first],
        images=tuple(recent.images[i] for i in shown),
        parts=tuple(recent.numbers[i] for i in shown),
        until=recent.numbers[-1],
        **said,
    )
