"""The scripts and notebooks in examples/ are run."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.data.load import load

EXAMPLES = Path(__file__).parents[1] / "examples"
BUNDLE = {"manifest.json", "reference.npz", "splits.csv", "weights.safetensors"}
REPORT = {"metrics.json", "predictions.csv", "report.html"}


def run(name: str, *words: str) -> str:
    """Run a script and return what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def names(folder: Path) -> set[str]:
    return {p.name for p in folder.iterdir()}


@pytest.mark.slow
def test_the_picture_of_the_readme_is_drawn(tmp_path: Path) -> None:
    target = tmp_path / "overlays.png"
    run("overlays.py", str(target))
    with Image.open(target) as picture:
        sheet = np.asarray(picture.convert("RGB")).astype(int)
    rows, half = sheet.shape[0], (sheet.shape[0] - 30) // 2
    above, below = sheet[:half], sheet[rows - half :]
    changed = np.abs(above - below).max(axis=2) > 40
    columns = np.array_split(changed, 4, axis=1)
    assert all(c.any() for c in columns[:3]), "the three defective parts show heat"
    assert columns[3].mean() < 0.01, "the good part stays calm"


@pytest.mark.slow
def test_small_pictures_are_named(tmp_path: Path) -> None:
    said = run("cifar10.py", "-o", str(tmp_path))
    metrics = json.loads((tmp_path / "report" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["accuracy"] > 0.5
    assert [line.split()[0] for line in said.splitlines()[2:]] == metrics["classes"]
    assert names(tmp_path / "inspector") >= BUNDLE
    assert brightfield.load(tmp_path / "inspector").normal is None


@pytest.mark.slow
def test_defects_are_told_and_shown_in_a_folder_of_ones_own(spots: Path, tmp_path: Path) -> None:
    said = run("defects.py", str(spots), "-o", str(tmp_path))
    assert "Defect/" in said
    assert names(tmp_path) == {"inspector", "report", "overlay.png"}
    assert names(tmp_path / "report") == REPORT
    with Image.open(tmp_path / "overlay.png") as picture:
        assert picture.size == (96, 64)
    point = brightfield.load(tmp_path / "inspector").operating_point
    assert point is not None
    assert point.policy == "recall=0.95"


@pytest.mark.slow
def test_a_loop_of_ones_own_ends_in_an_inspector(tmp_path: Path) -> None:
    said = run("own_loop.py", "-o", str(tmp_path), "--epochs", "1")
    by_hand, by_inspector = (float(line.split()[-1]) for line in said.splitlines()[-2:])
    assert by_hand == pytest.approx(by_inspector, abs=1e-4)
    assert names(tmp_path / "inspector") >= BUNDLE


def cells_of(notebook: Path) -> list[str]:
    """Return the source of a notebook's code cells."""
    document = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == "code"]


def shown_by(cell: str, namespace: dict[str, Any]) -> object:
    """Run a cell and return the value of its last line, which a notebook would show."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), namespace)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), namespace)


@pytest.mark.slow
def test_the_notebook_runs_from_folder_to_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, Any] = {}
    shown = [shown_by(cell, namespace) for cell in cells_of(EXAMPLES / "from_folder_to_report.ipynb")]
    as_html = [value._repr_html_() for value in shown if hasattr(value, "_repr_html_")]
    assert len(as_html) == 2, "the evaluation and the verdict show themselves"
    assert "<svg" in as_html[0]
    assert "<img" in as_html[1]
    assert names(tmp_path / "report") == REPORT
    assert len(load(tmp_path / "parts")) == 105


@pytest.mark.parametrize("notebook", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda p: p.name)
def test_a_notebook_is_kept_without_outputs(notebook: Path) -> None:
    document = json.loads(notebook.read_text(encoding="utf-8"))
    assert (document["nbformat"], document["nbformat_minor"]) == (4, 5)
    ids = [cell["id"] for cell in document["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in document["cells"]:
        if cell["cell_type"] == "code":
            assert (cell["outputs"], cell["execution_count"]) == ([], None)


def test_every_example_is_run_by_a_test() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    found = [e.name for e in EXAMPLES.iterdir() if e.suffix in (".py", ".ipynb")]
    assert found
    assert [name for name in found if name not in here] == []
