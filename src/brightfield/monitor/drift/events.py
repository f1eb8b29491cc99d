"""Alarms in a log of verdicts, and what was done about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from brightfield.errors import ConfigError
from brightfield.monitor.drift.run import Told
from brightfield.monitor.drift.source import Observed

if TYPE_CHECKING:
    from brightfield.monitor.log.records import Event
    from brightfield.monitor.log.store import VerdictLog

ALARM, ACTION = "alarm", "action"
"""The kinds of events."""


class LogRecord:
    """Alarms of one inspector at one run length, each once in the log, and the actions that answer them."""

    def __init__(self, log: VerdictLog, sha256: str | None, run_length: float) -> None:
        self.log, self._key = log, (sha256, run_length)
        self._known = {
            event.entry_id: event.id
            for event in log.events(ALARM)
            if (event.facts.get("inspector"), event.facts.get("run_length")) == self._key
        }
        self._actions: list[int] = []
        self._last_action = 0

    def alarm(self, told: Told) -> None:
        """Write an alarm as an event, unless it is there from an earlier run."""
        if told.at.entry in self._known:
            return
        sha256, run_length = self._key
        facts: dict[str, Any] = {
            **told.alarm.as_dict(),
            "entries": [part.entry for part in told.shown],
            "since_entry": None if told.since is None else told.since.entry,
            "run_length": run_length,
            "inspector": sha256,
        }
        from brightfield.monitor.log.records import Event

        text = f"{told.alarm.what} since part {told.alarm.since}"
        event = self.log.tell(Event(ALARM, text, entry_id=told.at.entry, facts=facts))
        self._known[told.at.entry] = event.id

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


def put_right(log: VerdictLog, note: str, by: str) -> Event:
    """Note that the line was put right after its last part: its charts begin anew there.

    It answers the last alarm, if there is one.

    Raises:
        ConfigError: If the note or the name is empty.
    """
    from brightfield.monitor.log.records import Event

    for name, text in (("--done", note), ("--by", by)):
        if not text.strip():
            raise ConfigError(f"{name} is empty; expected what was done, and who did it")
    alarms = list(log.events(ALARM))
    last = next(iter(log.entries(newest_first=True, most=1)), None)
    return log.tell(
        Event(
            ACTION,
            note,
            entry_id=None if last is None else last.id,
            about=alarms[-1].id if alarms else None,
            facts={"by": by},
        )
    )
