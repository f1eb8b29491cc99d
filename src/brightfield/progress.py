"""The callback by which a long-running function reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""A callback that takes the stage's name, the number of steps done and the total number of steps."""


def silent(stage: str, done: int, total: int) -> None:
    """Ignore a progress report."""
