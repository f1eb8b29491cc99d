"""The autoencoder from folder to inspector: what it finds, what it says of itself, what it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.cli.main import main
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.errors import BundleError, ConfigError
from brightfield.methods.autoencoder import beside, fit
from brightfield.methods.autoencoder.beside import auroc, compare, note_of
from brightfield.methods.autoencoder.fit import gathered
from brightfield.methods.autoencoder.fitted import AutoencoderMethod, load_autoencoder
from brightfield.methods.base import Judgement, Stored

QUICK: dict[str, Any] = {"method": "autoencoder", "image_size": 64, "epochs": 30, "beside": "none"}
RULE = Preprocessing(8, 64, True, 64, 0, (0.5, 0.5, 0.5), (1.0, 1.0, 1.0), square=True)


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, make_spots: Callable[..., Path]) -> Path:
    """30 good parts, and 12 with a pit of 14 px, with masks."""
    place = tmp_path_factory.mktemp("data") / "parts"
    folder = make_spots(place, ("OK", "pit"), each=30, size=(64, 64), side=14, masks=True)
    for image in sorted((folder / "pit").glob("*.png"))[12:]:
        image.unlink()
        (folder / "masks" / "pit" / image.name).unlink()
    return folder


@pytest.fixture(scope="module")
def bundle(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained") / "inspector"
    brightfield.train(parts, place, calibration=0.3, **QUICK)
    return place


def test_what_it_cannot_reconstruct_is_hot(bundle: Path, parts: Path) -> None:
    inspector = brightfield.load(bundle)
    assert isinstance(inspector.method, AutoencoderMethod)
    assert inspector.facts["agreement"]["largest_difference"] < 1e-3
    assert inspector.facts["weights_licence"] == "none: trained from scratch"
    assert inspector.facts["training"]["notes"] == []
    good = [inspector.inspect(i, explain=False).score for i in sorted((parts / "OK").glob("*.png"))]
    for image in sorted((parts / "pit").glob("*.png")):
        verdict = inspector.inspect(image)
        assert verdict.score > max(good)
        mask = np.asarray(Image.open(parts / "masks" / "pit" / image.name)) > 0
        assert verdict.heatmap is not None
        assert verdict.heatmap[mask].mean() > 3 * verdict.heatmap[~mask].mean()


def test_it_says_how_it_compares(
    parts: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(beside.BANK_OPTIONS, backbone="test_resnet", weights="none", bank=100)
    monkeypatch.setattr(beside, "BANK_OPTIONS", small)
    monkeypatch.setattr(fit, "LEAST_PARTS", 2)
    options = ["--method", "autoencoder", "--image-size", "64", "--epochs", "4", "--calibration", "0.3"]
    assert (
        main(["train", str(parts), "-o", str(tmp_path / "i"), *options, "--report", str(tmp_path / "r")]) == 0
    )
    facts = brightfield.load(tmp_path / "i").facts["training"]
    found = facts["beside"]
    assert found["drawn"] == 2 * found["good"] >= 4
    assert 0 <= found["autoencoder"] <= 1
    assert 0 <= found["patchcore"] <= 1
    (note,) = facts["notes"]
    said = " ".join(capsys.readouterr().out.split())
    assert note in said
    assert note in (tmp_path / "r" / "report.html").read_text()
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "i"), str(parts), "-o", str(tmp_path / "e"), "--json"]) == 0
    assert note in (tmp_path / "e" / "report.html").read_text()
    assert json.loads(capsys.readouterr().out)["notes"] is not None


def test_too_few_held_out_parts_are_not_compared(parts: Path) -> None:
    facts = brightfield.train(parts, **{**QUICK, "epochs": 1, "beside": "patchcore"}).facts["training"]
    assert "beside" not in facts
    (note,) = facts["notes"]
    assert "is not known" in note
    assert "brightfield compare" in note


def test_flips_and_tiles(parts: Path) -> None:
    options = {**QUICK, "tile": 64, "image_size": 120, "epochs": 1}
    inspector = brightfield.train(parts, flips="both", **options)
    assert (inspector.preprocessing.tile, inspector.preprocessing.square) == (64, False)
    verdict = inspector.inspect(next((parts / "pit").glob("*.png")))
    assert verdict.heatmap is not None
    assert verdict.heatmap.shape == (64, 64)
    with pytest.raises(ConfigError, match="--flips is 'sideways'"):
        brightfield.train(parts, flips="sideways", **QUICK)


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    assert auroc([1, 2], [3, 4]) == 1
    assert auroc([1, 3], [2, 3]) == pytest.approx((1 + 0 + 1 + 0.5) / 4)


class Changed:
    """Scores a picture by its distance from a good part."""

    def __init__(self, good: np.ndarray[Any, Any], sign: float) -> None:
        self.good, self.sign = good.astype(np.float64), sign

    def judge(self, pictures: Any, *, explain: bool) -> list[Judgement]:
        assert not explain
        return [Judgement(self.sign * float(np.abs(p - self.good).sum()), None, None) for p in pictures]


def test_defects_are_drawn_inside_the_region_alone() -> None:
    mask = np.zeros((64, 64), dtype=np.bool_)
    mask[10:50, 20:60] = True
    rule = Preprocessing(8, None, False, 64, 0, (0.5,) * 3, (1.0,) * 3, region=Region.of(mask))
    good = np.full((40, 40, 3), 120, np.uint8)
    good[::7] = 60
    found = compare(
        {"autoencoder": Changed(good, 1), "patchcore": Changed(good, -1)},  # type: ignore[dict-item]
        [good] * 8,
        rule,
        seed=0,
    )
    assert found == {"autoencoder": 1.0, "patchcore": 0.0, "good": 8, "drawn": 16}
    assert "1.000, more than a small memory bank (patchcore) of the same parts, 0.000" in note_of(found)


def test_of_too_many_tiles_an_even_share_is_kept() -> None:
    pictures = [np.full((64, 64, 3), i, np.uint8) for i in range(50)]
    assert gathered(iter(pictures), RULE, 20)[:, 0, 0, 0].tolist() == list(range(0, 50, 4))
    assert len(gathered(iter(pictures), RULE, 50)) == 50


def test_a_bundle_that_is_not_whole_is_refused(bundle: Path) -> None:
    stored = brightfield.load(bundle).method.stored()
    with pytest.raises(BundleError, match="do not fit its settings"):
        load_autoencoder(Stored({}, {}, stored.settings), RULE, (), None)
    with pytest.raises(BundleError, match="the unit is 0"):
        load_autoencoder(Stored(stored.networks, {}, {**stored.settings, "unit": 0}), RULE, (), None)
