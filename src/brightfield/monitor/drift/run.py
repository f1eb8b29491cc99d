"""Watches a folder or a log to its end, and goes on as it grows."""

from __future__ import annotations

import logging
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from threading import Event
from typing import Any, Protocol

from brightfield.errors import LogError
from brightfield.monitor.drift.alarms import Alarm
from brightfield.monitor.drift.source import Observed, Source
from brightfield.monitor.drift.watch import KEPT, Watch
from brightfield.progress import Progress, silent

log = logging.getLogger(__name__)

REPORTED_EVERY = 100


@dataclass(frozen=True)
class Told:
    """An alarm, with the parts of the source that it speaks of.

    Attributes:
        alarm: The alarm.
        at: The part at which it was noticed.
        since: The part from which the change has been there; None if it is no longer kept.
        shown: The parts that show it best, by their numbers.
        new: Whether no earlier run told of it; always without a record.
    """

    alarm: Alarm
    at: Observed
    since: Observed | None
    shown: Mapping[int, Observed]
    new: bool = True


class Record(Protocol):
    """Keeps alarms, and knows when the line was put right."""

    def alarm(self, told: Told) -> bool:
        """Keep an alarm, and return whether it is new."""

    def refresh(self) -> None:
        """Learn what was done since it was called last."""

    def put_right_before(self, part: Observed) -> bool:
        """Return whether the line was put right since it was asked last, and before this part."""


@dataclass(frozen=True)
class Monitored:
    """What was found on a line.

    Attributes:
        parts: The number of parts.
        compared: How many of them were compared with the reference.
        without: Why the others were not, and how many.
        rejected: How many of those compared were rejected.
        run_length: The mean number of parts to a false alarm.
        alarms: The alarms, in order.
        reference: The names of pictures of the reference, to be shown beside those of an alarm.
        lots: The mean number of neighbouring parts that have something in common; 1 if neighbours are
            independent.
    """

    parts: int
    compared: int
    without: Mapping[str, int]
    rejected: int
    run_length: float
    alarms: tuple[Alarm, ...]
    reference: tuple[str, ...]
    lots: float

    def as_dict(self) -> dict[str, Any]:
        """Return it as `brightfield monitor --json` prints it."""
        return {
            "parts": self.parts,
            "compared": self.compared,
            "without": dict(self.without),
            "rejected": self.rejected,
            "run_length": self.run_length,
            "alarms": [alarm.as_dict() for alarm in self.alarms],
            "reference": list(self.reference),
            "lots": self.lots,
        }


class Monitor:
    """A source that is being watched; what it remembers follows from the source alone."""

    def __init__(self, watch: Watch, source: Source, record: Record | None = None) -> None:
        self.watch, self.source, self._record = watch, source, record
        self._without: Counter[str] = Counter()
        self._lately: OrderedDict[int, Observed] = OrderedDict()
        self._untold: deque[Told] = deque()
        self._kept = False  # whether the record has the first of them

    def catch_up(
        self,
        tell: Callable[[Told], None] | None = None,
        *,
        stop: Callable[[], bool] = lambda: False,
        progress: Progress = silent,
        total: int = 0,
    ) -> int:
        """Take the parts that have come since it was called last, and return their number.

        Args:
            tell: Called with each alarm at once.
            stop: Asked after each part whether to stop.
            progress: Callback for progress reports.
            total: The number of parts that are expected; 0 reports no progress.

        Raises:
            LogError: If the log fails. Called again, it goes on where it stopped, and no alarm is lost.
        """
        count = 0
        self._tell(tell)
        if self._record is not None:
            self._record.refresh()
        for part in self.source.new():
            count += 1
            if self._record is not None and self._record.put_right_before(part):
                self.watch.begin_anew()
            self._take(part)
            self._tell(tell)
            if total and (count % REPORTED_EVERY == 0 or count >= total):
                progress("monitor", min(count, total), total)
            if stop():
                break
        return count

    def found(self) -> Monitored:
        """Return what has been found so far."""
        watch, reference = self.watch, self.watch.plan.reference
        rows = list(reference.thumbnails) or range(min(len(reference), 5))
        alike = watch.limits.alike
        return Monitored(
            parts=watch.number,
            compared=watch.judged,
            without=dict(self._without),
            rejected=watch.rejected,
            run_length=watch.plan.run_length,
            alarms=tuple(watch.alarms),
            reference=tuple(reference.images[row] for row in rows),
            lots=1.0 if alike.independent else alike.length,
        )

    def _take(self, part: Observed) -> None:
        if part.seen is None:
            self.watch.skip()
            self._without[part.without] += 1
            return
        alarm = self.watch.see(part.seen, part.image)
        self._lately[self.watch.number] = part
        if len(self._lately) > KEPT:
            self._lately.popitem(last=False)
        if alarm is not None:
            shown = {number: self._lately[number] for number in alarm.parts if number in self._lately}
            self._untold.append(Told(alarm, part, self._lately.get(alarm.since), shown))

    def _tell(self, tell: Callable[[Told], None] | None) -> None:
        """Keep and tell the alarms that were not yet; one stays until both have succeeded."""
        while self._untold:
            told = self._untold[0]
            if self._record is not None and not self._kept:
                told = self._untold[0] = replace(told, new=self._record.alarm(told))
            self._kept = True
            if tell is not None:
                tell(told)
            self._untold.popleft()
            self._kept = False


def follow(
    monitor: Monitor,
    stopped: Event,
    every: float,
    tell: Callable[[Told], None] | None = None,
) -> Monitored:
    """Watch a source as it grows until `stopped` is set, and return what was found.

    Where a log fails, as one does whose database is restarted, it is tried again at the next look.

    Args:
        monitor: The monitor.
        stopped: Set by whoever ends it, from a signal or another thread.
        every: The seconds between two looks at the source.
        tell: Called with each alarm at once.
    """
    failed = ""
    while not stopped.is_set():
        try:
            monitor.catch_up(tell, stop=stopped.is_set)
        except LogError as error:
            if str(error) != failed:
                log.warning("%s; it is tried again every %g seconds", error, every)
            failed = str(error)
        else:
            failed = ""
        stopped.wait(every)
    return monitor.found()
