"""Figures in the terminal, on whichever scale they are."""

from __future__ import annotations

import pytest

from brightfield.cli.figures import on_scale
from brightfield.verdict import Scale


@pytest.mark.parametrize(
    ("value", "scale", "text"),
    [
        (0.41666, Scale.PROBABILITY, "0.417"),
        (0.01, Scale.P_VALUE, "p-value 0.01"),
        (0.00012345, "p_value", "p-value 0.0001234"),
        (-31.41592, "score", "score -31.42"),
        (None, "score", "none"),
    ],
)
def test_a_threshold_says_what_it_is(value: float | None, scale: str, text: str) -> None:
    assert on_scale(value, scale, 3) == text
