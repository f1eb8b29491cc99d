"""The same steps from a picture to tiles in training and on the line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.masks import resize_mask, tile_shares
from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import ImageError

SQUARE = Preprocessing(8, 64, True, 64, 0, (0.5, 0.4, 0.3), (0.5, 0.5, 0.5))


def test_the_working_size_keeps_the_shape_of_the_picture() -> None:
    assert SQUARE.working(np.zeros((100, 200), np.uint8)).shape == (32, 64, 3)
    assert SQUARE.working(np.zeros((20, 10, 3), np.uint8)).shape == (64, 32, 3)


def test_sixteen_bits_have_one_white_for_all() -> None:
    twelve = Preprocessing(12, None, False, 64, 0, (0.5,) * 3, (0.5,) * 3)
    picture = np.tile(np.array([0, 2048, 4095, 9000], dtype=np.uint16), (8, 2))
    assert twelve.working(picture)[0, :4, 0].tolist() == [0, 128, 255, 255]


def test_pictures_of_another_camera_are_refused_instead_of_judged_white() -> None:
    with pytest.raises(ImageError, match=r"lies above 255, white in the 8-bit"):
        SQUARE.working(np.full((64, 64), 3000, np.uint16))


def test_outside_is_what_normalisation_makes_zero() -> None:
    tiles, _ = SQUARE.tiles(np.full((32, 64, 3), 9, np.uint8))
    assert tiles.shape == (1, 64, 64, 3)
    assert tiles[0, 0, 0].tolist() == [128, 102, 76]


def test_it_survives_json() -> None:
    assert Preprocessing.from_dict(json.loads(json.dumps(SQUARE.as_dict()))) == SQUARE


def test_squeezed_to_a_square() -> None:
    squeezed = replace(SQUARE, square=True)
    for shape in ((100, 200), (20, 10, 3), (8, 500)):
        working = squeezed.working(np.full(shape, 7, np.uint8))
        assert working.shape == (64, 64, 3)
        tiles, origins = squeezed.tiles(working)
        assert origins == [(0, 0)]
        assert (tiles == 7).all(), "no padding"
    assert squeezed.blank().shape == (64, 64, 3)
    assert Preprocessing.from_dict(json.loads(json.dumps(squeezed.as_dict()))) == squeezed
    # an inspector of before, or of the classifier, has no such entry
    assert "square" not in SQUARE.as_dict()
    assert not Preprocessing.from_dict(SQUARE.as_dict()).square


def test_a_single_defective_pixel_survives_shrinking() -> None:
    mask = np.zeros((2000, 1000), dtype=bool)
    mask[1999, 0] = True
    small = resize_mask(mask, (20, 10))
    assert small.sum() == 1
    assert small[19, 0]
    assert resize_mask(mask[1980:, :10], (40, 20)).sum() == 4


@pytest.mark.parametrize("tile", [32, 64])
def test_shares_of_tiles(tmp_path: Path, tile: int) -> None:
    mask = np.zeros((64, 128), dtype=np.uint8)
    mask[10:20, 70:90] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    rule = Preprocessing(8, None, False, tile, tile // 8, (0.5,) * 3, (0.5,) * 3)
    shares = tile_shares(tmp_path / "m.png", (64, 128), rule)
    tiles, _ = rule.tiles(np.repeat(mask[..., None], 3, 2))
    assert np.allclose(shares, (tiles[..., 0] == 255).mean((1, 2)))
    assert tile_shares(None, (64, 128), rule).tolist() == [0.0] * len(tiles)
