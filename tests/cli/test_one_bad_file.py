"""A file that breaks its decoder in a way nobody listed: every command names it, and judges the others."""

from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest

BAD = "OK/0001.png"


@pytest.fixture
def parts(tmp_path: Path, synthetic_parts: Path) -> Path:
    """Parts of which one is a DirectDraw surface whose pixel format Pillow gives up on."""
    folder = tmp_path / "parts"
    shutil.copytree(synthetic_parts, folder)
    header = struct.pack("<7I", 124, 0x1007, 16, 16, 0, 0, 0) + bytes(44) + struct.pack("<2I", 32, 8)
    (folder / BAD).write_bytes((b"DDS " + header).ljust(128, b"\0"))
    return folder


def test_inspect_judges_the_others(brightfield, trained_bundle: Path, parts: Path) -> None:
    said = brightfield("inspect", trained_bundle, parts / "OK", "--json", "--quiet")
    assert said.code == 2
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["image"] for line in lines] == sorted(map(str, (parts / "OK").iterdir()))
    assert [line["image"] for line in lines if "error" in line] == [str(parts / BAD)]
    assert said.err.startswith(f"error: {parts / BAD} is truncated or corrupt (Unknown pixel format flags 8)")


def test_check_names_it(brightfield, parts: Path) -> None:
    said = brightfield("data", "check", parts, "--json", "--quiet")
    assert said.code == 2
    found = [finding["files"] for finding in said.document["findings"] if finding["kind"] == "unreadable"]
    assert found == [[BAD]]


def test_evaluate_leaves_it_out(brightfield, trained_bundle: Path, parts: Path) -> None:
    said = brightfield("evaluate", trained_bundle, parts, "--split", "all", "--json", "--quiet")
    assert said.code == 2
    assert said.document["unreadable"] == [BAD]
    assert said.document["n"] == 35


def test_threshold_leaves_it_out(brightfield, trained_bundle: Path, parts: Path, tmp_path: Path) -> None:
    words = ("threshold", trained_bundle, parts, "--policy", "fixed=0.5", "--split", "all")
    said = brightfield(*words, "-o", tmp_path / "new", "--json", "--quiet")
    assert said.code == 2
    assert said.document["unreadable"] == [BAD]


def test_train_names_it(brightfield, parts: Path, tmp_path: Path) -> None:
    said = brightfield("train", parts, "-o", tmp_path / "new", "--weights", "none", "--quiet")
    assert said.code == 2
    assert f"{parts / BAD} is truncated or corrupt" in said.err
    assert not (tmp_path / "new").exists()
