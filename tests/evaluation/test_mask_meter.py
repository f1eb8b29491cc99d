"""Verdicts beside masks: what is counted, what is left out, what is said."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from brightfield.data.dataset import Dataset, Sample
from brightfield.decide.defects import class_map_of, find, measured
from brightfield.errors import DataError
from brightfield.evaluation.mask_meter import MaskMeter, true_types
from brightfield.verdict import Decision, HeatmapKind, Verdict

TypeMap = npt.NDArray[np.uint8]
TYPES = ("pit", "scratch")


def drawn(*boxes: tuple[int, int, int, int, int]) -> TypeMap:
    """Return 20x20 pixels with boxes of (type, top, left, height, width)."""
    out = np.zeros((20, 20), dtype=np.uint8)
    for kind, top, left, height, width in boxes:
        out[top : top + height, left : left + width] = kind
    return out


def sample(
    folder: Path, name: str, label: str, mask: TypeMap | None = None, group: str | None = None
) -> Sample:
    path = None
    if mask is not None:
        path = folder / f"{name}.mask.png"
        Image.fromarray((mask > 0).astype(np.uint8) * 255).save(path)
    return Sample(name, folder / name, label, mask=path, group=group)


def verdict(kinds: TypeMap, *, typed: bool = True) -> Verdict:
    heat = (kinds > 0).astype(np.float32) * 1.5
    found = find(kinds > 0, heat, "defect")
    if typed:
        numbers = [int(kinds[row, column]) for row, column in _first_pixels(found.runs)]
        found = replace(found, types=tuple(TYPES[number - 1] for number in numbers))
    return Verdict(
        *(Decision.DEFECT, "defect", 0.9, 0.5, "a method", 1.0),
        heatmap=heat,
        heatmap_kind=HeatmapKind.EVIDENCE,
        mask=kinds > 0,
        defects=measured(found),
        types=TYPES if typed else (),
        class_map=class_map_of(found, TYPES) if typed else None,
    )


def _first_pixels(runs: object) -> list[tuple[int, int]]:
    row, start, region = (np.asarray(getattr(runs, name)) for name in ("row", "start", "region"))
    firsts = np.unique(region, return_index=True)[1]
    return [(int(row[i]), int(start[i])) for i in firsts]


def meter_of(samples: list[Sample], types: tuple[str, ...] = TYPES) -> MaskMeter:
    return MaskMeter(Dataset("parts", tuple(samples), ("OK", "pit", "scratch"), "OK"), types)


def counted(meter: MaskMeter, one: Sample, judged: Verdict) -> None:
    assert judged.mask is not None
    meter.update(one, judged, judged.mask, good=one.label == "OK")


def test_figures_of_heat_of_types_and_of_defects_stand_side_by_side(tmp_path: Path) -> None:
    pit = sample(tmp_path, "a.png", "pit", drawn((1, 2, 2, 4, 4)))
    scratch = sample(tmp_path, "b.png", "scratch", drawn((1, 5, 0, 2, 10)))
    good = sample(tmp_path, "c.png", "OK")
    meter = meter_of([pit, scratch, good])
    counted(meter, pit, verdict(drawn((1, 2, 2, 4, 3))))  # 12 of 16 pixels, of the right type
    counted(meter, scratch, verdict(drawn((1, 5, 0, 2, 10))))  # all, of the wrong type
    counted(meter, good, verdict(drawn((2, 9, 9, 3, 3))))
    made = meter.result()
    assert made["iou"] == pytest.approx(32 / (16 + 20 + 9)), "whatever the type"
    assert made["types"]["pit"]["iou"] == pytest.approx(12 / (16 + 20))
    assert made["types"]["scratch"]["iou"] == 0.0
    assert made["background"]["iou"] == pytest.approx((1200 - 36 - 9) / (1200 - 32))
    assert made["mean_iou"] == pytest.approx((12 / 36 + 0 + 1155 / 1168) / 3)
    defects = made["defects"]
    assert (defects["found"]["k"], defects["found"]["n"], defects["false"]["k"]) == (2, 2, 1)
    assert defects["good_with_false"]["k"] == 1
    assert defects["types"]["matched"] == [[1, 0], [1, 0]]
    assert set(made["per_type"]) == {"pit", "scratch"}
    assert [image.image for image in meter.images] == ["a.png", "b.png", "c.png"]
    assert meter.notes() == []


def test_pictures_of_a_group_are_one_part(tmp_path: Path) -> None:
    shots = [sample(tmp_path, f"{n}.png", "pit", drawn((1, 2, 2, 4, 4)), group="one") for n in "ab"]
    meter = meter_of(shots)
    for shot in shots:
        counted(meter, shot, verdict(drawn((1, 2, 2, 4, 4))))
    assert {image.part for image in meter.images} == {"one"}
    assert meter.result()["defects"]["found"]["low"] == pytest.approx(0.025), "one part of one"


def test_what_lies_outside_the_region_is_neither_true_nor_false(tmp_path: Path) -> None:
    pit = sample(tmp_path, "a.png", "pit", drawn((1, 2, 2, 4, 4), (1, 12, 12, 4, 4)))
    left = np.zeros((20, 20), dtype=bool)
    left[:, :10] = True
    meter = meter_of([pit])
    counted(meter, pit, replace(verdict(drawn((1, 2, 2, 4, 4), (2, 0, 15, 3, 3))), region=left))
    made = meter.result()
    assert (made["defects"]["found"]["n"], made["defects"]["false"]["k"]) == (1, 0)
    assert made["types"]["pit"] == {"iou": 1.0, "dice": 1.0, "precision": 1.0, "recall": 1.0, "pixels": 16}
    assert made["types"]["scratch"]["iou"] is None


def test_a_method_that_tells_no_types_apart(tmp_path: Path) -> None:
    pit = sample(tmp_path, "a.png", "pit", drawn((1, 2, 2, 4, 4)))
    scratch = sample(tmp_path, "b.png", "scratch", drawn((1, 5, 0, 2, 10)))
    meter = meter_of([pit, scratch], ())
    for one, kinds in ((pit, drawn((1, 2, 2, 4, 3))), (scratch, drawn((1, 5, 0, 2, 10)))):
        counted(meter, one, verdict(kinds, typed=False))
    made = meter.result()
    assert made["mean_iou"] is made["types"]["pit"]["iou"] is made["defects"]["types"] is None
    assert made["types"]["pit"]["recall"] == 0.75
    assert made["iou"] == 32 / 36
    assert made["defects"]["found"]["k"] == 2
    assert meter.notes() == []


def test_types_that_differ_are_noted(tmp_path: Path) -> None:
    dent = sample(tmp_path, "a.png", "dent", drawn((1, 2, 2, 4, 4)))
    meter = meter_of([dent])
    counted(meter, dent, verdict(drawn((1, 2, 2, 4, 4))))
    first, second = meter.notes()
    assert first.startswith("masks mark dent, which the inspector does not know")
    assert second.startswith("no mask marks pit, scratch")
    made = meter.result()
    assert (made["defects"]["found"]["k"], made["types"]["dent"]["iou"]) == (1, 0.0)


def test_a_mask_of_another_size_is_refused(tmp_path: Path) -> None:
    pit = sample(tmp_path, "a.png", "pit", drawn((1, 2, 2, 4, 4)))
    meter = meter_of([pit])
    with pytest.raises(DataError, match="20x20 px, its image 30x10"):
        true_types(pit, meter.true_types, (10, 30, 3))
    small = replace(verdict(drawn()), heatmap=np.zeros((10, 30), np.float32), mask=None, class_map=None)
    with pytest.raises(DataError, match="same size"):
        meter.update(pit, small, np.zeros((10, 30), dtype=bool), good=False)
    assert meter.images == ()
    assert true_types(replace(pit, mask=None), meter.true_types, (10, 30, 3)).shape == (10, 30)
