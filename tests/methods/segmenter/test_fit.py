"""The segmenter from folder to inspector: what it finds, what it says of itself, what it refuses."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.cli.main import main
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.load import load
from brightfield.errors import ConfigError, DataError, MissingPackageError, WeightsError
from brightfield.methods.segmenter.fit import classes_of, notes_of, weak_types
from brightfield.methods.segmenter.fitted import Known, Segmenter
from brightfield.methods.segmenter.learner import SegmenterLearner
from brightfield.methods.segmenter.marks import Marks
from brightfield.methods.segmenter.options import SegmenterOptions, losses_of

QUICK: dict[str, Any] = {
    "method": "segmenter",
    "backbone": "test_efficientnet",
    "weights": "none",
    "epochs": 2,
    "crop": 64,
    "calibration": 0.4,
}
Spots = Callable[..., Path]


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory, make_spots: Spots) -> Path:
    """16 good parts, and as many with a pit and with a larger dent, all with masks; not to be changed."""
    return make_spots(
        tmp_path_factory.mktemp("data") / "parts", ("OK", "pit", "dent"), each=16, size=(63, 97), masks=True
    )


@pytest.fixture
def few(tmp_path: Path, make_spots: Spots) -> Path:
    """12 good and 12 defective parts with masks, which may be changed."""
    return make_spots(tmp_path / "few", ("OK", "pit"), each=12, size=(64, 64), masks=True)


def masks_of(folder: Path, name: str = "pit") -> list[Path]:
    return sorted((folder / "masks" / name).glob("*.png"))


def test_parts_of_several_types(parts: Path, tmp_path: Path) -> None:
    trained = brightfield.train(parts, tmp_path / "i", **{**QUICK, "epochs": 20})
    facts = trained.facts["training"]
    assert facts["types"] == ["dent", "pit"]
    assert facts["parameters"] > 10_000
    assert facts["plan"] == "images of 97 px seen at their own size; 20 epochs on crops of 64 px"
    assert facts["notes"] == [
        f"{facts['notes'][0].split()[0]} masks taught which pixels are defective.",
        "Good parts without a mask were taken as what their label says: no pixel is defective.",
    ]
    assert trained.facts["agreement"]["largest_difference"] < 1e-3
    assert trained.facts["weights_licence"] == "none: trained from random weights (none)"
    inspector = brightfield.load(tmp_path / "i")
    assert isinstance(inspector.method, Segmenter)
    assert inspector.method.known == Known(("dent", "pit"), (1, 2), 3, 0)
    good = [inspector.inspect(i, explain=False).score for i in sorted((parts / "OK").glob("*.png"))]
    named = []
    for name in ("dent", "pit"):
        for image, mask_file in zip(sorted((parts / name).glob("*.png")), masks_of(parts, name), strict=True):
            verdict = inspector.inspect(image)
            assert verdict.score > np.median(good)
            assert sum(verdict.probabilities.values()) == pytest.approx(1)
            assert verdict.heatmap is not None
            assert verdict.heatmap.shape == (63, 97)
            mask = np.asarray(Image.open(mask_file)) > 0
            assert verdict.heatmap[mask].mean() > 3 * verdict.heatmap[~mask].mean()
            named.append(max(("dent", "pit"), key=lambda kind: verdict.probabilities[kind]) == name)
    assert np.mean(named) > 0.7


def test_two_classes_and_a_report(few: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [f"--{name.replace('_', '-')}={value}" for name, value in QUICK.items()]
    assert main(["train", str(few), "-o", str(tmp_path / "i"), *words, "--report", str(tmp_path / "r")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    note = "masks taught which pixels are defective."
    assert note in said
    assert note in (tmp_path / "r" / "report.html").read_text()
    assert main(["evaluate", str(tmp_path / "i"), str(few), "-o", str(tmp_path / "e")]) == 0
    assert note in (tmp_path / "e" / "report.html").read_text()


def test_labels_alone_teach_beside_masks(few: Path) -> None:
    for mask in masks_of(few)[:4]:
        mask.unlink()
    for mask in masks_of(few)[:2]:
        Image.new("L", (64, 64)).save(mask)
    trained = brightfield.train(few, **QUICK)
    masked, weak, good = trained.facts["training"]["notes"]
    counts = [int(note.split()[0]) for note in (masked, weak)]
    in_training = sum(trained.splits.get(_digest(i)) == "train" for i in (few / "pit").glob("*.png"))
    assert sum(counts) == in_training
    assert counts[1] > 0
    assert weak.endswith("their class alone taught, and that their defect is somewhere.")
    assert good.startswith("Good parts without a mask")


def _digest(path: Path) -> str:
    from brightfield.disk.storage import file_digest

    return file_digest(path)


def test_classes_and_types_that_are_never_shown_are_noted(parts: Path) -> None:
    dataset = load(parts)
    only_pits = dataset.subset(replace(s, mask=None) if s.label == "dent" else s for s in dataset.samples)
    notes = brightfield.train(only_pits, **QUICK).facts["training"]["notes"]
    assert notes[-1] == (
        "No mask marks what parts of class dent have: such parts are found as defective, but hardly ever "
        "named so."
    )
    known = Known(("burr", "pit"), (1, 2), 3, 0)
    shown = Marks(True, 0, 0, np.full((2, 2), 2, np.uint8))
    samples = tuple(Sample(str(i), Path(str(i)), label) for i, label in enumerate(("OK", "pit", "dent")))
    train = Dataset("d", samples, ("OK", "dent", "pit"), "OK")
    assert notes_of(train, [Marks(True), shown, Marks(True)], known)[-1] == (
        "No training picture shows burr: nothing was learned of it."
    )
    # the class of a picture without a mask teaches its type too
    assert len(notes_of(train, [Marks(True), shown, Marks(False)], known)) == 3


def test_without_masks_it_is_refused(few: Path) -> None:
    dataset = load(few)
    bare = dataset.subset(replace(s, mask=None) for s in dataset.samples)
    with pytest.raises(DataError, match="no defective picture of the training split has a mask.*data check"):
        brightfield.train(bare, **QUICK)


def test_empty_masks_alone_teach_nothing(few: Path) -> None:
    for mask in masks_of(few):
        Image.new("L", (64, 64)).save(mask)
    with pytest.raises(DataError, match="no mask of the training split marks a pixel; expected white ones"):
        brightfield.train(few, **QUICK)


def test_a_mask_of_another_size_is_refused(few: Path) -> None:
    for mask in masks_of(few):
        Image.new("L", (64, 50), 255).save(mask)
    with pytest.raises(DataError, match=r"the mask of pit/\d+\.png has not its picture's shape"):
        brightfield.train(few, **QUICK)


def test_without_a_normal_class_it_is_refused(few: Path) -> None:
    (few / "OK").rename(few / "dent")
    with pytest.raises(
        DataError, match=r"segmenter tells defective pixels.*\(dent, pit\): name it with --norm"
    ):
        brightfield.train(few, **QUICK)


def test_a_calibration_split_of_one_kind_is_refused(few: Path) -> None:
    dataset = load(few)
    samples = [
        replace(s, split="train" if i % 3 or s.label == "OK" else "calibration")
        for i, s in enumerate(dataset.samples)
    ]
    with pytest.raises(DataError, match="the calibration split shows pit; expected good and defective parts"):
        brightfield.train(dataset.subset(samples), **{**QUICK, "calibration": None})


def test_defective_parts_alone_can_train(few: Path) -> None:
    """Where all good parts calibrate, the good pixels of defective ones tell what is good."""
    dataset = load(few)
    samples = [
        replace(s, split="calibration" if s.label == "OK" or i % 3 == 0 else "train")
        for i, s in enumerate(dataset.samples)
    ]
    trained = brightfield.train(dataset.subset(samples), **{**QUICK, "calibration": None})
    assert trained.facts["training"]["notes"] == ["6 masks taught which pixels are defective."]


def test_too_many_types_are_refused(few: Path) -> None:
    with (few / "masks" / "mask_values.csv").open("w") as file:
        csv.writer(file).writerows([("value", "type"), *((i, f"type {i}") for i in range(1, 256))])
    with pytest.raises(DataError, match="the masks tell 255 defect types apart; expected 254 at most"):
        brightfield.train(few, **QUICK)


@pytest.mark.parametrize("size", [(20, 26), (300, 24)])
def test_pictures_smaller_than_a_piece_and_in_several_pieces(
    make_spots: Spots, tmp_path: Path, size: tuple[int, int]
) -> None:
    folder = make_spots(tmp_path / "small", ("OK", "pit"), each=10, size=size, side=6, masks=True)
    inspector = brightfield.train(folder, **QUICK, tile=64, deepest=32)
    verdict = inspector.inspect(next((folder / "pit").glob("*.png")))
    assert verdict.heatmap is not None
    assert verdict.heatmap.shape == size


def test_deep_grey_pictures(few: Path) -> None:
    for image in [*few.glob("OK/*.png"), *few.glob("pit/*.png")]:
        grey = np.asarray(Image.open(image)).astype(np.uint16) * 16
        Image.fromarray(grey).save(image)
    inspector = brightfield.train(few, **QUICK)
    assert inspector.preprocessing.bits == 12
    assert np.isfinite(inspector.inspect(next((few / "pit").glob("*.png"))).score)


def test_a_region_of_interest(few: Path, tmp_path: Path) -> None:
    mask = np.zeros((64, 64), np.uint8)
    mask[8:56, 4:60] = 255
    mask[8:20, 4:20] = 0
    Image.fromarray(mask).save(tmp_path / "roi.png")
    inspector = brightfield.train(few, **QUICK, roi=str(tmp_path / "roi.png"))
    verdict = inspector.inspect(next((few / "pit").glob("*.png")))
    assert verdict.heatmap is not None
    assert not verdict.heatmap[mask == 0].any()


def test_a_transformer_and_a_network_of_torchvision(few: Path) -> None:
    vit = brightfield.train(few, **{**QUICK, "backbone": "test_vit", "epochs": 1, "crop": None, "tile": 64})
    assert isinstance(vit.method, Segmenter)
    assert vit.method.known.fixed
    assert vit.preprocessing.tile == 64
    options = {**QUICK, "backbone": "torchvision/mobilenet_v3_small", "epochs": 1}
    other = brightfield.train(few, **options)
    assert isinstance(other.method, Segmenter)
    assert not other.method.known.fixed


def test_a_decoder_of_the_library(few: Path) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    options = {**QUICK, "backbone": "test_resnet", "decoder": "fpn", "epochs": 1}
    inspector = brightfield.train(few, **options)
    assert inspector.inspect(next((few / "pit").glob("*.png"))).heatmap is not None


def test_without_the_library_the_line_to_run_is_said(few: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'brightfield\[segmentation\]'"):
        brightfield.train(few, **QUICK, decoder="unet")


def interrupted(folder: Path, output: Path, **options: Any) -> None:
    def stopped(stage: str, done: int, _total: int) -> None:
        if (stage, done) == ("train", 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        brightfield.train(folder, output, **options, progress=stopped)


def test_a_resumed_training_ends_alike_and_other_options_are_refused(few: Path, tmp_path: Path) -> None:
    options = {**QUICK, "epochs": 3}
    whole = brightfield.train(few, tmp_path / "a", **options)
    interrupted(few, tmp_path / "b", **options)
    with pytest.raises(ConfigError, match="--resume: the options are not those of the training"):
        brightfield.train(few, tmp_path / "b", **{**options, "loss": "focal"}, resume=True)
    resumed = brightfield.train(few, tmp_path / "b", **options, resume=True)
    assert resumed.method.stored().networks == whole.method.stored().networks
    assert resumed.operating_point == whole.operating_point


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"loss": "dize"},
            ConfigError,
            "--loss names 'dize'; expected one of cross-entropy.*did you mean dice",
        ),
        ({"loss": "dice+dice"}, ConfigError, "names a loss twice"),
        ({"loss": ""}, ConfigError, "--loss names ''"),
        ({"deepest": 12}, ConfigError, "--deepest is 12; expected 8, 16 or 32"),
        ({"deepest": 4}, ConfigError, "--deepest is 4; expected a whole number from 8 to 32"),
        (
            {"decoder": "unet", "deepest": 8},
            ConfigError,
            "--deepest is of --decoder compact; leave it out with",
        ),
        ({"decoder": "pan"}, ConfigError, "--decoder is 'pan'; expected one of compact, unet"),
        ({"backbone": "test_vit", "deepest": 8}, ConfigError, "has maps of stride 16 only"),
        (
            {"backbone": "test_vit", "crop": 64},
            ConfigError,
            "takes pieces of one size only, 160 px; leave --cr",
        ),
        ({"weights": "nowhere.pth"}, WeightsError, "nowhere.pth' is not a file"),
        ({"time_budget": 0}, ConfigError, "--time-budget is 0; expected a number above 0"),
    ],
)
def test_wrong_options_are_refused(
    few: Path, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        brightfield.train(few, **{**QUICK, **options})


def test_losses_are_named_by_plus() -> None:
    assert losses_of("weighted + dice") == ("weighted", "dice")
    assert losses_of("lovasz") == ("lovasz",)


def test_a_type_has_the_class_of_its_name_or_of_most_of_its_pixels() -> None:
    labels = ("OK", "dent", "pit", "pit")
    samples = tuple(Sample(str(i), Path(str(i)), label) for i, label in enumerate(labels))
    train = Dataset("d", samples, ("OK", "dent", "pit", "rust"), "OK")
    types = ("OK spot", "burr", "dent", "never")
    marks = [
        Marks(True),
        Marks(True, 0, 0, np.array([[1, 1, 2, 3]], np.uint8)),
        Marks(True, 0, 0, np.array([[2, 2, 3, 3]], np.uint8)),
        Marks(True, 0, 0, np.array([[1, 3, 3, 3]], np.uint8)),
    ]
    # "OK spot" has two pixels on a dent and one on a pit, "burr" one and two; no pixel shows the last
    assert classes_of(train, marks, types) == (1, 2, 1, 1)
    # a pit is a burr then; a dent may be several types, and rust is none
    labelled = (*labels, "rust")
    more = tuple(Sample(str(i), Path(str(i)), label) for i, label in enumerate(labelled))
    assert weak_types(Dataset("d", more, train.classes, "OK"), (1, 2, 1, 1)) == [0, 0, 2, 2, 0]


def test_one_process_learns() -> None:
    class Several:
        world = 2

    with pytest.raises(ConfigError, match="segmenter cannot be distributed"):
        SegmenterLearner(SegmenterOptions()).check_processes(Several())
