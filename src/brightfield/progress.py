"""The callback by which a long-running function reports its progress."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""A callback that takes the stage's name, the number of steps done and the total number of steps."""


def silent(stage: str, done: int, total: int) -> None:
    """Ignore a progress report."""


def with_prefix(name: str, progress: Progress) -> Progress:
    """Return a callback that puts a name before each stage, for work that is done several times."""
    return lambda stage, done, total: progress(f"{name}: {stage}", done, total)
