"""`data check` says what a training would say, since it asks the same functions."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.data.check import CheckReport
from brightfield.data.dataset import Dataset
from brightfield.data.finding import Severity
from brightfield.data.load import load
from brightfield.data.synthetic import make_parts
from brightfield.errors import DataError
from brightfield.options import TrainOptions
from brightfield.pipeline.check import check_data

CLASSIFIER = TrainOptions(method="classifier")


def kinds(report: CheckReport) -> dict[str, Severity]:
    return {f.kind: f.severity for f in report.findings}


def refusal(dataset: Dataset) -> str:
    """Return what a training says when it refuses a data set."""
    with pytest.raises(DataError) as refused:
        brightfield.train(dataset, method="classifier", weights="none", image_size=32)
    return str(refused.value)


@pytest.fixture
def parts(tmp_path: Path) -> Dataset:
    return make_parts(tmp_path / "both", n_ok=20, n_defect=10, size=(64, 96), defect_px=9, kinds=("pit",))


def test_too_few_of_a_class(tmp_path: Path) -> None:
    few = make_parts(tmp_path / "few", n_ok=10, n_defect=3, size=(64, 96), defect_px=9, kinds=("pit",))
    report = check_data(few, CLASSIFIER)
    assert kinds(report) == {"cannot-train": Severity.ERROR, "small-class": Severity.WARNING}
    assert report.findings[0].message == refusal(few)
    assert "4 are needed" in report.findings[0].message


def test_too_few_groups(tmp_path: Path) -> None:
    """Two lots in the manifest, of which each split would need one: it has failed only in training before."""
    rng = np.random.default_rng(0)
    rows = ["image,label,group"]
    for kind in ("OK", "pit"):
        (tmp_path / kind).mkdir()
        for i in range(8):
            Image.fromarray(rng.integers(0, 256, (32, 32), np.uint8)).save(tmp_path / kind / f"{i}.png")
            rows.append(f"{kind}/{i}.png,{kind},lot {i % 2}")
    (tmp_path / "manifest.csv").write_text("\n".join(rows))
    dataset = load(tmp_path)
    report = check_data(dataset, CLASSIFIER)
    assert report.spoils_training
    assert next(f.message for f in report.findings if f.kind == "cannot-train") == refusal(dataset)


def test_enough_to_train_but_not_to_hold_out(parts: Dataset) -> None:
    few = parts.subset([s for s in parts.samples if s.label == "OK"] + list(parts.samples[-4:]))
    report = check_data(few, CLASSIFIER)
    assert not report.spoils_training
    assert kinds(report)["cannot-hold-out"] is Severity.WARNING


def test_splits_that_lack_a_class(parts: Dataset) -> None:
    lopsided = parts.subset(
        replace(s, split="calibration" if i < 3 else "train" if i % 2 else "test")
        for i, s in enumerate(parts.samples)
    )
    assert (
        kinds(check_data(lopsided, CLASSIFIER))["cannot-train"] is Severity.ERROR
    )  # only good ones calibrate
    as_mvtec = parts.subset(replace(s, split="train" if s.label == "OK" else "test") for s in parts.samples)
    report = check_data(as_mvtec, CLASSIFIER)
    assert "add --resplit" in next(f.message for f in report.findings if f.kind == "cannot-train")


def test_good_parts_alone(tmp_path: Path) -> None:
    good = make_parts(tmp_path / "good", n_ok=20, n_defect=0, size=(64, 96))
    report = check_data(good, CLASSIFIER)
    assert kinds(report) == {"cannot-train": Severity.ERROR}
    assert report.findings[0].message == refusal(good)
    assert "cannot-train" not in kinds(check_data(good)), "auto takes a method that needs no defects"


def test_options_are_asked_too(parts: Dataset) -> None:
    report = check_data(parts, TrainOptions(policy="escape<=0.01@0.95"))
    assert "takes at least 299" in next(f.message for f in report.findings if f.kind == "cannot-train")
