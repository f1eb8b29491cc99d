"""Watches a line part by part: charts, limits, and alarms."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from brightfield.errors import ConfigError
from brightfield.monitor.drift.alarms import (
    DRIFT,
    LOOK,
    VERDICTS,
    Alarm,
    Recent,
    drift_alarm,
    verdicts_alarm,
)
from brightfield.monitor.drift.charts import PRIOR_PARTS, Parts, State, start, step
from brightfield.monitor.drift.limits import Limits, limits
from brightfield.monitor.drift.neighbours import Alike, independent, likeness
from brightfield.monitor.drift.pool import Pool
from brightfield.monitor.drift.reference import Reference, Seen
from brightfield.monitor.drift.standard import CHARTED, SCORE, Standard, fit_standard

FloatArray = npt.NDArray[np.float64]

RUN_LENGTH = 10_000
"""The mean number of parts to a false alarm, unless it is set."""

SHORTEST, LONGEST = 100, 100_000
"""For longer runs, limits would hang on few alarms of imagined lines."""

FIRST_CHECK = 30
"""After so many parts, and whenever that has doubled, it is told how alike the line's neighbours are."""

KEPT = 500
"""The parts that are kept to tell since when a change has been there."""

KEPT_FOR_LIKENESS = 1000

LOOK_CHARTS, VALUE_CHARTS, VERDICT_CHARTS = 0, 1, 2
GROUPS = np.array(
    [
        LOOK_CHARTS,
        *[VERDICT_CHARTS if name == SCORE else VALUE_CHARTS for name in CHARTED] * 2,
        *[VERDICT_CHARTS] * 2,
    ]
)
"""The group of each chart of `step`: the embedding's, the CUSUMs of measured values, those of verdicts."""

SOON = 20
"""A change that seems to begin within so many parts of an alarm is the same one, going on."""

LOTS_TOGETHER = 3
"""Stretches of the reference that are drawn together are so many lots long, as lots end anywhere in them."""

LOTS_FOR_LESS = 2
"""Neighbours are taken to be less alike than before only after so many lots, as fewer do not show it."""

_OTHER_SHARE, _OTHER_LENGTH = 0.1, 1.5  # what makes likeness different enough for limits of its own


@dataclass(frozen=True)
class Plan:
    """What a line is watched with.

    Attributes:
        reference: The pictures that it is compared with.
        standard: What is usual for them.
        pool: What lines are imagined from.
        run_length: The mean number of parts to a false alarm.
        alike: How alike the line's neighbours are taken to be at first, as the reference's are.
    """

    reference: Reference
    standard: Standard
    pool: Pool
    run_length: float
    alike: Alike = field(repr=False)


def plan(reference: Reference, run_length: float = RUN_LENGTH) -> Plan:
    """Return what a line is watched with.

    Raises:
        ConfigError: If the run length is out of range.
    """
    if not SHORTEST <= run_length <= LONGEST:
        raise ConfigError(
            f"--run-length is {run_length:g}; expected {SHORTEST} to {LONGEST:,} parts to a false alarm"
        )
    standard, pool = fit_standard(reference)
    alike, pool = _with_lots(reference, pool)
    return Plan(reference, standard, pool, run_length, alike)


def _with_lots(reference: Reference, pool: Pool) -> tuple[Alike, Pool]:
    """Return how alike neighbours of the reference are, by names or part by part, and its lots."""
    usual = pool.levelled()
    found = likeness(usual, reference.positions, usual)
    if found is not None and not found.independent:
        return found, replace(pool, lots=reference.positions // round(LOTS_TOGETHER * found.length))
    _, parts = np.unique(reference.blocks, return_counts=True)
    if parts.max() > 1:
        part_by_part = np.empty(len(reference), dtype=np.int64)
        part_by_part[np.argsort(reference.blocks, kind="stable")] = np.arange(len(reference))
        found = likeness(usual, part_by_part, usual)
    return found or independent(usual.shape[1]), pool


class Watch:
    """A line that is being watched. It is not for several threads at once."""

    def __init__(self, plan: Plan, *, series: Callable[[int, FloatArray], None] | None = None) -> None:
        """Begin before the first part.

        Args:
            plan: What it is watched with.
            series: Called with each part's number and each chart's statistic, as a share of its limit.
        """
        self.plan, self._series = plan, series
        self.alarms: list[Alarm] = []
        self.number = 0
        self.judged = 0
        self.rejected = 0
        self.limits = self._limits(plan.alike)
        self._state = start(self.limits.design)
        self._recent: deque[tuple[int, str, FloatArray, npt.NDArray[np.bool_], bool]] = deque(maxlen=KEPT)
        self._values: deque[tuple[int, FloatArray]] = deque(maxlen=KEPT_FOR_LIKENESS)
        self._next_check = FIRST_CHECK
        self._going_on: dict[str, int | None] = {DRIFT: None, VERDICTS: None}
        self._verdicts_after = 0

    def skip(self) -> None:
        """Count a part of which nothing is known."""
        self.number += 1

    def see(self, part: Seen, image: str) -> Alarm | None:
        """Take one more part, and return the alarm that it gives, if any."""
        self.number += 1
        self.judged += 1
        self.rejected += part.rejected
        standard = self.plan.standard
        values, active = standard.values([part]), standard.active([part])
        scores = standard.scores(values)
        self._recent.append((self.number, image, scores[0], active[0], part.rejected))
        self._values.append((self.number, values[0]))
        rejected = np.array([part.rejected])
        self._state, statistics = step(self.limits.design, self._state, Parts(scores, active, rejected))
        relative = statistics[0] / self.limits.of_charts
        if self._series is not None:
            self._series(self.number, relative)
        alarm = self._alarm(relative)
        if self.judged == self._next_check:
            self._check()
        return alarm

    def begin_anew(self) -> None:
        """Start all charts from zero, as after the line was put right; no alarm goes on."""
        self._restart()
        self._recent.clear()
        self._going_on = {DRIFT: None, VERDICTS: None}

    def _alarm(self, relative: FloatArray) -> Alarm | None:
        over = relative > 1
        if not over.any():
            return None
        drifting = over & (GROUPS != VERDICT_CHARTS)
        chart = int(np.where(drifting if drifting.any() else over, relative, 0.0).argmax())
        embedded = self.plan.standard.embedded
        if drifting.any():
            alarm = drift_alarm(self._recent_parts(), embedded, chart)
            self._restart()
            self._recent.clear()
            self._forget(alarm.since)
        else:
            alarm = verdicts_alarm(self._recent_parts(self._verdicts_after), embedded, chart)
            self._restart_verdicts(alarm)
        return self._told(alarm)

    def _told(self, alarm: Alarm) -> Alarm | None:
        """Keep an alarm and return it; None where it is an earlier one that goes on."""
        place = self._going_on[alarm.kind]
        earlier = None if place is None else self.alarms[place]
        same = earlier is not None and _goes_on(earlier, alarm)
        if place is None or earlier is None or not same or alarm.since > earlier.until + SOON:
            self._going_on[alarm.kind] = len(self.alarms)
            self.alarms.append(alarm)
            return alarm
        words = dict.fromkeys([*earlier.also, *alarm.words])
        also = tuple(word for word in words if word != earlier.what)
        self.alarms[place] = replace(earlier, until=alarm.at, also=also)
        return None

    def _restart(self) -> None:
        fresh = start(self.limits.design)
        self._state = replace(fresh, seen=self._state.seen)

    def _restart_verdicts(self, alarm: Alarm) -> None:
        """Begin the charts of verdicts anew; what the verdicts are since the change is usual from now on.

        The share before counts as some parts, as a few since then do not show a share.
        """
        state, place = self._state, CHARTED.index(SCORE)
        up, down = state.up.copy(), state.down.copy()
        up[:, place] = down[:, place] = 0.0
        since = [rejected for number, *_, rejected in self._recent if number >= alarm.since]
        before = float(state.seen[0, 0] / state.seen[0, 1])
        seen = np.array([[PRIOR_PARTS * before + sum(since), PRIOR_PARTS + len(since)]])
        self._verdicts_after = alarm.at
        self._state = State(state.mean, up, down, np.zeros_like(state.rejects), seen)

    def _recent_parts(self, after: int = 0) -> Recent:
        parts = [part for part in self._recent if part[0] > after]
        numbers, images, scores, active, rejected = zip(*parts, strict=True)
        share = float(self._state.seen[0, 0] / self._state.seen[0, 1])
        spread = np.sqrt(share * (1 - share))
        alike = self.limits.alike
        inflation = np.sqrt(1 + alike.shares * (alike.length - 1))
        return Recent(
            numbers=numbers,
            images=images,
            scores=np.stack(scores) / inflation,
            active=np.stack(active),
            rejected=(np.array(rejected, dtype=np.float64) - share) / spread,
        )

    def _forget(self, since: int) -> None:
        """Leave out what was seen during a drift when it is told how alike neighbours are."""
        while self._values and self._values[-1][0] >= since:
            self._values.pop()

    def _check(self) -> None:
        """Tell how alike the line's neighbours are, and take limits for that."""
        self._next_check *= 2
        if len(self._values) < FIRST_CHECK:
            return
        numbers, values = zip(*self._values, strict=True)
        found = likeness(np.stack(values), np.array(numbers), self.plan.pool.levelled())
        before = self.limits.alike
        if found is None or not _differ(found, before):
            return
        if _spread(found) > _spread(before) or len(values) >= LOTS_FOR_LESS * before.length:
            self.limits = self._limits(found)

    def _limits(self, alike: Alike) -> Limits:
        return limits(self.plan.pool, GROUPS, self.plan.run_length, alike)


def _goes_on(earlier: Alarm, alarm: Alarm) -> bool:
    """Return whether an alarm may be an earlier one that goes on.

    Of verdicts both say the same. Of drift both have a word in common, or one is a new look, which may be any
    change.
    """
    if alarm.kind == VERDICTS:
        return alarm.what == earlier.what
    return LOOK in (alarm.what, earlier.what) or alarm.what in earlier.words or earlier.what in alarm.words


def _spread(alike: Alike) -> float:
    """Return how many times the variance of a long line's mean is that of independent parts, on average."""
    return float((1 + alike.shares * (alike.length - 1)).mean())


def _differ(one: Alike, other: Alike) -> bool:
    if one.independent or other.independent:
        return one.independent != other.independent
    apart = float(np.abs(one.shares - other.shares).max())
    longer = max(one.length, other.length) / min(one.length, other.length)
    return apart > _OTHER_SHARE or longer > _OTHER_LENGTH
