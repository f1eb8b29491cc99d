"""Progress on stderr: one bar per stage on a terminal, else one line per stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.progress import Progress as Bars

from brightfield.cli.terminal import stderr
from brightfield.progress import Progress, silent


@contextmanager
def show_progress(quiet: bool = False) -> Iterator[Progress]:
    """Yield a callback that shows progress on stderr; bars are removed at the end."""
    if quiet:
        yield silent
    elif not stderr().is_terminal:
        yield _lines()
    else:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        # redirect_stdout would print results on stderr, between the bars
        with Bars(*columns, console=stderr(), transient=True, redirect_stdout=False) as bars:
            yield _bars(bars)


def _bars(bars: Bars) -> Progress:
    tasks: dict[str, TaskID] = {}
    last: dict[str, tuple[int, int]] = {}

    def show(stage: str, done: int, total: int) -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total)
        elif done < last[stage][0] or total != last[stage][1]:  # the stage starts again with other images
            bars.reset(tasks[stage], total=total)
        last[stage] = (done, total)
        bars.update(tasks[stage], completed=done)

    return show


def _lines() -> Progress:
    printed: set[tuple[str, int]] = set()

    def show(stage: str, done: int, total: int) -> None:
        if (stage, total) not in printed:
            printed.add((stage, total))
            stderr().print(f"{stage}: {total}", soft_wrap=True, markup=False)

    return show
