"""`brightfield compare`: what it prints, and how it ends."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import fake_method
import pytest

from brightfield.pipeline import compare as comparing

QUICK = ("--backbone", "test_efficientnet", "--weights", "none", "--image-size", "64")


@pytest.fixture(autouse=True)
def registered() -> Iterator[str]:
    with fake_method.registered(beside=["classifier"]) as name:
        yield name


def test_one_document(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    said = brightfield("compare", synthetic_parts, "-o", out, *QUICK, "--json", "--gain", "3")
    assert said.code == 0, said.err
    document = said.document
    methods = {entry["method"]: entry for entry in document["methods"]}
    assert set(methods) == {"classifier", "mean-part"}
    assert methods["mean-part"]["bundle"] == str(out / "mean-part")
    assert methods["classifier"]["folds"] > 0
    assert document["n"] == sum(document["test"].values()) == 8
    assert document["report"] == str(out / "compare.html")
    assert "classifier: decode: 28" in said.err
    assert "mean-part: judge: 8" in said.err

    again = brightfield("compare", synthetic_parts, "-o", out, *QUICK, "--gain", "3", "--resume", "--quiet")
    assert again.code == 0
    assert again.err == ""
    for sentence in document["sentences"][:2]:
        assert sentence in again.out
    for words in ("AUROC", "against the best", "escapes", "overkills", "training", "an image", "bundle"):
        assert words in again.out
    assert again.out.endswith(f"{out / 'compare.html'}\n{out / 'compare.json'}\n{out / 'compare.csv'}\n")

    refused = brightfield("compare", synthetic_parts, "-o", out, *QUICK)
    assert refused.code == 2
    assert "already holds an inspector; add --force" in refused.err
    other = brightfield("compare", synthetic_parts, "-o", out, *QUICK, "--resume")
    assert other.code == 2
    assert f"{out / 'mean-part'} was trained with other options" in other.err


def test_too_few_methods(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    shutil.copytree(synthetic_parts / "OK", good / "OK")
    said = brightfield("compare", good, "--json")
    assert said.code == 2
    assert said.out == ""
    assert "only mean-part applies to these images" in said.err
    assert "classifier: the data set has one class only" in said.err
    for words, wrong in (
        (("--methods", "classifier,patchwork"), "'patchwork' is unknown; known are: classifier, mean-part"),
        (("--methods", "classifier"), "expected two methods at least"),
        (("--policy", "none"), "none"),
        (("--resume",), "name that folder with -o"),
        (("-o", synthetic_parts), "holds the images"),
    ):
        said = brightfield("compare", synthetic_parts, *words)
        assert said.code == 2
        assert wrong in said.err


def test_the_file_of_options_names_no_method(brightfield, synthetic_parts: Path, tmp_path: Path) -> None:
    config = tmp_path / "train.toml"
    config.write_text('method = "classifier"\nseed = 7\n')
    said = brightfield("compare", synthetic_parts, "--config", config)
    assert said.code == 2
    assert "name those to compare with --methods" in said.err


def test_stopped_it_can_be_continued(
    brightfield, synthetic_parts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_args: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(comparing, "train", stop)
    said = brightfield("compare", synthetic_parts, "-o", tmp_path / "out", *QUICK)
    assert said.code == 130
    assert "the same command with --resume continues from here" in said.err
    said = brightfield("compare", synthetic_parts, *QUICK)
    assert "--resume" not in said.err
