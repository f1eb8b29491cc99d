"""The scripts in examples/ are run."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

EXAMPLES = Path(__file__).parents[1] / "examples"


@pytest.mark.slow
def test_the_picture_of_the_readme_is_drawn(tmp_path: Path) -> None:
    target = tmp_path / "overlays.png"
    subprocess.run([sys.executable, str(EXAMPLES / "overlays.py"), str(target)], check=True)
    sheet = np.asarray(Image.open(target).convert("RGB")).astype(int)
    rows, half = sheet.shape[0], (sheet.shape[0] - 30) // 2
    above, below = sheet[:half], sheet[rows - half :]
    changed = np.abs(above - below).max(axis=2) > 40
    columns = np.array_split(changed, 4, axis=1)
    assert all(c.any() for c in columns[:3]), "the three defective parts show heat"
    assert columns[3].mean() < 0.01, "the good part stays calm"


def test_every_example_is_run_by_a_test() -> None:
    here = Path(__file__).read_text(encoding="utf-8")
    assert [e.name for e in EXAMPLES.glob("*.py") if e.name not in here] == []
