"""COCO files are read as the COCO API reads them; what is wrong in one is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brightfield.data.annotated import Annotated
from brightfield.data.coco import decompressed, read_coco
from brightfield.data.outlines import from_runs, marked_pixels
from brightfield.errors import DataError

COUNTS = r"c<k0=00\OM33MM33MM33MM33MM33MM33MM33MM33a000000000XP1VOgZO"
"""What pycocotools 2.0.11 makes of `drawn()`."""


def drawn() -> np.ndarray[Any, np.dtype[np.bool_]]:
    mask = np.zeros((40, 60), dtype=bool)
    mask[3:30, 10:25] = True
    mask[10:20, 12:20] = False
    mask[35, 50] = True
    return mask


def coco(folder: Path, *annotations: dict[str, Any], **changes: Any) -> Path:
    """Write a COCO file of one image, 60x40 px, and three categories."""
    categories = [{"id": i, "name": n} for i, n in enumerate(("scratch", "pit", "good"), start=1)]
    content = {
        "images": [{"id": 7, "file_name": "images/a.png", "height": 40, "width": 60}],
        "annotations": [{"id": i, "image_id": 7, "category_id": 1, **a} for i, a in enumerate(annotations)],
        "categories": categories,
        **changes,
    }
    path = folder / "annotations.json"
    path.write_text(json.dumps(content))
    return path


def only(path: Path) -> Annotated:
    (found,) = read_coco(path)
    return found


def test_compressed_and_plain_run_lengths(tmp_path: Path) -> None:
    np.testing.assert_array_equal(from_runs(decompressed(COUNTS), (40, 60)), drawn())
    flat = drawn().T.ravel().tolist()
    counts, value = [0], False
    for pixel in flat:
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    for one in (COUNTS, counts):
        path = coco(tmp_path, {"segmentation": {"size": [40, 60], "counts": one}, "iscrowd": 1})
        outlines = only(path).outlines(tmp_path / "a.png")
        assert outlines is not None
        np.testing.assert_array_equal(marked_pixels(outlines), drawn())


def test_polygons_of_one_annotation_are_one_defect_with_its_hole(tmp_path: Path) -> None:
    outer, hole = [10, 5, 50, 5, 50, 35, 10, 35], [20, 10, 30, 10, 30, 20, 20, 20]
    path = coco(tmp_path, {"segmentation": [outer, hole]}, {"segmentation": outer, "category_id": 2})
    found = only(path)
    assert [shape.type for shape in found.shapes] == ["scratch", "pit"]
    assert [len(shape.rings) for shape in found.shapes] == [2, 1]
    outlines = found.outlines(tmp_path / "a.png")
    assert outlines is not None
    assert (outlines.height, outlines.width) == (40, 60)


def test_the_largest_area_gives_the_class(tmp_path: Path) -> None:
    small, large = [0, 0, 4, 0, 4, 4, 0, 4], [0, 0, 9, 0, 9, 9, 0, 9]
    picture = tmp_path / "a.png"
    assert only(coco(tmp_path)).label("OK", picture) == "OK"
    assert only(coco(tmp_path, {"segmentation": [small]})).label("OK", picture) == "scratch"
    pit = {"category_id": 2}
    found = only(coco(tmp_path, {"segmentation": [small]}, {"segmentation": [large], **pit}))
    assert found.label("OK", picture) == "pit"
    many = [
        {"segmentation": [[x + v if i % 2 == 0 else v for i, v in enumerate(small)]]} for x in range(0, 60, 5)
    ]
    assert only(coco(tmp_path, *many, {"segmentation": [large], **pit})).label("OK", picture) == "scratch"
    assert (
        only(coco(tmp_path, {"segmentation": [large]}, {"bbox": [0, 0, 20, 20], **pit})).label("OK", picture)
        == "pit"
    )


def test_a_box_has_no_outline_and_what_marks_good_pixels_is_no_defect(tmp_path: Path) -> None:
    found = only(coco(tmp_path, {"segmentation": [], "bbox": [1, 2, 3, 4]}, {"segmentation": [[1, 2, 3, 4]]}))
    assert found.shapes == ()
    assert found.others == (("scratch", 12.0), ("scratch", 0.0))
    assert found.outlines(tmp_path / "a.png") is None
    assert only(coco(tmp_path, {"category_id": 3, "bbox": [0, 0, 9, 9]})).others == ()
    (named,) = read_coco(coco(tmp_path, {"bbox": [0, 0, 9, 9]}), "scratch")
    assert named.others == ()


@pytest.mark.parametrize(
    ("annotation", "message"),
    [
        ({"segmentation": [[1, 2, 3, 4, 5, "6"]]}, "annotation 0: an outline is .*expected numbers x, y"),
        ({"segmentation": [[1, 2, 3, 4, 5]]}, "expected numbers x, y"),
        ({"segmentation": [[1, 2, 3, 4, float("nan"), 5]]}, "expected numbers x, y"),
        ({"segmentation": [[1, 2, 3, 4, 10**400, 5]]}, "expected numbers x, y"),
        ({"segmentation": "a"}, "expected polygons or counts"),
        ({"segmentation": {"size": [40, 60], "counts": [1, -2]}}, "expected whole numbers"),
        ({"segmentation": {"size": [40, 60], "counts": [2399]}}, "run lengths of 2399 pixels"),
        ({"segmentation": {"size": [60, 40], "counts": [2400]}}, r"size \[60, 40\]; expected .*\[40, 60\]"),
        ({"segmentation": {"size": [40, 60], "counts": "é"}}, "its counts hold 'é'"),
        ({"segmentation": {"size": [40, 60], "counts": "c<k"}}, "its counts break off"),
        ({"image_id": 8}, "there is no image with the id 8"),
        ({"category_id": [1]}, r"there is no category with the id \[1\]"),
    ],
)
def test_a_wrong_annotation_is_named(tmp_path: Path, annotation: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_coco(coco(tmp_path, annotation))


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "annotations.json"
    for text, message in (
        ("{", "is no JSON"),
        ("[" * 200_000, "is no JSON"),
        ("[]", "is no COCO file"),
        ('{"images": [], "annotations": [{"caption": "a"}]}', "is no COCO file"),
        ('{"images": [3], "annotations": []}', "images holds something else than objects"),
        ('{"images": [{"id": 1}], "annotations": []}', "image 1: its file_name is None"),
    ):
        path.write_text(text)
        with pytest.raises(DataError, match=message):
            read_coco(path)
