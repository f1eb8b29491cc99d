"""Labels of defects: what they say, and that they hide nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest

from brightfield.explain.labels import MOST, labelled, scaled
from brightfield.explain.overlay import RIM, outline, type_colour
from brightfield.verdict import Defect

TypeMap = npt.NDArray[np.uint8]


def defects(*boxes: tuple[int, int, int, int], kind: str = "pit") -> list[Defect]:
    return [Defect(kind, 9.0, 7.6, 3.0, (0.0, 0.0), box, heat=1.0) for box in boxes]


def mapped(shape: tuple[int, int], found: Sequence[Defect], number: int = 1) -> TypeMap:
    out = np.zeros(shape, dtype=np.uint8)
    for top, left, height, width in (d.box for d in found):
        out[top : top + height, left : left + width] = number
    return out


def drawn(
    shape: tuple[int, int], found: Sequence[Defect], number: int = 1
) -> tuple[npt.NDArray[np.bool_], TypeMap]:
    """Return which pixels labels cover, bool (H, W), and the class map."""
    grey, kinds = np.full((*shape, 3), 100, np.uint8), mapped(shape, found, number)
    laid = labelled(grey, found, ("pit", "scratch"), kinds, shape)
    return (laid != grey).any(axis=2), kinds


@pytest.mark.parametrize(
    "box", [(60, 90, 5, 5), (0, 0, 4, 60), (110, 0, 10, 8), (110, 190, 10, 10), (0, 190, 120, 10)]
)
def test_a_label_covers_neither_the_defect_nor_its_outline(box: tuple[int, int, int, int]) -> None:
    covered, kinds = drawn((120, 200), defects(box))
    assert covered.any()
    assert not (covered & ((kinds > 0) | outline(kinds > 0, 2))).any()
    rows, columns = np.nonzero(covered)
    top, left, height, width = box
    apart = max(
        top - rows.max(), rows.min() - top - height, left - columns.max(), columns.min() - left - width
    )
    assert apart < 10, "it stands beside its defect"


def test_labels_do_not_overlap() -> None:
    found = defects((60, 90, 5, 5), (68, 95, 4, 4), (52, 99, 3, 6))
    one_by_one = [drawn((120, 200), found[:k])[0].sum() for k in (1, 2, 3)]
    # each adds its whole area, as all say the same
    assert one_by_one == [one_by_one[0], 2 * one_by_one[0], 3 * one_by_one[0]]


def test_where_there_is_no_room_there_is_no_label() -> None:
    covered, _ = drawn((20, 20), defects((5, 5, 6, 6)))
    assert not covered.any()
    covered, _ = drawn((120, 200), defects((2, 2, 116, 196)))
    assert not covered.any()


def test_a_label_has_its_types_colour_and_at_most_eight_are_drawn() -> None:
    many = defects(*((30 * i + 20, 160 * j + 10, 3, 3) for i in range(10) for j in range(2)), kind="scratch")
    grey = np.full((330, 330, 3), 100, np.uint8)
    laid = labelled(grey, many, ("pit", "scratch"), mapped((330, 330), many, 2), grey.shape)
    bars = (laid == type_colour(2)).all(axis=2)
    assert bars.sum() % MOST == 0, "eight bars of one size"
    assert (laid == RIM).all(axis=2).any()
    alone = labelled(grey, many[:1], ("pit", "scratch"), mapped((330, 330), many, 2), grey.shape)
    assert bars.sum() == MOST * (alone == type_colour(2)).all(axis=2).sum()


def test_what_is_said_of_a_defect_can_be_chosen() -> None:
    found = defects((60, 90, 5, 5))
    grey, kinds = np.full((120, 200, 3), 100, np.uint8), mapped((120, 200), found)
    short = labelled(grey, found, ("pit",), kinds, grey.shape, measure=lambda d: f"{d.width:.0f}")
    long = labelled(grey, found, ("pit",), kinds, grey.shape, measure=lambda d: f"{d.area:.0f} square pixels")
    assert (short != grey).any(axis=2).sum() < (long != grey).any(axis=2).sum()


def test_boxes_follow_a_picture_that_is_shrunk() -> None:
    assert scaled((100, 200, 10, 30), (1000, 1000, 3), (100, 500)) == (10, 100, 1, 15)
    assert scaled((101, 7, 1, 1), (1000, 1000), (100, 100)) == (10, 0, 1, 1)
    small, kinds = np.full((60, 100, 3), 100, np.uint8), np.zeros((60, 100), np.uint8)
    kinds[30, 45] = 1
    laid = labelled(small, defects((600, 900, 20, 20)), ("pit",), kinds, (1200, 2000, 3))
    rows, columns = np.nonzero((laid != small).any(axis=2))
    assert len(rows)
    assert abs(rows - 30).min() < 6
    assert columns.min() == 45
