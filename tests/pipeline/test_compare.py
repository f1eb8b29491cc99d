"""Methods compared: trained on one split, judged on the same images."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import fake_method
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

import brightfield
from brightfield.errors import BundleError, ConfigError, DataError, WriteError
from brightfield.evaluation.ranking import Comparison
from brightfield.methods.registry import Entry, register, unregister
from brightfield.pipeline import compare as comparing

OPTIONS = {"backbone": "test_efficientnet", "weights": "none", "image_size": 48}


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[str]:
    with fake_method.registered(beside=["classifier"]) as name:
        yield name


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A method that fails once it is trained."""

    class Failing(fake_method.MeanPartLearner):
        def fit(self, job: object) -> None:
            raise DataError("these parts cannot be learned")

    monkeypatch.setattr(fake_method, "failing", lambda options, _data: Failing(options), raising=False)
    register(
        "failing", Entry("fails", fake_method.ENTRY.options, fake_method.ENTRY.load, "fake_method:failing")
    )
    yield "failing"
    unregister("failing")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, make_spots) -> Path:
    """36 good parts and 24 with a spot, with masks."""
    folder = make_spots(tmp_path_factory.mktemp("data") / "parts", each=36, size=(48, 64), masks=True)
    for image in sorted((folder / "Defect").glob("*.png"))[24:]:
        image.unlink()
        (folder / "masks" / "Defect" / image.name).unlink()
    return folder


@pytest.fixture(scope="module")
def compared(parts: Path, tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return brightfield.compare(parts, tmp_path_factory.mktemp("compared") / "out", **OPTIONS)


@pytest.fixture
def copied(compared: Comparison, tmp_path: Path) -> Path:
    assert compared.output is not None
    return Path(shutil.copytree(compared.output, tmp_path / "out"))


def test_all_are_tested_on_the_same_images(compared: Comparison, parts: Path) -> None:
    assert {c.method for c in compared.contenders} == {"classifier", "mean-part"}
    tested = [c.predictions.images for c in compared.contenders]
    assert tested[0] == tested[1]
    assert len(tested[0]) == 12
    held = [{d for d, s in c.inspector.splits.items() if s == "test"} for c in compared.contenders]
    assert held[0] == held[1]
    assert len(held[0]) == 12
    for contender in compared.contenders:
        defect, scores = contender.predictions.is_defect, contender.predictions.scores
        assert contender.evaluation.metrics["auroc"] == pytest.approx(roc_auc_score(defect, scores))
    values = [s.value for s in compared.standings]
    assert values == sorted(values, reverse=True)
    assert compared.best is compared.contenders[0]
    assert compared.best in compared.no_worse


def test_a_bundle_is_what_train_would_have_made(compared: Comparison, parts: Path, tmp_path: Path) -> None:
    alone = brightfield.train(parts, tmp_path / "i", method="classifier", **OPTIONS)
    of_compare = next(c for c in compared.contenders if c.method == "classifier")
    assert of_compare.bundle is not None
    loaded = brightfield.load(of_compare.bundle)
    assert loaded.splits == alone.splits
    assert loaded.facts["training"]["folds"] == alone.facts["training"]["folds"] > 0
    assert np.allclose(loaded.reference["scores"], alone.reference["scores"])
    assert loaded.facts["metrics"]["auroc"] == of_compare.evaluation.metrics["auroc"]
    assert of_compare.size == sum(file.stat().st_size for file in of_compare.bundle.iterdir())
    again = brightfield.evaluate(of_compare.bundle, parts, split="test")
    assert again.metrics["auroc"] == pytest.approx(of_compare.evaluation.metrics["auroc"])


class Tags(HTMLParser):
    """The tags of a page, and whether they are closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.loaded: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [str(value) for name, value in attrs if name in ("src", "href")]
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def test_what_is_written(compared: Comparison) -> None:
    folder = compared.output
    assert folder is not None
    assert {path.name for path in folder.iterdir()} == {
        *("classifier", "mean-part"),
        *("compare.html", "compare.json", "compare.csv"),
    }
    document = json.loads((folder / "compare.json").read_text())
    assert document["best"] == compared.best.method
    assert document["n"] == 12
    with (folder / "compare.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for row, entry, contender in zip(rows, document["methods"], compared.contenders, strict=True):
        assert row["method"] == entry["method"] == contender.method
        assert float(row["auroc"]) == entry["value"] == contender.evaluation.metrics["auroc"]
        assert float(row["pixel_auroc"]) == contender.evaluation.metrics["pixel"]["auroc"]
        assert int(row["bytes"]) == contender.size
        assert float(row["milliseconds"]) > 0
    page = Tags()
    page.feed((folder / "compare.html").read_text())
    page.close()
    assert page.open == []
    assert [link for link in page.loaded if not link.startswith(("data:image/png", "#"))] == []
    assert document["sentences"][0] in " ".join(page.text.split())
    for name in ("classifier", "mean-part"):
        assert name in page.text


def test_what_is_trained_is_not_trained_again(
    copied: Path, parts: Path, monkeypatch: pytest.MonkeyPatch, compared: Comparison
) -> None:
    shutil.rmtree(copied / "mean-part")
    trained = []

    def counted(*args: object, **options: object) -> object:
        trained.append(Path(str(args[1])).name)
        return train(*args, **options)

    train = comparing.train
    monkeypatch.setattr(comparing, "train", counted)
    again = brightfield.compare(parts, copied, resume=True, **OPTIONS)
    assert trained == ["mean-part"]
    assert [c.method for c in again.contenders] == [c.method for c in compared.contenders]
    assert [s.value for s in again.standings] == pytest.approx([s.value for s in compared.standings])
    seconds = {c.method: c.seconds for c in again.contenders}
    assert seconds["classifier"] == next(c.seconds for c in compared.contenders if c.method == "classifier")


def test_another_training_is_not_resumed(copied: Path, parts: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="classifier was trained with other options; give the same again"):
        brightfield.compare(parts, copied, resume=True, **{**OPTIONS, "image_size": 64})
    more = tmp_path / "more"
    shutil.copytree(parts, more)
    next((more / "OK").glob("*.png")).unlink()
    with pytest.raises(ConfigError, match="other data"):
        brightfield.compare(more, copied, resume=True, **OPTIONS)
    with pytest.raises(ConfigError, match="--resume continues the comparison in a folder"):
        brightfield.compare(parts, resume=True)


def test_one_that_fails_is_left_out(failing: str, parts: Path, tmp_path: Path) -> None:
    found = brightfield.compare(parts, tmp_path / "out", gain=3.0, **OPTIONS)
    assert dict(found.left_out) == {failing: "these parts cannot be learned"}
    assert len(found.contenders) == 2
    document = json.loads((tmp_path / "out" / "compare.json").read_text())
    assert document["left_out"] == [{"method": failing, "reason": "these parts cannot be learned"}]
    assert "these parts cannot be learned" in (tmp_path / "out" / "compare.html").read_text()
    mean = next(c for c in found.contenders if c.method == fake_method.NAME)
    assert mean.inspector.facts["training"]["options"]["gain"] == 3.0  # the method's own option went there
    with pytest.raises(DataError, match=r"only mean-part could be trained.*failing: these parts cannot"):
        brightfield.compare(parts, methods=[fake_method.NAME, failing])


def test_a_full_disk_is_no_fault_of_a_method(parts: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise WriteError("the disk is full")

    monkeypatch.setattr(comparing, "train", full)
    with pytest.raises(WriteError, match="the disk is full"):
        brightfield.compare(parts, **OPTIONS)


def test_what_does_not_apply_is_said(parts: Path, tmp_path: Path) -> None:
    good = tmp_path / "good"
    shutil.copytree(parts / "OK", good / "OK")
    with pytest.raises(
        DataError, match="only mean-part applies to these images.*classifier: .*one class only"
    ):
        brightfield.compare(good)
    with pytest.raises(DataError, match="no test split"):
        brightfield.compare(parts, test=0.0, **OPTIONS)


def test_options_are_checked_first(tmp_path: Path) -> None:
    nowhere = tmp_path / "nowhere"
    for options, said in (
        ({"methods": ["classifier", "patchwork"]}, "'patchwork' is unknown; known are: classifier"),
        ({"methods": ["classifier"]}, "expected two methods at least"),
        ({"method": "classifier"}, "name those to compare with --methods"),
        ({"gian": 3.0}, "unknown option 'gian'"),
        ({"image_size": 7}, "--image-size is 7"),
    ):
        with pytest.raises(ConfigError, match=said):
            brightfield.compare(nowhere, **options)


def test_what_is_no_bundle_is_not_replaced(parts: Path, tmp_path: Path) -> None:
    (tmp_path / "out" / "classifier").mkdir(parents=True)
    (tmp_path / "out" / "classifier" / "thesis.txt").write_text("mine")
    with pytest.raises(BundleError):
        brightfield.compare(parts, tmp_path / "out", **OPTIONS)
    assert (tmp_path / "out" / "classifier" / "thesis.txt").read_text() == "mine"


def test_nothing_is_kept_without_an_output(parts: Path) -> None:
    found = brightfield.compare(parts, **OPTIONS)
    assert found.output is None
    assert [c.bundle for c in found.contenders] == [None, None]
    assert found.best.size > 1000
