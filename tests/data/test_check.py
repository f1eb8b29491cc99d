"""What spoils training is found; what does not is only told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.check import CheckReport, Severity, check
from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.data.synthetic import make_parts


@pytest.fixture
def parts(tmp_path: Path) -> Dataset:
    return make_parts(tmp_path / "parts", n_ok=24, n_defect=21, size=(64, 96), defect_px=9, kinds=("pit",))


def kinds(report: CheckReport) -> dict[str, Severity]:
    return {finding.kind: finding.severity for finding in report.findings}


def files(report: CheckReport, kind: str) -> list[tuple[str, ...]]:
    return [finding.files for finding in report.findings if finding.kind == kind]


def with_parts(dataset: Dataset) -> Dataset:
    order = ("train", "train", "calibration", "test")
    return dataset.subset(replace(s, split=order[i % 4]) for i, s in enumerate(dataset.samples))


def test_sound_parts_have_no_findings(parts: Dataset) -> None:
    told: list[str] = []
    report = check(parts, progress=lambda stage, done, total: told.append(stage))
    assert report.findings == ()
    assert not report.spoils_training
    assert report.as_dict()["classes"] == {"OK": 24, "pit": 21}
    assert set(told) == {"scan", "compare", "masks"}
    assert not check(with_parts(parts)).spoils_training


def test_unreadable_files_are_errors(parts: Dataset) -> None:
    broken = parts.samples[3].path
    broken.write_bytes(broken.read_bytes()[:500])
    report = check(parts)
    assert kinds(report)["unreadable"] is Severity.ERROR
    assert files(report, "unreadable") == [("OK/0003.png",)]
    assert report.spoils_training


def test_duplicates_and_contradictions(parts: Dataset) -> None:
    ok, defect = parts.samples[0], parts.samples[-1]
    Image.open(ok.path).save(parts.samples[1].path)
    report = check(parts)
    assert kinds(report)["duplicate"] is Severity.WARNING
    assert files(report, "duplicate") == [("OK/0000.png", "OK/0001.png")]
    assert not report.spoils_training
    Image.open(ok.path).save(defect.path)
    report = check(parts)
    assert kinds(report)["contradiction"] is Severity.ERROR
    assert report.spoils_training


def test_near_duplicates(parts: Dataset) -> None:
    first, second, last = parts.samples[0], parts.samples[1], parts.samples[-1]
    dimmed = Image.fromarray((np.asarray(Image.open(first.path)) * 0.9).astype(np.uint8))
    dimmed.save(second.path)
    assert kinds(check(parts)) == {"near-duplicate": Severity.NOTE}
    dimmed.save(last.path)
    assert kinds(check(parts))["near-contradiction"] is Severity.WARNING


def test_leaks_between_parts(parts: Dataset) -> None:
    split = with_parts(parts)
    dimmed = Image.fromarray((np.asarray(Image.open(split.samples[0].path)) * 0.9).astype(np.uint8))
    dimmed.save(split.samples[3].path)
    report = check(split)
    assert kinds(report)["leak"] is Severity.ERROR
    assert files(report, "leak") == [("OK/0000.png", "OK/0003.png")]


def test_a_group_in_two_parts_is_a_leak(parts: Dataset) -> None:
    split = with_parts(parts)
    grouped = split.subset(
        replace(s, group="screw 7") if i in (4, 7) else s for i, s in enumerate(split.samples)
    )
    report = check(grouped)
    assert [f.message for f in report.findings if f.kind == "leak"] == [
        "pictures of one group (screw 7) in test and train: test figures come out too good; "
        "put them in one split"
    ]


def test_small_classes(tmp_path: Path) -> None:
    few = make_parts(tmp_path / "few", n_ok=10, n_defect=3, size=(64, 96), defect_px=9, kinds=("pit",))
    assert kinds(check(few)) == {"small-class": Severity.WARNING}


def test_no_normal_class(tmp_path: Path) -> None:
    plain = make_parts(
        tmp_path / "p", n_ok=0, n_defect=40, size=(64, 96), defect_px=9, kinds=("pit", "stain")
    )
    assert kinds(check(plain)) == {"no-normal": Severity.NOTE}


def test_a_size_or_format_that_gives_the_class_away(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for label, shape in (("OK", (20, 30)), ("bad", (24, 30, 3))):
        (tmp_path / label).mkdir()
        for i in range(20):
            image = Image.fromarray(rng.integers(0, 256, shape, np.uint8))
            image.save(tmp_path / label / f"{i}.png")
    report = check(load(tmp_path))
    assert kinds(report) == {
        "mixed-modes": Severity.NOTE,
        "mixed-sizes": Severity.NOTE,
        "shortcut": Severity.WARNING,
    }
    assert sum(f.kind == "shortcut" for f in report.findings) == 2


def test_mixed_sizes_alone_are_a_note(parts: Dataset) -> None:
    for sample in (parts.samples[0], parts.samples[-1]):
        Image.open(sample.path).resize((48, 32)).save(sample.path)
    unmasked = parts.subset(replace(s, mask=None) for s in parts.samples)
    assert kinds(check(unmasked)) == {"mixed-sizes": Severity.NOTE}


def test_constant_tiny_and_large_images(parts: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (96, 64)).save(parts.samples[0].path)
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (8, 96, 3), np.uint8)).save(
        parts.samples[1].path
    )
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (90, 96, 3), np.uint8)).save(
        parts.samples[2].path
    )
    monkeypatch.setattr("brightfield.data.check.LARGE_PIXELS", 64 * 96)
    report = check(parts)
    assert files(report, "constant") == [("OK/0000.png",)]
    assert files(report, "tiny") == [("OK/0001.png",)]
    assert files(report, "large") == [("OK/0002.png",)]


def test_masks(parts: Dataset) -> None:
    broken, other_size, empty, without = parts.samples[-4:]
    Path(str(broken.mask)).write_bytes(b"nothing")
    half = np.repeat(np.array([0, 255], np.uint8), 10)[:, None].repeat(20, axis=1)
    Image.fromarray(half).save(str(other_size.mask))
    Image.new("L", (96, 64), 0).save(str(empty.mask))
    samples = [replace(s, mask=None) if s == without else s for s in parts.samples]
    samples[0] = replace(samples[0], mask=parts.samples[30].mask)
    report = check(parts.subset(samples))
    assert kinds(report) == {
        "mask-unreadable": Severity.ERROR,
        "mask-size": Severity.ERROR,
        "mask-on-normal": Severity.WARNING,
        "mask-empty": Severity.WARNING,
        "mask-missing": Severity.NOTE,
    }
    assert files(report, "mask-on-normal") == [("OK/0000.png",)]
    assert files(report, "mask-missing") == [(without.image,)]
