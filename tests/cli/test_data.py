"""`brightfield data`: one document on stdout, the right exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from brightfield.cli.data import register
from brightfield.data.catalog import CATALOG
from brightfield.data.synthetic import make_parts
from brightfield.errors import DataError


def run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    args = parser.parse_args(["data", *words])
    code: int = args.run(args)
    return code


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    make_parts(tmp_path / "parts", n_ok=24, n_defect=24, size=(64, 96), defect_px=9, kinds=("pit",))
    return tmp_path / "parts"


def test_check_of_sound_data(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("check", str(parts)) == 0
    out = capsys.readouterr().out
    assert "48 images" in out
    assert "OK 24 (good), pit 24" in out
    assert "Ready to train." in out


def test_check_of_spoiled_data(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for i in range(6):
        (parts / "OK" / f"000{i}.png").write_bytes(b"nothing")
    assert run("check", str(parts)) == 2
    out = capsys.readouterr().out
    assert out.count("not an image") == 4
    assert "2 more; --json prints all" in out
    assert "Not ready to train." in out


def test_check_prints_one_json_document(parts: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (parts / "OK" / "0000.png").write_bytes(b"nothing")
    assert run("check", str(parts), "--json", "--normal", "pit") == 2
    document = json.loads(capsys.readouterr().out)
    assert document["spoils_training"] is True
    assert document["normal"] == "pit"
    assert [f["files"] for f in document["findings"] if f["kind"] == "unreadable"] == [["OK/0000.png"]]


def test_check_of_nothing_is_an_error_of_the_input(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no file or folder"):
        run("check", str(tmp_path / "gone"))


@pytest.mark.usefixtures("parts")
def test_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BRIGHTFIELD_DATA", str(tmp_path))
    (tmp_path / "mvtec-ad").mkdir()
    assert run("list", "--json") == 0
    entries = json.loads(capsys.readouterr().out)
    assert [e["name"] for e in entries] == list(CATALOG)
    paths = {e["name"]: e["path"] for e in entries}
    assert paths["ballscrew"] is None
    assert paths["mvtec-ad"] == str(tmp_path / "mvtec-ad")
    assert run("list") == 0
    assert "magnetic-tile" in capsys.readouterr().out


def test_fetch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("BRIGHTFIELD_DATA", str(tmp_path))
    with pytest.raises(DataError, match="ballscrew is not on this disk"):
        run("fetch", "ballscrew")
    (tmp_path / "ballscrew").mkdir()
    (tmp_path / "ballscrew" / "manifest.csv").touch()
    assert run("fetch", "ballscrew", "--json") == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(tmp_path / "ballscrew")
    assert run("fetch", "ballscrew") == 0
    assert str(tmp_path / "ballscrew") in capsys.readouterr().out
