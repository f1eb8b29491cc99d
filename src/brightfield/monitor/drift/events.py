"""Alarms in a log of verdicts, and what was done about them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from brightfield.errors import ConfigError
from brightfield.monitor.drift.alarms import DRIFT, Alarm
from brightfield.monitor.drift.run import Told
from brightfield.monitor.drift.source import Observed
from brightfield.monitor.drift.watch import Plan

if TYPE_CHECKING:
    from brightfield.monitor.log.records import Event
    from brightfield.monitor.log.store import VerdictLog

ALARM, ACTION = "alarm", "action"
"""The kinds of events."""


@dataclass(frozen=True)
class Key:
    """What a line was watched with; alarms of another key are others.

    Attributes:
        inspector: The SHA-256 of the inspector.
        run_length: The mean number of parts to a false alarm.
        reference: The digest of the reference; empty for that of the inspector's bundle.
    """

    inspector: str | None
    run_length: float
    reference: str = ""

    @classmethod
    def of(cls, sha256: str | None, planned: Plan) -> Key:
        """Return the key of an inspector and of what its line is watched with."""
        return cls(sha256, planned.run_length, planned.reference.digest)

    def is_of(self, event: Event) -> bool:
        """Return whether an alarm was noticed with this."""
        return all(event.facts.get(name) == value for name, value in asdict(self).items())


@dataclass(frozen=True)
class Done:
    """What was done about a line, and when.

    Attributes:
        note: What was done.
        by: Who did it.
        entry: The last entry before it; None if there is none.
    """

    note: str
    by: str
    entry: int | None

    @classmethod
    def now(cls, log: VerdictLog, note: str, by: str) -> Done:
        """Return what was done after the last entry of a log.

        Raises:
            ConfigError: If the note or the name is empty.
        """
        for name, text in (("--done", note), ("--by", by)):
            if not text.strip():
                raise ConfigError(f"{name} is empty; expected what was done, and who did it")
        last = next(iter(log.entries(newest_first=True, most=1)), None)
        return cls(note, by, None if last is None else last.id)


class LogRecord:
    """Alarms of one key, each once in the log, and the actions that answer them."""

    def __init__(self, log: VerdictLog, key: Key, done: Done | None = None) -> None:
        """Begin with what is in the log.

        Args:
            log: The log.
            key: What the line is watched with.
            done: What was done and is not in the log yet: charts begin anew there.
        """
        self.log, self._key, self._done = log, key, done
        self._known = [event for event in log.events(ALARM) if key.is_of(event)]
        self._actions: list[int] = [] if done is None else [done.entry or 0]
        self._last_action = 0

    def alarm(self, told: Told) -> bool:
        """Write an alarm as an event, and return whether it is new: not there from an earlier run."""
        from brightfield.monitor.log.records import Event

        if any(same_change(event, told.alarm) for event in self._known):
            return False
        facts: dict[str, Any] = {
            **told.alarm.as_dict(),
            "entries": [part.entry for part in told.shown.values()],
            "since_entry": None if told.since is None else told.since.entry,
            **asdict(self._key),
        }
        text = f"{told.alarm.what} since part {told.alarm.since}"
        self._known.append(self.log.tell(Event(ALARM, text, entry_id=told.at.entry, facts=facts)))
        return True

    def refresh(self) -> None:
        """Read the actions that were noted since it was called last."""
        for event in self.log.events(ACTION, after=self._last_action):
            self._last_action = event.id
            self._actions.append(event.entry_id or 0)

    def put_right_before(self, part: Observed) -> bool:
        """Return whether an action was noted behind the part before, and before this one."""
        due = [entry for entry in self._actions if part.entry is not None and entry < part.entry]
        self._actions = [entry for entry in self._actions if entry not in due]
        return bool(due)

    def put_right(self) -> Event | None:
        """Write in the log what was done, with the alarm that it answers, and return the event."""
        from brightfield.monitor.log.records import Event

        done, self._done = self._done, None
        if done is None:
            return None
        self.refresh()
        about = answered(list(self.log.events()), self._key, done.entry)
        noted = self.log.tell(Event(ACTION, done.note, done.entry, about, {"by": done.by}))
        self._last_action = noted.id
        return noted


def answered(events: Sequence[Event], key: Key, entry: int | None) -> int | None:
    """Return the `id` of the alarm that is answered by what was done after an entry; None if there is none.

    It is the last alarm of drift since the line was put right before, or else the last of verdicts; where
    there is neither, the last of all. Where there is no alarm of this key, those of the inspector's others
    count.

    Args:
        events: All events of the log.
        key: What the line is watched with.
        entry: The last entry before it was done.
    """
    until = entry or 0
    of_inspector = [
        event
        for event in events
        if event.kind == ALARM
        and event.facts.get("inspector") == key.inspector
        and (event.entry_id or 0) <= until
    ]
    alarms = [event for event in of_inspector if key.is_of(event)] or of_inspector
    before = max((event.entry_id or 0 for event in events if event.kind == ACTION), default=0)
    open_ones = [event for event in alarms if (event.entry_id or 0) > before] or alarms

    def order(event: Event) -> tuple[bool, int]:
        return event.facts.get("kind") == DRIFT, event.entry_id or 0

    return max(open_ones, key=order).id if open_ones else None


def same_change(event: Event, alarm: Alarm) -> bool:
    """Return whether an alarm in a log is of the same change of the line: some parts are of both.

    Another version or another reference may notice a change at another part.
    """
    facts = event.facts
    first, last = facts.get("since"), facts.get("at")
    if facts.get("kind") != alarm.kind or first is None or last is None:
        return False
    return bool(first <= max(alarm.at, alarm.until) and alarm.since <= last)


def noticed(events: Sequence[Event], inspector: str | None, alarm: Alarm) -> Event | None:
    """Return the event of an alarm: that at the same part, or else one of the same change, or None."""
    same = list(_of_change(events, inspector, alarm))
    return next((event for event in same if event.facts.get("at") == alarm.at), same[0] if same else None)


def answers(events: Sequence[Event], inspector: str | None, alarm: Alarm) -> tuple[Event, ...]:
    """Return the actions about an alarm of an inspector, whatever it was watched with when it was noticed."""
    same = {event.id for event in _of_change(events, inspector, alarm)}
    return tuple(event for event in events if event.kind == ACTION and event.about in same)


def _of_change(events: Sequence[Event], inspector: str | None, alarm: Alarm) -> Iterator[Event]:
    for event in events:
        own = event.kind == ALARM and event.facts.get("inspector") == inspector
        if own and same_change(event, alarm):
            yield event
