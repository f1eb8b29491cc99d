"""From a folder to an inspector: killed and resumed, refused early, the right class called OK."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import brightfield
from brightfield.bundle import read_bundle
from brightfield.data.load import load as load_dataset
from brightfield.data.split import resplit, split
from brightfield.data.synthetic import make_parts
from brightfield.errors import BundleError, ConfigError, DataError, InputError

SCRIPT = """
import os, signal, sys
from dataclasses import replace
import torch
torch.set_num_threads(1)
import brightfield
from brightfield.learn.recipes import RECIPES, FineTune, TrainHead

data, output, moment, resume, tuned = sys.argv[1:]
tune = FineTune(epochs=3, batch=16, patience=None)
how = tune if tuned == "yes" else TrainHead(folds=5, epochs=6)
recipe = replace(RECIPES["fast"], backbone="test_resnet", how=how)

def die(stage, done, total):
    name, _, number = moment.partition(":")
    if stage == name and done >= int(number):
        os.kill(os.getpid(), signal.SIGKILL)

brightfield.train(
    *(data, output), recipe=recipe, weights="none", image_size=64, calibration=0.3,
    resume=resume == "yes", progress=die,
)
"""


def arguments(script: Path, data: Path, output: Path, moment: str, resume: bool, tuned: bool) -> list[str]:
    flags = ["yes" if flag else "no" for flag in (resume, tuned)]
    return [str(script), str(data), str(output), moment, *flags]


def killed(words: list[str]) -> int:
    """Run the script in a process that dies, and return how."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-W", "ignore", *words]
    return subprocess.run(command, capture_output=True, env=env, check=False).returncode


def to_the_end(words: list[str]) -> None:
    """Run the script here, which is quicker."""
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", words)
        runpy.run_path(words[0])
    torch.set_num_threads(threads)


def figures(bundle: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return what the manifest says, less what a clock or an edit meanwhile decides, and the weights."""
    whole = read_bundle(bundle)
    manifest = {k: v for k, v in whole.manifest.items() if k not in ("files", "sha256")}
    manifest["training"] = {k: v for k, v in manifest["training"].items() if k not in ("seconds", "views")}
    manifest["fingerprints"] = {k: v for k, v in manifest["fingerprints"].items() if k != "code"}
    del manifest["created_with"]["date"]
    return manifest, whole.tensors("weights")


def same(one: Path, two: Path) -> None:
    (manifest, weights), (others, other_weights) = figures(one), figures(two)
    assert manifest == others
    assert weights.keys() == other_weights.keys()
    assert all(np.array_equal(v, other_weights[k]) for k, v in weights.items())


@pytest.fixture(scope="module")
def uninterrupted(
    spots: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[bool], tuple[Path, Path]]:
    """Return what gives the script and what it makes when nobody kills it, tuning or not."""
    folder = tmp_path_factory.mktemp("whole")
    script = folder / "train.py"
    script.write_text(textwrap.dedent(SCRIPT))

    @functools.cache
    def made(tuned: bool) -> tuple[Path, Path]:
        whole = folder / f"whole-{tuned}"
        to_the_end(arguments(script, spots, whole, "never:0", False, tuned))
        return script, whole

    return made


@pytest.mark.parametrize(
    "moment",
    [
        "head:3",
        "fine-tune:2",
        pytest.param("agree:1", marks=pytest.mark.slow),
        pytest.param("compare:50", marks=pytest.mark.slow),
        pytest.param("decode:20", marks=pytest.mark.slow),
        pytest.param("features:1", marks=pytest.mark.slow),
        pytest.param("fine-tune:1", marks=pytest.mark.slow),
        pytest.param("fine-tune:3", marks=pytest.mark.slow),
        pytest.param("score:1", marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed_it_ends_the_same(
    spots: Path, uninterrupted: Callable[[bool], tuple[Path, Path]], tmp_path: Path, moment: str
) -> None:
    tuned = moment.startswith("fine-tune")
    script, whole = uninterrupted(tuned)
    output = tmp_path / "killed"
    assert killed(arguments(script, spots, output, moment, False, tuned)) == -signal.SIGKILL
    assert not output.exists()
    assert (tmp_path / ".killed.training").is_dir()
    to_the_end(arguments(script, spots, output, "never:0", True, tuned))
    same(whole, output)
    assert [p.name for p in tmp_path.iterdir()] == ["killed"], "the workspace is left over"


class StoppedError(Exception):
    pass


def stop_at(stage: str) -> Callable[[str, int, int], None]:
    def tell(name: str, done: int, total: int) -> None:
        if name == stage:
            raise StoppedError

    return tell


@pytest.fixture
def few(tmp_path: Path, make_spots: Any) -> Path:
    return Path(make_spots(tmp_path / "few", each=12))


def quick(data: Path, output: Path | None = None, **more: Any) -> brightfield.Inspector:
    options = {"backbone": "test_resnet", "weights": "none", "image_size": 64, "calibration": 0.3, **more}
    return brightfield.train(data, output, **options)


def test_resuming_something_else_is_refused(few: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "bundle"
    with pytest.raises(StoppedError):
        quick(few, output, progress=stop_at("head"))
    kept = tmp_path / "out" / ".bundle.training"
    assert (kept / "training.json").is_file()
    with pytest.raises(ConfigError, match="--resume: the options are not those"):
        quick(few, output, seed=1, resume=True)
    first = next((few / "OK").iterdir())
    content = first.read_bytes()
    Image.open(next((few / "Defect").iterdir())).save(first)
    with pytest.raises(ConfigError, match="--resume: the data are not those"):
        quick(few, output, resume=True)
    first.write_bytes(content)
    note = kept / "training.json"
    said = note.read_text(encoding="utf-8")
    note.write_text(said.replace('"epochs": 30', '"epochs": 31'), encoding="utf-8")
    with pytest.raises(ConfigError, match="--resume: the settings are not those"):
        quick(few, output, resume=True)  # of a recipe that has changed
    note.write_text(said, encoding="utf-8")
    for file in kept.rglob("*"):
        os.utime(file, (1500.0, 1500.0))
    os.utime(kept / "training.json", (1000.0, 1000.0))  # so that the first run took 500 s
    told: list[str] = []
    made = quick(few, output, resume=True, progress=lambda stage, d, n: told.append(stage))
    assert 500 < made.facts["training"]["seconds"] < 800
    assert "compare" not in told, "looked for near-duplicates again"
    assert "scan" not in told, "planned again"
    assert [p.name for p in output.parent.iterdir()] == ["bundle"]


def test_another_policy_goes_on_from_what_was_learned(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise DataError("no threshold rejects with precision 1")

    output = tmp_path / "out" / "bundle"
    with monkeypatch.context() as patched:
        patched.setattr("brightfield.pipeline.calibrate.choose", refuse)
        with pytest.raises(
            DataError, match=r"no threshold.*What was learned is kept.*promises no rate.*--resume"
        ):
            quick(few, output, policy="precision=1", calibration=None)
    told: list[str] = []
    made = quick(
        few,
        output,
        policy="f1",
        calibration=None,
        resume=True,
        progress=lambda stage, d, n: told.append(stage),
    )
    assert told.count("features") == 1, "looked at everything again"
    assert made.operating_point is not None
    assert made.operating_point.policy == "f1"
    assert [p.name for p in output.parent.iterdir()] == ["bundle"]


def test_a_refused_wish_costs_no_earlier_work(few: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "bundle"
    with pytest.raises(StoppedError):
        quick(few, output, policy="overkill<=0.9@0.5", progress=stop_at("head"))
    kept = tmp_path / "out" / ".bundle.training"
    before = sorted(p.name for p in kept.iterdir())
    with pytest.raises(DataError, match="more"):
        quick(few, output, policy="overkill<=0.001@0.99", resume=True)
    assert sorted(p.name for p in kept.iterdir()) == before
    assert quick(few, output, policy="overkill<=0.8@0.5", resume=True).operating_point is not None


def test_two_trainings_do_not_share_a_place(few: Path, tmp_path: Path) -> None:
    output = tmp_path / "out" / "bundle"

    def another(stage: str, done: int, total: int) -> None:
        if stage == "head":
            with pytest.raises(ConfigError, match="another training is writing"):
                quick(few, output)
            raise StoppedError

    with pytest.raises(StoppedError):
        quick(few, output, progress=another)
    assert (tmp_path / "out" / ".bundle.training" / "training.json").is_file()


def test_leaks_between_given_parts_are_told_of(
    few: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for part, rows in (("train", slice(0, 8)), ("test", slice(8, 12))):
        for name in ("OK", "Defect"):
            for file in sorted((few / name).iterdir())[rows]:
                (tmp_path / "shared_out" / part / name).mkdir(parents=True, exist_ok=True)
                shutil.copy(file, tmp_path / "shared_out" / part / name / file.name)
    trained = sorted((few / "OK").iterdir())[0]
    shutil.copy(trained, tmp_path / "shared_out" / "test" / "OK" / "copy.png")
    inspector = quick(tmp_path / "shared_out")
    assert "2 pictures are nearly the same as one in another split (test and train)" in caplog.text
    assert inspector.splits[hashlib.sha256(trained.read_bytes()).hexdigest()] == "train"


def test_resuming_nothing_starts_anew(few: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    quick(few, tmp_path / "b.bfz", resume=True)
    assert "nothing to resume" in caplog.text
    assert (tmp_path / "b.bfz").is_file()


def test_without_an_output_nothing_is_left(
    few: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "temporary"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    inspector = quick(few)
    assert inspector.inspect(next((few / "OK").iterdir())).decision is not None
    assert not list(place.iterdir())
    with pytest.raises(StoppedError):
        quick(few, progress=stop_at("features"))
    assert not list(place.iterdir())
    with pytest.raises(ConfigError):
        quick(few, policy="f2")
    assert not list(place.iterdir())
    assert sorted(p.name for p in tmp_path.iterdir()) == ["few", "temporary"]


@pytest.mark.parametrize("names", [("OK", "Defect"), ("good", "zbad"), ("pass", "Aaa", "zzz")])
def test_the_defects_probability_is_not_the_good_parts(
    tmp_path: Path, make_spots: Any, names: tuple[str, ...]
) -> None:
    data = make_spots(tmp_path / "data", classes=names, each=30)
    inspector = brightfield.train(data, image_size=64, calibration=0.3)
    assert inspector.normal == names[0]
    assert inspector.classes == names
    found = {
        n: [inspector.inspect(p, explain=False) for p in sorted((data / n).iterdir())[:10]] for n in names
    }
    means = {n: float(np.mean([v.probability for v in verdicts])) for n, verdicts in found.items()}
    assert means[names[0]] < 0.35
    assert all(means[n] > 0.65 for n in names[1:])
    for n, verdicts in found.items():
        assert np.mean([v.label == n for v in verdicts]) >= 0.6
        assert all((v.label == names[0]) == (v.decision == "OK") for v in verdicts)


def test_without_a_normal_class_there_is_no_decision(tmp_path: Path, make_spots: Any) -> None:
    data = make_spots(tmp_path / "data", classes=("bolt", "nut", "washer"), each=30)
    inspector = brightfield.train(data, tmp_path / "b", image_size=64, calibration=0.3)
    assert inspector.operating_point is None
    verdict = brightfield.load(tmp_path / "b").inspect(data / "washer" / "000.png")
    assert verdict.decision is None
    assert verdict.probability is None
    assert verdict.heatmap is not None
    right = [
        inspector.inspect(p, explain=False).label == n
        for n in inspector.classes
        for p in (data / n).glob("00*")
    ]
    assert np.mean(right) > 0.7


def test_deep_grey_and_colour_and_all_sizes_mix(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for kind, name in enumerate(("OK", "NOK")):
        (tmp_path / "mix" / name).mkdir(parents=True)
        for i in range(24):
            h, w = [(64, 96), (40, 40), (150, 60), (30, 200)][i % 4]
            grey = rng.normal(90, 14, (h, w))
            if kind:
                grey[h // 3 : h // 3 + 12, w // 3 : w // 3 + 12] += 110
            grey = grey.clip(0, 255)
            picture = [
                grey.astype(np.uint8),
                np.repeat(grey[..., None], 3, 2).astype(np.uint8),
                (grey * 4095 / 255).astype(np.uint16),
            ][i % 3]
            Image.fromarray(picture).save(tmp_path / "mix" / name / f"{i:02d}.png")
    inspector = quick(tmp_path / "mix", normal="OK")
    assert inspector.preprocessing.bits == 12
    deep, shallow = (inspector.inspect(tmp_path / "mix" / "OK" / f"{i:02d}.png") for i in (2, 0))
    assert deep.heatmap is not None
    assert deep.heatmap.shape == (150, 60)
    assert shallow.decision is not None
    as_eight = inspector.inspect(np.asarray(Image.open(tmp_path / "mix" / "OK" / "02.png")) // 16 * 16)
    assert abs(as_eight.score - deep.score) < 0.2, "two ways to write a white level"


def test_what_would_fail_at_the_end_is_refused_at_once(few: Path, tmp_path: Path) -> None:
    def never(stage: str, done: int, total: int) -> None:
        assert stage not in ("scan", "decode", "features"), "found out too late"

    with pytest.raises(DataError, match="calibration split shows no images.*larger share"):
        quick(few, tmp_path / "refused", calibration=0.0, progress=never)
    assert not list(tmp_path.glob("*refused*")), "nothing is left of what can never go on"
    lopsided = tmp_path / "lopsided"
    for part, name in (
        ("train", "OK"),
        ("train", "Defect"),
        ("val", "OK"),
        ("test", "Defect"),
        ("test", "OK"),
    ):
        (lopsided / part / name).mkdir(parents=True)
        for i in range(4):
            source = sorted((few / name).iterdir())[i + 4 * ("train", "val", "test").index(part)]
            (lopsided / part / name / source.name).write_bytes(source.read_bytes())
    with pytest.raises(DataError, match="calibration split shows OK.*good and defective"):
        quick(lopsided, progress=never)
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.doc").write_text("three years")
    with pytest.raises(BundleError, match="not overwritten"):
        quick(few, taken, progress=never)
    assert (taken / "thesis.doc").read_text() == "three years"


@pytest.mark.parametrize(
    "options",
    [
        {"policy": "f2"},
        {"policy": "recall=0"},
        {"recipe": "fats"},
        {"backbone": "resnet1"},
        {"image_size": 16},
        {"tile": 5},
        {"normal": "Good"},
        {"method": "magic"},
        {"weights": "nowhere.pth"},
    ],
)
def test_wrong_options_cost_nothing(few: Path, tmp_path: Path, options: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=str(next(iter(options.values()))).partition("=")[0]):
        quick(few, tmp_path / "b", **{**options})
    assert sorted(p.name for p in tmp_path.iterdir()) == ["few"]


def test_a_test_image_that_vanishes_meanwhile_costs_no_training(few: Path, tmp_path: Path) -> None:
    data = resplit(load_dataset(few))
    shared_out = split(data, test=0.25, calibration=0.25, seed=0)
    lost = shared_out.split("test").samples[0]

    def lose(stage: str, _done: int, _total: int) -> None:
        if stage == "head":
            lost.path.unlink(missing_ok=True)

    inspector = quick(shared_out, tmp_path / "b", progress=lose)  # type: ignore[arg-type]
    assert len(inspector.splits) == len(data) - 1


def test_sizes_as_asked_for(few: Path) -> None:
    p = quick(few, image_size=96, tile=64).preprocessing
    assert (p.long_side, p.tile, p.overlap) == (96, 64, 8)


def test_the_manifest_says_how_it_was_made(spot_bundle: Path) -> None:
    manifest = read_bundle(spot_bundle).manifest
    assert manifest["training"]["options"]["image_size"] == 96
    assert manifest["training"]["recipe"]["name"] == "fast"
    assert manifest["training"]["history"][0]["epoch"] == 1
    splits = manifest["fingerprints"]["splits"]
    assert sum(n for counts in splits.values() for n in counts.values()) == 80
    assert splits["test"] == {"OK": 8, "Defect": 8}
    assert manifest["agreement"]["pictures"] == sum(splits["calibration"].values())
    assert "Apache-2.0" in manifest["weights_licence"]
    assert len(manifest["fingerprints"]["code"]) == 64
    json.dumps(manifest, allow_nan=False)


@pytest.mark.slow
def test_a_small_defect_in_a_large_picture_is_found_in_tiles(tmp_path: Path) -> None:
    data = make_parts(tmp_path / "parts", n_ok=60, n_defect=60, size=(600, 900), defect_px=12, kinds=("pit",))
    tiled = brightfield.train(data, time_budget=600.0)
    squeezed = brightfield.train(data, image_size=224)
    assert tiled.preprocessing.long_side is None
    found = [brightfield.evaluate(i, data, split="test").metrics for i in (tiled, squeezed)]
    assert found[0]["auroc"] > found[1]["auroc"]
    assert found[0]["auroc"] > 0.8
    assert found[0]["f1"] > found[1]["f1"]


def coloured(folder: Path, each: int = 40) -> Path:
    """Small noisy pictures of three classes that only their colour tells apart; none is a normal class."""
    rng = np.random.default_rng(0)
    for name, colour in (("red", (90, 0, 0)), ("green", (0, 90, 0)), ("blue", (0, 0, 90))):
        (folder / name).mkdir(parents=True)
        for i in range(each):
            noise = rng.integers(0, 160, (30, 24, 3)) + np.array(colour)
            Image.fromarray(noise.astype(np.uint8)).save(folder / name / f"{i}.png")
    return folder


def test_a_small_network_from_scratch(tmp_path: Path) -> None:
    data = coloured(tmp_path / "data")
    bundle = tmp_path / "bundle"
    inspector = brightfield.train(data, bundle, backbone="fast_cnn", calibration=0.2)
    loaded = brightfield.load(bundle)
    assert loaded.method.stored().settings == inspector.method.stored().settings
    for name in ("red", "green", "blue"):
        picture = data / name / "0.png"
        verdict = loaded.inspect(picture)
        assert (verdict.label, verdict.decision) == (name, None)
        assert verdict.heatmap is not None
        assert verdict.heatmap.shape == (30, 24)
        assert verdict.probabilities == inspector.inspect(picture).probabilities
    found = brightfield.evaluate(loaded, data, tmp_path / "report", split="test")
    assert found.metrics["accuracy"] > 0.9
    assert (tmp_path / "report" / "report.html").exists()
    recipe = read_bundle(bundle).manifest["training"]["recipe"]
    assert (recipe["how"]["way"], recipe["how"]["optimiser"]) == ("from-scratch", "muon")


def test_without_a_normal_class_heat_is_one_where_the_class_is_likelier_than_not(tmp_path: Path) -> None:
    data = coloured(tmp_path / "data")
    inspector = brightfield.train(data, backbone="lenet5", calibration=0.2)
    for name in ("red", "green", "blue"):
        for i in range(4):
            verdict = inspector.inspect(data / name / f"{i}.png")
            assert verdict.heatmap is not None
            likely = verdict.probabilities[verdict.label]
            assert float(verdict.heatmap.max()) == pytest.approx(2 * likely, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"policy": "escape<=0.02@0.95"}, "no class is normal.*--normal"),
        ({"image_size": 16}, "--image-size is 16; expected a whole number from 32"),
    ],
)
def test_what_a_network_that_names_classes_cannot_do(
    tmp_path: Path, options: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        brightfield.train(coloured(tmp_path / "data"), backbone="lenet5", **options)  # type: ignore[arg-type]


def test_whole_networks_from_scratch_are_averaged(tmp_path: Path) -> None:
    data = coloured(tmp_path / "data")
    inspector = brightfield.train(data, tmp_path / "bundle", backbone="lenet5", members=2, calibration=0.2)
    assert inspector.method.stored().settings["backbone"]["name"] == "small/lenet5*2"
    loaded = brightfield.load(tmp_path / "bundle")
    for name in ("red", "green", "blue"):
        verdict = loaded.inspect(data / name / "0.png")
        assert verdict.label == name
        assert verdict.heatmap is not None
        assert verdict.probabilities == inspector.inspect(data / name / "0.png").probabilities


def test_training_images_calibrate_out_of_fold(folded_bundle: Path, synthetic_parts: Path) -> None:
    inspector = brightfield.load(folded_bundle)
    assert inspector.out_of_fold
    assert set(inspector.splits.values()) == {"train", "test"}
    point = inspector.operating_point
    assert point is not None
    assert point.n_calibration == len(inspector.reference["labels"])
    assert point.n_calibration == list(inspector.splits.values()).count("train")
    # what an image was given out of fold is not what all members together say of it
    dataset = load_dataset(synthetic_parts)
    trained = [s for s in dataset.samples if inspector.splits[_sha256(s.path)] == "train"]
    scores = np.array([inspector.inspect(s.path, explain=False).score for s in trained])
    apart = inspector.reference_scores.defect
    assert np.abs(scores - apart).min() > 0
    is_defect = np.array([s.label != inspector.normal for s in trained])
    assert (is_defect == (inspector.reference["labels"] != inspector.normal_index)).all()
    # and flatters less
    assert _separation(scores, is_defect) > _separation(apart, is_defect)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _separation(scores: Any, is_defect: Any) -> float:
    return float((scores[is_defect].mean() - scores[~is_defect].mean()) / scores.std())


def test_a_part_is_held_out_for_promises_and_where_asked_for(few: Path, tmp_path: Path) -> None:
    for more in ({"calibration": 0.3}, {"calibration": None, "policy": "overkill<=0.9@0.5"}):
        made = quick(few, None, **more)
        assert not made.out_of_fold
        assert "calibration" in made.splits.values()
    assert quick(few, None, calibration=None).out_of_fold
    own = tmp_path / "own"
    for i, part in enumerate(("train", "val", "test")):
        for name in ("OK", "Defect"):
            (own / part / name).mkdir(parents=True)
            for source in sorted((few / name).iterdir())[4 * i : 4 * i + 4]:
                (own / part / name / source.name).write_bytes(source.read_bytes())
    made = quick(own, None, calibration=None)
    assert not made.out_of_fold
    assert list(made.splits.values()).count("calibration") == 8
