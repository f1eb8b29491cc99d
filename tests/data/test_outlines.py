"""Outlines mark the pixels whose centre is inside, holes apart: hand-worked, and by a circle's equation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.mask_kinds import Outlines, Ring, Shape
from brightfield.data.masks import read_mask
from brightfield.data.outlines import areas, from_runs, marked_pixels, to_runs, typed_pixels

SQUARE: Ring = (2.0, 1.0, 6.0, 1.0, 6.0, 5.0, 2.0, 5.0)


def outlines(*shapes: Shape, height: int = 8, width: int = 10) -> Outlines:
    return Outlines(Path("a.json"), height, width, shapes)


def test_a_rectangle_marks_the_pixels_it_covers() -> None:
    expected = np.zeros((8, 10), dtype=bool)
    expected[1:5, 2:6] = True
    np.testing.assert_array_equal(marked_pixels(outlines(Shape("pit", (SQUARE,)))), expected)
    turned = tuple(SQUARE[i] for i in (6, 7, 4, 5, 2, 3, 0, 1))  # the other way round
    np.testing.assert_array_equal(marked_pixels(outlines(Shape("pit", (turned,)))), expected)


def test_half_a_pixel_decides_by_the_centre() -> None:
    for edge, last in ((5.49, 4), (5.51, 5)):
        mask = marked_pixels(outlines(Shape("pit", ((0, 0, edge, 0, edge, 8, 0, 8),))))
        assert np.flatnonzero(mask.any(0)).tolist() == list(range(last + 1))


def test_shapes_with_a_common_edge_share_no_pixel_and_leave_no_gap() -> None:
    left, right = (0, 0, 4.5, 0, 3.5, 8, 0, 8), (4.5, 0, 10, 0, 10, 8, 3.5, 8)
    total = sum(marked_pixels(outlines(Shape("pit", (ring,)))).astype(int) for ring in (left, right))
    assert (total == 1).all()


def test_a_ring_within_a_ring_is_a_hole_and_one_within_that_an_island() -> None:
    rings = ((0, 0, 9, 0, 9, 7, 0, 7), (1, 1, 8, 1, 8, 6, 1, 6), (3, 3, 5, 3, 5, 4, 3, 4))
    mask = marked_pixels(outlines(Shape("pit", rings)))
    assert mask.sum() == 63 - 35 + 2
    assert not mask[1:6, 1:3].any()
    assert mask[3, 3:5].all()


def test_what_lies_outside_the_image_is_cut_off() -> None:
    mask = marked_pixels(outlines(Shape("pit", ((-1e9, -50, 3, -50, 3, 1e9, -1e9, 1e9),))))
    assert mask[:, :3].all()
    assert mask.sum() == 24
    beside = Shape("pit", ((20, 20, 30, 20, 30, 30),))
    assert not marked_pixels(outlines(beside)).any()
    assert not marked_pixels(outlines(Shape("pit", ((-9, -9, -2, -9, -2, -3),)))).any()


def test_a_circle_has_the_pixels_that_its_equation_gives() -> None:
    angles = np.linspace(0, 2 * np.pi, 2000, endpoint=False)
    ring = tuple(np.stack([31.3 + 20.2 * np.cos(angles), 28.7 + 20.2 * np.sin(angles)], 1).ravel().tolist())
    rows, columns = np.mgrid[:64, :64] + 0.5
    expected = np.hypot(columns - 31.3, rows - 28.7) < 20.2
    mask = marked_pixels(outlines(Shape("pit", (ring,)), height=64, width=64))
    np.testing.assert_array_equal(mask, expected)


def test_run_lengths_go_down_the_columns() -> None:
    # 3 rows, 4 columns; pixel (1, 0), then (2, 1) to (1, 2)
    mask = from_runs([1, 1, 3, 3, 4], (3, 4))
    assert np.argwhere(mask).tolist() == [[0, 2], [1, 0], [1, 2], [2, 1]]
    assert to_runs(mask) == [1, 1, 3, 3, 4]
    assert to_runs(np.ones((2, 2), dtype=bool)) == [0, 4]
    assert to_runs(np.zeros((2, 2), dtype=bool)) == [4]
    np.testing.assert_array_equal(
        read_mask(outlines(Shape("pit", runs=(1, 1, 3, 3, 4)), height=3, width=4)), mask
    )


def test_the_smaller_of_two_shapes_counts_whatever_their_order() -> None:
    large, small = Shape("stain", ((0, 0, 9, 0, 9, 7, 0, 7),)), Shape("pit", runs=(19, 2, 59))
    for shapes, numbers in (((large, small), (1, 2)), ((small, large), (2, 1))):
        found = typed_pixels(outlines(*shapes), numbers)
        assert found.dtype == np.uint8
        assert np.argwhere(found == 2).tolist() == [[3, 2], [4, 2]]
        assert (found == 1).sum() == 61


def test_an_outline_thinner_than_a_pixel_may_mark_none() -> None:
    thin = Shape("scratch", ((1.6, 1, 2.4, 1, 2.4, 6, 1.6, 6),))
    assert areas(outlines(thin, Shape("pit", (SQUARE,)))) == [0, 16]


@pytest.mark.parametrize("change", ["moved", "renamed", "resized"])
def test_a_changed_outline_changes_the_fingerprint_and_its_files_place_does_not(
    tmp_path: Path, change: str
) -> None:
    def fingerprint(outlined: Outlines) -> str:
        samples = (Sample("a.png", tmp_path / "a.png", "pit", mask=outlined),)
        return Dataset("parts", samples, ("pit",), None).fingerprint()

    changed = {
        "moved": outlines(Shape("pit", (tuple(v + 1 for v in SQUARE),))),
        "renamed": outlines(Shape("dent", (SQUARE,))),
        "resized": outlines(Shape("pit", (SQUARE,)), width=11),
    }
    first = fingerprint(outlines(Shape("pit", (SQUARE,))))
    assert fingerprint(changed[change]) != first
    assert fingerprint(Outlines(Path("b.json"), 8, 10, (Shape("pit", (SQUARE,)),))) == first
