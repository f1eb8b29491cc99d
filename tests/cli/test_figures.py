"""Figures in the terminal, on whichever scale they are."""

from __future__ import annotations

import pytest

from brightfield.cli.figures import _against_masks, on_scale
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


def test_the_key_lines_against_masks() -> None:
    rate = {"value": 0.85, "low": 0.7, "high": 0.94, "confidence": 0.95, "k": 34, "n": 40}
    false = {**rate, "value": 0.3333, "low": 0.2, "high": 0.5, "k": 10, "n": 30}
    defects = {"found": rate, "seen": {**rate, "k": 36, "value": 0.9}, "false": false}
    assert _against_masks({"mean_iou": 0.61234, "iou": 0.7, "defects": defects}) == [
        ("mean IoU, of types", "0.6123"),
        ("true defects found", "34 of 40, 85.0% (70.0% to 94.0%, 95% confidence)"),
        ("seen at all", "36 of 40, 90.0% (70.0% to 94.0%, 95% confidence)"),
        ("false defects an image", "0.33 (0.20 to 0.50, 95% confidence)"),
    ]
    assert _against_masks({"mean_iou": None, "iou": 0.7, "defects": defects})[0] == (
        "IoU of pixels",
        "0.7000",
    )
    none = {"found": {**rate, "n": 0, "value": None}, "false": {**false, "value": None}}
    assert _against_masks({"mean_iou": None, "iou": None, "defects": none}) == []
    assert _against_masks({}) == []
