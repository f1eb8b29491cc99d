"""docs/outputs.md names every field that other programs get to read."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fake_method
import pytest
from judged_log import judged_log

PAGE = Path(__file__).parents[2] / "docs" / "outputs.md"


def section(heading: str) -> str:
    """Return what stands below a heading, up to the next one."""
    text = PAGE.read_text(encoding="utf-8")
    return next(p for p in re.split(r"^## ", text, flags=re.MULTILINE) if p.startswith(heading))


def names(text: str) -> list[str]:
    """Return the words in code font."""
    return re.findall(r"`([a-z_0-9]+)`", text)


def first_column(heading: str) -> set[str]:
    """Return the names in the first column of the table below a heading."""
    rows = [line.split("|")[1] for line in section(heading).splitlines() if line.startswith("| `")]
    return set(names("".join(rows)))


@pytest.fixture
def report(
    brightfield: Callable[..., Any], trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> Path:
    limits = tmp_path / "limits.toml"
    limits.write_text("[limits]\nescape_rate = 0.5\n")
    said = brightfield(
        *("evaluate", trained_bundle, synthetic_parts, "-o", tmp_path / "report", "--split", "test"),
        *("--limits", limits, "--against", trained_bundle, "--trials", 1),
    )
    assert said.code == 0, said.err
    return tmp_path / "report"


def test_metrics_and_predictions(report: Path) -> None:
    keys = set(json.loads((report / "metrics.json").read_text()))
    assert keys | {"pixel", "rules"} == first_column("`report/metrics.json`")
    with (report / "predictions.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert [c for c in columns if not c.startswith("p:")] == [
        name for name in names(section("`report/predictions.csv`")) if name in columns
    ]


def test_figures_against_masks(report: Path) -> None:
    pixel = json.loads((report / "metrics.json").read_text())["pixel"]
    known = {*pixel, *pixel["defects"], "region"}
    assert known == first_column("The key `pixel`")


def test_inspect(
    brightfield: Callable[..., Any],
    trained_bundle: Path,
    memory_bundle: Path,
    synthetic_parts: Path,
    tmp_path: Path,
) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    image = next(synthetic_parts.rglob("*.png"))
    said = brightfield(
        *("inspect", trained_bundle, image, broken, "-o", tmp_path / "seen", "--json", "--interval")
    )
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert said.code == 2
    words = ("inspect", memory_bundle, synthetic_parts, "-o", tmp_path / "marked", "--json")
    marked = [json.loads(line) for line in brightfield(*words, "--mm-per-pixel", "0.1").out.splitlines()]
    logged = brightfield("inspect", trained_bundle, image, "--log", tmp_path / "line.db", "--json").document
    fields = set(logged).union(*lines, *marked, *(defect for line in marked for defect in line["defects"]))
    assert fields == first_column("`inspect --json`")
    with (tmp_path / "marked" / "defects.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    named = dict.fromkeys(names(section("`defects.csv`")))
    assert columns == [name for name in named if name in columns]
    assert set(lines[1]) == {"image", "error"}


def test_log(
    brightfield: Callable[..., Any], trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "line.db"
    brightfield("inspect", trained_bundle, synthetic_parts / "OK", "--log", log)
    document = brightfield("log", log, "--json").document
    assert set(document["shown"][0]) == first_column("The table of `log --export`")
    text = names(section("The table of `log --export`").partition("| column |")[0])
    summary = brightfield("log", log, "--summary", "--json").document
    assert {*document, *summary, *summary["counts"], "n"} == set(text)


def test_retrain(
    brightfield: Callable[..., Any], memory_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    words = ("retrain", memory_bundle, synthetic_parts, "-o", tmp_path / "new", "--margin", 0.9, "--json")
    document = brightfield(*words, "--keep-features", "none").document
    of_check, *_ = document["tests"]
    assert set(document) | set(of_check) == first_column("`retrain --json`")


def test_review(brightfield: Callable[..., Any], tmp_path: Path) -> None:
    judged_log(tmp_path)
    document = brightfield("review", tmp_path / "line.db", "--bound", "--promise", "0.1", "--json").document
    assert set(document) - {"log"} == first_column("`review --bound --json`")
    named = set(names(section("`review --bound --json`")))
    deeper = [document["parts"], document["looks"], *document["looks"].values(), *document["promises"]]
    deeper += [document["promises"][0]["promise"], document["escape_rate"]]
    assert set().union(*deeper) <= named
    page = brightfield("review", tmp_path / "line.db", "--next", 3, "-o", tmp_path, "--json").document
    assert set(page) <= named


def test_compare(brightfield: Callable[..., Any], synthetic_parts: Path) -> None:
    options = ("--backbone", "test_efficientnet", "--weights", "none", "--image-size", "48")
    with fake_method.registered(beside=["classifier"]):
        said = brightfield("compare", synthetic_parts, *options, "--json")
    document = json.loads(said.out)
    of_method, *_ = document["methods"]
    assert set(document) | set(of_method) == first_column("`compare --json`")


def test_the_week_of_a_line(
    brightfield: Callable[..., Any], trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    log = tmp_path / "line.db"
    brightfield("inspect", trained_bundle, synthetic_parts, "--log", log)
    words = ("monitor", trained_bundle, log, "--reference", synthetic_parts, "--report", tmp_path / "week")
    assert brightfield(*words).code == 0
    week = json.loads((tmp_path / "week" / "week.json").read_text())
    assert set(week) == first_column("`week.json`")
