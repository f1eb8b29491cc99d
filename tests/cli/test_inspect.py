"""`brightfield inspect`: a line an image, files that never meet, and going on past what cannot be read."""

from __future__ import annotations

import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.cli.inspect import find_images, output_names
from brightfield.decide.calibration import Temperature
from brightfield.errors import DataError
from brightfield.explain.files import read_heatmap
from brightfield.inspector import Inspector

KEYS = [
    "image",
    "decision",
    "label",
    "score",
    "probability",
    "p_value",
    "threshold",
    "method",
    "milliseconds",
    "scale",
    "rule",
]


@pytest.fixture
def images(tmp_path: Path, synthetic_parts: Path) -> Path:
    """A folder with an image at its top and one of the same name two folders down."""
    folder = tmp_path / "images"
    (folder / "line" / "two").mkdir(parents=True)
    shutil.copy(synthetic_parts / "OK" / "0000.png", folder / "a.png")
    shutil.copy(synthetic_parts / "pit" / "0024.png", folder / "line" / "two" / "a.png")
    (folder / "notes.txt").write_text("no image")
    return folder


def lines_of(out: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in out.splitlines()]


def test_json_lines_are_the_librarys_verdicts(brightfield, trained_bundle: Path, images: Path) -> None:
    said = brightfield("inspect", trained_bundle, images, "--json", "--quiet")
    assert said.code == 0
    lines = lines_of(said.out)
    assert [list(line) for line in lines] == [KEYS, KEYS]
    assert [line["image"] for line in lines] == [str(images / "a.png"), str(images / "line/two/a.png")]
    inspector = Inspector.load(trained_bundle)
    for line in lines:
        verdict = inspector.inspect(str(line["image"]), explain=False).as_dict()
        # judged together they may differ in the last digits
        numbers = {name: pytest.approx(verdict[name], rel=1e-5) for name in ("score", "probability")}
        assert {**line, "milliseconds": 0} == {**verdict, **numbers, "milliseconds": 0}


def test_maps_of_two_images_of_one_name(
    brightfield, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    said = brightfield("inspect", trained_bundle, images, "-o", out, "--overlay", "--json")
    assert said.code == 0
    lines = lines_of(said.out)
    assert [list(line) for line in lines] == [[*KEYS, "heatmap", "mask", "types", "closest"]] * 2
    assert [line["mask"] for line in lines] == [None, None]
    assert [line["heatmap"] for line in lines] == [
        str(out / "a.heatmap.png"),
        str(out / "line/two/a.heatmap.png"),
    ]
    inspector = Inspector.load(trained_bundle)
    for line in lines:
        heatmap = inspector.inspect(str(line["image"])).heatmap
        assert heatmap is not None
        stored = read_heatmap(Path(str(line["heatmap"])))
        assert np.abs(stored - heatmap).max() < 0.001
        assert np.array_equal(stored >= 1, heatmap >= 1)
        overlay = Path(str(line["heatmap"]).replace("heatmap.png", "overlay.png"))
        with Image.open(overlay) as picture:
            assert picture.size == (128, 96)


def test_results_inside_the_images_are_not_inspected(brightfield, trained_bundle: Path, images: Path) -> None:
    words = ("inspect", trained_bundle, images, "-o", images / "results", "--quiet")
    first, second = brightfield(*words), brightfield(*words)
    assert first.code == second.code == 0
    assert second.out.splitlines()[-1] == first.out.splitlines()[-1]
    assert second.out.splitlines()[-1].startswith("2 images: ")


@pytest.mark.parametrize("place", [".", "..", "line"])
def test_results_beside_and_above_the_images(
    brightfield, trained_bundle: Path, images: Path, place: str
) -> None:
    words = ("inspect", trained_bundle, images, "-o", images / place, "--overlay", "--quiet")
    for _ in range(2):
        said = brightfield(*words)
        assert said.code == 0
        assert said.out.splitlines()[-1].startswith("2 images: " if place != "line" else "1 image: ")


def test_lines_for_a_person(brightfield, trained_bundle: Path, images: Path) -> None:
    said = brightfield("inspect", trained_bundle, images, "--threshold", "0")
    assert said.code == 0
    lines = said.out.splitlines()
    assert lines[0].split() == ["decision", "probability", "label", "ms", "image"]
    assert lines[1].split()[0] == "DEFECT"
    assert lines[1].endswith(str(images / "a.png"))
    assert lines[3] == "2 images: 0 OK, 0 REVIEW, 2 DEFECT"
    said = brightfield("inspect", trained_bundle, images, "--threshold", "1", "--quiet")
    assert said.out.endswith("2 images: 2 OK, 0 REVIEW, 0 DEFECT\n")
    assert said.err == ""


def test_goes_on_past_what_cannot_be_read(brightfield, trained_bundle: Path, images: Path) -> None:
    (images / "b.png").write_bytes(b"no image")
    words = ("inspect", trained_bundle, images, images / "gone.png")
    said = brightfield(*words, "--json")
    assert said.code == 2
    lines = lines_of(said.out)
    assert [Path(str(line["image"])).name for line in lines] == ["a.png", "b.png", "a.png", "gone.png"]
    assert ["error" in line for line in lines] == [False, True, False, True]
    assert "b.png is not an image" in str(lines[1]["error"])
    assert said.err.count("error: ") == 2
    said = brightfield(*words)
    assert said.code == 2
    assert said.out.splitlines()[-1].startswith("4 images: ")
    assert said.out.splitlines()[-1].endswith("2 unreadable")


@pytest.mark.parametrize("stem", ["n" * 251, "缺" * 83])
def test_names_as_long_as_names_can_be(
    brightfield, trained_bundle: Path, images: Path, tmp_path: Path, stem: str
) -> None:
    (images / "a.png").rename(images / f"{stem}.png")
    said = brightfield("inspect", trained_bundle, images, "-o", tmp_path / "out", "--overlay", "--json")
    assert said.code == 0
    heatmaps = [Path(str(line["heatmap"])) for line in lines_of(said.out)]
    assert {h.parent for h in heatmaps} == {tmp_path / "out", tmp_path / "out/line/two"}
    assert all(h.is_file() and Path(str(h).replace("heatmap", "overlay")).is_file() for h in heatmaps)
    again = brightfield("inspect", trained_bundle, images, "-o", tmp_path / "out", "--overlay", "--json")
    assert [Path(str(line["heatmap"])) for line in lines_of(again.out)] == heatmaps


def test_goes_on_past_what_cannot_be_written(
    brightfield, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "out" / "a.heatmap.png").mkdir(parents=True)
    words = ("inspect", trained_bundle, images, "-o", tmp_path / "out")
    said = brightfield(*words, "--json", "--quiet")
    assert said.code == 2
    first, second = lines_of(said.out)
    assert [*first] == [*KEYS, "heatmap", "mask", "types", "closest", "error"]
    assert (first["heatmap"], first["mask"]) == (None, None)
    assert str(first["error"]).startswith(
        f"{images / 'a.png'}: cannot write {tmp_path / 'out/a.heatmap.png'}: a f"
    )
    assert Path(str(second["heatmap"])).is_file()
    assert said.err.count("error: ") == 1
    said = brightfield(*words)
    assert said.code == 2
    assert said.out.splitlines()[-1].endswith("DEFECT, 1 with results that cannot be written")
    assert len(said.out.splitlines()) == 4


def test_a_full_disk_costs_the_maps_and_no_verdict(
    brightfield, trained_bundle: Path, images: Path, tmp_path: Path, small_files
) -> None:
    with small_files(100):
        said = brightfield("inspect", trained_bundle, images, "-o", tmp_path / "out", "--json", "--quiet")
    assert said.code == 2
    assert [line["label"] in ("OK", "pit") for line in lines_of(said.out)] == [True, True]
    assert (
        len(re.findall(r"error: .*a\.png: cannot write .* are needed; choose another place", said.err)) == 2
    )


def test_a_mounted_full_disk(brightfield, trained_bundle: Path, images: Path, small_disk) -> None:
    place = small_disk("4k")
    said = brightfield("inspect", trained_bundle, images, "-o", place / "out", "--overlay", "--quiet")
    assert said.code == 2
    assert re.search(
        r"a\.png: cannot write .*: the disk is full; .* are needed, .* are free; make room", said.err
    )
    assert said.out.splitlines()[-1].startswith("2 images: ")


def test_no_result_is_written_over_an_image_or_into_the_inspector(
    brightfield, copied_bundle, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = copied_bundle()
    shutil.copy(images / "a.png", images / "a.heatmap.png")
    before = (images / "a.heatmap.png").read_bytes()
    monkeypatch.chdir(images)
    said = brightfield("inspect", bundle, "a.png", "a.heatmap.png", "-o", ".")
    assert (said.code, said.out) == (2, "")
    assert "a.heatmap.png would be written over a.heatmap.png, which is read; name another place" in said.err
    assert (images / "a.heatmap.png").read_bytes() == before
    for place in (bundle, bundle / "maps"):
        said = brightfield("inspect", bundle, "a.png", "-o", place)
        assert (said.code, "is inside the inspector's bundle" in said.err) == (2, True)
    # an overlay that is not asked for is written over nothing
    (images / "a.heatmap.png").rename(images / "a.overlay.png")
    assert brightfield("inspect", bundle, "a.png", "a.overlay.png", "-o", ".").code == 0
    assert (images / "a.overlay.png").read_bytes() == before


def test_the_interval_of_every_probability(brightfield, trained_bundle: Path, images: Path) -> None:
    said = brightfield("inspect", trained_bundle, images, "--json", "--interval")
    inspector = Inspector.load(trained_bundle)
    for line in lines_of(said.out):
        low, high = line["probability_interval"]  # type: ignore[misc]
        assert (low, high) == inspector.probability_interval(float(str(line["score"])))
    heads, first = brightfield("inspect", trained_bundle, images, "--interval").out.splitlines()[:2]
    assert heads.split()[:3] == ["decision", "probability", "(interval)"]
    assert " to " in first
    assert heads.index("label") == first.index(first.partition(")")[2].split()[0], first.index(")"))


def test_masks_and_other_pictures_are_left_out(brightfield, trained_bundle: Path, images: Path) -> None:
    (images / "masks" / "pit").mkdir(parents=True)
    shutil.copy(images / "a.png", images / "masks" / "pit" / "a.png")
    shutil.copy(images / "a.png", images / "line" / "two" / "a_mask.png")
    (images / "animation.gif").write_bytes(b"GIF89a")
    said = brightfield("inspect", trained_bundle, images)
    assert said.code == 0
    assert said.out.splitlines()[-1].startswith("2 images: ")
    assert f"1 file(s) in {images} are left out: .gif is not read" in said.err


def test_a_speck_is_no_part(brightfield, trained_bundle: Path, tmp_path: Path) -> None:
    Image.new("L", (7, 64)).save(tmp_path / "speck.png")
    said = brightfield("inspect", trained_bundle, tmp_path / "speck.png")
    assert said.code == 2
    assert "speck.png: it has 7x64 px; expected 8 px a side at least" in said.err
    assert said.out.endswith("1 image: 0 OK, 0 REVIEW, 0 DEFECT, 1 unreadable\n")


def test_wrong_input(brightfield, trained_bundle: Path, images: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    image = images / "a.png"
    for words, message in (
        ((trained_bundle, tmp_path / "empty"), "no images in"),
        ((tmp_path / "gone", image), "gone does not exist; expected a bundle"),
        ((trained_bundle, image, "--overlay"), "--overlay needs a folder to write to; add -o DIR"),
        ((trained_bundle, image, "-o", tmp_path / "file"), "is a file; expected a folder"),
        ((image, image), "a.png"),
    ):
        said = brightfield("inspect", *words)
        assert (said.code, said.out) == (2, "")
        assert message in said.err


def test_without_a_normal_class_the_label_is_the_verdict(
    brightfield, trained_bundle: Path, images: Path, tmp_path: Path
) -> None:
    inspector = replace(
        Inspector.load(trained_bundle), normal=None, operating_point=None, calibrator=Temperature(1.0)
    )
    inspector.save(tmp_path / "plain")
    said = brightfield("inspect", tmp_path / "plain", images / "a.png", "--json")
    (line,) = lines_of(said.out)
    assert (line["decision"], line["probability"], line["threshold"]) == (None, None, None)
    assert line["label"] in ("OK", "pit")
    said = brightfield("inspect", tmp_path / "plain", images)
    assert said.code == 0
    assert said.out.splitlines()[-1].startswith("2 images: ")
    said = brightfield("inspect", tmp_path / "plain", images, "--threshold", "0.5")
    assert said.code == 2
    assert "needs a normal class" in said.err


def touch(folder: Path, *names: str) -> list[Path]:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return [folder / name for name in names]


def test_images_are_found_once_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "b.PNG", "a.jpg", "c.txt", ".hidden.png", ".thumbs/x.png", "d/e.tif", "out/f.png")
    found = find_images([tmp_path / "d" / "e.tif", tmp_path], leave_out=tmp_path / "out")
    assert [p.relative_to(tmp_path).as_posix() for p in found] == ["d/e.tif", "a.jpg", "b.PNG"]
    monkeypatch.chdir(tmp_path)
    assert find_images([Path("a.jpg"), tmp_path / "a.jpg", Path("c.txt")]) == [Path("a.jpg"), Path("c.txt")]
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no images in .*empty; expected files ending in .*\.png"):
        find_images([tmp_path / "empty"])


def test_no_two_images_share_a_name(tmp_path: Path) -> None:
    images = touch(tmp_path, "x/1.png", "y/1.png", "y/1.jpg", "y/1.png.bmp", "z/1.png")
    names = output_names(images)
    assert [n.as_posix() for n in names.values()] == ["x/1", "y/1.png", "y/1.jpg", "y/1.png.bmp", "z/1"]
    (alone,) = output_names(images[:1]).values()
    assert alone == Path("1")


@pytest.mark.parametrize("before", [None, "ACTIVE"])
def test_waiting_threads_sleep_unless_told_otherwise(
    brightfield, trained_bundle: Path, images: Path, monkeypatch: pytest.MonkeyPatch, before: str | None
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", before or "")
    if before is None:
        monkeypatch.delenv("OMP_WAIT_POLICY")
    assert brightfield("inspect", trained_bundle, images, "--quiet").code == 0
    assert os.environ["OMP_WAIT_POLICY"] == (before or "PASSIVE")


def test_the_closest_good_part_is_named_and_shown(
    brightfield, memory_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    place = synthetic_parts / "pit"
    said = brightfield("inspect", memory_bundle, place, "-o", tmp_path, "--overlay", "--json", "--quiet")
    lines = lines_of(said.out)
    learned = {p.relative_to(synthetic_parts).as_posix() for p in (synthetic_parts / "OK").iterdir()}
    shown = 0
    for line in lines:
        closest = line["closest"]
        assert closest["image"] in learned
        box, heat = closest["box"], read_heatmap(Path(str(line["heatmap"])))
        # 16 px of 64, at which these 96 x 128 px are seen; the hottest place is inside
        inside = heat[box["top"] :, box["left"] :][: box["height"], : box["width"]]
        assert (box["height"], box["width"]) in [(24, 32), (25, 32)]
        assert inside.max() >= heat.max() - 0.01
        name = Path(str(line["image"])).stem
        with Image.open(tmp_path / f"{name}.overlay.png") as overlay:
            margin = overlay.height - 96
        assert (margin > 0) == (line["decision"] != "OK")
        shown += margin > 0
    assert shown
    without = brightfield("inspect", memory_bundle, place, "--json", "--quiet")
    assert all("closest" not in line for line in lines_of(without.out))
