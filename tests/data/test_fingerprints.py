"""The same picture is known again; another part of the same look is not taken for it."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.fingerprints import (
    group_summaries,
    join,
    near_duplicate_groups,
    near_pairs,
    summarise,
)
from brightfield.data.synthetic import render_part
from brightfield.errors import ImageError


def smooth(seed: int, n: int) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(size=(n, 32, 32))
    return noise.cumsum(axis=1).cumsum(axis=2).astype(np.float32)


def by_hand(thumbnails: np.ndarray) -> set[tuple[int, int]]:
    """Return the near pairs by all correlations at once, with the median over all pairs."""
    flat = np.corrcoef(thumbnails.reshape(len(thumbnails), -1).astype(np.float64))
    distance = 2 - 2 * flat
    upper = np.triu_indices(len(flat), 1)
    limit = max(2e-5, min(0.004, 0.005 * float(np.median(distance[upper]))))
    return {(int(i), int(j)) for i, j in zip(*upper, strict=True) if distance[i, j] <= limit}


def test_pairs_are_those_of_all_correlations() -> None:
    base = smooth(0, 60)
    rng = np.random.default_rng(1)
    copies = (
        base[:30] * 1.3
        + 5
        + rng.normal(0, np.geomspace(0.001, 8, 30))[:, None, None] * rng.normal(size=(30, 32, 32))
    )
    thumbnails = np.concatenate([base, copies]).astype(np.float32)
    expected = by_hand(thumbnails)
    found = {(int(i), int(j)) for i, j in near_pairs(thumbnails)}
    assert found == expected
    assert 5 < len(expected) < 30


def test_blocks_do_not_change_the_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    thumbnails = np.concatenate([smooth(0, 20), smooth(0, 20) * 2 + 1])
    whole = near_pairs(thumbnails)
    for name, size in (("_ROWS", 7), ("_COLUMNS", 9), ("_PAIRS", 3)):
        monkeypatch.setattr(f"brightfield.data.fingerprints.{name}", size)
    blocked = near_pairs(thumbnails)
    assert sorted(map(tuple, whole.tolist())) == sorted(map(tuple, blocked.tolist()))
    assert len(whole) == 20


def test_flat_and_few_thumbnails_have_no_pairs() -> None:
    assert near_pairs(np.zeros((5, 32, 32), np.float32)).shape == (0, 2)
    assert near_pairs(np.zeros((0, 32, 32), np.float32)).shape == (0, 2)
    assert near_duplicate_groups([]) == []


def test_join_numbers_groups_by_first_appearance() -> None:
    assert join(6, np.array([[4, 1], [1, 5], [2, 3]])) == [0, 1, 2, 2, 1, 1]
    assert join(3, np.empty((0, 2), np.int64)) == [0, 1, 2]


def test_copies_are_found_and_like_parts_are_not(tmp_path: Path) -> None:
    paths = []
    for i in range(12):
        image, _ = render_part(np.random.default_rng(i), size=(96, 144), kind="pit", defect_px=12)
        paths.append(tmp_path / f"{i:02d}.png")
        Image.fromarray(image).save(paths[-1])
    first = Image.open(paths[0])
    altered = {
        "jpeg.jpg": first,
        "half.png": first.resize((72, 48), Image.Resampling.LANCZOS),
        "dimmed.png": Image.fromarray((np.asarray(first) * 0.9).astype(np.uint8)),
        "grey.bmp": first.convert("L"),
    }
    for name, image in altered.items():
        image.save(tmp_path / name)
        paths.append(tmp_path / name)
    assert near_duplicate_groups(paths) == [*range(12), 0, 0, 0, 0]


def test_the_same_pixels_in_another_format_are_the_same(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 0).save(tmp_path / "a.png")
    Image.new("L", (8, 8), 0).save(tmp_path / "b.bmp")
    Image.new("L", (8, 8), 9).save(tmp_path / "c.png")
    (tmp_path / "d.png").write_bytes(b"broken")
    (tmp_path / "e.png").write_bytes(b"broken")
    summaries = summarise([tmp_path / name for name in ("a.png", "b.bmp", "c.png", "d.png", "e.png")])
    assert group_summaries(summaries) == [0, 0, 1, 2, 3]
    assert (summaries[2].low, summaries[2].high, summaries[2].error) == (9, 9, None)
    assert summaries[3].error is not None
    with pytest.raises(ImageError, match=r"2 image\(s\) cannot be read, first .*d.png.*data check"):
        near_duplicate_groups([tmp_path / "d.png", tmp_path / "e.png"])


def test_sixteen_bits_and_eight_look_alike(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    others = [tmp_path / f"{i}.png" for i in range(5)]
    for path in others:
        Image.fromarray(rng.integers(0, 256, (40, 40), np.uint8)).save(path)
    deep = np.asarray(Image.open(others[0])).astype(np.uint16) * 16
    buffer = io.BytesIO()
    Image.fromarray(deep).save(buffer, "PNG")
    (tmp_path / "deep.png").write_bytes(buffer.getvalue())
    assert near_duplicate_groups([*others, tmp_path / "deep.png"]) == [0, 1, 2, 3, 4, 0]
