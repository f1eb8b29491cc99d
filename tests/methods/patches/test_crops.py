"""Crops of good patches: what they show, and how those of a bank are taken and joined."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.preprocessing import Preprocessing
from brightfield.methods.patches.crops import Crops, crop_side, read_crops, start

RULE = Preprocessing(8, 112, True, 112, 0, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), square=True)
TAGS = np.array([[1, 20, 30], [0, 60, 60], [1, 20, 30], [1, 0, 111]])


@pytest.fixture
def named(tmp_path: Path) -> list[tuple[str, Path]]:
    """Two pictures: red grows with the row of the first, green with the column of the second."""
    ramp = (2 * np.arange(112)).astype(np.uint8)
    first, second = np.zeros((112, 112, 3), np.uint8), np.zeros((112, 112, 3), np.uint8)
    first[:, :, 0], second[:, :, 1] = ramp[:, None], ramp
    files = [("OK/a.png", tmp_path / "a.png"), ("OK/b.png", tmp_path / "b.png")]
    for (_, path), picture in zip(files, (first, second), strict=True):
        Image.fromarray(picture).save(path)
    return files


@pytest.fixture
def crops(named: list[tuple[str, Path]]) -> Crops:
    return read_crops(TAGS, named, RULE)


def test_a_crop_shows_the_place_of_its_patch(crops: Crops) -> None:
    assert [crops.image(i) for i in range(4)] == ["OK/b.png", "OK/a.png", "OK/b.png", "OK/b.png"]
    around = crops.picture(1)
    assert around.shape == (16, 16, 3)
    # rows 52 to 67 of a picture whose red is twice the row
    assert np.abs(around[:, 8, 0] - 2.0 * np.arange(52, 68)).max() < 8
    at_the_border = crops.picture(3)  # the last 16 columns
    assert np.abs(at_the_border[8, :, 1] - 2.0 * np.arange(96, 112)).max() < 8


def test_patches_of_one_place_share_a_crop(crops: Crops) -> None:
    assert len(crops) == 4
    assert len(crops.ends) == 3
    assert crops.of_patch[0] == crops.of_patch[2]


def test_taken_and_joined_crops_are_those_of_the_patches(crops: Crops) -> None:
    some = crops.taken(np.array([3, 1]))
    both = some.followed_by(crops)
    assert some.images == ("OK/a.png", "OK/b.png")
    for new, old in enumerate([3, 1, 0, 1, 2, 3]):
        assert both.image(new) == crops.image(old)
        np.testing.assert_array_equal(both.picture(new), crops.picture(old))


def test_grey_pictures_keep_one_channel(tmp_path: Path) -> None:
    path = tmp_path / "grey.png"
    Image.fromarray(np.full((112, 112), 77, np.uint8)).save(path)
    crops = read_crops(np.array([[0, 50, 50]]), [("grey", path)], RULE)
    assert Image.open(io.BytesIO(crops.files.tobytes())).mode == "L"
    assert crops.picture(0).shape == (16, 16, 3)
    assert np.abs(crops.picture(0).astype(int) - 77).max() <= 1


@pytest.mark.parametrize(("tile", "side"), [(64, 16), (224, 32), (448, 64), (1024, 64)])
def test_side(tile: int, side: int) -> None:
    assert crop_side(tile) == side


@pytest.mark.parametrize(("at", "length", "begin"), [(50, 100, 42), (3, 100, 0), (99, 100, 84), (5, 10, 0)])
def test_a_window_stays_in_the_picture(at: int, length: int, begin: int) -> None:
    assert start(at, 16, length) == begin


def test_crops_that_are_not_whole_are_refused(crops: Crops) -> None:
    with pytest.raises(ValueError, match="not whole"):
        Crops(crops.images, crops.sources, crops.files[:-1], crops.ends, crops.of_patch)
    with pytest.raises(ValueError, match="not whole"):
        Crops(crops.images[:1], crops.sources, crops.files, crops.ends, crops.of_patch)
