"""`brightfield demo`, on synthetic parts instead of solar cells."""

from __future__ import annotations

import importlib.util
from functools import partial
from pathlib import Path

import pytest

from brightfield import api
from brightfield.inspector import Inspector


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train a tiny network from random weights on small images, which takes a second."""
    monkeypatch.setattr(
        api, "train", partial(api.train, backbone="test_efficientnet", weights="none", image_size=64)
    )


@pytest.mark.usefixtures("quick")
def test_demo(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    said = brightfield("demo", "-o", folder, "--data", synthetic_parts, "--json")
    assert said.code == 0
    document = said.document
    assert Path(document["report"]).read_text().lower().startswith("<!doctype html>")
    assert document["metrics"]["n"] == 8
    shown = document["inspected"]
    assert [one["truth"] for one in shown] == ["pit"] * 3 + ["OK"] * 3
    assert len({one["image"] for one in shown}) == 6
    assert len({one["overlay"] for one in shown}) == 6
    assert all(Path(one["overlay"]).is_file() for one in shown)
    parts = Inspector.load(document["bundle"]).facts["fingerprints"]["splits"]
    assert parts["test"] == {"OK": 5, "pit": 3}
    # once more over its own results, told to a person
    said = brightfield("demo", "-o", folder, "--data", synthetic_parts)
    assert said.code == 0
    assert "escapes" in said.out
    assert str(folder / "report.html") in said.out
    assert said.out.count(".overlay.png") == 6


def test_demo_without_its_images(brightfield, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    said = brightfield("demo", "-o", tmp_path / "demo")
    assert said.code == 2
    assert "pip install elpv-dataset" in said.err
    assert not (tmp_path / "demo").exists()


def test_demo_spares_other_files(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("mine")
    said = brightfield("demo", "-o", tmp_path, "--data", synthetic_parts)
    assert said.code == 2
    assert "not from an earlier demo" in said.err
    assert (tmp_path / "report.html").read_text() == "mine"
