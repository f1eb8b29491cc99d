"""The defects of one image beside its mask, on 20x20 pixels that can be counted."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from brightfield.evaluation.defect_figures import ImageDefects
from brightfield.evaluation.defects import Numbered, compare, found_defects, true_defects

CALM = np.zeros((20, 20), dtype=np.float32)
Box = tuple[int, int, int, int, int]


def drawn(*boxes: Box) -> npt.NDArray[np.uint8]:
    """Return 20x20 pixels with boxes of (type, top, left, height, width)."""
    out = np.zeros((20, 20), dtype=np.uint8)
    for kind, top, left, height, width in boxes:
        out[top : top + height, left : left + width] = kind
    return out


def compared(
    true: npt.NDArray[np.uint8], found: npt.NDArray[np.uint8], types: str = "pit scratch"
) -> ImageDefects:
    """Compare as an inspector without types of its own does."""
    return compare(
        "a.png",
        "a",
        not true.any(),
        true_defects(true, types.split(), CALM),
        found_defects(found > 0, CALM, (), "defect"),
    )


def test_numbers_are_those_of_the_largest_first() -> None:
    true = drawn((1, 0, 0, 2, 3), (1, 10, 10, 5, 6), (1, 0, 15, 1, 5))
    made = true_defects(true, ("pit",), CALM)
    assert [d.area for d in made.defects] == [30, 6, 5]
    for number, defect in enumerate(made.defects, start=1):
        rows, columns = np.nonzero(made.regions == number)
        assert len(rows) == defect.area
        top, left, height, width = defect.box
        assert (rows.min(), columns.min()) == (top, left)
        assert (np.ptp(rows) + 1, np.ptp(columns) + 1) == (height, width)
    assert np.array_equal(made.regions > 0, true > 0)


@pytest.mark.parametrize("seed", range(3))
def test_regions_are_those_of_scipy(seed: int) -> None:
    true = (ndimage.uniform_filter(np.random.default_rng(seed).random((20, 20)), 3) > 0.53).astype(np.uint8)
    labels, number = ndimage.label(true, np.ones((3, 3)))
    made = true_defects(true, ("pit",), CALM)
    assert len(made.defects) == number
    pairs = {(a, b) for a, b in zip(labels.ravel().tolist(), made.regions.ravel().tolist(), strict=True)}
    assert len(pairs) == number + 1, "one region of one for each of the other, and none for none"


def test_types_that_touch_are_two_defects() -> None:
    made = true_defects(drawn((1, 5, 2, 3, 4), (2, 5, 6, 3, 5)), ("pit", "scratch"), CALM)
    assert [(d.type, d.area, d.length) for d in made.defects] == [("pit", 12, 4), ("scratch", 15, 5)]


def test_a_true_defect_has_the_heat_that_it_was_given() -> None:
    heat = CALM.copy()
    heat[6, 3], heat[0, 0] = 0.75, 9.0
    assert true_defects(drawn((1, 5, 2, 3, 4)), ("pit",), heat).defects[0].heat == 0.75


def test_found_missed_false_and_stray() -> None:
    # a pit found well, a scratch of which only an end is seen, and a mark on sound surface
    true = drawn((1, 2, 2, 4, 4), (2, 12, 0, 1, 12))
    found = drawn((1, 2, 3, 4, 4), (1, 12, 0, 1, 3), (1, 17, 15, 2, 2))
    made = compared(true, found)
    pit, scratch = made.true
    assert (pit.truth.type, pit.seen, pit.iou) == ("pit", True, 12 / 20)
    assert pit.found is not None
    assert (pit.found.area, pit.found.box) == (16, (2, 3, 4, 4))
    assert (scratch.truth.type, scratch.seen, scratch.iou, scratch.found) == ("scratch", True, 0.0, None)
    assert made.false == {"defect": 2}
    assert made.stray == 1
    assert made.largest_stray is not None
    assert made.largest_stray.area == 4


def test_a_scratch_in_pieces_is_one_defect_found_or_not() -> None:
    true = drawn((2, 10, 0, 2, 20))
    found = drawn((1, 10, 0, 2, 9), (1, 10, 10, 2, 5), (1, 10, 16, 2, 4))
    made = compared(true, found)
    assert made.true[0].iou == 18 / 40
    assert made.false == {"defect": 2}, "the other pieces match nothing"
    assert made.stray == 0, "but they lie on the scratch"


def test_specks_are_neither_defects_nor_false() -> None:
    true = drawn((1, 0, 0, 2, 2), (1, 10, 10, 1, 5))
    made = compared(true, drawn((1, 0, 0, 3, 3), (1, 10, 10, 1, 5)))
    assert made.specks == 1
    assert [d.truth.area for d in made.true] == [5]
    assert (made.false, made.stray, made.largest_stray) == ({}, 0, None)
    both = compared(true, drawn((1, 0, 0, 11, 12)))  # over the speck and a corner of the defect
    assert both.false == {"defect": 1}
    assert both.stray == 0


def test_a_good_part() -> None:
    made = compared(drawn(), drawn((1, 3, 3, 2, 5)))
    assert (made.good, made.true, made.false, made.stray) == (True, (), {"defect": 1}, 1)
    calm = compared(drawn(), drawn())
    assert (calm.true, calm.false, calm.stray) == ((), {}, 0)


def test_the_verdicts_own_defects_stand_for_what_was_found() -> None:
    mask = drawn((1, 2, 2, 4, 4), (1, 12, 0, 1, 12)) > 0
    own = found_defects(mask, CALM, (), "defect").defects
    typed = [type(d)(**{**vars(d), "type": name}) for d, name in zip(own, ("pit", "scratch"), strict=True)]
    made: Numbered = found_defects(mask, CALM, typed, "defect")
    assert [d.type for d in made.defects] == ["pit", "scratch"]
    assert [int((made.regions == n).sum()) for n in (1, 2)] == [16, 12]
