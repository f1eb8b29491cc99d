"""`brightfield retrain`: one document, the exit codes, and what is written."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from brightfield.data.synthetic import make_parts
from brightfield.inspector import Inspector
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.store import VerdictLog


@pytest.fixture(scope="module")
def new_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("line") / "judged"
    make_parts(folder, n_ok=20, n_defect=10, size=(96, 128), defect_px=18, kinds=("pit",), seed=9)
    (folder / "manifest.csv").unlink()
    return folder


def test_accepted(
    brightfield: Callable[..., Any],
    memory_bundle: Path,
    new_parts: Path,
    synthetic_parts: Path,
    tmp_path: Path,
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep("all")) as log:
        parent = Inspector.load(memory_bundle)
        for picture in sorted((synthetic_parts / "pit").iterdir())[:3]:
            log.record(parent.inspect(picture, explain=False), picture=picture)
    said = brightfield(
        *("retrain", memory_bundle, new_parts, "-o", tmp_path / "new", "--margin", 0.9, "--json"),
        *("--shadow", tmp_path / "line.db", "--report", tmp_path / "report"),
    )
    assert said.code == 0, said.err
    document = said.document
    assert document["accepted"] is True
    assert document["reasons"] == []
    assert document["bundle"] == str(tmp_path / "new")
    assert {test["name"] for test in document["tests"]} == {"escape_rate", "overkill_rate", "auroc"}
    assert document["lineage"]["how"] == "updated"
    assert document["shadow"]["compared"] == 3
    assert document["shadow"]["list"] == str(tmp_path / "new.disagreements.csv")
    assert (tmp_path / "new.disagreements.csv").is_file()
    page = (tmp_path / "report" / "report.html").read_text()
    assert "generation" in page
    assert document["lineage"]["parent"] in page
    again = brightfield("retrain", memory_bundle, new_parts, "-o", tmp_path / "new")
    assert (again.code, "add --force" in again.err) == (2, True)


def test_refused(
    brightfield: Callable[..., Any],
    memory_bundle: Path,
    new_parts: Path,
    synthetic_parts: Path,
    tmp_path: Path,
) -> None:
    parent = Inspector.load(memory_bundle)
    rejected = [
        p
        for p in sorted((synthetic_parts / "pit").iterdir())
        if str(parent.inspect(p, explain=False).decision) == "DEFECT"
    ]
    assert rejected
    (tmp_path / "golden" / "pit").mkdir(parents=True)
    shutil.copy(rejected[0], tmp_path / "golden" / "pit")
    words = ("retrain", memory_bundle, new_parts, "-o", tmp_path / "new", "--policy", "fixed=1")
    said = brightfield(*words, "--golden", tmp_path / "golden", "--quiet")
    assert said.code == 2
    assert "The successor is refused" in said.out
    assert (
        f"- Golden set: 1 of 1 pictures that were decided rightly is now wrong: pit/{rejected[0].name}"
        in (said.out.replace(", and none may be", ""))
    )
    assert "refused: the inspector before is as it was; this successor is not kept" in said.err
    assert "--keep-refused BUNDLE keeps a refused one" in said.err
    assert not (tmp_path / "new").exists()
    keep = ("--keep-refused", tmp_path / "refused", "--quiet")
    kept = brightfield(*words, "--golden", tmp_path / "golden", *keep)
    assert (kept.code, (tmp_path / "refused").exists()) == (2, True)
    assert f"this successor is kept in {tmp_path / 'refused'}" in kept.err


def test_a_shadow_that_fails_changes_nothing_of_the_gate(
    brightfield: Callable[..., Any], memory_bundle: Path, new_parts: Path, tmp_path: Path
) -> None:
    with VerdictLog(tmp_path / "line.db") as log:  # it holds no picture to judge
        assert log.shown
    said = brightfield(
        *("retrain", memory_bundle, new_parts, "-o", tmp_path / "new", "--margin", 0.9, "--json"),
        *("--shadow", tmp_path / "line.db"),
    )
    assert said.code == 0, said.err
    assert (said.document["accepted"], said.document["shadow"]) == (True, None)
    assert "--shadow: " in said.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--margin", 2), "--margin is 2; expected a share"),
        (("--golden-flips", -1), "expected 0 or more pictures"),
        (("--disagreements", "list.csv"), "--disagreements belongs to --shadow"),
        (("--shadow", "line.db", "--disagreements", "list.xls"), "expected .csv or .json"),
        (("--old", "nowhere"), "there is no file or folder nowhere"),
        (("--shadow", "no-such.db"), "no-such.db does not exist"),
    ],
)
def test_wrong_input(
    brightfield: Callable[..., Any],
    memory_bundle: Path,
    new_parts: Path,
    tmp_path: Path,
    words: tuple[object, ...],
    message: str,
) -> None:
    said = brightfield("retrain", memory_bundle, new_parts, "-o", tmp_path / "new", *words)
    assert (said.code, message in said.err) == (2, True), said.err
    assert not (tmp_path / "new").exists()


def test_both_places_are_the_same(
    brightfield: Callable[..., Any], memory_bundle: Path, new_parts: Path, tmp_path: Path
) -> None:
    place = tmp_path / "new"
    said = brightfield("retrain", memory_bundle, new_parts, "-o", place, "--keep-refused", place)
    assert (said.code, "expected one of its own" in said.err) == (2, True)
