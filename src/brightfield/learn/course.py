"""How long a training goes on: the number of its epochs and steps, chosen once within a time budget."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from brightfield.disk.atomic import write_atomically


@dataclass(frozen=True)
class Course:
    """The course of a training, chosen once; a resumed training keeps it.

    Attributes:
        epochs: The number of epochs.
        steps: The optimiser's steps in an epoch.
    """

    epochs: int
    steps: int


@dataclass(frozen=True)
class Bounds:
    """The bounds of a course.

    Attributes:
        least: The least steps: fewer teach nothing, whatever the budget.
        most: The most steps: more improve nothing.
        epochs: The least epochs, where the steps allow; an epoch is then part of a pass over the data.
        at_once: The least steps of an epoch, so that few images are not validated after every step.
    """

    least: int
    most: int
    epochs: int = 10
    at_once: int = 10


def course_within(budget: float, step_seconds: float, pass_steps: int, bounds: Bounds) -> Course:
    """Return how long to train within a time budget.

    Args:
        budget: The time in seconds.
        step_seconds: The time of one step in seconds.
        pass_steps: The steps of one pass over all images.
        bounds: The bounds of the course.
    """
    total = int(min(bounds.most, max(bounds.least, budget / step_seconds)))
    steps = max(1, min(max(pass_steps, bounds.at_once), total // bounds.epochs))
    return Course(total // steps, steps)


def kept_course(path: Path, choose: Callable[[], Course]) -> Course:
    """Return the course that a file keeps; where there is none, choose it and write it there."""
    if path.exists():
        return Course(**json.loads(path.read_text(encoding="utf-8")))
    course = choose()
    write_atomically(path, json.dumps(asdict(course)).encode())
    return course
