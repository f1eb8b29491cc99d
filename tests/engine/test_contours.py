"""Outlines enclose exactly the pixels that were marked, with few corners."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import gaussian_filter, label

from brightfield.data.mask_kinds import Outlines, Shape
from brightfield.data.outlines import marked_pixels
from brightfield.engine.contours import contours, without_holes

Bools = npt.NDArray[np.bool_]


def filled(mask: Bools, **how: float) -> Bools:
    rings = tuple(tuple(ring.ravel().tolist()) for ring in contours(mask, **how))
    return marked_pixels(Outlines(Path("a.json"), *mask.shape, (Shape("pit", rings),)))


def area(ring: npt.NDArray[np.float64]) -> float:
    """The shoelace formula; negative for a hole."""
    x, y = ring.T
    return float((x * np.roll(y, -1) - np.roll(x, -1) * y).sum() / 2)


def test_a_pixel_a_rectangle_and_nothing() -> None:
    mask = np.zeros((9, 9), dtype=bool)
    assert contours(mask) == []
    mask[4, 4] = True
    (ring,) = contours(mask)
    assert ring.tolist() == [[4.5, 4], [5, 4.5], [4.5, 5], [4, 4.5]]
    mask[2:6, 3:8] = True
    (ring,) = contours(mask)
    assert len(ring) == 8  # its four corners are cut by half a pixel
    assert area(ring) == 4 * 5 - 4 / 8
    assert (ring.min(0).tolist(), ring.max(0).tolist()) == ([3, 2], [8, 6])


def test_holes_run_the_other_way_round() -> None:
    mask = np.ones((20, 30), dtype=bool)
    mask[5:10, 5:10] = False
    mask[7, 7] = True
    assert sorted(area(ring) > 0 for ring in contours(mask)) == [False, True, True]
    np.testing.assert_array_equal(filled(mask), mask)


@pytest.mark.parametrize("kind", ["noise", "blobs"])
def test_the_same_pixels_come_back(kind: str) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        size = tuple(rng.integers(1, 50, 2))
        mask = rng.random(size) < rng.choice([0.03, 0.5, 0.97])
        if kind == "blobs":
            mask = gaussian_filter(rng.normal(size=size), 2) > 0
        np.testing.assert_array_equal(filled(mask), mask)


def test_there_is_an_outline_for_each_region_and_each_hole() -> None:
    mask = gaussian_filter(np.random.default_rng(0).normal(size=(80, 120)), 2) > 0
    found = contours(mask)
    sides = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]])
    assert sum(area(ring) > 0 for ring in found) == label(mask, structure=sides)[1]
    around = np.pad(~mask, 1, constant_values=True)  # what lies outside is no hole
    assert sum(area(ring) < 0 for ring in found) == label(around, structure=np.ones((3, 3)))[1] - 1


def test_slanted_edges_need_few_corners() -> None:
    rows, columns = np.mgrid[:200, :200]
    assert len(contours(rows < columns)[0]) < 10
    (disc,) = contours(np.hypot(rows - 100, columns - 100) < 60)
    assert len(disc) < 377 / 2.5  # its circumference in pixels
    assert area(disc) == pytest.approx(np.pi * 60**2, rel=0.004)


def test_a_greater_tolerance_leaves_out_more_and_moves_the_edge_no_farther() -> None:
    rows, columns = np.mgrid[:200, :200]
    disc = np.hypot(rows - 100, columns - 100) < 60
    (ring,) = contours(disc, tolerance=1.0)
    assert len(ring) < 30
    changed = filled(disc, tolerance=1.0) != disc
    assert (np.abs(np.hypot(rows - 100, columns - 100)[changed] - 60) < 1.8).all()


def test_holes_are_joined_to_what_is_around_them() -> None:
    rng = np.random.default_rng(5)
    for _ in range(40):
        size = tuple(rng.integers(2, 50, 2))
        mask = gaussian_filter(rng.normal(size=size), rng.choice([0.6, 2])) > -0.1
        joined = without_holes(contours(mask))
        regions = tuple(Shape("pit", (tuple(ring.ravel().tolist()),)) for ring in joined)
        # as shapes of their own: nothing but a bridge makes a hole
        np.testing.assert_array_equal(marked_pixels(Outlines(Path("a.json"), *size, regions)), mask)


def test_an_island_in_a_hole_keeps_its_own_hole() -> None:
    mask = np.ones((20, 20), dtype=bool)
    mask[3:17, 3:17] = False
    mask[6:14, 6:14] = True
    mask[9:11, 9:11] = False
    joined = without_holes(contours(mask))
    assert sorted(area(ring) for ring in joined) == pytest.approx([8 * 8 - 4, 20 * 20 - 14 * 14], abs=1)
