"""A verdict cannot say what does not fit together."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from brightfield.errors import InputError
from brightfield.verdict import Closest, Decision, HeatmapKind, Scale, Verdict

SOUND: dict[str, Any] = {
    "decision": Decision.DEFECT,
    "label": "pit",
    "score": 1.5,
    "threshold": 0.4,
    "method": "classifier",
    "milliseconds": 3.14159,
    "probabilities": {"OK": 0.25, "pit": 0.75},
    "probability": 0.75,
    "image": "a.png",
    "scale": Scale.PROBABILITY,
}
MAP = np.zeros((2, 3), np.float32)


def test_the_json_line() -> None:
    line = Verdict(**SOUND, heatmap=MAP, heatmap_kind=HeatmapKind.EVIDENCE).as_dict()
    assert list(line) == [
        "image",
        "decision",
        "label",
        "score",
        "probability",
        "p_value",
        "threshold",
        "method",
        "milliseconds",
        "scale",
        "rule",
    ]
    assert json.loads(json.dumps(line))["decision"] == "DEFECT"
    assert line["milliseconds"] == 3.142
    assert json.loads(json.dumps(line))["scale"] == "probability"
    assert (
        Verdict(**{**SOUND, "decision": None, "probability": None, "scale": None}).as_dict()["decision"]
        is None
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"score": float("nan")},
        {"score": float("inf")},
        {"probability": 1.01},
        {"probability": float("nan")},
        {"p_value": -0.1},
        {"scale": Scale.P_VALUE},
        {"scale": Scale.PROBABILITY, "probability": None},
        {"probabilities": {"OK": 0.5, "pit": 0.6}},
        {"probabilities": {"OK": -0.1, "pit": 1.1}},
        {"probabilities": {"OK": float("nan"), "pit": 1.0}},
        {"heatmap": MAP},
        {"heatmap_kind": HeatmapKind.EVIDENCE},
        {"heatmap": MAP.astype(np.float64), "heatmap_kind": HeatmapKind.EVIDENCE},
        {"heatmap": MAP[None], "heatmap_kind": HeatmapKind.EVIDENCE},
        {"mask": MAP},
        {"mask": np.zeros(3, bool)},
        {"class_map": np.zeros((2, 3), np.uint8)},
        {"class_map": np.zeros((2, 4), np.uint8), "mask": np.zeros((2, 3), bool)},
    ],
)
def test_what_does_not_fit_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Verdict(**{**SOUND, **wrong})


def test_the_value_is_what_the_threshold_was_compared_with() -> None:
    assert Verdict(**SOUND).value == 0.75
    assert Verdict(**{**SOUND, "scale": Scale.SCORE}).value == 1.5
    assert Verdict(**{**SOUND, "scale": Scale.P_VALUE, "p_value": 0.02}).value == 0.02
    assert Verdict(**{**SOUND, "scale": None}).value is None


def test_it_never_changes() -> None:
    with pytest.raises(AttributeError):
        Verdict(**SOUND).score = 2.0  # type: ignore[misc]


def test_the_closest_place_in_another_picture() -> None:
    closest = Closest("OK/1.png", np.zeros((16, 16, 3), np.uint8), 2.0, (10, 20, 16, 16))
    # from 64 x 64 px to 96 x 128 px, which lie 5 rows and 7 columns within a larger picture
    moved = closest.moved((64, 64), (96, 128), (5, 7))
    assert moved.box == (5 + 15, 7 + 40, 24, 32)
    assert moved.as_dict() == {
        "image": "OK/1.png",
        "distance": 2.0,
        "box": {"top": 20, "left": 47, "height": 24, "width": 32},
    }
    # rounded outwards, and never empty
    assert closest.moved((64, 64), (10, 10), (0, 0)).box == (1, 3, 4, 3)


def test_the_closest_good_part_is_in_the_notebook() -> None:
    closest = Closest("OK/<1>.png", np.zeros((16, 16, 3), np.uint8), 2.0, (1, 2, 16, 16))
    picture = np.zeros((32, 48), np.uint8)
    heatmap = np.zeros((32, 48), np.float32)
    shown = Verdict(
        *(Decision.DEFECT, "defect", 3.0, 1.0, "any", 1.0),
        heatmap=heatmap,
        heatmap_kind=HeatmapKind.EVIDENCE,
        picture=picture,
        closest=closest,
    )._repr_html_()
    assert "closest good part: OK/&lt;1&gt;.png" in shown
    assert shown.count("<img") == 4
