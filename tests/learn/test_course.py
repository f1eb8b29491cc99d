"""How long a training goes on: within a budget, within bounds, and chosen once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brightfield.learn.course import Bounds, Course, course_within, kept_course

BOUNDS = Bounds(least=20, most=6000)


@pytest.mark.parametrize(
    ("budget", "step_seconds", "pass_steps", "expected"),
    [
        (120, 0.1, 30, Course(40, 30)),  # 1,200 steps
        (120, 0.1, 3, Course(120, 10)),  # few images: several passes an epoch
        (10, 0.1, 1000, Course(10, 10)),  # many images: part of a pass an epoch
        (0.001, 1.0, 50, Course(10, 2)),  # the least there is
        (1e9, 0.01, 100, Course(60, 100)),  # a large budget is not used up
        (12.9, 0.1, 43, Course(10, 12)),  # 129 steps, of which 9 are left over
    ],
)
def test_epochs_fit_into_the_budget(
    budget: float, step_seconds: float, pass_steps: int, expected: Course
) -> None:
    assert course_within(budget, step_seconds, pass_steps, BOUNDS) == expected


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        (Bounds(50, 100), Course(10, 10)),
        (Bounds(50, 100, epochs=4), Course(4, 25)),
        (Bounds(50, 100, epochs=1, at_once=70), Course(1, 70)),
        (Bounds(1, 5), Course(5, 1)),  # fewer steps than epochs are wanted
    ],
)
def test_bounds(bounds: Bounds, expected: Course) -> None:
    assert course_within(1000, 1, 25, bounds) == expected


def test_a_course_is_chosen_once(tmp_path: Path) -> None:
    asked = []

    def choose() -> Course:
        asked.append(True)
        return Course(3, 7)

    place = tmp_path / "course.json"
    assert kept_course(place, choose) == Course(3, 7)
    assert json.loads(place.read_text()) == {"epochs": 3, "steps": 7}
    assert kept_course(place, lambda: Course(9, 9)) == Course(3, 7)
    assert asked == [True]
