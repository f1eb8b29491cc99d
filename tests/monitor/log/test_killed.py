"""A killed process loses nothing that it had answered."""

from __future__ import annotations

from types import ModuleType


def test_writers_that_are_killed_lose_nothing(place: str, killed_writers: ModuleType) -> None:
    each = 40
    lines = killed_writers.write_and_kill(place, writers=2, kills=3, each=each)
    assert sum(line.killed for line in lines) >= 2
    assert set(killed_writers.faults(place, lines, each).values()) == {0}
