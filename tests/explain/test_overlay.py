"""Overlays on one fixed scale: a flawless part does not glow."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from brightfield.explain.overlay import as_png, colour, outline, overlay, shrink

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


def test_pictures_for_a_page() -> None:
    assert shrink(GREY, 30).shape == (20, 30, 3)
    assert shrink(GREY, 300).shape == (40, 60, 3)
    with Image.open(io.BytesIO(as_png(GREY))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.asarray(image), GREY)
