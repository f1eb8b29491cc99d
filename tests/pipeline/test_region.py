"""Training and evaluating with --roi: what is outside teaches nothing, and the bundle says where it looks."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_method
import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.bundle import read_bundle
from brightfield.cli.main import main
from brightfield.disk.storage import file_digest
from brightfield.errors import BrightfieldError, ConfigError, DataError
from brightfield.pipeline import train as train_module

SIZE = (48, 64)
INSIDE = (slice(6, 42), slice(8, 40))


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[str]:
    with fake_method.registered(beside=["classifier"]) as name:
        yield name


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, make_spots: Callable[..., Path]) -> Path:
    """30 good parts and 30 with a pit of 6 px, anywhere, with masks."""
    return make_spots(
        tmp_path_factory.mktemp("data") / "parts", ("OK", "pit"), each=30, size=SIZE, side=6, masks=True
    )


@pytest.fixture(scope="module")
def roi(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mask(tmp_path_factory.mktemp("roi") / "roi.png", INSIDE)


def mask(path: Path, inside: tuple[slice, slice], size: tuple[int, int] = SIZE) -> Path:
    drawn = np.zeros(size, dtype=np.uint8)
    drawn[inside] = 255
    Image.fromarray(drawn).save(path)
    return path


def with_noise_outside(parts: Path, folder: Path) -> Path:
    """Return a copy of a folder of pictures whose pixels outside the region are other ones."""
    rng = np.random.default_rng(7)
    outside = np.ones(SIZE, dtype=bool)
    outside[INSIDE] = False
    for image in sorted(parts.rglob("*.png")):
        pixels = np.array(Image.open(image))
        if "masks" not in image.parts:
            pixels[outside] = rng.integers(0, 256, int(outside.sum()))
        place = folder / image.relative_to(parts)
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(place)
    return folder


def with_masks_outside(parts: Path, folder: Path) -> Path:
    """Return a copy of a folder of pictures whose masks mark all that is outside the region too."""
    shutil.copytree(parts, folder)
    for path in (folder / "masks").rglob("*.png"):
        whole = np.full(SIZE, 255, dtype=np.uint8)
        whole[INSIDE] = np.asarray(Image.open(path))[INSIDE]
        Image.fromarray(whole).save(path)
    return folder


@pytest.mark.parametrize("method", ["classifier", fake_method.NAME])
def test_pixels_outside_teach_nothing(method: str, parts: Path, roi: Path, tmp_path: Path) -> None:
    """Other pixels outside give the same scores of the same calibration parts, and the same threshold."""
    options: dict[str, Any] = {"method": method, "roi": roi, "calibration": 0.4, "image_size": 48}
    if method == "classifier":
        options |= {"backbone": "test_resnet", "weights": "none", "tile": None}
    inspectors = [
        brightfield.train(folder, **options) for folder in (parts, with_noise_outside(parts, tmp_path / "n"))
    ]
    first, second = inspectors
    np.testing.assert_array_equal(first.reference["scores"], second.reference["scores"])
    np.testing.assert_array_equal(
        first.reference["brightness_contrast"], second.reference["brightness_contrast"]
    )
    assert first.operating_point == second.operating_point
    assert first.pixel_threshold is not None
    assert first.pixel_threshold == second.pixel_threshold
    picture = next((parts / "pit").glob("*.png"))
    assert first.inspect(picture).score == second.inspect(picture).score


def test_the_pixel_threshold_is_chosen_inside(parts: Path, roi: Path, tmp_path: Path) -> None:
    """Masks of what lies outside choose nothing, and no pixel outside is marked."""
    marked = with_masks_outside(parts, tmp_path / "marked")
    options: dict[str, Any] = {"method": fake_method.NAME, "roi": roi, "calibration": 0.4, "image_size": 48}
    first, second = (brightfield.train(folder, **options) for folder in (parts, marked))
    assert first.pixel_threshold is not None
    assert first.pixel_threshold == second.pixel_threshold
    outside = np.ones(SIZE, dtype=bool)
    outside[INSIDE] = False
    for threshold in (first.pixel_threshold, 0.0, None):
        verdict = replace(first, pixel_threshold=threshold).inspect(next((parts / "pit").glob("*.png")))
        assert verdict.mask is not None
        assert verdict.mask.shape == SIZE
        assert not verdict.mask[outside].any()


def test_the_bundle_holds_the_region(parts: Path, roi: Path, tmp_path: Path) -> None:
    config = tmp_path / "train.toml"
    config.write_text(f'roi = "{roi}"\nmethod = "{fake_method.NAME}"\n')
    place = tmp_path / "inspector"
    assert main(["train", str(parts), "-o", str(place), "--config", str(config), "--quiet", "--json"]) == 0
    manifest = read_bundle(place).manifest
    assert manifest["training"]["options"]["roi"] == str(roi)
    assert manifest["fingerprints"]["roi"] == file_digest(roi)
    assert manifest["preprocessing"]["region"]["sha256"] == file_digest(roi)
    region = brightfield.load(place).preprocessing.region
    assert region is not None
    np.testing.assert_array_equal(region.mask, np.asarray(Image.open(roi)) > 0)


def test_a_method_that_takes_no_notice_is_stopped(
    parts: Path, roi: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = fake_method.MeanPartLearner.fit
    monkeypatch.setattr(
        fake_method.MeanPartLearner, "fit", lambda self, job: fit(self, replace(job, region=None))
    )
    with pytest.raises(BrightfieldError, match="mean-part was fitted without the region"):
        brightfield.train(parts, method=fake_method.NAME, roi=roi)


def test_resuming_takes_the_same_mask_wherever_it_is(
    parts: Path, roi: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    options: dict[str, Any] = {"method": fake_method.NAME}
    place = tmp_path / "inspector"
    with monkeypatch.context() as patched:
        patched.setattr(train_module, "assemble", stop)
        with pytest.raises(KeyboardInterrupt):
            brightfield.train(parts, place, roi=roi, **options)
    other = mask(tmp_path / "other.png", (slice(6, 42), slice(8, 41)))
    for wrong in (other, None):
        with pytest.raises(ConfigError, match="the pixels of --roi are not those of the training"):
            brightfield.train(parts, place, roi=wrong, resume=True, **options)
    moved = tmp_path / "moved.png"
    moved.write_bytes(roi.read_bytes())
    assert brightfield.train(parts, place, roi=moved, resume=True, **options).preprocessing.region


def test_compared_methods_look_at_the_same_region(parts: Path, roi: Path, tmp_path: Path) -> None:
    options: dict[str, Any] = {"backbone": "test_efficientnet", "weights": "none", "image_size": 48}
    place, moved = tmp_path / "compared", tmp_path / "moved.png"
    moved.write_bytes(roi.read_bytes())
    compared = brightfield.compare(parts, place, roi=moved, **options)
    assert {c.method for c in compared.contenders} == {"classifier", fake_method.NAME}
    for contender in compared.contenders:
        region = contender.inspector.preprocessing.region
        assert region is not None
        assert region.sha256 == file_digest(roi)
        assert contender.evaluation.metrics["pixel"]["region"] == "inside"
    (note,) = (n for n in compared.notes if "region of interest" in n)
    assert note.startswith("of ")  # once, as all methods say the same
    assert "region of interest" in (place / "compare.html").read_text()
    # what is trained is taken again wherever the mask is, but not with another mask
    trained = [c.seconds for c in compared.contenders]
    again = brightfield.compare(parts, place, roi=roi, resume=True, **options)
    assert [c.seconds for c in again.contenders] == trained
    for wrong in (mask(tmp_path / "other.png", (slice(6, 42), slice(8, 41))), None):
        with pytest.raises(ConfigError, match="trained with other pixels of --roi"):
            brightfield.compare(parts, place, roi=wrong, resume=True, **options)


def test_a_mask_that_does_not_fit_stops_a_comparison(parts: Path, tmp_path: Path) -> None:
    square = mask(tmp_path / "square.png", (slice(5, 40), slice(5, 40)), (48, 48))
    with pytest.raises(DataError, match=r"^48 image\(s\) do not fit --roi"):
        brightfield.compare(parts, tmp_path / "compared", roi=square)
    with pytest.raises(ConfigError, match="^--roi .*gone.png cannot be read as a mask"):
        brightfield.compare(parts, tmp_path / "compared", roi=tmp_path / "gone.png")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["square.png"]


def test_evaluation_says_what_it_did_not_look_at(
    parts: Path, roi: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        inspector = brightfield.train(
            parts, method="classifier", roi=roi, backbone="test_efficientnet", weights="none", image_size=48
        )
    assert "have their defect outside the region of interest" in caplog.text
    evaluation = brightfield.evaluate(inspector, parts, split="all")
    inside = np.zeros(SIZE, dtype=bool)
    inside[INSIDE] = True
    masks = [np.asarray(Image.open(m)) > 0 for m in sorted((parts / "masks" / "pit").glob("*.png"))]
    cut = sum(bool((m & ~inside).any()) for m in masks)
    unseen = sum(not (m & inside).any() for m in masks)
    assert 0 < unseen < cut < 30
    (note,) = (n for n in evaluation.notes if "region of interest" in n)
    assert note.startswith(f"of 30 images with a mask, {cut} have defective pixels outside")
    assert f"of {unseen} all of it is outside" in note
    assert evaluation.metrics["pixel"]["region"] == "inside"
    assert evaluation.metrics["pixel"]["regions"] == 30 - unseen
    without = brightfield.evaluate(brightfield.train(parts, method=fake_method.NAME), parts, split="all")
    assert "region" not in without.metrics["pixel"]
    assert without.metrics["pixel"]["regions"] == 30


def test_wrong_masks_stop_before_the_training(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    square = mask(tmp_path / "square.png", (slice(5, 40), slice(5, 40)), (48, 48))
    with pytest.raises(DataError, match=r"48 image\(s\) do not fit --roi"):
        brightfield.train(parts, tmp_path / "inspector", method=fake_method.NAME, roi=square)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["square.png"]
    words = ["train", str(parts), "-o", str(tmp_path / "i"), "--roi", str(tmp_path / "gone.png")]
    assert main([*words, "--quiet"]) == 2
    assert "gone.png cannot be read as a mask" in capsys.readouterr().err
    assert main(["data", "check", str(parts), "--roi", str(square), "--json", "--quiet"]) == 2
    kinds = {finding["kind"] for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert "region-size" in kinds
