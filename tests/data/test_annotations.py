"""Annotation files stand where tools leave them, with class folders and without."""

from __future__ import annotations

import json
import logging
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brightfield.data.check import check
from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.data.mask_types import mask_types, read_types
from brightfield.data.masks import read_mask
from brightfield.errors import DataError

RING = [10, 5, 30, 5, 30, 20, 10, 20]


def pictures(folder: Path, *names: str, size: tuple[int, int] = (60, 40)) -> None:
    for i, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        noise = np.random.default_rng(i).integers(0, 255, size[::-1], dtype=np.uint8)
        Image.fromarray(noise).save(folder / name)


def coco(path: Path, images: dict[str, list[str]], size: tuple[int, int] = (60, 40)) -> None:
    """Write a COCO file; of each image the types of its defects, all outlined by `RING`."""
    types = sorted({t for of_image in images.values() for t in of_image})
    content: dict[str, Any] = {
        "images": [
            {"id": i, "file_name": name, "width": size[0], "height": size[1]} for i, name in enumerate(images)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(types)],
        "annotations": [
            {"id": 0, "image_id": i, "category_id": types.index(t), "segmentation": [RING]}
            for i, of_image in enumerate(images.values())
            for t in of_image
        ],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def labelme(path: Path, *labels: str) -> None:
    points = np.reshape(RING, (4, 2)).tolist()
    shapes = [{"label": name, "points": points, "shape_type": "polygon"} for name in labels]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"shapes": shapes, "imageHeight": 40, "imageWidth": 60, "imagePath": "x"}))


def labels(dataset: Dataset) -> dict[str, str | None]:
    return {s.image: s.label for s in dataset.samples}


def masked(dataset: Dataset) -> list[str]:
    return [s.image for s in dataset.samples if s.mask is not None]


@pytest.mark.parametrize(
    "file",
    ["annotations.json", "_annotations.coco.json", "annotations/instances_default.json", "result.json"],
)
def test_class_folders_keep_their_class_and_take_outlines(tmp_path: Path, file: str) -> None:
    pictures(tmp_path, "OK/1.png", "OK/2.png", "Defect/1.png", "Defect/2.png")
    coco(
        tmp_path / file,
        {"Defect/1.png": ["pit", "burr"], "elsewhere\\Defect\\2.png": ["pit"], "OK/1.png": []},
    )
    dataset = load(tmp_path)
    assert Counter(s.label for s in dataset.samples) == {"OK": 2, "Defect": 2}
    assert masked(dataset) == ["Defect/1.png", "Defect/2.png"]
    assert mask_types(dataset) == ("burr", "pit")
    assert read_types(dataset.samples[1], mask_types(dataset)).sum() == 2 * 300
    assert read_mask(dataset.samples[0].mask).sum() == 300


def test_a_flat_folder_takes_its_classes_from_the_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png", "4.png")
    coco(
        tmp_path / "annotations.json", {"1.png": ["pit"], "2.png": [], "3.png": ["burr", "burr"], "9.png": []}
    )
    with caplog.at_level(logging.WARNING):
        dataset = load(tmp_path)
    assert labels(dataset) == {"1.png": "pit", "2.png": "OK", "3.png": "burr"}
    assert dataset.normal == "OK"
    assert masked(dataset) == ["1.png", "3.png"]
    said = " ".join(r.getMessage() for r in caplog.records)
    assert "lists 1 of its 4 image(s) that are not there, or could be several, first 9.png" in said
    assert "1 image(s) are in no class folder and in no COCO file, first 4.png; they are left out" in said
    assert labels(load(tmp_path, normal="fine"))["2.png"] == "fine"


def test_images_below_a_folder_images_and_splits_by_the_files_names(tmp_path: Path) -> None:
    pictures(tmp_path, "images/train2017/1.png", "images/train2017/2.png", "images/val2017/3.png")
    coco(tmp_path / "annotations" / "instances_train2017.json", {"1.png": ["pit"], "2.png": []})
    coco(tmp_path / "annotations" / "instances_val2017.json", {"3.png": ["pit"]})
    dataset = load(tmp_path)
    assert [(s.label, s.split) for s in dataset.samples] == [
        ("pit", "train"),
        ("OK", "train"),
        ("pit", "calibration"),
    ]


def test_a_file_for_each_split(tmp_path: Path) -> None:
    for split, of_image in (("train", ["pit"]), ("valid", []), ("test", ["pit"])):
        pictures(tmp_path, f"{split}/1.jpg")
        coco(tmp_path / split / "_annotations.coco.json", {"1.jpg": of_image})
    dataset = load(tmp_path)
    assert {s.split: s.label for s in dataset.samples} == {"train": "pit", "calibration": "OK", "test": "pit"}
    assert masked(dataset) == ["test/1.jpg", "train/1.jpg"]


def test_one_file_serves_all_splits_without_a_word(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures(tmp_path, "train/OK/1.png", "train/pit/2.png", "test/pit/1.png")
    coco(tmp_path / "annotations.json", {"train/pit/2.png": ["pit"], "test/pit/1.png": ["pit"]})
    with caplog.at_level(logging.WARNING):
        assert masked(load(tmp_path)) == ["test/pit/1.png", "train/pit/2.png"]
    assert caplog.records == []


def test_an_entry_of_a_folder_that_is_there_is_of_no_image_elsewhere(tmp_path: Path) -> None:
    pictures(tmp_path, "OK/1.png", "pit/2.png")
    coco(tmp_path / "annotations.json", {"pit/1.png": ["pit"]})  # was removed, and OK/1.png is another part
    assert masked(load(tmp_path)) == []


def test_labelme_beside_the_image_and_in_a_folder_of_masks(tmp_path: Path) -> None:
    pictures(tmp_path, "OK/1.png", "pit/1.png", "pit/2.png", "pit/3.png")
    labelme(tmp_path / "pit" / "1.json", "pit")
    labelme(tmp_path / "masks" / "pit" / "2.json", "burr")
    (tmp_path / "pit" / "3.json").write_text('{"exposure": 3}')  # of the camera
    dataset = load(tmp_path)
    assert masked(dataset) == ["pit/1.png", "pit/2.png"]
    assert mask_types(dataset) == ("burr", "pit")


def test_a_flat_folder_with_labelme_files(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures(tmp_path, "1.png", "2.png", "3.png")
    labelme(tmp_path / "1.json", "pit")
    labelme(tmp_path / "masks" / "3.json", "burr")
    with caplog.at_level(logging.WARNING):
        dataset = load(tmp_path)
    assert labels(dataset) == {"1.png": "pit", "2.png": "OK", "3.png": "burr"}
    assert masked(dataset) == ["1.png", "3.png"]
    assert [r.getMessage() for r in caplog.records] == [
        "1 image(s) have no labelme file, first 2.png; they count as good"
    ]


def test_mask_images_count_before_outlines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures(tmp_path, "OK/1.png", "pit/1.png")
    pictures(tmp_path / "masks", "pit/1.png")
    coco(tmp_path / "annotations.json", {"pit/1.png": ["burr"]})
    with caplog.at_level(logging.WARNING):
        dataset = load(tmp_path)
    assert dataset.samples[1].mask == tmp_path / "masks" / "pit" / "1.png"
    assert "have both a mask image and outlines, first pit/1.png; the mask images count" in caplog.text


def test_a_manifest_names_outlines(tmp_path: Path) -> None:
    pictures(tmp_path, "a/1.png", "a/2.png", "b/1.png")
    coco(tmp_path / "all.json", {"a/1.png": ["pit"], "b/1.png": ["burr"]})
    labelme(tmp_path / "a" / "2.json", "burr")
    (tmp_path / "manifest.csv").write_text(
        "image,label,mask\na/1.png,pit,all.json\na/2.png,pit,a/2.json\nb/1.png,OK,\n"
    )
    dataset = load(tmp_path)
    assert masked(dataset) == ["a/1.png", "a/2.png"]
    assert mask_types(dataset) == ("burr", "pit")
    (tmp_path / "a" / "2.json").write_text("{}")
    with pytest.raises(DataError, match=r"2\.json is no labelme file"):
        load(tmp_path)


def test_other_json_files_are_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures(tmp_path, "OK/1.png", "pit/1.png")
    (tmp_path / "annotations.json").write_text('{"made_by": "another tool"}')
    (tmp_path / "settings.json").write_text("no JSON at all")
    (tmp_path / "pit" / "1.json").write_text("gain: 3")
    with caplog.at_level(logging.WARNING):
        assert masked(load(tmp_path)) == []
    assert [r.getMessage().partition(";")[0] for r in caplog.records] == [
        f"1 file(s) are not COCO and are left out, first {tmp_path / 'annotations.json'}",
        f"1 JSON file(s) beside images cannot be read and are left out, first {tmp_path / 'pit' / '1.json'}",
    ]
    (tmp_path / "annotations.json").write_text("{")
    with pytest.raises(DataError, match="is no JSON"):
        load(tmp_path)


def test_without_a_file_that_is_of_them_loose_images_have_no_class(tmp_path: Path) -> None:
    pictures(tmp_path, "1.png", "2.png")
    with pytest.raises(DataError, match="no class folders; expected .* or a COCO or labelme file"):
        load(tmp_path)
    coco(tmp_path / "annotations.json", {"7.png": ["pit"]})
    with pytest.raises(DataError, match="no class folders"):
        load(tmp_path)


def test_outlines_are_in_the_upright_picture(tmp_path: Path) -> None:
    """Labelling tools show a picture upright and count its size so; what was drawn otherwise is named."""
    upright = np.full((40, 60), 90, dtype=np.uint8)
    upright[5:20, 10:30] = 200
    for name in ("pit/1.jpg", "OK/1.jpg"):
        (tmp_path / name).parent.mkdir()
        exif = Image.Exif()
        exif[0x0112] = 6  # stored turned by 90 degrees against the clock
        Image.fromarray(np.rot90(upright)).save(tmp_path / name, exif=exif, quality=95)
    coco(tmp_path / "annotations.json", {"pit/1.jpg": ["pit"]})
    dataset = load(tmp_path)
    from brightfield.data.decode import decode

    sample = dataset.samples[1]
    np.testing.assert_array_equal(decode(sample.path) > 145, read_mask(sample.mask))
    coco(tmp_path / "annotations.json", {"pit/1.jpg": ["pit"]}, size=(40, 60))
    (finding,) = [f for f in check(load(tmp_path)).findings if f.kind == "mask-size"]
    assert "its mask is 40x60, the image 60x40" in finding.message
    assert "before the picture was turned upright" in finding.message


def test_check_counts_masks_and_types(tmp_path: Path) -> None:
    pictures(tmp_path, "OK/1.png", "pit/1.png", "pit/2.png", "pit/3.png")
    coco(
        tmp_path / "annotations.json",
        {"pit/1.png": ["pit", "burr"], "pit/2.png": ["pit"], "OK/1.png": ["pit"]},
    )
    report = check(load(tmp_path))
    assert report.as_dict()["masks"] == {"images": 3, "types": {"burr": 1, "pit": 2}}
    assert {"mask-on-normal", "mask-missing"} <= {f.kind for f in report.findings}
