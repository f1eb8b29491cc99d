"""The marked pixels of training pictures: shrunk, cut to the region of interest, laid onto crops."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.mask_kinds import Outlines, Shape, ValuedMask
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.errors import DataError
from brightfield.methods.segmenter.losses import UNKNOWN
from brightfield.methods.segmenter.marks import Marks, marks_of, read_marks, shrunk_types
from brightfield.progress import silent

RULE = Preprocessing(8, None, False, 64, 16, (0.5,) * 3, (0.25,) * 3)
TYPES = ("pit", "scratch")
Values = npt.NDArray[np.uint8]


def typed() -> Values:
    """Return 40x60 px with a pit (1) of 8x10 px at (4, 6), and a scratch (2) of 3x20 px at (30, 35)."""
    types = np.zeros((40, 60), np.uint8)
    types[4:12, 6:16] = 1
    types[30:33, 35:55] = 2
    return types


def sample_of(folder: Path, values: Values, label: str = "pit", name: str = "mask") -> Sample:
    """Return a sample whose mask has these values; 1 stands for pit, 2 for scratch."""
    path = folder / f"{name}.png"
    Image.fromarray(values).save(path)
    mask = ValuedMask(path, ((1, "pit"), (2, "scratch")), colours=False, table=folder / "table.csv")
    return Sample("part.png", folder / "part.png", label, mask=mask)


def whole(marks: Marks, shape: tuple[int, int]) -> Values:
    """Return the marks on a map of the whole picture."""
    out = np.zeros(shape, np.uint8)
    marks.onto(out, (0, 0))
    return out


def test_marks_are_kept_in_their_box(tmp_path: Path) -> None:
    found = marks_of(sample_of(tmp_path, typed()), (40, 60), TYPES, RULE)
    assert found.known
    assert (found.top, found.left) == (4, 6)
    assert found.types is not None
    assert found.types.shape == (29, 49)
    np.testing.assert_array_equal(whole(found, (40, 60)), typed())


@pytest.mark.parametrize("corner", [(0, 0), (-5, -9), (5, 7), (31, 50), (39, 59), (60, 0), (-64, -64)])
def test_marks_are_laid_onto_any_window(tmp_path: Path, corner: tuple[int, int]) -> None:
    found = marks_of(sample_of(tmp_path, typed()), (40, 60), TYPES, RULE)
    window = np.full((48, 32), UNKNOWN, np.uint8)
    expected = window.copy()
    for row in range(48):
        for column in range(32):
            y, x = row + corner[0], column + corner[1]
            if 4 <= y < 33 and 6 <= x < 55:  # the box
                expected[row, column] = typed()[y, x]
    found.onto(window, corner)
    np.testing.assert_array_equal(window, expected)


def test_nothing_marked_is_laid_onto_nothing() -> None:
    window = np.full((4, 4), 7, np.uint8)
    Marks(known=True).onto(window, (0, 0))
    assert (window == 7).all()


def test_a_shrunk_pixel_has_the_type_that_fills_most_of_it() -> None:
    types = np.zeros((8, 8), np.uint8)
    types[0:4, 0:4] = 1  # a whole pixel
    types[0:4, 4:6] = 1  # half a pixel: just enough
    types[4:8, 0:1] = 2  # a quarter: too little
    types[4:8, 4:5], types[4:8, 5:7] = 1, 2  # a quarter and a half
    np.testing.assert_array_equal(shrunk_types(types, (2, 2)), [[1, 1], [0, 2]])
    assert shrunk_types(types, (8, 8)) is types
    assert not shrunk_types(types * 0, (2, 2)).any()


def test_of_defects_too_small_for_any_pixel_all_that_they_touch_is_marked() -> None:
    types = np.zeros((40, 40), np.uint8)
    types[11, 8:25] = 3  # a scratch of one pixel's width, shrunk to a quarter
    expected = np.zeros((10, 10), np.uint8)
    expected[2, 2:7] = 3
    np.testing.assert_array_equal(shrunk_types(types, (10, 10)), expected)


def test_marks_are_shrunk_with_their_picture(tmp_path: Path) -> None:
    large = np.kron(typed(), np.ones((4, 4), np.uint8))
    rule = replace(RULE, long_side=60)
    found = marks_of(sample_of(tmp_path, large), (40, 60), TYPES, rule)
    np.testing.assert_array_equal(whole(found, (40, 60)), typed())


def test_marks_are_cut_to_the_region_of_interest(tmp_path: Path) -> None:
    inside = np.zeros((40, 60), bool)
    inside[2:34, 3:45] = True
    inside[10:, :12] = False  # within its box
    rule = replace(RULE, region=Region.of(inside))
    found = marks_of(sample_of(tmp_path, typed()), (32, 42), TYPES, rule)
    np.testing.assert_array_equal(whole(found, (32, 42)), np.where(inside, typed(), 0)[2:34, 3:45])


def test_a_picture_whose_defect_is_outside_the_region_shows_good_pixels(tmp_path: Path) -> None:
    inside = np.zeros((40, 60), bool)
    inside[14:28] = True
    rule = replace(RULE, region=Region.of(inside))
    found = marks_of(sample_of(tmp_path, typed()), (14, 60), TYPES, rule)
    assert (found.known, found.types) == (True, None)
    assert marks_of(sample_of(tmp_path, typed() * 0), (14, 60), TYPES, rule).known is False


def test_outlines_are_marks_too() -> None:
    ring = (6.0, 4.0, 16.0, 4.0, 16.0, 12.0, 6.0, 12.0)
    outlines = Outlines(Path("a.json"), 40, 60, (Shape("pit", (ring,)),))
    found = marks_of(Sample("a", Path("a"), "Defect", mask=outlines), (40, 60), TYPES, RULE)
    np.testing.assert_array_equal(whole(found, (40, 60)), np.where(typed() == 1, 1, 0))


def dataset_of(samples: list[Sample]) -> Dataset:
    return Dataset("parts", tuple(samples), ("OK", "pit", "scratch"), "OK")


def test_what_is_known_of_each_picture(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    masked = sample_of(tmp_path, typed())
    empty = replace(sample_of(tmp_path, typed() * 0, name="empty"), image="empty.png")
    samples = [
        Sample("good.png", tmp_path / "good.png", "OK"),
        replace(masked, label="OK"),  # a good part has no defective pixels, whatever its mask says
        Sample("unmasked.png", tmp_path / "unmasked.png", "pit"),
        masked,
        empty,
    ]
    told: list[tuple[str, int, int]] = []
    with caplog.at_level(logging.WARNING):
        found = read_marks(
            dataset_of(samples), [(40, 60, 3)] * 5, TYPES, RULE, lambda *said: told.append(said)
        )
    assert [m.known for m in found] == [True, True, False, True, False]
    assert [m.types is not None for m in found] == [False, False, False, True, False]
    assert told[-1] == ("masks", 5, 5)
    assert caplog.messages == [
        "1 defective part(s) have an empty mask, as empty.png; only their class teaches"
    ]


def test_a_mask_of_another_shape_is_an_error_that_names_the_picture(tmp_path: Path) -> None:
    dataset = dataset_of([sample_of(tmp_path, typed())])
    with pytest.raises(DataError, match=r"mask of part\.png has not its picture's shape; export it again"):
        read_marks(dataset, [(40, 80, 3)], TYPES, RULE, silent)


def test_a_mask_that_cannot_be_read_is_an_error_that_names_the_picture(tmp_path: Path) -> None:
    sample = sample_of(tmp_path, typed())
    (tmp_path / "mask.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"the mask of part\.png: .*mask\.png"):
        read_marks(dataset_of([sample]), [(40, 60, 3)], TYPES, RULE, silent)
