"""Retraining from folder to bundle: what teaches, what is accepted and what refused, and what is said."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

import brightfield
from brightfield.data.synthetic import make_parts
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.gate import Demands
from brightfield.evaluation.predictions import Predictions
from brightfield.inspector import Inspector
from brightfield.pipeline.lineage import created, generation
from brightfield.pipeline.retrain import Asked, Retrained, on_swapped_labels, retrain


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def new_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 20 good parts and 10 with a pit that no inspector knows, with who judged them."""
    folder = tmp_path_factory.mktemp("line") / "judged"
    made = make_parts(folder, n_ok=20, n_defect=10, size=(96, 128), defect_px=18, kinds=("pit",), seed=9)
    rows = [f"{s.image},{s.label},anna,2026-03-0{1 + i % 3},review" for i, s in enumerate(made.samples)]
    (folder / "manifest.csv").write_text("\n".join(["image,label,judged_by,judged_at,source", *rows]) + "\n")
    return folder


@pytest.fixture(scope="module")
def features(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("features")


@pytest.fixture(scope="module")
def done(
    folded_bundle: Path, new_parts: Path, features: Path, tmp_path_factory: pytest.TempPathFactory
) -> Retrained:
    """A classifier's successor, accepted with a margin that leaves room for anything."""
    output = tmp_path_factory.mktemp("successor") / "second"
    asked = Asked(demands=Demands(margin=0.9), kept_features=features)
    return retrain(folded_bundle, new_parts, output, asked)


def test_what_was_held_out_never_teaches(done: Retrained, folded_bundle: Path, new_parts: Path) -> None:
    before, after = Inspector.load(folded_bundle), Inspector.load(done.bundle or "")
    assert {k: after.splits[k] for k in before.splits} == before.splits
    new = {digest(p) for p in new_parts.rglob("*.png") if "masks" not in p.parts}
    counts = Counter(after.splits[k] for k in new)
    assert counts == {"train": 24, "test": 6}
    assert done.gate.n == list(before.splits.values()).count("test") + 6
    assert after.facts["training"]["options"]["method"] == "classifier"
    assert after.preprocessing == before.preprocessing


def test_lineage(done: Retrained, folded_bundle: Path) -> None:
    manifest = json.loads(((done.bundle or Path()) / "manifest.json").read_text())
    (step,) = manifest["training"]["lineage"]
    parent = json.loads((folded_bundle / "manifest.json").read_text())
    assert step["parent"] == parent["sha256"]
    assert step["parent_name"] == folded_bundle.name
    assert step["parent_created"] == parent["created_with"]["date"] == created(done.parent.facts)
    assert (step["kind"], step["how"], step["generation"]) == ("retrain", "trained", 2)
    assert step["new"] == {"test": {"OK": 4, "pit": 2}, "train": {"OK": 16, "pit": 8}}
    assert step["judged"]["people"]["anna"] == {
        "labels": {"OK": 20, "pit": 10},
        "first": "2026-03-01",
        "last": "2026-03-03",
    }
    assert step["gate"]["accepted"] is True
    assert step["gate"]["checks"]["escape_rate"]["after"] == manifest["metrics"]["escape_rate"]["value"]
    assert generation(manifest) == 2
    assert created(manifest) == step["at"]
    assert len(manifest["fingerprints"]["data_places"]) == 2
    assert done.inspector.sha256 == manifest["sha256"]


def test_figures_of_old_and_new_pictures(done: Retrained) -> None:
    assert done.by_origin["new"].n == 6
    assert done.by_origin["old"].n == done.gate.n - 6
    assert set(done.by_origin) == {"old", "new"}


def test_features_of_known_pictures_are_not_computed_again(
    done: Retrained, new_parts: Path, features: Path, tmp_path: Path
) -> None:
    assert done.step["kept_features"] == 0
    few = tmp_path / "few"
    made = make_parts(few, n_ok=4, n_defect=0, size=(96, 128), defect_px=18, kinds=("pit",), seed=3)
    assert len(made) == 4
    (few / "manifest.csv").unlink()
    asked = Asked(demands=Demands(margin=0.9), kept_features=features)
    third = retrain(done.bundle or "", few, tmp_path / "third.bfz", asked)
    trained = Counter(third.inspector.splits.values())["train"]
    assert third.step["kept_features"] == Counter(done.inspector.splits.values())["train"]
    assert trained == third.step["kept_features"] + third.step["new"]["train"]["OK"]
    steps = Inspector.load(tmp_path / "third.bfz").facts["training"]["lineage"]
    assert [step["generation"] for step in steps] == [2, 3]
    assert steps[1]["parent"] == done.inspector.sha256


def test_a_worse_successor_is_refused_and_kept_elsewhere_only(
    folded_bundle: Path, new_parts: Path, features: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    before = Inspector.load(folded_bundle)
    golden = tmp_path / "golden" / "pit"
    golden.mkdir(parents=True)
    caught = [
        p
        for p in sorted((synthetic_parts / "pit").iterdir())
        if str(before.inspect(p, explain=False).decision) == "DEFECT"
    ][:3]
    for picture in caught:
        shutil.copy(picture, golden)
    asked = Asked(
        golden=tmp_path / "golden",
        changed={"policy": "fixed=1"},  # nothing is rejected
        kept_features=features,
        keep_refused=tmp_path / "refused",
    )
    done = retrain(folded_bundle, new_parts, tmp_path / "new", asked)
    assert not done.accepted
    assert done.gate.golden is not None
    assert set(done.gate.golden.broken) == {f"pit/{p.name}" for p in caught}
    assert not (tmp_path / "new").exists()
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith(".")] == []
    kept = Inspector.load(tmp_path / "refused")
    assert done.bundle == tmp_path / "refused"
    gate = kept.facts["training"]["lineage"][-1]["gate"]
    assert (gate["accepted"], gate["golden"]["broken"]) == (False, len(caught))
    assert not {digest(p) for p in caught} & set(kept.splits)


def test_a_memory_bank_takes_new_good_parts_in_without_torch(
    memory_bundle: Path, new_parts: Path, tmp_path: Path
) -> None:
    code = (
        "import json, sys, brightfield\n"
        f"done = brightfield.retrain({str(memory_bundle)!r}, {str(new_parts)!r}, {str(tmp_path / 'new')!r}, "
        "margin=0.9)\n"
        "assert 'torch' not in sys.modules\n"
        "print(json.dumps(dict(done.step)))"
    )
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    step = json.loads(run.stdout)
    assert (step["how"], step["calibration"]) == ("updated", "anew")
    after = brightfield.load(tmp_path / "new")
    assert after.facts["training"]["lineage"] == [step]
    assert step["good_parts_added"] == step["new"]["train"]["OK"]
    assert "pit" not in step["new"]["train"]
    assert len(after.facts["fingerprints"]["data_places"]) == 2


def test_places_and_options_are_checked_first(folded_bundle: Path, new_parts: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("important")
    with pytest.raises(brightfield.InputError, match="not overwritten"):
        retrain(folded_bundle, new_parts, tmp_path / "mine")
    with pytest.raises(ConfigError, match="--roi"):
        retrain(folded_bundle, new_parts, tmp_path / "new", Asked(changed={"roi": "mask.png"}))


def _scored(n_good: int, n_defect: int, good: float, defect: float) -> Predictions:
    n = n_good + n_defect
    return Predictions(
        images=tuple(f"{i}.png" for i in range(n)),
        truth=("OK",) * n_good + ("pit",) * n_defect,
        splits=("test",) * n,
        decisions=("OK",) * n,
        labels=("OK",) * n,
        scores=np.concatenate((np.full(n_good, good), np.full(n_defect, defect))),
        probabilities=None,
        p_values=None,
        thresholds=None,
        class_probabilities=None,
        classes=("OK", "pit"),
        normal="OK",
    )


def test_swapped_labels_of_new_pictures_are_noticed() -> None:
    swapped = _scored(12, 10, good=0.9, defect=0.1)
    note = on_swapped_labels(swapped, swapped.images)
    assert note is not None
    assert note.startswith("the labels of the new pictures look swapped: on the 22 of them in the test")
    assert "an AUROC of 0.000" in note
    assert on_swapped_labels(swapped, swapped.images[:21]) is None  # 9 defective ones are too few
    assert on_swapped_labels(swapped, ()) is None
    for scores in ((0.1, 0.9), (0.5, 0.5)):
        right = _scored(12, 10, *scores)
        assert on_swapped_labels(right, right.images) is None


def test_a_golden_set_of_unknown_classes_is_refused_before_the_training(
    folded_bundle: Path, new_parts: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    for station, picture in zip(("s1", "s2"), sorted((synthetic_parts / "OK").iterdir()), strict=False):
        (tmp_path / "line" / station).mkdir(parents=True)
        shutil.copy(picture, tmp_path / "line" / station)
    stages: list[str] = []
    with pytest.raises(DataError, match="its classes are s1, s2, and the inspector knows none of them"):
        retrain(
            folded_bundle,
            new_parts,
            tmp_path / "new",
            Asked(golden=tmp_path / "line"),
            progress=lambda stage, done, total: stages.append(stage),
        )
    assert stages == []
