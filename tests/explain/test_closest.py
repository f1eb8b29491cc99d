"""The closest good part beside a part: boxes, pairs, and the margin that shows them."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.explain.closest import boxed, pair, with_closest
from brightfield.verdict import Closest

RNG = np.random.default_rng(0)


def closest(box: tuple[int, int, int, int], value: int = 200) -> Closest:
    return Closest("OK/1.png", np.full((16, 16, 3), value, np.uint8), 4.0, box)


def test_a_box_leaves_its_inside_and_all_beyond_its_line() -> None:
    picture = RNG.integers(0, 255, (100, 140, 3), dtype=np.uint8)
    drawn = boxed(picture, (30, 40, 20, 25), picture.shape)
    np.testing.assert_array_equal(drawn[30:50, 40:65], picture[30:50, 40:65])
    changed = (drawn != picture).any(2)
    rows, columns = np.flatnonzero(changed.any(1)), np.flatnonzero(changed.any(0))
    # a line of 2 px and a rim of 2 px around it
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (26, 53, 36, 68)


def test_a_box_on_a_shrunk_picture() -> None:
    drawn = boxed(np.zeros((50, 70, 3), np.uint8), (60, 80, 20, 30), (100, 140, 3))
    np.testing.assert_array_equal(drawn[30:40, 40:55], 0)
    assert drawn[29, 45].any()
    assert drawn[35, 55].any()


def test_a_pair_shows_the_place_at_one_scale() -> None:
    picture = np.zeros((100, 140, 3), np.uint8)
    picture[30:50, 40:80] = 90
    part, good = pair(picture, closest((30, 40, 20, 40)), 120)
    assert part.shape == good.shape == (60, 120, 3)
    np.testing.assert_array_equal(part, 90)
    np.testing.assert_array_equal(good, 200)


@pytest.mark.parametrize("shape", [(240, 360), (360, 240), (20, 30), (64, 64)])
def test_the_margin_hides_nothing(shape: tuple[int, int]) -> None:
    picture = RNG.integers(0, 255, (*shape, 3), dtype=np.uint8)
    shown = closest((4, 5, 10, 10))
    out = with_closest(picture, picture, shown)
    height, width = shape
    np.testing.assert_array_equal(out[:height, :width], boxed(picture, shown.box, picture.shape))
    margin = out[height:] if width >= height else out[:, width:]
    assert (margin == 200).all(2).sum() > 100 * 100  # the good part, 112 px a side at least
