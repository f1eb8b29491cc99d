from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brightfield.data.synthetic import make_parts
from brightfield.errors import DataError
from brightfield.pipeline import label_check
from brightfield.pipeline.label_check import check_labels
from brightfield.pipeline.out_of_fold import OutOfFold, out_of_fold

QUICK = {"backbone": "test_resnet", "weights": "none", "image_size": 64, "epochs": 2}


def test_every_image_is_judged_by_networks_that_have_not_seen_it(tmp_path: Path) -> None:
    parts = make_parts(tmp_path / "parts", n_ok=16, n_defect=12, size=(96, 96), defect_px=16, kinds=("pit",))
    shared_out = parts.subset(
        replace(s, split="test" if i % 4 == 0 else "train") for i, s in enumerate(parts.samples)
    )
    found = out_of_fold(shared_out, folder=tmp_path / "kept", own=QUICK)
    assert [s.image for s in found.data.samples] == [s.image for s in parts.samples], (
        "also those of a test split"
    )
    assert found.probabilities.shape == (28, 2)
    assert found.probabilities.sum(axis=1) == pytest.approx(np.ones(28))
    assert [found.data.classes[i] for i in found.labels] == [s.label for s in parts.samples]
    again = out_of_fold(shared_out, folder=tmp_path / "kept", own=QUICK)
    assert np.array_equal(again.probabilities, found.probabilities)


def test_one_class_alone_cannot_be_checked(tmp_path: Path) -> None:
    parts = make_parts(tmp_path / "parts", n_ok=8, n_defect=4, size=(96, 96), defect_px=16, kinds=("pit",))
    good = replace(
        parts.subset(s for s in parts.samples if s.label == parts.normal), classes=(str(parts.normal),)
    )
    with pytest.raises(DataError, match="one class only"):
        out_of_fold(good, own=QUICK)


def test_doubtful_labels_are_named_with_a_suggestion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = make_parts(tmp_path / "parts", n_ok=30, n_defect=20, size=(96, 96), defect_px=16, kinds=("pit",))
    wrong = {3, 40}
    labels = np.array([int(s.label != parts.normal) for s in parts.samples])
    labels[list(wrong)] = 1 - labels[list(wrong)]
    named = parts.subset(
        replace(s, label=parts.classes[k]) for s, k in zip(parts.samples, labels, strict=True)
    )
    true = np.array([int(s.label != parts.normal) for s in parts.samples])
    p = np.where(true == 1, 0.97, 0.03)

    def judged(*_: object, **__: object) -> OutOfFold:
        return OutOfFold(named, None, np.stack((1 - p, p), axis=1), labels)  # type: ignore[arg-type]

    monkeypatch.setattr(label_check, "out_of_fold", judged)
    report = check_labels(named)
    assert report.expected == pytest.approx(2, abs=0.5)
    assert {doubt.image for doubt in report.doubts} == {parts.samples[i].image for i in wrong}
    assert all(doubt.suggested != doubt.label for doubt in report.doubts)
    assert report.as_dict()["doubts"][0].keys() == {"image", "label", "suggested", "wrong"}
