"""`brightfield train`: what it writes, says and refuses."""

from __future__ import annotations

import errno
import logging
import os
import re
import shutil
from pathlib import Path

import pytest

from brightfield.cli.train import _warn
from brightfield.inspector import Inspector
from brightfield.options import make_options
from brightfield.pipeline import train as training

QUICK = ("--backbone", "test_efficientnet", "--weights", "none", "--image-size", "64")


def test_json_of_a_training(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    bundle, report = tmp_path / "deep" / "inspector", tmp_path / "report"
    said = brightfield(
        "train", synthetic_parts, "-o", bundle, *QUICK, "--report", report, "--policy", "recall=0.9", "--json"
    )
    assert said.code == 0
    document = said.document
    assert document["bundle"] == str(bundle)
    assert document["seconds"] > 0
    assert "64 px" in document["plan"]
    assert document["operating_point"]["policy"] == "recall=0.9"
    assert {name: sum(counts.values()) for name, counts in document["splits"].items()} == {
        "train": 28,
        "calibration": 0,
        "test": 8,
    }
    assert document["metrics"]["n"] == 8
    assert document["metrics"]["escape_rate"]["confidence"] == 0.95
    assert document["report"] == str(report / "report.html")
    assert {p.name for p in report.iterdir()} == {"report.html", "metrics.json", "predictions.csv"}
    inspector = Inspector.load(bundle)
    assert inspector.facts["metrics"]["n"] == 8
    assert inspector.facts["metrics"]["auroc"] == document["metrics"]["auroc"]
    assert [p.name for p in bundle.parent.iterdir()] == ["inspector"]  # no workspace is left
    # few defects to calibrate on: said so, on stderr
    assert "the threshold was chosen on only 9 defective parts" in said.err
    assert "warning: " in said.err
    assert "decode: 28" in said.err


def test_figures_for_a_person(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    said = brightfield("train", synthetic_parts, "-o", tmp_path / "i.bfz", *QUICK, "--quiet")
    assert said.code == 0
    assert said.err == ""
    for words in ("test: 5 OK, 3 pit", "escapes", "overkills", "accuracy", "AUROC", "threshold", "95%"):
        assert words in said.out
    assert said.out.endswith(f"inspector: {tmp_path / 'i.bfz'}\n")


def test_without_a_test_part(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    bundle, report = tmp_path / "i", tmp_path / "report"
    options = ("--test", "0", "--calibration", "0.3", "--json", "--report", report)
    said = brightfield("train", synthetic_parts, "-o", bundle, *QUICK, *options)
    assert said.code == 0
    assert said.document["metrics"] is None
    assert said.document["report"] is None
    assert "there is no test split, so there are no figures, and no report" in said.err
    assert not report.exists()


def test_options_given_win_over_the_file(
    brightfield, synthetic_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "train.toml"
    config.write_text('recipe = "best"\nseed = 7\nresplit = true\nweights = "none"\n')
    got = {}

    def stop(_data, _output, options, **_rest) -> None:
        got.update(options.as_dict())
        raise KeyboardInterrupt

    monkeypatch.setattr("brightfield.pipeline.train_and_test.train", stop)
    said = brightfield(
        *("train", synthetic_parts, "-o", tmp_path / "i", "--config", config),
        *(
            "--recipe",
            "fast",
            "--time-budget",
            "9",
            "--tile",
            "128",
            "--backbone",
            "resnet18",
            "--normal",
            "OK",
        ),
    )
    assert said.code == 130
    wanted = {
        "recipe": "fast",
        "seed": 7,
        "resplit": True,
        "weights": "none",
        "time_budget": 9.0,
        "tile": 128,
    }
    assert {name: got[name] for name in wanted} == wanted
    assert (got["backbone"], got["normal"], got["time_budget"]) == ("resnet18", "OK", 9.0)
    assert (got["policy"], got["test"]) == ("auto", 0.2)


def test_force_replaces_an_inspector(brightfield, synthetic_parts: Path, copied_bundle) -> None:
    bundle = copied_bundle()
    before = (bundle / "manifest.json").read_bytes()
    said = brightfield("train", synthetic_parts, "-o", bundle, *QUICK)
    assert said.code == 2
    assert f"{bundle} already holds an inspector; add --force to replace it" in said.err
    assert "decode" not in said.err
    assert (bundle / "manifest.json").read_bytes() == before
    assert brightfield("train", synthetic_parts, "-o", bundle, *QUICK, "--force").code == 0
    assert (bundle / "manifest.json").read_bytes() != before


def test_what_is_no_inspector_is_never_replaced(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "file").write_text("")
    for output, message in (
        (tmp_path / "mine", "not overwritten, as it is not a bundle"),
        (tmp_path / "file" / "inspector", "is a file, so no folder can be created below it"),
        (tmp_path / "file", "expected a folder"),
    ):
        said = brightfield("train", synthetic_parts, "-o", output, *QUICK, "--force")
        assert said.code == 2
        assert message in said.err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    said = brightfield("train", synthetic_parts, "-o", tmp_path / "i", "--report", tmp_path / "file")
    assert said.code == 2
    assert "expected a folder" in said.err


def one_class(folder: Path, parts: Path) -> Path:
    return Path(shutil.copytree(parts / "OK", folder / "good" / "OK")).parent


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            ["--recipe", "fsat"],
            "expected one of fast, best, tutorial; did you mean fast?",
        ),
        (["--policy", "f2"], "policy 'f2' is unknown"),
        (["--policy", "recall=95"], "95% is 0.95"),
        (["--method", "classifier", "--policy", "fixed=1.2"], "out of range"),
        (["--normal", "Good"], "'Good' is not a class of this data set"),
        (["--weights", "gone.pth"], "gone.pth"),
        (["--backbone", "efficientnet_light0"], "efficientnet_light0"),
        (["--backbone", "resnet18"], "no weights for backbone 'resnet18'"),
        (["--image-size", "8"], "--image-size is 8; expected a whole number from 32 to 16384"),
        (["--tile", "8"], "--tile is 8"),
        (["--seed", "-1"], "--seed is -1; expected a whole number from 0 to 2147483647"),
        (["--time-budget", "0"], "--time-budget is 0; expected a number above 0"),
        (["--test", "0.95"], "--test is 0.95; expected a number from 0 to below 0.9"),
        (["--calibration", "0"], "calibration"),
        (["--focal", "9"], "--focal is 9; expected a number from 0 to 5"),
        (["--focal", "much"], "--focal is 'much'; expected a number from 0 to 5"),
        (["--members", "1.5"], "--members is '1.5'; expected a whole number from 1 to 100"),
        (["--mix", "mixpu"], "--mix is 'mixpu'; expected one of none, mixup, cutmix; did you mean mixup?"),
        (["--imbalance", "both"], "--imbalance is 'both'; expected none, one of sampling, loss, adjustment"),
        (["--optimiser", "sgd"], "--optimiser does not go with recipe 'fast'"),
        (["--schedule", "cosine"], "take --recipe tutorial"),
        (["--config", "gone.toml"], "--config gone.toml cannot be read"),
    ],
)
def test_wrong_options(
    brightfield, synthetic_parts: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    said = brightfield("train", synthetic_parts, "-o", tmp_path / "i", *options)
    assert said.code == 2
    assert said.out == ""
    assert message in said.err
    assert "Traceback" not in said.err
    assert not (tmp_path / "i").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("recipee = 'fast'", "unknown option 'recipee' in .*; did you mean recipe?"),
        ("seed = 'one'", "--seed in .* is 'one'; expected a whole number"),
        ("seed =", "is not TOML"),
    ],
)
def test_wrong_configuration(brightfield, tmp_path: Path, text: str, message: str) -> None:
    config = tmp_path / "train.toml"
    config.write_text(text)
    said = brightfield("train", tmp_path, "-o", tmp_path / "i", "--config", config)
    assert said.code == 2
    before, _, after = message.partition(".*")
    assert before in said.err
    assert after in said.err


def test_one_class_only(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    alone = one_class(tmp_path, synthetic_parts)
    said = brightfield("train", alone, "-o", tmp_path / "i", "--method", "classifier", *QUICK)
    assert said.code == 2
    assert "the data set has one class only, 'OK'" in said.err
    assert not (tmp_path / "i").exists()


def test_broken_images_are_named(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(synthetic_parts, tmp_path / "parts"))
    for image in sorted((data / "OK").iterdir())[::2]:
        image.write_bytes(b"no image")
    said = brightfield("train", data, "-o", tmp_path / "i", *QUICK)
    assert said.code == 2
    assert "not an image" in said.err
    assert not (tmp_path / "i").exists()


def test_stopped_and_resumed(
    brightfield, synthetic_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "i"
    words = ("train", synthetic_parts, "-o", bundle, *QUICK, "--json")
    with monkeypatch.context() as patched:
        patched.setattr("brightfield.methods.classifier.fit.fit", raise_interrupt)
        said = brightfield(*words)
    assert (said.code, said.out) == (130, "")
    assert "the same command with --resume continues" in said.err
    assert not bundle.exists()
    other_seed = brightfield(*words, "--resume", "--seed", "3")
    assert other_seed.code == 2
    assert "--resume: the options are not those" in other_seed.err
    resumed = brightfield(*words, "--resume")
    assert resumed.code == 0
    assert [p.name for p in tmp_path.iterdir()] == ["i"]
    straight = brightfield("train", synthetic_parts, "-o", tmp_path / "j", *QUICK, "--json")
    assert resumed.document["metrics"] == straight.document["metrics"]
    assert resumed.document["operating_point"] == straight.document["operating_point"]


def raise_interrupt(*_args: object, **_options: object) -> None:
    raise KeyboardInterrupt


def test_a_full_disk_stops_a_training_that_goes_on_later(
    brightfield, synthetic_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    words = ("train", synthetic_parts, "-o", tmp_path / "i", *QUICK)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        said = brightfield(*words, "--quiet")
    assert (said.code, said.out) == (2, "")
    assert re.fullmatch(
        r"error: cannot write .*/\.i\.training/features: the disk is full; .* are needed, .* are free; "
        r"make room, or choose another place; the same command with --resume continues from here\n",
        said.err,
    )
    said = brightfield(*words, "--resume", "--json")
    assert said.code == 0
    assert "decode" not in said.err  # what was done is not done again
    assert [p.name for p in tmp_path.iterdir()] == ["i"]
    other = brightfield("train", synthetic_parts, "-o", tmp_path / "j", *QUICK, "--json", "--quiet")
    assert {**said.document["metrics"]} == {**other.document["metrics"]}


def test_a_disk_that_is_mounted_full(brightfield, synthetic_parts: Path, small_disk) -> None:
    for size in ("200k", "400k", "1500k"):  # full of pixels, of features, and of the inspector
        place = small_disk(size)
        words = ("train", synthetic_parts, "-o", place / "i", *QUICK, "--quiet", "--resume")
        said = brightfield(*words)
        assert said.code == 2
        assert re.search(
            r"error: cannot write .*: the disk is full; .* are needed, .* are free; .*--resume continues",
            said.err,
        )
    small_disk("100m")
    assert brightfield(*words).code == 0
    assert [p.name for p in place.iterdir()] == ["i"]


def test_a_name_as_long_as_names_can_be(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    bundle = tmp_path / ("n" * 255)
    assert brightfield("train", synthetic_parts, "-o", bundle, *QUICK, "--quiet").code == 0
    assert list(tmp_path.iterdir()) == [bundle]
    said = brightfield("train", synthetic_parts, "-o", tmp_path / ("n" * 256), *QUICK, "--quiet")
    assert said.code == 2
    assert "its path is too long" in said.err


def test_no_report_among_the_images_or_in_the_inspector(
    brightfield, synthetic_parts: Path, tmp_path: Path
) -> None:
    before = sorted(synthetic_parts.iterdir())
    for report in (synthetic_parts, synthetic_parts / "OK", tmp_path / "i", tmp_path / "i" / "report"):
        said = brightfield("train", synthetic_parts, "-o", tmp_path / "i", *QUICK, "--report", report)
        assert (said.code, said.out) == (2, "")
        assert "choose another folder" in said.err
    said = brightfield("train", synthetic_parts, "-o", synthetic_parts, *QUICK)
    assert (said.code, "is not overwritten" in said.err) == (2, True)
    assert sorted(synthetic_parts.iterdir()) == before
    assert list(tmp_path.iterdir()) == []


def test_a_warning_says_how_little_few_defects_prove(
    synthetic_parts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    options = make_options(
        {
            "backbone": "test_efficientnet",
            "weights": "none",
            "image_size": 64,
            "policy": "fixed=0",
            "calibration": 0.15,
        }
    )
    inspector = training.train(synthetic_parts, None, options)
    with caplog.at_level(logging.WARNING):
        _warn(inspector, None, None)
    # 0 of 2 missed: the exact 95% interval ends at 1 - 0.025 ** (1 / 2)
    assert "only 2 defective parts, of which 0 pass: the escape rate may be as high as 84%" in caplog.text
    assert inspector.facts["metrics"] is None


def test_stopped_after_the_training_keeps_the_inspector(
    brightfield, synthetic_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brightfield.pipeline.tested.evaluate", raise_interrupt)
    said = brightfield("train", synthetic_parts, "-o", tmp_path / "i", *QUICK)
    assert said.code == 130
    assert "is complete; brightfield evaluate gives its figures" in said.err
    assert Inspector.load(tmp_path / "i").facts["metrics"] is None


def test_figures_go_where_asked(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    place = f"tensorboard:{tmp_path / 'runs'}"
    said = brightfield("train", synthetic_parts, "-o", tmp_path / "i.bfz", *QUICK, "--log", place, "--quiet")
    assert said.code == 0
    written = b"".join(f.read_bytes() for f in (tmp_path / "runs" / "i").iterdir())
    for name in (b"head/train_loss", b"test/accuracy", b"test/escape_rate", b"options.image_size | 64"):
        assert name in written


def test_a_place_for_figures_that_is_none(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    said = brightfield("train", synthetic_parts, "-o", tmp_path / "i", *QUICK, "--log", "wandb")
    assert said.code == 2
    assert "--log 'wandb' names no tracker" in said.err


def test_a_false_alarm_is_taken_in(
    brightfield, memory_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    (tmp_path / "alarm" / "OK").mkdir(parents=True)
    shutil.copy(synthetic_parts / "masks" / "pit" / "0024.png", tmp_path / "alarm" / "OK" / "odd.png")
    words = ("train", tmp_path / "alarm", "-o", tmp_path / "new", "--from", memory_bundle)
    said = brightfield(*words)
    assert said.code == 0, said.err
    assert "1 new good part taken in: " in said.out
    assert "updated in " in said.out
    assert "nothing that was promised holds" in said.err
    again = brightfield(*words, "--force", "--json", "--quiet")
    assert again.document["update"]["good_parts_added"] == 1
    assert again.document["metrics"] is None
    assert brightfield(*words, "--force", "--resume").code == 2


def test_the_flow_of_a_fusion_stays(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    tiny = ("--backbone", "test_efficientnet", "--weights", "none", "--image-size", "64")
    said = brightfield(
        *("train", synthetic_parts, "-o", tmp_path / "fusion", "--method", "fusion", "--bank", "150"),
        *(*tiny, "--flow-epochs", "1", "--quiet"),
    )
    assert said.code == 0, said.err
    (tmp_path / "alarm" / "OK").mkdir(parents=True)
    shutil.copy(synthetic_parts / "masks" / "pit" / "0024.png", tmp_path / "alarm" / "OK" / "odd.png")
    said = brightfield("train", tmp_path / "alarm", "-o", tmp_path / "new", "--from", tmp_path / "fusion")
    assert said.code == 0, said.err
    assert "the flow stays as it was trained; calibrated as before" in " ".join(said.out.split())
    models = [Inspector.load(tmp_path / name).method.stored().networks for name in ("fusion", "new")]
    assert models[0] == models[1]
