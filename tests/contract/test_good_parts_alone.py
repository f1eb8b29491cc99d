"""A method that no line in src knows, from good parts alone, through everything: commands and functions."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fake_method
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from sklearn.metrics import roc_auc_score

import brightfield
from brightfield.cli.main import main
from brightfield.data.load import load as load_dataset
from brightfield.decide.calibration import Conformal, score_at
from brightfield.decide.curves import Platt
from brightfield.disk.storage import file_digest
from brightfield.errors import ConfigError, DataError
from brightfield.methods.registry import METHODS
from brightfield.options import make_options
from brightfield.pipeline.choice import choose_method
from brightfield.pipeline.train import train
from brightfield.pipeline.train_and_test import train_and_test
from brightfield.verdict import Scale

Run = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[str]:
    with fake_method.registered() as name:
        yield name


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, make_spots: Callable[..., Path]) -> Path:
    """48 good parts, and 10 with a pit, in class folders."""
    folder = make_spots(tmp_path_factory.mktemp("data") / "parts", ("OK", "pit"), each=48, size=(48, 64))
    for image in sorted((folder / "pit").glob("*.png"))[10:]:
        image.unlink()
    return folder


@pytest.fixture(scope="module")
def good(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The good ones alone."""
    folder = tmp_path_factory.mktemp("good") / "parts"
    shutil.copytree(parts / "OK", folder / "OK")
    return folder


@pytest.fixture(scope="module")
def bundle(good: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("trained") / "inspector"
    brightfield.train(good, place, method=fake_method.NAME, calibration=0.5, gain=3.0)
    return place


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*words: object, code: int = 0) -> dict[str, Any]:
        capsys.readouterr()
        assert main([*(str(w) for w in words), "--json"]) == code, capsys.readouterr().err
        out = capsys.readouterr().out.splitlines()
        return dict(json.loads(out[0])) if len(out) == 1 else {"lines": [json.loads(line) for line in out]}

    return call


def test_good_parts_alone_choose_a_method_that_needs_no_others(good: Path) -> None:
    assert METHODS[choose_method(load_dataset(good), make_options({})).method].good_parts_alone


def test_what_is_learned_from_good_parts_alone(good: Path, bundle: Path) -> None:
    inspector = brightfield.load(bundle)
    assert inspector.method.name == fake_method.NAME
    assert inspector.classes == ("OK",)
    assert isinstance(inspector.calibrator, Conformal)
    assert inspector.operating_point is not None
    assert inspector.operating_point.scale is Scale.P_VALUE
    assert inspector.facts["training"]["options"]["gain"] == 3.0
    assert inspector.facts["agreement"]["largest_difference"] < 1e-3
    with pytest.raises(DataError, match="one class only"):
        brightfield.train(good, method="classifier", weights="none")


def test_the_default_threshold_rejects_what_is_more_unusual_than_the_good_ones(bundle: Path) -> None:
    inspector = brightfield.load(bundle)
    assert isinstance(inspector.calibrator, Conformal)
    good_scores = np.sort(inspector.reference["scores"])
    assert np.allclose(inspector.calibrator.good, good_scores)
    # fewer than 29 good parts, which prove no bound: the smallest share that they can show
    assert inspector.operating_point is not None
    assert len(good_scores) == 19
    assert inspector.operating_point.threshold == pytest.approx(1 / 20)


def test_by_default_the_smallest_overkill_that_is_proven_is_promised(
    parts: Path, good: Path, run: Run, tmp_path: Path
) -> None:
    said = run(
        *("train", good, "-o", tmp_path / "i", "--method", fake_method.NAME),
        *("--test", "0", "--calibration", "0.625", "--quiet"),
    )
    point = said["operating_point"]
    assert (point["policy"], point["scale"], point["n_calibration"]) == ("overkill<=0.1@0.95", "score", 30)
    (promised,) = point["guarantees"]
    assert (promised["kind"], promised["bound"], promised["n"], promised["errors"]) == (
        "overkill",
        0.1,
        30,
        0,
    )
    assert "at most 10% of all good parts are rejected" in said["promises"][0]
    assert "59 would prove 5%" in said["promises"][1]
    assert any("escape rate is unknown" in sentence for sentence in said["promises"])
    assert any("not the probability" in sentence for sentence in said["promises"])
    inspector = brightfield.load(tmp_path / "i")
    assert inspector.operating_point is not None
    assert inspector.operating_point.as_dict() == point
    for image in sorted((parts / "pit").glob("*.png"))[:3]:
        verdict = inspector.inspect(image)
        assert verdict.probability is None
        assert verdict.p_value is not None
        assert (verdict.scale, verdict.threshold) == (Scale.SCORE, point["threshold"])
        assert (verdict.decision == "DEFECT") == (verdict.score >= point["threshold"])
        # of these good parts none is rejected: on the p-value that is the least there can be
        assert (verdict.decision == "DEFECT") == (verdict.p_value <= 1 / 31)
    again = run("threshold", tmp_path / "i", good, "--policy", "auto", "-o", tmp_path / "again")
    assert (again["after"], again["promises"]) == (point, said["promises"])
    run("evaluate", tmp_path / "i", parts, "--split", "all", "-o", tmp_path / "r")
    page = (tmp_path / "r" / "report.html").read_text()
    assert "59 would prove 5%" in page
    assert "not the probability" in page


def with_defects(parts: Path, n: int, folder: Path) -> Path:
    """Return a folder of all good parts and so many with a pit."""
    shutil.copytree(parts / "OK", folder / "OK")
    (folder / "pit").mkdir()
    for image in sorted((parts / "pit").glob("*.png"))[:n]:
        shutil.copy(image, folder / "pit")
    return folder


def test_few_known_defects_are_counted_and_calibrate_no_probability(
    parts: Path, run: Run, tmp_path: Path
) -> None:
    data = with_defects(parts, 3, tmp_path / "parts")
    said = run(
        *(
            "train",
            data,
            "-o",
            tmp_path / "i",
            "--method",
            fake_method.NAME,
            "--calibration",
            "0.8",
            "--quiet",
        )
    )
    assert said["splits"]["calibration"] == {"OK": 30, "pit": 3}
    assert said["splits"]["train"]["pit"] == said["splits"]["test"]["pit"] == 0
    point = said["operating_point"]
    assert (point["policy"], point["scale"], point["n_defect"]) == ("overkill<=0.1@0.95", "score", 3)
    assert any("Of the 3 known defective parts that it was counted on" in s for s in said["promises"])
    inspector = brightfield.load(tmp_path / "i")
    assert isinstance(inspector.calibrator, Conformal)
    assert len(inspector.calibrator.good) == 30
    verdict = inspector.inspect(next((data / "pit").glob("*.png")))
    assert (verdict.probability, verdict.label) in {(None, "pit"), (None, "OK")}


def test_new_defects_choose_where_they_are_asked_for(
    bundle: Path, parts: Path, run: Run, tmp_path: Path
) -> None:
    copied = tmp_path / "i"
    run("threshold", bundle, parts, "--policy", "escape<=0.3@0.9", "-o", copied, code=2)
    said = run("threshold", bundle, parts, "--policy", "auto", "-o", copied)
    assert any(
        "10 images that are new to the inspector are not used: --split all" in n for n in said["notes"]
    )
    said = run("threshold", copied, parts, "--policy", "escape<=0.3@0.9", "--split", "all")
    assert (said["after"]["scale"], said["after"]["n_defect"]) == ("score", 10)
    assert said["after"]["guarantees"][0]["kind"] == "escape"
    assert "at most 30% of all defective parts are passed" in said["promises"][0]
    assert run("threshold", copied, parts, "--policy", "auto", "--split", "all")["after"]["policy"] == "f1"


def test_defects_in_the_test_split_are_judged(parts: Path, run: Run, tmp_path: Path) -> None:
    """As MVTec lays it out: good parts train, both are tested."""
    for i, image in enumerate(sorted((parts / "OK").glob("*.png"))):
        place = tmp_path / "mvtec" / ("train" if i < 36 else "test") / "good"
        place.mkdir(parents=True, exist_ok=True)
        shutil.copy(image, place)
    shutil.copytree(parts / "pit", tmp_path / "mvtec" / "test" / "pit")
    said = run(
        *("train", tmp_path / "mvtec", "-o", tmp_path / "i", "--method", fake_method.NAME),
        *("--calibration", "0.4", "--report", tmp_path / "r", "--policy", "overkill=0.1", "--quiet"),
    )
    assert said["operating_point"]["scale"] == "p_value"
    assert said["metrics"]["n_defect"] == 10
    with (tmp_path / "r" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    truth = [row["truth"] != "good" for row in rows]
    assert said["metrics"]["auroc"] == pytest.approx(roc_auc_score(truth, [float(r["score"]) for r in rows]))
    assert all(row["probability"] == "" and 0 < float(row["p_value"]) <= 1 for row in rows)
    rejected = [float(row["p_value"]) <= float(row["threshold"]) for row in rows]
    assert [row["decision"] == "DEFECT" for row in rows] == rejected
    page = (tmp_path / "r" / "report.html").read_text()
    assert "p-value" in page
    assert fake_method.NAME in page


def test_thresholds_are_chosen_again_on_scores(bundle: Path, parts: Path, run: Run, tmp_path: Path) -> None:
    copied = tmp_path / "i"
    said = run("threshold", bundle, parts, "--policy", "overkill<=0.2@0.9", "-o", copied)
    point = brightfield.load(copied).operating_point
    assert point is not None
    assert point.scale is Scale.SCORE
    assert said["after"]["guarantees"][0]["bound"] == 0.2
    assert any("at most 20%" in sentence for sentence in said["promises"])
    said = run("threshold", copied, parts, "--policy", "recall=0.9", "--split", "all")
    assert said["after"]["scale"] == "score"
    assert said["after"]["escapes"] <= 1
    report = run("evaluate", copied, parts, "--split", "all", "-o", tmp_path / "r")
    assert report["recall"] >= 0.9
    assert (tmp_path / "r" / "report.html").exists()


def test_inspecting_writes_evidence_and_masks(bundle: Path, parts: Path, run: Run, tmp_path: Path) -> None:
    images = sorted((parts / "pit").glob("*.png"))[:3]
    inspector = brightfield.load(bundle)
    assert inspector.operating_point is not None
    own, bound = inspector.pixel_threshold, score_at(inspector.calibrator, inspector.operating_point)
    assert own is not None
    lines = run("inspect", bundle, *images, "-o", tmp_path / "o", "--overlay")["lines"]
    for image, line in zip(images, lines, strict=True):
        assert line["image"] == str(image)
        assert line["probability"] is None
        assert line["method"] == fake_method.NAME
        with Image.open(line["heatmap"]) as heat, Image.open(line["mask"]) as mask, Image.open(image) as part:
            assert heat.size == mask.size == part.size
            hot, masked = np.asarray(heat) / 1000 * bound, np.asarray(mask) > 0
        assert hot[masked].min() > own - 1e-3 * bound
        assert hot[~masked].max() < own + 1e-3 * bound
    assert len(list((tmp_path / "o").glob("*.overlay.png"))) == 3
    run("inspect", bundle, images[0], "--threshold", "2", code=2)
    run("inspect", bundle, images[0], "--interval", code=2)


def test_masks_stay_where_they_are_at_another_threshold(
    bundle: Path, parts: Path, good: Path, run: Run, tmp_path: Path
) -> None:
    inspector = brightfield.load(bundle)
    assert isinstance(inspector.method, fake_method.MeanPart)
    calibrated = [i for i in good.rglob("*.png") if inspector.splits[file_digest(i)] == "calibration"]
    working = [inspector.preprocessing.working(np.array(Image.open(i))) for i in calibrated]
    heat = np.array([inspector.method.distances(w) for w in working])
    assert len(heat) == len(inspector.reference["scores"])
    assert (heat >= inspector.pixel_threshold).mean() == pytest.approx(0.005, rel=0.05)
    run("threshold", bundle, parts, "--policy", "overkill=0.3", "--split", "all", "-o", tmp_path / "i")
    moved = brightfield.load(tmp_path / "i")
    assert moved.pixel_threshold == inspector.pixel_threshold
    image = next((parts / "pit").glob("*.png"))
    before, after = inspector.inspect(image), moved.inspect(image)
    assert not np.array_equal(before.heatmap, after.heatmap)
    assert before.mask is not None
    assert before.mask.any()
    assert np.array_equal(before.mask, after.mask)
    assert np.array_equal(before.mask, inspector.inspect(image, threshold=1.0).mask)


def test_what_good_parts_alone_cannot_do_is_refused(good: Path, tmp_path: Path) -> None:
    for policy, said in (("recall=0.9", "overkill"), ("escape<=0.1", "overkill"), ("f1", "overkill")):
        with pytest.raises(DataError, match=said):
            brightfield.train(good, tmp_path / "i", method=fake_method.NAME, policy=policy, calibration=0.5)
    with pytest.raises(ConfigError, match="no option of the method mean-part, but of classifier"):
        brightfield.train(good, method=fake_method.NAME, backbone="resnet18")
    with pytest.raises(ConfigError, match="--gain is -1"):
        brightfield.train(good, method=fake_method.NAME, gain=-1.0)


def test_its_options_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--help"]) == 0
    said = capsys.readouterr().out
    assert f"options of the method {fake_method.NAME}" in said
    assert "--gain G" in said
    assert "options of several methods" in said  # --image-size is the classifier's too


def test_good_and_defective_parts_give_it_probabilities(
    make_spots: Callable[..., Path], tmp_path: Path
) -> None:
    parts = make_spots(tmp_path / "parts", ("OK", "pit"), each=16, size=(48, 64))
    tested = train_and_test(
        parts,
        tmp_path / "i",
        make_options({"method": fake_method.NAME, "calibration": 0.4}),
        report=tmp_path / "r",
    )
    assert tested.evaluation is not None
    point = tested.inspector.operating_point
    assert point is not None
    assert (point.scale, point.policy) == (Scale.PROBABILITY, "f1")
    splits = tested.inspector.facts["fingerprints"]["splits"]
    assert splits["train"]["pit"] == 0, "it learns nothing from them"
    assert splits["calibration"]["pit"] + splits["test"]["pit"] == 16
    assert point.n_defect == splits["calibration"]["pit"] >= 10
    assert isinstance(tested.inspector.calibrator, Platt)
    promised = brightfield.train(
        parts, method=fake_method.NAME, calibration=0.4, policy="escape<=0.3@0.9"
    ).operating_point
    assert promised is not None
    assert (promised.guarantees[0].kind, promised.guarantees[0].n) == ("escape", point.n_defect)
    assert tested.evaluation.metrics["ece"] is not None
    verdict = tested.inspector.inspect(next((parts / "pit").glob("*.png")))
    assert verdict.probability is not None
    assert verdict.heatmap is not None
    assert (verdict.heatmap.max() >= 1) == (verdict.decision != "OK")


SMALL: dict[str, dict[str, Any]] = {
    fake_method.NAME: {},
    "patchcore": {"backbone": "test_resnet", "weights": "none", "image_size": 64, "bank": 80},
    "flow": {"backbone": "test_resnet", "weights": "none", "image_size": 64, "flow_epochs": 2},
    "fusion": {"backbone": "test_resnet", "weights": "none", "image_size": 64, "bank": 80, "flow_epochs": 2},
    "autoencoder": {"image_size": 64, "epochs": 80, "beside": "none"},
}
"""Every method that learns from good parts alone, as small as it can be."""

BLACK, NOISE = np.zeros((60, 80), np.uint8), np.random.default_rng(5).integers(0, 256, (60, 80), np.uint8)


def same_pictures(folder: Path, picture: npt.NDArray[np.uint8], count: int) -> Path:
    """Write a class folder of good parts that are all this picture."""
    (folder / "OK").mkdir(parents=True)
    for i in range(count):
        Image.fromarray(picture).save(folder / "OK" / f"{i:02d}.png")
    return folder


def test_the_list_has_every_method() -> None:
    assert {name for name, entry in METHODS.items() if entry.good_parts_alone} == set(SMALL)


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("count", [1, 2])
def test_one_or_two_good_parts_are_refused(name: str, count: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(count)
    (tmp_path / "parts" / "OK").mkdir(parents=True)
    for i in range(count):
        Image.fromarray(rng.integers(0, 256, (60, 80), np.uint8)).save(tmp_path / "parts" / "OK" / f"{i}.png")
    with pytest.raises(DataError, match=f"'OK' has {count} image.* 4 are needed"):
        brightfield.train(tmp_path / "parts", method=name, **SMALL[name])
    with pytest.raises(DataError, match=r"split holds (\d|no) good part"):
        brightfield.train(tmp_path / "parts", method=name, test=0.0, **SMALL[name])


@pytest.mark.parametrize("name", SMALL)
def test_copies_of_one_picture_are_refused(name: str, tmp_path: Path) -> None:
    """They must stay in one split, so none is left to calibrate on."""
    parts = same_pictures(tmp_path / "parts", BLACK, 12)
    with pytest.raises(DataError, match="1 groups of images that must stay together"):
        brightfield.train(parts, method=name, **SMALL[name])


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("picture", [BLACK, NOISE], ids=["black", "noise"])
def test_good_parts_that_are_all_the_same(name: str, picture: npt.NDArray[np.uint8], tmp_path: Path) -> None:
    """As where a data set has splits of its own, which may hold copies."""
    parts = same_pictures(tmp_path / "parts", picture, 12)
    train(
        parts,
        tmp_path / "i",
        make_options({"method": name, **SMALL[name]}),
        duplicates=np.arange(12),
    )
    inspector = brightfield.load(tmp_path / "i")
    assert np.isfinite(inspector.reference["scores"]).all()
    copies = [inspector.inspect(picture), *inspector.inspect_many([picture] * 5)]
    assert {str(verdict.decision) for verdict in copies} == {"OK"}
    assert copies[0].heatmap is not None
    assert float(copies[0].heatmap.max()) < 1
    changed = picture.copy()
    changed[20:40, 30:50] = 200
    for other in (changed, np.full_like(picture, 9)):
        verdict = inspector.inspect(other)
        assert verdict.decision == "DEFECT"
        assert verdict.heatmap is not None
        assert np.isfinite(verdict.heatmap).all()
        assert float(verdict.heatmap.max()) >= 1
