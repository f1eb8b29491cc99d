"""Overlays on one fixed scale: a flawless part does not glow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from brightfield.explain.overlay import (
    RIM,
    TYPE_COLOURS,
    as_png,
    colour,
    line_width,
    outline,
    overlay,
    shrink,
    shrink_heat,
    shrink_region,
    shrink_types,
    type_colour,
)

GREY = np.full((40, 60, 3), 100, dtype=np.uint8)


def test_a_calm_map_leaves_the_picture_as_it_is() -> None:
    ramp = np.linspace(0, 0.75, 60, dtype=np.float32)[None].repeat(40, 0)
    assert np.array_equal(overlay(GREY, ramp), GREY)


def test_the_colour_of_a_heat_does_not_depend_on_the_rest() -> None:
    one = np.zeros((40, 60), np.float32)
    one[5, 5] = 0.8
    two = one.copy()
    two[30:, 30:] = 50.0
    assert np.array_equal(overlay(GREY, one)[5, 5], overlay(GREY, two)[5, 5])
    assert not np.array_equal(overlay(GREY, one)[5, 5], GREY[5, 5])


def test_hotter_is_redder_and_stronger_up_to_full_strength() -> None:
    values = np.array([[0.4, 0.8, 1.0, 1.5, 2.0, 9.0]], dtype=np.float32)
    tint, opacity = colour(values)
    assert opacity[0, 0] == 0
    assert (np.diff(opacity[0]) >= 0).all()
    assert (np.diff(tint[0, :, 1].astype(int)) <= 0).all()
    assert np.array_equal(tint[0, 4], tint[0, 5])


def test_the_outline_lies_just_outside_where_heat_reaches_one() -> None:
    heat = np.zeros((40, 60), np.float32)
    heat[10:20, 10:30] = 1.0
    white = (overlay(GREY, heat) == 255).all(2)
    expected = np.zeros((40, 60), bool)
    expected[9:21, 9:31] = True
    expected[10:20, 10:30] = False
    assert np.array_equal(white, expected)
    mask = np.zeros((40, 60), bool)
    mask[0:5, 0:5] = True
    assert np.array_equal((overlay(GREY, heat, mask) == 255).all(2), outline(mask))
    assert not outline(np.zeros((9, 9), bool)).any()


@pytest.mark.parametrize("width", [1, 2, 3, 6, 50])
@pytest.mark.parametrize("dots", [1, 5, 200])
def test_outlines_are_those_of_a_square_window(width: int, dots: int) -> None:
    rng = np.random.default_rng(dots)
    region = np.zeros((37, 61), bool)
    region[rng.integers(0, 37, dots), rng.integers(0, 61, dots)] = True
    square = np.ones((2 * width + 1, 2 * width + 1), bool)
    assert np.array_equal(outline(region, width), ndimage.binary_dilation(region, square) & ~region)


@pytest.mark.parametrize(
    ("shape", "width"),
    [((1, 1), 1), ((480, 640), 1), ((60_000, 1024), 2), ((256, 10_000), 1), ((4000, 6000), 7)],
)
def test_a_line_is_as_wide_as_suits_the_shorter_side(shape: tuple[int, int], width: int) -> None:
    assert line_width(shape) == width


def test_a_long_strip_takes_no_longer_than_its_area() -> None:
    heat = np.zeros((30_000, 40), np.float32)
    heat[[100, -100], 20] = 1.5  # far apart, so that nearly all of it lies between
    laid = overlay(np.full((30_000, 40, 3), 90, np.uint8), heat)
    white = (laid == 255).all(2)
    assert white.sum() == 2 * 8
    assert white[98:103, 18:23].sum() == 8


@pytest.mark.parametrize("ground", [0, 24, 128, 255])
def test_an_outline_shows_on_any_ground(ground: int) -> None:
    picture = np.full((40, 60, 3), ground, np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:20, 10:30] = True
    laid = overlay(picture, np.zeros((40, 60), np.float32), mask).astype(int)
    row = laid[15, :, 0]  # from the left: ground, rim, line, and the region from column 10 on
    assert row[9] == 255
    assert row[8] < 40
    assert row[7] == row[12] == ground
    assert max(abs(row[9] - ground), abs(row[8] - ground)) > 100


def test_blocks_of_a_picture_are_laid_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (53, 31, 3), np.uint8)
    heat = rng.uniform(0, 0.999, (53, 31)).astype(np.float32)
    tint, opacity = colour(heat)
    expected = picture * (1 - opacity[..., None]) + tint * opacity[..., None]
    for at_once in (1, 100, 1 << 20):
        monkeypatch.setattr("brightfield.explain.overlay._AT_ONCE", at_once)
        assert np.abs(overlay(picture, heat) - expected).max() < 1.1  # grey levels


def test_a_small_hot_place_stays_hot_when_shrunk() -> None:
    heat = np.zeros((999, 1501), np.float32)
    heat[700, 3] = 1.25
    small = shrink_heat(heat, (100, 150, 3))
    assert small.shape == (100, 150)
    assert np.argwhere(small).tolist() == [[70, 0]]
    assert small.max() == np.float32(1.25)
    assert np.array_equal(shrink_heat(heat, heat.shape), heat)
    assert shrink_heat(np.array([[1, 2, 3], [4, 5, 0]], np.float32), (1, 2)).tolist() == [[4, 5]]


def test_pictures_for_a_page() -> None:
    assert shrink(GREY, 30).shape == (20, 30, 3)
    assert shrink(GREY, 300).shape == (40, 60, 3)
    with Image.open(io.BytesIO(as_png(GREY))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), GREY)


def test_what_is_outside_the_region_is_faded() -> None:
    region = np.zeros((40, 60), dtype=bool)
    region[:, 30:] = True
    calm = np.zeros((40, 60), np.float32)
    for level in (0, 255):
        picture = np.full((40, 60, 3), level, dtype=np.uint8)
        shown = overlay(picture, calm, region=region)
        assert np.array_equal(shown[region], picture[region])
        assert (abs(shown[~region].astype(int) - level) > 60).all()
    small = shrink_region(region, (20, 30, 3))
    assert small is not None
    assert np.array_equal(small, region[::2, ::2])
    assert shrink_region(None, (20, 30, 3)) is None


def test_each_type_has_an_outline_of_its_colour_and_stays_visible_within() -> None:
    kinds = np.zeros((40, 60), np.uint8)
    kinds[5:10, 5:10], kinds[20:30, 40:50] = 1, 3
    heat = np.where(kinds > 0, np.float32(2), np.float32(0))
    laid = overlay(GREY, heat, kinds > 0, class_map=kinds)
    assert (laid[kinds > 0] == 100).all(), "the defect itself stays as it is"
    for number in (1, 3):
        line = outline(kinds == number, 1)
        assert (laid[line] == type_colour(number)).all()
        assert (laid[outline(kinds == number, 2) & ~line] == RIM).all()
    far = outline(kinds > 0, 2) | (kinds > 0)
    assert np.array_equal(laid[~far], GREY[~far])


def test_evidence_outside_the_defects_still_glows() -> None:
    kinds = np.zeros((40, 60), np.uint8)
    kinds[5:10, 5:10] = 1
    heat = np.zeros((40, 60), np.float32)
    heat[5:10, 5:10], heat[30, 30] = 2.0, 1.5
    laid, plain = overlay(GREY, heat, class_map=kinds), overlay(GREY, heat, np.zeros((40, 60), bool))
    assert np.array_equal(laid[30, 30], plain[30, 30])
    assert not np.array_equal(laid[30, 30], GREY[30, 30])


def test_neighbours_do_not_draw_over_each_other() -> None:
    kinds = np.zeros((40, 60), np.uint8)
    kinds[10:20, 10:20], kinds[10:20, 21:30] = 1, 2  # one column apart
    laid = overlay(GREY, np.zeros((40, 60), np.float32), class_map=kinds)
    assert (laid[kinds > 0] == 100).all()
    assert {tuple(pixel) for pixel in laid[10:20, 20].tolist()} <= {type_colour(1), type_colour(2)}


def test_colours_differ_and_repeat() -> None:
    assert len(set(TYPE_COLOURS)) == len(TYPE_COLOURS)
    assert type_colour(1) == TYPE_COLOURS[0]
    assert type_colour(len(TYPE_COLOURS) + 1) == TYPE_COLOURS[0]


def test_a_thin_defect_of_any_type_is_still_there_when_shrunk() -> None:
    kinds = np.zeros((400, 600), np.uint8)
    kinds[101, :300], kinds[7, 411] = 2, 1
    small = shrink_types(kinds, (40, 60, 3))
    assert small is not None
    assert (small[10, :30] == 2).all()
    assert small[0, 41] == 1
    assert (small > 0).sum() == 31
    assert shrink_types(None, (40, 60, 3)) is None
