"""Defects of a mask: measured, typed by vote, the largest first."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.decide.defects import class_map_of, find, inside, measured, voted
from brightfield.engine.regions import regions_of


def marked(*boxes: tuple[int, int, int, int], shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    mask = np.zeros(shape, bool)
    for top, left, height, width in boxes:
        mask[top : top + height, left : left + width] = True
    return mask


def test_the_largest_comes_first_and_is_measured() -> None:
    mask = marked((1, 2, 2, 3), (10, 5, 3, 8), (18, 25, 1, 1))
    heat = np.zeros(mask.shape, np.float32)
    heat[1, 2], heat[11, 7], heat[18, 25], heat[0, 0] = 1.5, 2.5, 0.5, 9.0
    defects = measured(find(mask, heat, "pit"), mm_per_pixel=0.5)
    assert [(d.type, d.area, d.box, d.centre, d.heat) for d in defects] == [
        ("pit", 24, (10, 5, 3, 8), (11.0, 8.5), 2.5),
        ("pit", 6, (1, 2, 2, 3), (1.5, 3.0), 1.5),
        ("pit", 1, (18, 25, 1, 1), (18.0, 25.0), 0.5),
    ]
    assert [(d.length, d.width) for d in defects] == [(8, 3), (3, 2), (1, 1)]
    assert (defects[0].area_mm2, defects[0].length_mm, defects[0].width_mm) == (6.0, 4.0, 1.5)
    assert {d.probability for d in defects} == {None}
    plain = measured(find(mask, heat, "pit"))[0]
    assert (plain.area_mm2, plain.length_mm, plain.width_mm) == (None, None, None)
    assert measured(find(mask & False, heat, "pit")) == ()


def test_pixels_vote_for_the_type_of_their_region() -> None:
    mask = marked((0, 0, 1, 5), (2, 0, 1, 3), (4, 0, 1, 2))
    types = np.array([1, 1, 1, 2, 2, 2, 0, 0, 0, 0], np.uint8)
    weight = np.array([0.2, 0.2, 0.2, 0.4, 0.4, 0.1, 0.9, 0.9, 1, 1], np.float32)
    # 0.6 against 0.8; a pixel without a type has no vote; nobody votes
    assert voted(regions_of(mask), types, weight, 3).tolist() == [2, 2, 0]
    assert voted(regions_of(mask), types, 0 * weight, 3).tolist() == [1, 2, 0]


def test_the_class_map_has_one_type_a_region() -> None:
    mask = marked((0, 0, 2, 2), (5, 5, 1, 3))
    found = find(mask, np.ones(mask.shape, np.float32), "pit")
    assert class_map_of(found, ("crack", "pit")).tolist() == (2 * mask).tolist()


def test_what_lies_inside_an_area_is_measured_for_itself() -> None:
    mask = marked((4, 0, 2, 20), (10, 2, 2, 2))
    heat = np.linspace(0, 1, mask.size, dtype=np.float32).reshape(mask.shape)
    area = marked((0, 3, 20, 4), (0, 16, 20, 14))
    (scratch, pit) = measured(inside(find(mask, heat, "scratch"), area))
    # columns 3 to 6 and 16 to 19 of the long one: one defect, in two pieces
    assert (scratch.area, scratch.box, scratch.length, scratch.width) == (16, (4, 3, 2, 17), 17.0, 2.0)
    assert scratch.heat == heat[5, 19]
    assert (pit.area, pit.box) == (2, (10, 3, 2, 1))
    assert measured(inside(find(mask, heat, "scratch"), area & False)) == ()


def test_measures_in_json() -> None:
    mask = marked((3, 4, 1, 3))
    found = find(mask, np.full(mask.shape, 1.25, np.float32), "pit")
    line = measured(found, mm_per_pixel=1 / 3)[0].as_dict()
    assert line == {
        "type": "pit",
        "area_px": 3,
        "length_px": 3.0,
        "width_px": 1.0,
        "area_mm2": 0.333333,
        "length_mm": 1.0,
        "width_mm": 0.333333,
        "centre": {"row": 3.0, "column": 5.0},
        "box": {"top": 3, "left": 4, "height": 1, "width": 3},
        "heat": 1.25,
        "probability": None,
    }
    assert "area_mm2" not in measured(found)[0].as_dict()
    assert measured(found)[0].length == pytest.approx(3.0)
