"""Places of pictures with the outlines of true and found defects."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image
from some_defects import defect, image, true

from brightfield.data.dataset import Dataset, Sample
from brightfield.errors import ImageError
from brightfield.evaluation.run import Evaluation
from brightfield.explain.overlay import RIM, type_colour
from brightfield.report.outlines import (
    MOST,
    SIDE,
    chosen,
    enlarged,
    outlined_defects,
    place_of,
    with_outlines,
)
from brightfield.report.overlaid import TRUE, dashed
from brightfield.verdict import Decision, HeatmapKind, Look, Verdict

GREY = np.full((100, 160, 3), 100, dtype=np.uint8)


@pytest.mark.parametrize(
    ("box", "shape", "expected"),
    [
        ((40, 70, 10, 30), (100, 160), (15, 55, 60, 60)),  # twice the longer side, around the middle
        ((50, 80, 3, 3), (100, 160), (31, 61, 40, 40)),  # not smaller than 40 px
        ((0, 150, 10, 10), (100, 160), (0, 120, 40, 40)),  # moved inwards at the edges
        ((10, 10, 60, 140), (100, 160), (0, 0, 100, 160)),  # a picture that is smaller, whole
    ],
)
def test_a_place_lies_around_its_defect(
    box: tuple[int, int, int, int], shape: tuple[int, int], expected: tuple[int, int, int, int]
) -> None:
    rows, columns = place_of(box, shape)
    assert (rows.start, columns.start) == expected[:2]
    assert (rows.stop - rows.start, columns.stop - columns.start) == expected[2:]


def test_small_places_are_enlarged_and_large_ones_shrunk() -> None:
    assert enlarged(GREY[:40, :40]).shape == (SIDE, SIDE, 3)
    assert enlarged(GREY[:20, :40]).shape == (SIDE // 2, SIDE, 3)
    assert enlarged(np.zeros((800, 400, 3), np.uint8)).shape == (SIDE, SIDE // 2, 3)


@pytest.mark.parametrize("size", [40, 960])
def test_lines_run_just_outside_what_is_true_and_what_was_found(size: int) -> None:
    truth, kinds = np.zeros((size, size), bool), np.zeros((size, size), np.uint8)
    step = size // 40
    truth[5 * step : 15 * step, 5 * step : 15 * step] = True
    kinds[22 * step : 32 * step, 22 * step : 32 * step] = 2
    drawn = with_outlines(np.full((size, size, 3), 100, np.uint8), truth, kinds)
    assert drawn.shape == (SIDE, SIDE, 3)
    times = SIDE / 40
    for colour, begin in ((TRUE, 5), (type_colour(2), 22)):
        rows, columns = np.nonzero((drawn == colour).all(axis=2))
        for places in (rows, columns):
            assert begin * times - 3 <= places.min() <= begin * times
            assert (begin + 10) * times - 1 <= places.max() <= (begin + 10) * times + 2
    inner = slice(round(6 * times), round(14 * times))
    assert (drawn[inner, inner] == 100).all(), "what is inside stays as it is"


def test_dashes_run_along_every_side_and_leave_gaps() -> None:
    truth = np.zeros((100, 160), bool)
    truth[20:80, 30:120] = True
    drawn = dashed(GREY, truth, np.zeros_like(truth))
    blue, dark = ((drawn == colour).all(axis=2) for colour in (TRUE, RIM))
    for line in (np.s_[19, 32:118], np.s_[80, 32:118], np.s_[22:78, 29], np.s_[22:78, 120]):
        on = blue[line]
        assert 0.4 < on.mean() < 0.6
        assert (on | dark[line]).all()
        runs = np.diff(np.flatnonzero(np.diff(on)))
        assert set(runs.tolist()) == {6}
    assert (drawn[20:80, 30:120] == 100).all()


def test_a_found_line_shows_between_the_dashes() -> None:
    truth = np.zeros((100, 160), bool)
    truth[20:80, 30:120] = True
    orange = with_line = GREY.copy()
    with_line[19, 29:121] = (230, 159, 0)
    drawn = dashed(orange, truth, truth)
    top = drawn[19, 32:118]
    assert {tuple(p) for p in top.tolist()} == {TRUE, (230, 159, 0)}


def test_the_longest_missed_the_largest_stray_and_some_of_those_found() -> None:
    lost = [image(f"m{n}", [true(defect(length=n), image=f"m{n}.png")]) for n in range(1, 12)]
    twice = image("t", [true(defect(length=n), image="t.png") for n in (50, 40)])
    stray = [image(f"s{n}", (), {"pit": n}, stray=n) for n in range(1, 7)]
    hits = [
        image(f"h{n}", [true(defect(), defect(), image=f"h{n}.png", iou=n / 10)]) for n in (9, 4, 6, 5, 8)
    ]
    made = chosen([*lost, twice, *stray, *hits])
    of_kind = {kind: [c.image for c in made if c.kind == kind] for kind in MOST}
    assert of_kind["missed"] == ["t.png", *(f"m{n}.png" for n in range(11, 4, -1))]
    assert len(of_kind["stray"]) == MOST["stray"]
    assert of_kind["found"] == ["h4.png", "h5.png", "h8.png", "h9.png"]
    assert [c.kind for c in made] == ["missed"] * 8 + ["stray"] * 4 + ["found"] * 4
    assert chosen([]) == []


def test_each_chosen_defect_is_shown_where_it_lies(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "a.png")
    mask = np.zeros((100, 160), bool)
    mask[40:50, 60:80] = True
    Image.fromarray(mask).save(tmp_path / "mask.png")
    sample = Sample("a.png", tmp_path / "a.png", "pit", mask=tmp_path / "mask.png", split="test")
    gone = replace(sample, image="gone.png", path=tmp_path / "gone.png")
    data = Dataset("parts", (sample, gone), ("OK", "pit"), "OK")
    lost = replace(defect(), box=(40, 60, 10, 20))
    images = tuple(image(n[:-4], [true(lost, image=n)]) for n in ("a.png", "gone.png"))
    made = cast(Evaluation, SimpleNamespace(dataset=data, against_masks=images))
    kinds = np.zeros((100, 160), np.uint8)
    kinds[40:45, 60:70] = 1
    verdict = Verdict(
        *(Decision.DEFECT, "pit", 0.9, 0.5, "segmenter", 1.0),
        heatmap=np.zeros((100, 160), np.float32),
        heatmap_kind=HeatmapKind.EVIDENCE,
        mask=kinds > 0,
        types=("pit",),
        class_map=kinds,
    )
    error = ImageError("it is gone")
    inspector: Any = SimpleNamespace(
        looks=lambda asked: [Look(GREY, verdict) if Path(p).name == "a.png" else error for p, _ in asked],
        pixel_threshold=None,
    )
    (shown,) = outlined_defects(inspector, made)
    assert (shown.kind, shown.image, shown.truth) == ("missed", "a.png", lost)
    plain, drawn = (
        np.asarray(Image.open(io.BytesIO(png))) for png in (shown.picture_png, shown.outlined_png)
    )
    assert plain.shape == drawn.shape == (SIDE, SIDE, 3)
    assert (plain == 100).all()
    assert (drawn == TRUE).all(axis=2).any()
    assert (drawn == type_colour(1)).all(axis=2).any()
