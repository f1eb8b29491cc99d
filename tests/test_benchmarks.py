"""Every benchmark can be run: each is, on a few synthetic pictures."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from brightfield.engine.view_names import MIRRORS
from brightfield.engine.views import VIEWS

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
SCRIPTS = sorted(p.stem for p in BENCHMARKS.glob("*.py") if "__main__" in p.read_text(encoding="utf-8"))


def run(name: str, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCHMARKS / f"{name}.py"), *words]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.parametrize("name", SCRIPTS)
def test_a_smoke_run_ends_well_and_writes_rows(name: str, tmp_path: Path) -> None:
    results = {p: p.stat().st_mtime_ns for p in (BENCHMARKS / "results").iterdir()}
    done = run(name, "--smoke", "--output", str(tmp_path / "rows.csv"))
    assert done.returncode == 0, done.stderr[-2000:]
    rows = rows_of(tmp_path / "rows.csv")
    assert rows
    assert {row["benchmark"] for row in rows} == {name}
    assert all(np.isfinite(float(row["value"])) and row["metric"] and row["unit"] for row in rows)
    assert {p: p.stat().st_mtime_ns for p in (BENCHMARKS / "results").iterdir()} == results


@pytest.mark.slow
def test_without_an_output_a_smoke_run_keeps_nothing() -> None:
    results = {p: p.stat().st_mtime_ns for p in (BENCHMARKS / "results").iterdir()}
    assert run("scoring", "--smoke").returncode == 0
    assert {p: p.stat().st_mtime_ns for p in (BENCHMARKS / "results").iterdir()} == results


def test_the_views_on_a_gpu_are_those_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    from cifar_gpu import VIEWED

    x = np.random.default_rng(0).normal(size=(2, 3, 8, 9)).astype(np.float32)
    assert tuple(VIEWED) == MIRRORS
    for name, view in VIEWED.items():
        assert np.array_equal(view(torch.from_numpy(x)).numpy(), VIEWS[name](x)), name
