"""Sizes, and what headers say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.geometry import Resize, resize, resized_shape
from brightfield.data.scan import scan
from brightfield.errors import ConfigError


@pytest.mark.parametrize(
    ("height", "width", "side", "expected"),
    [
        (460, 1130, 565, (230, 565)),
        (300, 300, 224, (224, 224)),
        (10, 20, 40, (20, 40)),
        (1, 999, 10, (1, 10)),
    ],
)
def test_the_aspect_ratio_stays(height: int, width: int, side: int, expected: tuple[int, int]) -> None:
    assert resized_shape(height, width, Resize(side)) == expected
    assert resize(np.zeros((height, width, 3), np.uint8), Resize(side)).shape == (*expected, 3)


@pytest.mark.parametrize(("height", "width"), [(460, 1130), (10, 20), (64, 64), (400, 8)])
def test_a_square_has_every_picture_in_it(height: int, width: int) -> None:
    rule = Resize(64, square=True, enlarge=False)
    assert resized_shape(height, width, rule) == (64, 64)
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    found = resize(picture, rule)
    assert found.shape == (64, 64, 3)
    expected = Image.fromarray(picture).resize((64, 64), Image.Resampling.BILINEAR, reducing_gap=3.0)
    assert np.array_equal(found, np.asarray(expected))


def test_none_keeps_every_pixel() -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    np.testing.assert_array_equal(resize(array, Resize(None)), array)
    np.testing.assert_array_equal(resize(array[..., 0], Resize(4)), array[..., 0])


def test_shrinking_does_not_alias() -> None:
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    small = resize(stripes, Resize(8))
    assert small.shape == (8, 8)
    assert np.abs(small.astype(int) - 127).max() <= 8


def test_a_side_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="long_side is 0"):
        Resize(0)
    with pytest.raises(ConfigError, match="a square needs a long_side"):
        Resize(None, square=True)


@pytest.mark.parametrize("compression", [None, "tiff_lzw"])
def test_a_turned_tiff_has_its_upright_size(tmp_path: Path, compression: str | None) -> None:
    exif = Image.Exif()
    exif[0x0112] = 8
    Image.new("L", (30, 20)).save(tmp_path / "a.tif", exif=exif, compression=compression)
    (fact,) = scan([tmp_path / "a.tif"])
    assert (fact.width, fact.height) == (20, 30)


def test_scan_tells_sizes_upright_modes_and_maxima(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (30, 20)).save(tmp_path / "turned.jpg", exif=exif)
    Image.fromarray(np.tile(np.array([7, 4000], np.uint16), (8, 5))).save(tmp_path / "deep.png")
    (tmp_path / "broken.png").write_bytes(b"nothing")
    told: list[tuple[str, int, int]] = []
    paths = [tmp_path / name for name in ("turned.jpg", "deep.png", "broken.png", "missing.png")]
    turned, deep, broken, missing = scan(paths, lambda *args: told.append(args))
    assert (turned.width, turned.height, turned.mode, turned.maximum) == (20, 30, "RGB", None)
    assert (deep.width, deep.height, deep.mode, deep.maximum) == (10, 8, "I;16", 4000)
    assert broken.error is not None
    assert "not an image" in broken.error
    assert missing.error is not None
    assert "does not exist" in missing.error
    assert told[-1] == ("scan", 4, 4)
