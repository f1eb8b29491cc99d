"""Labelme files are read: polygons, rectangles, circles and painted masks, where they were drawn."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brightfield.data.labelme import read_labelme
from brightfield.data.outlines import marked_pixels
from brightfield.errors import DataError


def labelme(folder: Path, *shapes: dict[str, Any], **changes: Any) -> Path:
    drawn = [{"label": "pit", "shape_type": "polygon", "group_id": None, "flags": {}, **s} for s in shapes]
    content = {
        "version": "5.4.1",
        "imagePath": "a.png",
        "imageData": None,
        "imageHeight": 40,
        "imageWidth": 60,
        "shapes": drawn,
    }
    path = folder / "a.json"
    path.write_text(json.dumps({**content, **changes}))
    return path


def pixels(path: Path, picture: Path = Path("a.png")) -> Any:
    outlines = read_labelme(path).outlines(picture)
    assert outlines is not None
    return marked_pixels(outlines)


def test_polygon_and_rectangle(tmp_path: Path) -> None:
    expected = np.zeros((40, 60), dtype=bool)
    expected[5:20, 10:30] = True
    polygon = {"points": [[10, 5], [30, 5], [30, 20], [10, 20]]}
    rectangle = {"points": [[30, 20], [10, 5]], "shape_type": "rectangle"}
    of_four = {**polygon, "shape_type": "rectangle"}
    for shape in (polygon, rectangle, of_four):
        np.testing.assert_array_equal(pixels(labelme(tmp_path, shape)), expected)


def test_a_circle_marks_the_pixels_within_its_radius(tmp_path: Path) -> None:
    path = labelme(tmp_path, {"points": [[31.3, 18.6], [31.3, 29.1]], "shape_type": "circle"})
    rows, columns = np.mgrid[:40, :60] + 0.5
    np.testing.assert_array_equal(pixels(path), np.hypot(columns - 31.3, rows - 18.6) < 10.5)


def test_a_painted_mask_lies_where_it_was_painted(tmp_path: Path) -> None:
    painted = np.zeros((9, 12), dtype=np.uint8)
    painted[2:5, 3:11] = 1
    buffer = io.BytesIO()
    Image.fromarray(painted).save(buffer, "PNG")
    mask = base64.b64encode(buffer.getvalue()).decode()
    path = labelme(tmp_path, {"points": [[40, 6], [51, 14]], "shape_type": "mask", "mask": mask})
    assert np.argwhere(pixels(path)).min(0).tolist() == [8, 43]
    assert pixels(path).sum() == 24
    far = labelme(tmp_path, {"points": [[55, 6], [66, 14]], "shape_type": "mask", "mask": mask})
    with pytest.raises(DataError, match="reaches beyond the image of 60x40 px"):
        read_labelme(far)


def test_lines_and_points_mark_no_pixels(tmp_path: Path) -> None:
    line = {"points": [[1, 1], [9, 9]], "shape_type": "line"}
    found = read_labelme(labelme(tmp_path, line, {"points": [[1, 1]], "shape_type": "point"}))
    assert found.shapes == ()
    assert found.others == (("pit", 0.0), ("pit", 0.0))
    assert found.label("OK", tmp_path / "a.png") == "pit"


def test_the_pictures_own_size_stands_in(tmp_path: Path) -> None:
    Image.new("L", (60, 40)).save(tmp_path / "a.png")
    shape = {"points": [[10, 5], [30, 5], [30, 20]]}
    path = labelme(tmp_path, shape, imageHeight=None, imageWidth=None)
    assert pixels(path, tmp_path / "a.png").shape == (40, 60)
    with pytest.raises(DataError, match="missing"):
        read_labelme(path).outlines(tmp_path / "missing.png")


def test_good_and_background_are_no_defects(tmp_path: Path) -> None:
    shape = {"points": [[10, 5], [30, 5], [30, 20]]}
    path = labelme(tmp_path, {**shape, "label": "_background_"}, {**shape, "label": "fine"}, shape)
    assert [s.type for s in read_labelme(path, normal="fine").shapes] == ["pit"]


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"points": [[1, 2], [3]]}, "shape 1: its points are"),
        ({"points": [[1, 2], [3, "x"], [4, 5]]}, "expected numbers"),
        ({"points": None}, "its points are None"),
        ({"label": None, "points": []}, "it has no label"),
        ({"label": " ", "points": []}, "it has no label"),
        ({"points": [[1, 2], [3, 4]], "shape_type": "mask", "mask": "%"}, "its mask cannot be read"),
    ],
)
def test_a_wrong_shape_is_named(tmp_path: Path, shape: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_labelme(labelme(tmp_path, shape))


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"exposure": 3}')
    with pytest.raises(DataError, match="is no labelme file"):
        read_labelme(tmp_path / "a.json")
