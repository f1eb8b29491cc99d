"""`brightfield monitor --report`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]


@pytest.fixture
def log(brightfield: Run, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path) -> Path:
    place = tmp_path / "line.db"
    said = brightfield("inspect", trained_bundle, synthetic_parts, "--log", place, "--lot", "A7")
    assert said.code == 0, said.err
    return place


def test_the_report_stands_beside_what_is_printed(
    brightfield: Run, trained_bundle: Path, synthetic_parts: Path, log: Path, tmp_path: Path
) -> None:
    words = ("monitor", trained_bundle, log, "--reference", synthetic_parts, "--json")
    alone = brightfield(*words).document
    with_report = brightfield(*words, "--report", tmp_path / "week")
    assert with_report.document == alone
    assert "week.html" in with_report.err
    assert "trained the inspector" in with_report.err  # the reference is of the pictures that taught it
    week = json.loads((tmp_path / "week" / "week.json").read_text())
    assert week["parts"] == alone["parts"] == sum(week["decisions"].values())
    assert week["by_lot"] == [{"lot": "A7", "n": week["decisions"]}]
    assert len(week["drift"]["charts"]["parts"]) == alone["parts"]
    assert len(week["drift"]["alarms"]) == len(alone["alarms"])
    assert "A7" in (tmp_path / "week" / "week.html").read_text()


def test_a_report_says_from_when_on(
    brightfield: Run, trained_bundle: Path, synthetic_parts: Path, log: Path, tmp_path: Path
) -> None:
    words = ("monitor", trained_bundle, log, "--reference", synthetic_parts, "--report", tmp_path / "week")
    assert brightfield(*words, "--since", "2020-01-01").code == 0
    assert json.loads((tmp_path / "week" / "week.json").read_text())["since"].startswith("2020-01-01T00:00")
    late = brightfield(*words, "--since", "2999-01-01")
    assert late.code == 2
    assert "has no entries since 2999-01-01" in late.err


@pytest.mark.parametrize(
    ("place", "words", "said"),
    [
        ("log", ["--since", "2026-03-02"], "add --report DIR"),
        ("log", ["--report", "week", "--follow"], "give one of them"),
        ("parts", ["--report", "week"], "is a folder of pictures"),
    ],
)
def test_options_that_do_not_fit(
    brightfield: Run, trained_bundle: Path, synthetic_parts: Path, place: str, words: list[str], said: str
) -> None:
    line = synthetic_parts if place == "parts" else "line.db"
    found = brightfield("monitor", trained_bundle, line, *words)
    assert found.code == 2
    assert said in found.err
