"""The inspector: the right decision, and heat in the right place."""

from __future__ import annotations

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brightfield.bundle import read_bundle, write_bundle
from brightfield.data.dataset import Dataset
from brightfield.data.load import load as load_dataset
from brightfield.decide.calibration import Temperature
from brightfield.decide.curves import Platt
from brightfield.decide.operating_point import OperatingPoint
from brightfield.errors import BundleError, ConfigError, ImageError
from brightfield.inspector import Inspector
from brightfield.verdict import Decision


def corner_picture(size: tuple[int, int] = (64, 96), spot: tuple[int, int] | None = (4, 76)) -> np.ndarray:
    grey = np.random.default_rng(5).normal(90, 14, size)
    if spot is not None:
        grey[spot[0] : spot[0] + 14, spot[1] : spot[1] + 14] += 110
    return grey.clip(0, 255).astype(np.uint8)


def hottest(heatmap: np.ndarray) -> tuple[float, float]:
    """Return the centre of the heat as shares of height and width."""
    rows, columns = np.mgrid[0 : heatmap.shape[0], 0 : heatmap.shape[1]]
    strong = np.where(heatmap > 0.7 * heatmap.max(), heatmap, 0)
    return (
        float((strong * rows).sum() / strong.sum() / heatmap.shape[0]),
        float((strong * columns).sum() / strong.sum() / heatmap.shape[1]),
    )


def test_heat_is_where_the_defect_is(spot_inspector: Inspector) -> None:
    for spot, place in [((4, 76), (0.17, 0.86)), ((46, 4), (0.83, 0.11)), ((4, 4), (0.17, 0.11))]:
        verdict = spot_inspector.inspect(corner_picture(spot=spot))
        assert verdict.decision is Decision.DEFECT
        assert verdict.heatmap is not None
        assert verdict.heatmap.shape == (64, 96)
        assert hottest(verdict.heatmap) == pytest.approx(place, abs=0.2)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8, 2, 5])
def test_heat_is_upright_on_a_turned_picture(
    spot_inspector: Inspector, tmp_path: Path, orientation: int
) -> None:
    """The file holds the picture turned, and says so, as cameras do."""
    upright = Image.fromarray(corner_picture())
    back = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = upright if back is None else upright.transpose(back)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "turned.png", exif=exif)
    verdict = spot_inspector.inspect(tmp_path / "turned.png")
    straight = spot_inspector.inspect(np.asarray(upright))
    assert verdict.heatmap is not None
    assert straight.heatmap is not None
    assert np.array_equal(verdict.heatmap, straight.heatmap)
    assert verdict.score == straight.score
    assert hottest(verdict.heatmap) == pytest.approx((0.17, 0.86), abs=0.2)


def test_only_what_does_not_pass_is_hot(spot_inspector: Inspector, spots: Path) -> None:
    pictures = sorted(spots.glob("*/*.png"))
    found = list(spot_inspector.inspect_many(pictures, explain=True))
    peaks = np.array([0.0 if v.heatmap is None else v.heatmap.max() for v in found])
    passed = np.array([v.decision is Decision.OK for v in found])
    assert 0 < passed.sum() < len(passed)
    assert peaks[passed].max() < 1 <= peaks[~passed].min()
    assert peaks.max() <= 2


def test_every_way_to_give_a_picture_says_the_same(spot_inspector: Inspector, tmp_path: Path) -> None:
    grey = corner_picture()
    path = tmp_path / "part.png"
    Image.fromarray(grey).save(path)
    ways = [
        path,
        str(path),
        Image.open(path),
        grey,
        np.repeat(grey[..., None], 3, 2),
        Image.fromarray(grey).convert("RGB"),
    ]
    verdicts = list(spot_inspector.inspect_many(ways))
    assert len({v.score for v in verdicts}) == 1
    assert [v.image for v in verdicts[:3]] == [str(path), str(path), ""]
    assert all(v.heatmap is None for v in verdicts)
    with pytest.raises(ImageError):
        spot_inspector.inspect(tmp_path / "none.png")


def test_thresholds(spot_inspector: Inspector) -> None:
    picture = corner_picture()
    p = spot_inspector.inspect(picture, explain=False).probability
    assert p is not None
    at = spot_inspector.inspect(picture, explain=False, threshold=p)
    assert (at.decision, at.threshold) == (Decision.DEFECT, p)
    above = spot_inspector.inspect(picture, explain=False, threshold=min(1.0, np.nextafter(p, 2)))
    assert above.decision is Decision.OK
    assert above.label == "OK"
    point = OperatingPoint("f1", 1.0, 10, 5, 0, 0, review=p / 2)
    review = spot_inspector.with_operating_point(point).inspect(picture, explain=False)
    assert review.decision is Decision.REVIEW
    assert review.label == "Defect"
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(ConfigError, match="probability in"):
            spot_inspector.inspect(picture, threshold=wrong)


def test_without_a_normal_class_the_class_is_named(spot_inspector: Inspector) -> None:
    plain = replace(spot_inspector, normal=None, operating_point=None, calibrator=Temperature(1.0))
    verdict = plain.inspect(corner_picture(), explain=False)
    assert (verdict.decision, verdict.threshold, verdict.probability) == (None, None, None)
    assert verdict.label == max(verdict.probabilities, key=lambda c: verdict.probabilities[c]) == "Defect"
    with pytest.raises(ConfigError, match="only names classes"):
        plain.inspect(corner_picture(), threshold=0.5)


def test_labels_follow_the_decision(spot_inspector: Inspector) -> None:
    three = replace(spot_inspector, classes=("OK", "a", "b"))
    shares = np.array([0.5, 0.2, 0.3])
    assert three.label_of(shares, "DEFECT") == "b"
    assert three.label_of(np.array([0.1, 0.2, 0.7]), "OK") == "OK"
    assert three.label_of(shares, None) == "OK"


def test_a_higher_score_is_a_higher_probability(spot_inspector: Inspector, spots: Path) -> None:
    assert isinstance(spot_inspector.calibrator, Platt)
    verdicts = list(spot_inspector.inspect_many(sorted(spots.glob("[OD]*/00*.png"))))
    by_score = sorted(verdicts, key=lambda v: v.score)
    shares = [v.probability for v in by_score]
    assert shares == sorted(shares, key=lambda p: -1 if p is None else p)
    dataset: Dataset = load_dataset(spots)
    assert dataset.classes == spot_inspector.classes == ("OK", "Defect")


def test_the_interval_of_a_probability(spot_inspector: Inspector) -> None:
    seen = spot_inspector.reference["scores"]
    low, high = spot_inspector.probability_interval(float(seen.max())) or (0.0, 0.0)
    assert 0.5 < low <= high == 1.0
    low, high = spot_inspector.probability_interval(float(seen.min())) or (1.0, 1.0)
    assert (low, high < 0.5) == (0.0, True)
    plain = replace(spot_inspector, normal=None, operating_point=None)
    assert plain.probability_interval(0.0) is None


def test_a_bundle_that_lies_is_refused(spot_bundle: Path, tmp_path: Path) -> None:
    whole = read_bundle(spot_bundle)
    weights = dict(whole.tensors("weights"))
    files = {name: whole.file(name) for name in ("splits.csv", "network.onnx")}

    def written(name: str, content: dict[str, Any] | None = None, **changes: object) -> Path:
        given = {"tensors": weights, "files": files, **(content or {})}
        write_bundle(
            tmp_path / name,
            {**whole.manifest, **changes},
            {"weights": given["tensors"]},
            {"reference": whole.arrays("reference")},
            given["files"],
        )
        return tmp_path / name

    assert Inspector.load(written("same")).classes == ("OK", "Defect")
    head = {**whole.manifest["settings"]["head"], "hidden": [7]}
    for name, changes in {
        "method": {"method": "magic"},
        "classes": {"classes": ["OK", "a", "b"]},
        "calibration": {"calibration": {"kind": "platt", "offset": 0.0}},
        "settings": {"settings": {}},
        "head": {"settings": {**whole.manifest["settings"], "head": head}},
        "views": {"settings": {**whole.manifest["settings"], "views": ["from behind"]}},
        "point": {"operating_point": {"threshold": 3}},
        "preprocessing": {"preprocessing": {"tile": 64}},
    }.items():
        with pytest.raises(BundleError):
            Inspector.load(written(name, **changes))
    broken = {**files, "network.onnx": b"no network"}
    with pytest.raises(BundleError, match="cannot run the network"):
        Inspector.load(written("network", {"files": broken}))
    fewer = {name: value for name, value in weights.items() if name != "center"}
    with pytest.raises(BundleError, match="do not fit"):
        Inspector.load(written("weights", {"tensors": fewer}))


def test_a_bundle_of_the_former_schema_says_to_train_again(spot_bundle: Path, tmp_path: Path) -> None:
    copied = Path(shutil.copytree(spot_bundle, tmp_path / "old"))
    manifest = json.loads((copied / "manifest.json").read_text())
    (copied / "manifest.json").write_text(json.dumps({**manifest, "schema": 1}))
    with pytest.raises(BundleError, match="earlier Brightfield.*train it again"):
        Inspector.load(copied)


def test_a_look_that_measures_has_the_bytes_that_it_judged(spot_inspector: Inspector, tmp_path: Path) -> None:
    path = tmp_path / "spot.tif"
    Image.fromarray(corner_picture()).save(path)
    content = path.read_bytes()
    plain = spot_inspector.look(path)
    assert (plain.content, plain.verdict.image_sha256) == (None, None)
    for image in (path, str(path), content):
        look = spot_inspector.look(image, measure=True)
        assert look.content == content
        assert look.verdict.image_sha256 == hashlib.sha256(content).hexdigest()
        assert look.verdict.image == ("" if isinstance(image, bytes) else str(path))
        assert np.array_equal(look.pixels, plain.pixels)
        assert look.verdict.score == plain.verdict.score
    array = spot_inspector.look(corner_picture(), measure=True)
    assert (array.content, array.verdict.image_sha256) == (None, None)


@pytest.mark.parametrize("content", [None, b"", b"no picture", b"\x89PNG\r\n\x1a\n cut off"])
def test_what_cannot_be_read_is_said_alike_with_a_measurement(
    spot_inspector: Inspector, tmp_path: Path, content: bytes | None
) -> None:
    path = tmp_path / "broken.png"
    if content is not None:
        path.write_bytes(content)
    said = []
    for measure in (False, True):
        with pytest.raises(ImageError, match=r"broken\.png") as caught:
            spot_inspector.look(path, measure=measure)
        said.append(str(caught.value))
    assert said[0] == said[1]
