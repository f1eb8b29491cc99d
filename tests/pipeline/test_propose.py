"""Proposed masks: what an inspector finds comes back as the same masks, whichever way it was written."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import colour_method as colour
import numpy as np
import pytest
from colour_method import FAINT, STRONG, part
from PIL import Image

import brightfield
from brightfield.data.check import check
from brightfield.data.load import load
from brightfield.data.mask_types import mask_types, read_types
from brightfield.data.masks import read_mask
from brightfield.errors import ConfigError
from brightfield.evaluation.run import evaluate
from brightfield.pipeline.propose import Proposing
from brightfield.verdict import UNTYPED, HeatmapKind

SCRATCH = ("scratch", slice(10, 12), slice(20, 60), STRONG)
PIT = ("pit", slice(30, 36), slice(10, 16), STRONG)
SPECK = ("pit", slice(50, 51), slice(70, 72), STRONG)
STAIN = ("pit", slice(40, 50), slice(40, 60), FAINT)
PARTS: dict[str, tuple[Any, ...]] = {
    "OK/0.png": (),
    "OK/1.png": (STAIN,),
    "bad/0.png": (SCRATCH, PIT),
    "bad/1.png": (SPECK, PIT),
    "bad/2.png": (),
    "bad/3.png": (STAIN,),
}


def write(folder: Path, parts: dict[str, tuple[Any, ...]] = PARTS) -> Path:
    for name, shapes in parts.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(part((60, 80), *shapes)).save(folder / name)
    return folder


def truth(*shapes: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return 0 for good pixels, 1 for a pit and 2 for a scratch."""
    out = np.zeros((60, 80), dtype=np.uint8)
    for kind, rows, columns, _ in shapes:
        out[rows, columns] = ("pit", "scratch").index(kind) + 1
    return out


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    return write(tmp_path / "parts")


def beside(parts: Path, output: Path, *names: str) -> Path:
    """Copy the images, and of the results only these, into a new data set."""
    place = output.with_name(f"{output.name}-set")
    shutil.copytree(parts, place)
    for pattern in names:
        for file in output.glob(pattern):
            (place / file.relative_to(output)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, place / file.relative_to(output))
    return place


@pytest.mark.parametrize(
    ("form", "files"),
    [
        ("png", ("masks/*/*.png", "mask_values.csv")),
        ("coco", ("annotations.json",)),
        ("labelme", ("masks/*/*.json",)),
    ],
)
def test_every_form_comes_back_as_the_same_typed_masks(
    parts: Path, tmp_path: Path, form: str, files: tuple[str, ...]
) -> None:
    inspector, output = colour.inspector(), tmp_path / "proposed"
    proposed = brightfield.masks(inspector, parts, output, formats=[form])
    assert proposed.regions == {"pit": 4, "scratch": 1}
    dataset = load(beside(parts, output, *files), normal="OK")
    assert mask_types(dataset) == ("pit", "scratch")
    for sample in dataset.samples:
        if sample.label == "OK":
            assert sample.mask is None or not read_mask(sample.mask).any()  # whatever is on it
        elif sample.mask is not None:
            np.testing.assert_array_equal(read_types(sample, ("pit", "scratch")), truth(*PARTS[sample.image]))
    masked = {s.image for s in dataset.samples if s.mask is not None}
    assert masked == (set(PARTS) if form == "png" else {"bad/0.png", "bad/1.png", "bad/3.png"})
    odd = {f.kind for f in check(dataset).findings if f.kind.startswith("mask")}
    assert odd == (
        {"mask-empty"} if form == "png" else {"mask-missing"}
    )  # of the part where nothing was found


def test_corrected_masks_count_in_an_evaluation(parts: Path, tmp_path: Path) -> None:
    inspector, output = colour.inspector(), tmp_path / "proposed"
    brightfield.masks(inspector, parts, output, formats=["coco"])
    place = beside(parts, output, "annotations.json")
    document = json.loads((place / "annotations.json").read_text())
    own = evaluate(inspector, load(place, normal="OK")).metrics["pixel"]
    assert own["dice"] == pytest.approx(2 * 354 / (2 * 354 + 200))  # the stain on a good part is found too
    document["annotations"] = [a for a in document["annotations"] if a["area"] > 2]  # the speck was no defect
    (place / "annotations.json").write_text(json.dumps(document))
    corrected = evaluate(inspector, load(place, normal="OK")).metrics["pixel"]
    assert corrected["dice"] == pytest.approx(2 * 352 / (352 + 554))


def test_the_counts(parts: Path, tmp_path: Path) -> None:
    proposed = brightfield.masks(colour.inspector(), parts, tmp_path / "a")
    assert proposed.as_dict() == {
        "output": str(tmp_path / "a"),
        "images": 6,
        "proposed": 3,
        "good": 2,
        "nothing": ["bad/2.png"],
        "left_out": 0,
        "regions": {"pit": 4, "scratch": 1},
        "heatmap_kind": "evidence",
        "unreadable": [],
    }
    listed = json.loads((tmp_path / "a" / "annotations.json").read_text())
    assert [image["file_name"] for image in listed["images"]] == sorted(PARTS)
    first = next(a for a in listed["annotations"] if a["area"] == 80)
    assert (first["bbox"], first["iscrowd"], first["image_id"]) == ([20, 10, 40, 2], 0, 3)
    assert [c["name"] for c in listed["categories"]] == ["pit", "scratch"]


def test_only_defective_small_regions_and_another_heat(parts: Path, tmp_path: Path) -> None:
    inspector = colour.inspector()
    proposed = brightfield.masks(inspector, parts, tmp_path / "a", only_defective=True, smallest=3)
    assert (proposed.images, proposed.left_out, proposed.regions) == (4, 2, {"pit": 3, "scratch": 1})
    assert sorted(p.name for p in (tmp_path / "a" / "masks").iterdir()) == ["bad"]
    # at half of the strongest colour a part is rejected: a heat of 1; the stain is at a third of it
    hot = brightfield.masks(inspector, parts, tmp_path / "b", threshold=1.0)
    assert hot.regions == {"pit": 3, "scratch": 1}
    assert hot.nothing == ("bad/2.png", "bad/3.png")


def test_without_types_of_pixels_masks_are_white_and_of_the_label(parts: Path, tmp_path: Path) -> None:
    proposed = brightfield.masks(colour.inspector(types=()), parts, tmp_path / "a", overlay=True)
    assert proposed.regions == {"bad": 5}
    assert not (tmp_path / "a" / "mask_values.csv").exists()
    mask = np.asarray(Image.open(tmp_path / "a" / "masks" / "bad" / "0_mask.png"))
    np.testing.assert_array_equal(mask, 255 * (truth(SCRATCH, PIT) > 0))
    overlays = sorted(p.name for p in (tmp_path / "a").rglob("*.overlay.png"))
    assert overlays == [f"{i}.overlay.png" for i in range(4)]
    dataset = load(beside(parts, tmp_path / "a", "masks/*/*.png"), normal="OK")
    assert {s.image for s in dataset.samples} == set(PARTS)  # overlays are neither images nor masks
    assert mask_types(dataset) == ("bad",)


def test_a_folder_without_classes_goes_by_the_verdict(tmp_path: Path) -> None:
    shots = write(tmp_path / "shots", {"a.png": (), "b.png": (SCRATCH,), "c.png": (STAIN,)})
    proposed = brightfield.masks(colour.inspector(), shots, tmp_path / "out")
    assert (proposed.good, proposed.regions) == (2, {"scratch": 1})
    shutil.copy(tmp_path / "out" / "annotations.json", shots)
    assert {s.image: s.label for s in load(shots).samples} == {
        "a.png": "OK",
        "b.png": "scratch",
        "c.png": "OK",
    }
    only = brightfield.masks(
        colour.inspector(types=(), classes=("OK",)),
        write(tmp_path / "more", {"b.png": (PIT,)}),
        tmp_path / "c",
    )
    assert only.regions == {UNTYPED: 1}


def test_masks_of_splits_lie_in_their_split(tmp_path: Path) -> None:
    names = {f"{split}/{name}": shapes for split in ("train", "test") for name, shapes in PARTS.items()}
    names["test/bad/0.png"] = (PIT,)
    parts = write(tmp_path / "parts", names)
    output = tmp_path / "out"
    brightfield.masks(colour.inspector(), parts, output, formats=["png"])
    dataset = load(beside(parts, output, "*/masks/*/*.png", "mask_values.csv"), normal="OK")
    by_name = {s.image: s for s in dataset.samples}
    for name, shapes in (("train/bad/0.png", (SCRATCH, PIT)), ("test/bad/0.png", (PIT,))):
        np.testing.assert_array_equal(read_types(by_name[name], ("pit", "scratch")), truth(*shapes))
    tested = brightfield.masks(colour.inspector(), parts, tmp_path / "tested", split="test")
    assert tested.images == 6


def test_a_hole_survives_programs_that_know_none(tmp_path: Path) -> None:
    ring = [("pit", slice(10, 30), slice(10, 40), STRONG)]
    picture = part((60, 80), *ring)
    picture[15:25, 20:30] = 100
    (tmp_path / "parts").mkdir()
    Image.fromarray(picture).save(tmp_path / "parts" / "a.png")
    brightfield.masks(colour.inspector(), tmp_path / "parts", tmp_path / "out")
    (annotation,) = json.loads((tmp_path / "out" / "annotations.json").read_text())["annotations"]
    assert len(annotation["segmentation"]) == 1
    assert annotation["area"] == 500
    shutil.copy(tmp_path / "out" / "annotations.json", tmp_path / "parts")
    (sample,) = load(tmp_path / "parts", normal=None).samples
    assert sample.mask is not None
    assert read_mask(sample.mask).sum() == 500


def test_what_cannot_be_read_is_named_and_the_others_go_on(
    parts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("OK/9.png", "bad/9.png"):
        (parts / name).write_bytes(b"broken")
    with caplog.at_level(logging.ERROR):
        proposed = brightfield.masks(colour.inspector(), parts, tmp_path / "out")
    assert proposed.unreadable == ("OK/9.png", "bad/9.png")
    assert proposed.images == 6
    assert len(caplog.records) == 2


def test_names_that_differ_in_their_suffix_only_do_not_meet(tmp_path: Path) -> None:
    parts = write(tmp_path / "parts", {"OK/0.png": (), "bad/1.png": (PIT,), "bad/1.bmp": (SCRATCH,)})
    brightfield.masks(colour.inspector(), parts, tmp_path / "out", formats=["png"])
    assert sorted(p.name for p in (tmp_path / "out" / "masks" / "bad").iterdir()) == [
        "1.bmp_mask.png",
        "1.png_mask.png",
    ]


def test_nothing_is_written_over_and_nothing_among_the_images(parts: Path, tmp_path: Path) -> None:
    output = tmp_path / "out"
    brightfield.masks(colour.inspector(), parts, output, formats=["png"])
    with pytest.raises(ConfigError, match="is there already and may have been corrected"):
        brightfield.masks(colour.inspector(), parts, output)
    for place in (parts, tmp_path):
        with pytest.raises(ConfigError, match="holds images of the data set"):
            brightfield.masks(colour.inspector(), parts, place)


def test_a_name_cannot_lead_out_of_the_folder(tmp_path: Path) -> None:
    write(tmp_path, {"shots/a.png": (PIT,)})
    (tmp_path / "lists").mkdir()
    (tmp_path / "lists" / "manifest.csv").write_text(
        "image,label\n../shots/a.png,../../bad\n../shots/a.png,OK\n"
    )
    (tmp_path / "lists" / "manifest.csv").write_text("image,label\n../shots/a.png,../../bad\n")
    brightfield.masks(colour.inspector(), load(tmp_path / "lists"), tmp_path / "x" / "out", formats=["png"])
    (mask,) = tmp_path.rglob("*_mask.png")
    assert mask.is_relative_to(tmp_path / "x" / "out" / "masks")


def test_an_inspector_without_a_normal_class_finds_no_defects(parts: Path, tmp_path: Path) -> None:
    nameless = replace(colour.inspector(), normal=None, operating_point=None)
    with pytest.raises(ConfigError, match="has no normal class"):
        brightfield.masks(nameless, parts, tmp_path / "out")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"formats": ("svg",)}, "--format 'svg' is unknown; known are: png, coco, labelme"),
        ({"formats": ()}, "is unknown"),
        ({"threshold": 0.0}, "expected a number above 0"),
        ({"threshold": float("nan")}, "expected a number above 0"),
        ({"smallest": 0}, "expected 1 pixel at least"),
    ],
)
def test_wrong_options_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Proposing(**options)


def test_an_attribution_map_proposes_what_is_hot(parts: Path, tmp_path: Path) -> None:
    inspector = colour.inspector(types=())
    inspector.method.heatmap_kind = HeatmapKind.ATTRIBUTION  # type: ignore[misc]
    proposed = brightfield.masks(inspector, parts, tmp_path / "out", threshold=1.0)
    assert proposed.kind is HeatmapKind.ATTRIBUTION
    assert proposed.regions == {"bad": 4}
