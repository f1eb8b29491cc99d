"""The pixel threshold is chosen on calibration pictures, where it is needed, and kept in the bundle."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import fake_method
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import f1_score

import brightfield
from brightfield.data.decode import decode
from brightfield.data.load import load
from brightfield.data.masks import read_mask
from brightfield.disk.storage import file_digest
from brightfield.evaluation.run import evaluate
from brightfield.inspector import Inspector
from brightfield.pipeline import pixel_threshold


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[str]:
    with fake_method.registered() as name:
        yield name


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, make_spots: Callable[..., Path]) -> Path:
    folder = tmp_path_factory.mktemp("data") / "parts"
    return make_spots(folder, ("OK", "pit", "dent"), each=24, size=(48, 64), masks=True)


@pytest.fixture(scope="module")
def bundle(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained") / "inspector"
    # at working size pictures keep their own, so that maps and masks need no resizing
    brightfield.train(parts, place, method=fake_method.NAME, calibration=0.5, image_size=64)
    return place


def test_masks_choose_the_greatest_dice(bundle: Path, parts: Path) -> None:
    inspector = brightfield.load(bundle)
    assert isinstance(inspector.method, fake_method.MeanPart)
    assert inspector.pixel_threshold is not None
    heat, truth = [], []
    for sample in load(parts).samples:
        if inspector.splits[file_digest(sample.path)] == "calibration":
            picture = inspector.preprocessing.working(decode(sample.path))
            heat.append(inspector.method.distances(picture))
            truth.append(np.zeros(picture.shape[:2], bool) if sample.mask is None else read_mask(sample.mask))
    values, marked = np.stack(heat).ravel(), np.stack(truth).ravel()
    best = max(f1_score(marked, values >= v) for v in np.quantile(values, np.linspace(0.8, 1, 200)))
    assert f1_score(marked, values >= inspector.pixel_threshold) >= best - 1e-3


def test_figures_are_of_the_masks_that_verdicts_show(bundle: Path, parts: Path) -> None:
    inspector = brightfield.load(bundle)
    found = evaluate(inspector, parts)
    pixel = found.metrics["pixel"]
    assert pixel["threshold"] == inspector.pixel_threshold
    assert set(pixel["per_type"]) == {"pit", "dent"}
    predicted, marked = [], []
    for sample in found.dataset.samples:
        verdict = inspector.inspect(sample.path)
        assert verdict.mask is not None
        predicted.append(verdict.mask)
        marked.append(np.zeros_like(verdict.mask) if sample.mask is None else read_mask(sample.mask))
    dice = f1_score(np.stack(marked).ravel(), np.stack(predicted).ravel())
    assert pixel["dice"] == pytest.approx(dice)
    assert pixel["dice"] > 0.5
    regions = sum(one["regions"] for one in pixel["per_type"].values())
    assert regions == pixel["regions"] > 0


def test_bundles_without_the_key_mask_from_one_in_the_heatmap(
    bundle: Path, parts: Path, tmp_path: Path
) -> None:
    inspector = brightfield.load(bundle)
    assert json.loads((bundle / "manifest.json").read_text())["pixel_threshold"] == inspector.pixel_threshold
    replace(inspector, pixel_threshold=None).save(tmp_path / "older")
    older = brightfield.load(tmp_path / "older")
    assert older.pixel_threshold is None
    verdict = older.inspect(next((parts / "pit").glob("*.png")))
    assert verdict.heatmap is not None
    assert verdict.mask is not None
    assert np.array_equal(verdict.mask, verdict.heatmap >= 1)
    assert not np.array_equal(verdict.mask, inspector.inspect(next((parts / "pit").glob("*.png"))).mask)


def test_few_pictures_are_judged_and_masks_that_do_not_fit_left_out(
    parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(pixel_threshold, "MOST_GOOD", 3)
    monkeypatch.setattr(pixel_threshold, "MOST_MASKED", 4)
    dataset = load(parts)
    Image.new("L", (64, 64), 255).save(tmp_path / "square.png")
    square = tmp_path / "square.png"
    crooked = dataset.subset(replace(s, mask=None if s.mask is None else square) for s in dataset.samples)
    told: list[tuple[str, int, int]] = []
    made = brightfield.train(
        crooked,
        method=fake_method.NAME,
        calibration=0.5,
        image_size=64,
        progress=lambda *report: told.append(report),
    )
    assert [t for t in told if t[0] == "locate"][-1] == ("locate", 7, 7)
    assert caplog.text.count("square.png") == 4
    assert made.pixel_threshold is not None  # of the good ones


def test_attribution_at_its_threshold_is_what_is_counted(spot_inspector: Inspector, spots: Path) -> None:
    assert spot_inspector.pixel_threshold is not None
    found = evaluate(spot_inspector, spots)
    predicted, marked = [], []
    for sample in found.dataset.samples:
        heatmap = spot_inspector.inspect(sample.path).heatmap
        assert heatmap is not None
        predicted.append(heatmap >= np.float32(spot_inspector.pixel_threshold))
        marked.append(np.zeros(heatmap.shape, bool) if sample.mask is None else read_mask(sample.mask))
    dice = f1_score(np.stack(marked).ravel(), np.stack(predicted).ravel())
    assert found.metrics["pixel"]["dice"] == pytest.approx(dice, abs=1e-3)
    unchosen = evaluate(replace(spot_inspector, pixel_threshold=None), spots).metrics["pixel"]
    assert found.metrics["pixel"]["dice"] > unchosen["dice"]
