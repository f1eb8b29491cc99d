"""A killed process loses nothing that it had answered."""

from __future__ import annotations

from types import ModuleType


def test_writers_that_are_killed_lose_nothing(place: str, killed_writers: ModuleType) -> None:
    lines = killed_writers.write_and_kill(place, writers=2, kills=3, each=40)
    assert [line.killed for line in lines] == [2, 1]
    assert set(killed_writers.faults(place, lines).values()) == {0}
