"""Defects' sizes, by masks drawn by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.extents import defect_extents
from brightfield.errors import DataError


def masked(tmp_path: Path, mask: np.ndarray | None) -> Dataset:
    Image.fromarray(np.zeros((60, 100), np.uint8)).save(tmp_path / "a.png")
    place = None
    if mask is not None:
        place = tmp_path / "mask.png"
        Image.fromarray(mask).save(place)
    sample = Sample(path=tmp_path / "a.png", image="a.png", label="Defect", mask=place)
    return Dataset(name="drawn", samples=(sample,), classes=("OK", "Defect"), normal="OK")


def test_boxes_of_connected_regions(tmp_path: Path) -> None:
    mask = np.zeros((60, 100), np.uint8)
    mask[5:8, 10:30] = 255  # 3 high, 20 wide
    mask[40, 50] = mask[41, 51] = 255  # two pixels that touch at a corner
    found = defect_extents(masked(tmp_path, mask))
    assert sorted(map(tuple, found.boxes.tolist())) == [(2, 2), (3, 20)]
    assert found.longer_sides.tolist() == [100, 100]
    assert found.share_within(5, 5) == 0.5
    assert found.share_within(5, 20) == 1.0
    assert found.share_within(5, 5, longer_side=25) == 1.0  # a quarter as large
    assert found.share_within(5, 5, longer_side=400) == 0.5  # never enlarged


@pytest.mark.parametrize("mask", [None, np.zeros((60, 100), np.uint8)])
def test_nothing_to_measure(tmp_path: Path, mask: np.ndarray | None) -> None:
    with pytest.raises(DataError, match="mask"):
        defect_extents(masked(tmp_path, mask))
