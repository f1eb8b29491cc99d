"""An inspector that tells the types of pixels apart, from pictures to the report, against counted pixels."""

from __future__ import annotations

import json
from pathlib import Path

import colour_method
import numpy as np
import numpy.typing as npt
import pytest
from colour_method import STRONG
from PIL import Image
from sklearn.metrics import jaccard_score

import brightfield
from brightfield.evaluation.run import Evaluation
from brightfield.explain.files import write_maps
from brightfield.explain.overlay import type_colour

Box = tuple[str, slice, slice]

# Of each picture: what is coloured, and is therefore found; what the mask marks; the class.
PARTS: dict[str, tuple[list[Box], list[Box], str]] = {
    # a scratch of 2 x 30 pixels, found one row lower: 30 of 90 pixels
    "a": ([("scratch", np.s_[11:13], np.s_[10:40])], [("scratch", np.s_[10:12], np.s_[10:40])], "scratch"),
    # a pit of 10 x 10 pixels, found in whole, and a mark on sound surface
    "b": (
        [("pit", np.s_[20:30], np.s_[20:30]), ("pit", np.s_[50:53], np.s_[5:9])],
        [("pit", np.s_[20:30], np.s_[20:30])],
        "pit",
    ),
    # a scratch of which only an end is found, as a pit
    "c": ([("pit", np.s_[40:42], np.s_[60:64])], [("scratch", np.s_[40:42], np.s_[60:80])], "scratch"),
    "d": ([], [], "OK"),
}


def marked(boxes: list[Box]) -> npt.NDArray[np.bool_]:
    mask = np.zeros((60, 80), dtype=bool)
    for _, rows, columns in boxes:
        mask[rows, columns] = True
    return mask


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Evaluation, Path]:
    folder = tmp_path_factory.mktemp("typed")
    for name, (coloured, true, label) in PARTS.items():
        place = folder / "parts" / label / f"{name}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        shapes = [(kind, rows, columns, STRONG) for kind, rows, columns in coloured]
        Image.fromarray(colour_method.part((60, 80), *shapes)).save(place)
        if true:
            mask = folder / "parts" / "masks" / label / f"{name}.png"
            mask.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(marked(true)).save(mask)
    evaluation = brightfield.evaluate(
        colour_method.inspector(mm_per_pixel=0.1), folder / "parts", folder / "report"
    )
    return evaluation, folder / "report"


def test_types_of_pixels_by_hand(judged: tuple[Evaluation, Path]) -> None:
    pixel = judged[0].metrics["pixel"]
    # pits: 100 right, 12 on sound surface and 8 on a scratch; scratches: 30 right, of 100 true and 60 found
    assert pixel["types"]["pit"]["iou"] == 100 / 120
    assert pixel["types"]["scratch"]["iou"] == pytest.approx(30 / (100 + 60 - 30))
    found = 100 + 12 + 8 + 60
    good = 4 * 60 * 80 - 200
    right = good - 12 - 30
    assert pixel["background"]["iou"] == pytest.approx(right / (4 * 60 * 80 - (found - 42)))
    assert pixel["mean_iou"] == pytest.approx((100 / 120 + 30 / 130 + pixel["background"]["iou"]) / 3)
    true = np.concatenate([marked(true).ravel() for _, true, _ in PARTS.values()])
    hit = np.concatenate([marked(coloured).ravel() for coloured, _, _ in PARTS.values()])
    assert pixel["iou"] == pytest.approx(jaccard_score(true, hit))


def test_single_defects_by_hand(judged: tuple[Evaluation, Path]) -> None:
    defects = judged[0].metrics["pixel"]["defects"]
    assert (defects["found"]["k"], defects["seen"]["k"], defects["found"]["n"]) == (2, 3, 3)
    assert (defects["false"]["k"], defects["stray"]["k"], defects["false"]["n"]) == (2, 1, 4)
    assert defects["good_with_false"]["k"] == 0
    assert defects["types"] == {
        "true": ["scratch", "pit"],
        "found": ["scratch", "pit"],
        "matched": [[1, 0], [0, 1]],
        "missed": [1, 0],
        "false": [0, 2],
    }
    (lost,) = defects["missed"]["longest"]
    assert (lost["image"], lost["type"], lost["seen"]) == ("scratch/c.png", "scratch", True)
    assert (lost["length_px"], lost["length_mm"]) == (20, 2.0)
    ious = {d.image: d.iou for image in judged[0].against_masks for d in image.true}
    assert ious == {"pit/b.png": 1.0, "scratch/a.png": pytest.approx(30 / 90), "scratch/c.png": 0.0}
    assert defects["measured"]["length_px"] == {"n": 2, "bias": 0, "median": 0, "q90": 0, "relative": 0}


def test_the_report_has_them_in_millimetres(judged: tuple[Evaluation, Path]) -> None:
    page = (judged[1] / "report.html").read_text(encoding="utf-8")
    assert "Defects against masks" in page
    assert "true defect, from the mask" in page
    assert "scratch, 2 mm long, 0.2 mm wide" in page
    assert "found as pit, 0.4 mm long, 0.3 mm wide" in page
    assert page.count('class="exhibits close"') == 3, "missed, found where there is none, and found"
    written = json.loads((judged[1] / "metrics.json").read_text())
    assert written["pixel"] == judged[0].metrics["pixel"]


def test_an_overlay_has_the_outline_of_each_type_and_labels_beside_it(tmp_path: Path) -> None:
    boxes = [("scratch", np.s_[11:13], np.s_[10:40], STRONG), ("pit", np.s_[80:90], np.s_[50:60], STRONG)]
    look = colour_method.inspector().look(colour_method.part((120, 160), *boxes))
    files = write_maps(tmp_path / "a", look.verdict, look.picture)
    assert files.overlay is not None
    drawn, inside = np.asarray(Image.open(files.overlay)), look.verdict.class_map
    assert inside is not None
    assert np.array_equal(drawn[inside > 0], look.picture[inside > 0]), "the defect itself is not hidden"
    for number, (rows, columns) in enumerate((boxes[0][1:3], boxes[1][1:3]), start=1):
        line = (drawn == type_colour(number)).all(axis=2)
        assert line[rows.start - 1, columns].all()
        assert line[rows, columns.stop].all()
    dark = (drawn < 40).all(axis=2)
    assert dark[: 11 + 14, :40].sum() > 100, "a label beside the scratch"
    assert dark[60:110, 40:130].sum() > 100, "and one beside the pit"
