from __future__ import annotations

import numpy as np

from brightfield.monitor.drift.course import CHARTS, EMBEDDING, FEWER, MORE, Course
from brightfield.monitor.drift.standard import CHARTED
from brightfield.monitor.drift.watch import GROUPS


def shares(value: float) -> np.ndarray:
    out = np.zeros(len(CHARTS))
    out[0], out[-1] = value, -value
    return out


def test_the_charts_are_named_as_they_are_computed() -> None:
    assert len(CHARTS) == len(GROUPS) == 1 + 2 * len(CHARTED) + 2
    assert (CHARTS[0], CHARTS[-2], CHARTS[-1]) == (EMBEDDING, MORE, FEWER)


def test_each_part_while_there_is_room() -> None:
    course = Course(most=4)
    for part, value in enumerate([0.1, 0.5, 0.2], start=1):
        course.add(part, shares(value))
    peaks = course.peaks()
    assert peaks.parts.tolist() == [1, 2, 3]
    assert peaks.of(EMBEDDING).tolist() == [0.1, 0.5, 0.2]


def test_then_the_highest_of_each_stretch() -> None:
    course = Course(most=4)
    for part in range(1, 11):
        course.add(part, shares(part if part != 6 else 60.0))
    peaks = course.peaks()  # ten parts in stretches of four
    assert peaks.parts.tolist() == [4, 8, 10]
    assert peaks.of(EMBEDDING).tolist() == [4, 60, 10]
    assert peaks.of(FEWER).tolist() == [-1, -5, -9]


def test_parts_before_the_period_and_parts_not_compared() -> None:
    course = Course(after=100, most=4)
    course.add(100, shares(9))
    course.add(101, shares(1))
    course.add(103, shares(3))
    peaks = course.peaks()
    assert peaks.parts.tolist() == [101, 102, 103]
    np.testing.assert_array_equal(peaks.of(EMBEDDING), [1, np.nan, 3])
    assert peaks.as_dict()["of_limit"][EMBEDDING] == [1, None, 3]


def test_nothing_yet() -> None:
    assert len(Course(after=7).peaks().parts) == 0
