"""Which good parts standardise, and what a training on tiles makes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.data.dataset import Dataset, Sample
from brightfield.methods.good_parts.held_out import MOST_HELD_OUT, hold_out


def good(count: int, group: Callable[[int], str | None] = lambda _i: None) -> Dataset:
    samples = tuple(Sample(f"{i:04d}.png", Path("x"), "OK", group=group(i)) for i in range(count))
    return Dataset("made", samples, ("OK",), "OK")


@pytest.mark.parametrize(("count", "expected"), [(2, 1), (4, 1), (10, 2), (100, 15), (2000, MOST_HELD_OUT)])
def test_a_share_is_held_out(count: int, expected: int) -> None:
    held = hold_out(good(count), np.arange(count), 0)
    assert held.sum() == expected
    assert np.array_equal(held, hold_out(good(count), np.arange(count), 0))
    assert count < 10 or not np.array_equal(held, hold_out(good(count), np.arange(count), 1))


def test_groups_and_near_duplicates_stay_together() -> None:
    parts = good(60, lambda i: f"casting {i // 6}")
    duplicates = np.arange(60)
    duplicates[[5, 6]] = 99  # which joins the first two groups
    for seed in range(10):
        held = hold_out(parts, duplicates, seed)
        groups = held.reshape(10, 6)
        assert (groups.all(1) | ~groups.any(1)).all()
        assert held[0] == held[6]
        assert 9 <= held.sum() < 30


def test_one_group_is_not_held_out_whole() -> None:
    assert not hold_out(good(8, lambda _i: "one"), np.arange(8), 0).any()


@pytest.mark.parametrize("name", ["patchcore", "flow", "fusion"])
def test_large_pictures_in_tiles(name: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    (tmp_path / "parts" / "OK").mkdir(parents=True)
    for i in range(16):
        coarse = np.kron(rng.normal(100, 12, (22, 30)), np.ones((10, 10)))
        Image.fromarray((coarse + rng.normal(0, 5, coarse.shape)).clip(0, 255).astype(np.uint8)).save(
            tmp_path / "parts" / "OK" / f"{i:02d}.png"
        )
    options = {"bank": 300} if name != "flow" else {"flow_epochs": 2}
    inspector = brightfield.train(
        tmp_path / "parts",
        tmp_path / "i",
        **{"method": name, "backbone": "test_resnet", "weights": "none", "tile": 96, **options},
    )
    assert inspector.preprocessing.tile == 96
    assert not inspector.preprocessing.square
    assert inspector.facts["agreement"]["largest_difference"] < 1e-3
    assert "tiles of 96 px" in inspector.facts["training"]["plan"]
    part = np.asarray(Image.open(tmp_path / "parts" / "OK" / "00.png")).copy()
    part[150:180, 230:260] = 255
    verdict = brightfield.load(tmp_path / "i").inspect(part)
    assert verdict.decision == "DEFECT"
    assert verdict.heatmap is not None
    assert verdict.heatmap.shape == (220, 300)
    # a flow on tiles this small has 3x3 cells, so only that the place stands out is certain
    near = np.zeros_like(part, dtype=bool)
    near[130:200, 210:280] = True
    assert verdict.heatmap[near].mean() > 3 * verdict.heatmap[~near].mean()
