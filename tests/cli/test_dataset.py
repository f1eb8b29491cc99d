from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from judged_log import judged_log

from brightfield.data.load import load
from brightfield.monitor.log.records import Judged

Brightfield = Callable[..., Any]


def test_a_data_set_of_what_was_judged(brightfield: Brightfield, tmp_path: Path) -> None:
    log, truth = judged_log(tmp_path)
    log.judge(Judged(number, true, "Ada") for number, true in truth.items())
    log.judge([Judged(1, "crack", "Bob")])
    said = brightfield("dataset", tmp_path / "line.db", "-o", tmp_path / "set", "--json")
    assert said.code == 0, said.err
    without = Counter(true for number, true in truth.items() if number != 1)
    document = said.document
    (warning,) = document.pop("warnings")
    assert "too few minutes and lots" in warning
    assert warning in said.err
    assert document == {
        "folder": str(tmp_path / "set"),
        "classes": dict(without),
        "minutes": None,
        "contradictory": 1,
        "without_picture": 0,
    }
    assert "as people contradict each other on them: 1 pictures" in said.err
    assert load(tmp_path / "set").counts() == dict(without)
    words = (
        "dataset",
        tmp_path / "line.db",
        "-o",
        tmp_path / "west",
        "--station",
        "west",
        "--group-minutes",
        5,
    )
    printed = brightfield(*words)
    assert "parts of one lot and 5 minutes are a group" in printed.out


def test_what_cannot_be_done_is_said(brightfield: Brightfield, tmp_path: Path) -> None:
    judged_log(tmp_path)
    said = brightfield("dataset", tmp_path / "line.db", "-o", tmp_path / "set")
    assert said.code == 2
    assert "nobody has judged anything" in said.err
    assert brightfield("dataset", tmp_path / "line.db", "-o", tmp_path).code == 2
