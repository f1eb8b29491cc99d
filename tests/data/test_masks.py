"""Masks say the same however they were saved: numbers of classes, palettes, 16 bits, JPEG."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.extents import defect_extents
from brightfield.data.masks import Tone, marked, mask_levels, mask_shares, read_mask, tile_shares, tone
from brightfield.data.preprocessing import Preprocessing


def drawn() -> npt.NDArray[np.bool_]:
    """Five defects of 200, 81, 40, 12 and 4 pixels: 337 in all."""
    mask = np.zeros((120, 160), dtype=bool)
    mask[10:20, 10:30] = True
    mask[33:42, 91:100] = True
    mask[70:90, 40:42] = True
    mask[100:103, 131:135] = True
    mask[60:62, 120:122] = True
    return mask


def regions(mask: npt.NDArray[np.bool_]) -> int:
    return int(ndimage.label(mask, structure=np.ones((3, 3)))[1])


def saved_and_read(image: Image.Image, path: Path, **how: object) -> npt.NDArray[np.bool_]:
    image.save(path, **how)
    return read_mask(path)


def test_exact_masks_mark_what_is_not_black(tmp_path: Path) -> None:
    mask = drawn()
    assert int(mask.sum()) == 337
    for name, values in {
        "white": mask * np.uint8(255),
        "one": mask * np.uint8(1),
        "16 bits": mask * np.uint16(65535),
        "12 of 16 bits": mask * np.uint16(4095),
        "one of 16 bits": mask * np.uint16(1),
        "grey": mask * np.uint8(77),
        "red": np.stack([mask * np.uint8(9), 0 * mask, 0 * mask], axis=2).astype(np.uint8),
    }.items():
        found = saved_and_read(Image.fromarray(values), tmp_path / f"{name}.png")
        np.testing.assert_array_equal(found, mask, err_msg=name)
    found = saved_and_read(Image.fromarray(mask), tmp_path / "bilevel.png")
    np.testing.assert_array_equal(found, mask)


@pytest.mark.parametrize(
    "numbers",
    [
        (1, 2, 3, 4, 5),
        (1, 1, 1, 1, 2),
        (1, 1, 2, 15, 255),  # 255 for what is left out of account, as in Pascal VOC
        (1, 128, 200, 254, 255),
        (10, 20, 30, 200, 300),  # instances, in 16 bits
    ],
)
def test_numbers_of_classes_all_mark_a_defect(tmp_path: Path, numbers: tuple[int, ...]) -> None:
    labelled = ndimage.label(drawn())[0]
    values = np.array([0, *numbers], dtype=np.uint16)[labelled]
    image = Image.fromarray(values if max(numbers) > 255 else values.astype(np.uint8))
    np.testing.assert_array_equal(saved_and_read(image, tmp_path / "m.png"), drawn())


def test_a_hundred_instances_all_mark_a_defect(tmp_path: Path) -> None:
    values = np.zeros((80, 80), dtype=np.uint8)
    for i in range(100):
        top, left = divmod(i, 10)
        values[8 * top : 8 * top + 4, 8 * left : 8 * left + 4] = i + 1
    assert int(saved_and_read(Image.fromarray(values), tmp_path / "m.png").sum()) == 100 * 16


def test_a_single_pixel_of_a_class_counts(tmp_path: Path) -> None:
    values = np.array([[0, 1, 0], [0, 0, 2], [0, 0, 0]], dtype=np.uint8)
    found = saved_and_read(Image.fromarray(values), tmp_path / "m.png")
    assert found.tolist() == [[False, True, False], [False, False, True], [False, False, False]]


def test_palettes_mark_what_is_not_black(tmp_path: Path) -> None:
    labelled = ndimage.label(drawn())[0].astype(np.uint8)
    image = Image.fromarray(labelled, "L").convert("P")
    image.putdata(labelled.ravel().tolist())
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0, 0, 0, 64, 64, 0, 128, 192, 192, 128])
    np.testing.assert_array_equal(saved_and_read(image, tmp_path / "m.png"), drawn())


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95, 100])
def test_noise_of_jpeg_is_no_defect(tmp_path: Path, quality: int) -> None:
    image = Image.fromarray(drawn() * np.uint8(255))
    image.save(tmp_path / "m.jpg", quality=quality)
    values = np.asarray(Image.open(tmp_path / "m.jpg"))
    assert int((values > 0).sum()) > 337, "the noise is there"
    found = read_mask(tmp_path / "m.jpg")
    assert regions(found) == 5
    assert int((found != drawn()).sum()) <= (0 if quality >= 50 else 4)
    Image.fromarray(values).save(tmp_path / "again.png")  # the noise stays when it is saved as PNG
    np.testing.assert_array_equal(read_mask(tmp_path / "again.png"), found)


@pytest.mark.parametrize("quality", [50, 80, 95])
def test_noise_of_webp_is_no_defect(tmp_path: Path, quality: int) -> None:
    image = Image.fromarray(drawn() * np.uint8(255))
    np.testing.assert_array_equal(saved_and_read(image, tmp_path / "m.webp", quality=quality), drawn())


def test_inverted_masks_of_jpeg_mark_what_is_bright(tmp_path: Path) -> None:
    image = Image.fromarray(~drawn() * np.uint8(255))
    np.testing.assert_array_equal(saved_and_read(image, tmp_path / "m.jpg", quality=75), ~drawn())


def test_blended_rims_count_from_half_on() -> None:
    levels = np.zeros((40, 40), dtype=np.uint8)
    levels[10:30, 10:30] = 255
    levels[10:30, 9] = np.arange(20) + 108  # 108 to 127 are below half of 255, none is marked
    levels[10:30, 30] = np.arange(20) + 118  # 118 to 137: the ten from 128 on are marked
    assert tone(levels) is Tone.NOISY
    assert int(marked(levels, tone(levels)).sum()) == 400 + 10


def test_half_is_of_the_masks_own_range() -> None:
    levels = np.zeros((40, 40), dtype=np.uint16)
    levels[10:30, 10:30] = 4000
    levels[10:30, 9] = np.arange(20) + 1990  # 1990 to 2009: the nine from 2001 on are marked
    assert tone(levels) is Tone.NOISY
    assert int(marked(levels, tone(levels)).sum()) == 400 + 9


def test_photographs_and_heatmaps_are_grey() -> None:
    noise = np.random.default_rng(0).normal(120, 30, (60, 80)).clip(0, 255).astype(np.uint8)
    assert tone(noise) is Tone.GREY
    row, column = np.mgrid[:81, :81] - 40
    blob = np.rint(255 * np.exp(-(row**2 + column**2) / 200)).astype(np.uint8)
    assert tone(blob) is Tone.GREY
    # a Gaussian of variance 100 is above half within r^2 = 200 ln 2 = 138.6: a disc of some 435 pixels
    assert int(marked(blob, Tone.GREY).sum()) == pytest.approx(np.pi * 200 * np.log(2), rel=0.03)


def test_masks_of_one_value() -> None:
    for value, share in ((0, 0.0), (1, 1.0), (255, 1.0)):
        levels = np.full((12, 10), value, dtype=np.uint8)
        assert tone(levels) is Tone.EXACT
        assert marked(levels, tone(levels)).mean() == share


def test_colours_count_by_their_brightest_channel() -> None:
    colour = np.array([[[0, 0, 0], [0, 0, 9], [7, 200, 3]]], dtype=np.uint8)
    assert mask_levels(colour).tolist() == [[0, 9, 200]]


def test_red_masks_of_jpeg(tmp_path: Path) -> None:
    image = Image.new("RGB", (160, 120))
    ImageDraw.Draw(image).rectangle((48, 32, 111, 79), fill=(255, 0, 0))  # on the blocks: 64 x 48 pixels
    noisy = io.BytesIO()
    image.save(noisy, "JPEG", quality=75)
    (tmp_path / "m.jpg").write_bytes(noisy.getvalue())
    assert int(read_mask(tmp_path / "m.jpg").sum()) == 64 * 48


def test_tiles_and_extents_are_those_of_the_drawn_mask(tmp_path: Path) -> None:
    """Cut into 3 rows of 4 tiles of 40 px; the evaluation's own test is below tests/evaluation."""
    Image.fromarray(drawn() * np.uint8(255)).save(tmp_path / "m.jpg", quality=75)
    Image.new("L", (160, 120)).save(tmp_path / "a.png")
    rule = Preprocessing(8, None, False, 40, 0, (0.5,) * 3, (0.5,) * 3)
    shares = tile_shares(tmp_path / "m.jpg", (120, 160), rule).reshape(3, 4)
    expected = [
        [200, 0, 63, 0],  # rows 33 to 39 of the square
        [0, 20, 18, 4],  # half of the line; the rest of the square; the speck
        [0, 20, 0, 12],
    ]
    np.testing.assert_allclose(shares * 1600, expected)
    sample = Sample("a.png", tmp_path / "a.png", "pit", mask=tmp_path / "m.jpg")
    boxes = defect_extents(Dataset("drawn", (sample,), ("OK", "pit"), "OK")).boxes
    assert sorted(map(tuple, boxes.tolist())) == [(2, 2), (3, 4), (9, 9), (10, 20), (20, 2)]


def test_shares_of_a_smaller_mask_are_means_of_its_blocks() -> None:
    mask = np.random.default_rng(0).random((12, 20)) < 0.3
    assert np.allclose(mask_shares(mask, (3, 5)), mask.reshape(3, 4, 5, 4).mean((1, 3)), atol=1e-6)
