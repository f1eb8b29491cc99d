"""The operating point chosen again: on which images, and what it does to them."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import brightfield
from brightfield.data.dataset import Dataset
from brightfield.data.load import load as load_dataset
from brightfield.data.synthetic import make_parts
from brightfield.decide.calibration import Calibrated, Conformal
from brightfield.decide.policy import parse_policy
from brightfield.decide.threshold_selection import choose
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.acceptance import Limits
from brightfield.evaluation.run import choose_split, digests, evaluate, load_for, splits_seen
from brightfield.inspector import Inspector
from brightfield.pipeline.rethreshold import at_threshold, rethreshold
from brightfield.verdict import Scale


@pytest.fixture(scope="module")
def inspector(trained_bundle: Path) -> Inspector:
    return Inspector.load(trained_bundle)


@pytest.fixture(scope="module")
def new_parts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("new") / "parts"
    make_parts(folder, n_ok=4, n_defect=3, size=(96, 128), defect_px=18, kinds=("pit",), seed=9)
    return folder


def test_the_calibration_part_is_taken_by_default(inspector: Inspector, synthetic_parts: Path) -> None:
    made = rethreshold(inspector, synthetic_parts, "recall=1")
    calibration = [part for part in inspector.splits.values() if part == "calibration"]
    assert made.images == {"calibration": len(calibration)}
    assert made.notes == ()
    old = inspector.operating_point
    assert old is not None
    # the same images, so the old point's counts are those it was chosen with
    assert (made.before.escapes, made.before.overkills) == (old.escapes, old.overkills)
    assert made.before.threshold == old.threshold
    assert made.after.escapes == 0
    assert made.inspector.operating_point == made.after
    assert inspector.operating_point == old


def test_the_counts_are_those_of_an_evaluation(inspector: Inspector, new_parts: Path) -> None:
    made = rethreshold(inspector, new_parts, "fixed=0.6")
    assert made.images == {"new": 7}
    assert made.after.threshold == 0.6
    for judge, point in ((inspector, made.before), (made.inspector, made.after)):
        metrics = evaluate(judge, new_parts).metrics
        assert (metrics["escape_rate"]["k"], metrics["escape_rate"]["n"]) == (point.escapes, 3)
        assert (metrics["overkill_rate"]["k"], metrics["overkill_rate"]["n"]) == (point.overkills, 4)


def test_figures_of_the_old_threshold_are_taken_out(inspector: Inspector, new_parts: Path) -> None:
    with_figures = inspector.with_metrics({"accuracy": 1.0})
    assert with_figures.facts["metrics"] == {"accuracy": 1.0}
    assert rethreshold(with_figures, new_parts, "f1").inspector.facts["metrics"] is None


def test_what_trained_the_inspector_is_left_out_under_any_name(
    inspector: Inspector, synthetic_parts: Path, tmp_path: Path
) -> None:
    seen = splits_seen(inspector, digests(load_dataset(synthetic_parts)))
    trained, tested = seen.count("train"), seen.count("test")
    made = rethreshold(inspector, synthetic_parts, "f1", split="all")
    assert made.after.n_calibration == len(seen) - trained
    assert [note.split()[0] for note in made.notes] == [str(trained), str(tested)]
    for sample, part in zip(load_dataset(synthetic_parts).samples, seen, strict=True):
        if part == "train":
            copy = tmp_path / "val" / str(sample.label) / f"renamed-{sample.path.name}"
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(sample.path, copy)
    with pytest.raises(DataError, match=f"{trained} of its images trained the inspector.*give others"):
        rethreshold(inspector, tmp_path / "val", "f1")


def test_what_chose_the_threshold_is_no_fresh_test(inspector: Inspector, new_parts: Path) -> None:
    def known(judge: Inspector) -> dict[str, int]:
        return choose_split(judge, load_for(judge, new_parts), None).known

    assert known(inspector) == {}
    made = rethreshold(inspector, new_parts, "f1").inspector
    after = evaluate(made, new_parts)
    assert known(made) == {"calibration": 7}
    assert any("7 of these images were in the calibration split" in note for note in after.notes)
    with pytest.raises(DataError, match="7 of these images made the inspector"):
        brightfield.evaluate(made, new_parts, limits=Limits({"escape_rate": 0.5}))
    assert known(rethreshold(inspector, new_parts, "fixed=0.5").inspector) == {}


def test_unreadable_images_take_no_part(inspector: Inspector, new_parts: Path, tmp_path: Path) -> None:
    data = Path(shutil.copytree(new_parts, tmp_path / "parts"))
    broken = sorted((data / "OK").iterdir())[0]
    broken.write_bytes(b"no picture")
    made = rethreshold(inspector, data, "f1")
    assert made.unreadable == (f"OK/{broken.name}",)
    assert made.images == {"new": 6}
    assert any("cannot be judged" in note for note in made.notes)


def test_a_folder_of_defects_alone_serves_a_promise_on_escapes(
    inspector: Inspector, new_parts: Path, tmp_path: Path
) -> None:
    shutil.copytree(new_parts / "pit", tmp_path / "returns" / "pit")
    made = rethreshold(inspector, tmp_path / "returns", "escape<=0.7@0.9")
    assert made.after.n_defect == made.after.n_calibration == 3
    assert made.after.guarantees[0].n == 3


def test_pictures_of_one_part_are_told_of(inspector: Inspector, new_parts: Path) -> None:
    dataset = load_dataset(new_parts)
    shots = dataset.subset(replace(s, group="one part") for s in dataset.samples)
    assert any(
        "7 pictures show 1 groups" in n for n in rethreshold(inspector, shots, "escape<=0.7@0.9").notes
    )
    assert rethreshold(inspector, shots, "f1").notes == ()


def test_a_threshold_by_name_chooses_nothing(inspector: Inspector, synthetic_parts: Path) -> None:
    made = rethreshold(inspector, synthetic_parts, "fixed=0.6", split="test")
    assert made.notes == ()


def test_the_test_part_is_used_only_with_a_warning(inspector: Inspector, synthetic_parts: Path) -> None:
    made = rethreshold(inspector, synthetic_parts, "f1", split="test")
    assert set(made.images) == {"test"}
    assert "of the test split are used" in made.notes[0]


@pytest.mark.parametrize(
    ("split", "policy", "message"),
    [
        ("train", "f1", "would not hold"),
        ("tset", "f1", "'tset' is unknown"),
        (None, "f2", "policy 'f2' is unknown"),
        (None, "recall=99", "out of range"),
    ],
)
def test_wrong_wishes(
    inspector: Inspector, synthetic_parts: Path, split: str | None, policy: str, message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        rethreshold(inspector, synthetic_parts, policy, split=split)


def test_one_class_is_too_little(inspector: Inspector, new_parts: Path) -> None:
    dataset = load_dataset(new_parts)
    good = dataset.subset(s for s in dataset.samples if s.label == "OK")
    with pytest.raises(DataError, match="0 of 4 calibration parts are defective"):
        rethreshold(inspector, good, "f1")
    with pytest.raises(DataError, match="no images of the test split"):
        rethreshold(inspector, good, "f1", split="test")


def test_without_a_normal_class_there_is_no_threshold(inspector: Inspector, new_parts: Path) -> None:
    plain = replace(inspector, normal=None, operating_point=None)
    with pytest.raises(ConfigError, match="no normal class"):
        rethreshold(plain, new_parts, "f1")
    with pytest.raises(ConfigError, match="needs a normal class"):
        at_threshold(plain, 0.5)


def test_a_threshold_by_hand_counts_on_the_calibration_part_kept(inspector: Inspector) -> None:
    is_defect = inspector.reference["labels"] != 0
    everything = at_threshold(inspector, 0.0).operating_point
    nothing = at_threshold(inspector, 1.0).operating_point
    assert everything is not None
    assert nothing is not None
    assert (everything.escapes, everything.overkills) == (0, int((~is_defect).sum()))
    assert (nothing.escapes, nothing.overkills) == (int(is_defect.sum()), 0)
    assert nothing.policy == "fixed=1.0"
    assert np.sum(is_defect) == nothing.n_defect


def test_the_test_part_may_choose_again_and_again(folded_bundle: Path, synthetic_parts: Path) -> None:
    inspector = Inspector.load(folded_bundle)
    once = rethreshold(inspector, synthetic_parts, "overkill<=0.9@0.5", split="test")
    again = rethreshold(once.inspector, synthetic_parts, "overkill<=0.8@0.5")
    assert again.images == {"calibration": once.images["test"]}
    assert rethreshold(once.inspector, synthetic_parts, "f1", split="calibration").images == again.images


def test_images_that_calibrated_out_of_fold_choose_again(folded_bundle: Path, synthetic_parts: Path) -> None:
    inspector = Inspector.load(folded_bundle)
    made = rethreshold(inspector, synthetic_parts, "f1")
    trained = list(inspector.splits.values()).count("train")
    assert made.images == {"train": trained}
    assert made.after == inspector.operating_point == made.before
    assert "had not seen them" in made.notes[0]
    assert rethreshold(inspector, synthetic_parts, "recall=1").after.escapes == 0
    with pytest.raises(DataError, match="takes images that trained nothing.*--split test"):
        rethreshold(inspector, synthetic_parts, "overkill<=0.5@0.9")
    assert set(rethreshold(inspector, synthetic_parts, "overkill<=0.9@0.5", split="test").images) == {"test"}


def test_new_images_beside_those_it_learned_are_told_of(
    folded_bundle: Path, synthetic_parts: Path, new_parts: Path
) -> None:
    both = load_dataset(synthetic_parts)
    both = both.subset((*both.samples, *load_dataset(new_parts).samples))
    made = rethreshold(Inspector.load(folded_bundle), both, "f1")
    assert set(made.images) == {"train"}
    assert "7 images that are new to the inspector are not used: --split all takes them" in made.notes


def test_new_images_choose_for_it_as_for_any(folded_bundle: Path, new_parts: Path) -> None:
    assert rethreshold(Inspector.load(folded_bundle), new_parts, "fixed=0.6").images == {"new": 7}


@pytest.fixture(scope="module")
def of_good_alone(inspector: Inspector) -> Inspector:
    """An inspector that good parts alone calibrated: it gives p-values and no probability."""
    good = inspector.reference["labels"] == 0
    of_each = ("scores", "labels", "logits", "brightness_contrast")
    reference = {name: v[good] if name in of_each else v for name, v in inspector.reference.items()}
    scores = reference["scores"]
    calibrator = Conformal(tuple(np.sort(scores).tolist()))
    judged = Calibrated(p_value=calibrator.apply(scores))
    point = choose(parse_policy("auto"), judged, np.zeros(len(scores), dtype=bool), scores=scores)
    return replace(inspector, calibrator=calibrator, reference=reference, operating_point=point)


def test_p_values_are_judged_and_reported(
    of_good_alone: Inspector, inspector: Inspector, new_parts: Path, tmp_path: Path
) -> None:
    of_good_alone.save(tmp_path / "inspector")
    made = brightfield.evaluate(Inspector.load(tmp_path / "inspector"), new_parts, tmp_path / "report")
    found = made.predictions
    assert (found.scale, found.probabilities, found.class_probabilities) == (Scale.P_VALUE, None, None)
    good = np.array(of_good_alone.calibrator.good)  # type: ignore[union-attr]
    expected = [(1 + (good >= score).sum()) / (1 + len(good)) for score in found.scores]
    np.testing.assert_allclose(found.values, expected)
    stopped = np.array(expected) <= 1 / (1 + len(good))
    assert [d == "DEFECT" for d in found.decisions] == stopped.tolist()
    assert set(found.labels) <= {"OK", "pit"}, "it knows one kind of defect"
    # it ranks by the score, so alike the classifier that it is
    assert made.metrics["auroc"] == evaluate(inspector, new_parts).metrics["auroc"]
    assert (made.metrics["ece"], made.metrics["brier"]) == (None, None)
    page = (tmp_path / "report" / "report.html").read_text(encoding="utf-8")
    assert "p-value" in page
    assert "Brier score" not in page


def test_good_parts_alone_can_be_evaluated(of_good_alone: Inspector, new_parts: Path, tmp_path: Path) -> None:
    shutil.copytree(new_parts / "OK", tmp_path / "parts" / "OK")
    alone = replace(of_good_alone, classes=("OK",))
    made = brightfield.evaluate(alone, tmp_path / "parts", tmp_path / "report")
    assert (made.metrics["n"], made.metrics["n_defect"], made.metrics["auroc"]) == (4, 0, None)
    assert made.metrics["escape_rate"]["value"] is None
    assert (tmp_path / "report" / "report.html").is_file()


def test_defects_are_new_to_what_learned_from_good_parts_alone(
    of_good_alone: Inspector, new_parts: Path, tmp_path: Path
) -> None:
    made = brightfield.evaluate(replace(of_good_alone, classes=("OK",)), new_parts, tmp_path / "report")
    assert made.predictions.classes == ("OK", "pit")
    assert made.metrics["n_defect"] == 3
    assert made.metrics["classes"] == ["OK", "pit"]
    assert not any("never shown" in note for note in made.notes)


def test_new_parts_with_defects_choose_a_score(of_good_alone: Inspector, new_parts: Path) -> None:
    made = rethreshold(of_good_alone, new_parts, "recall=1")
    assert (made.before.scale, made.after.scale) == (Scale.P_VALUE, Scale.SCORE)
    metrics = evaluate(made.inspector, new_parts).metrics
    assert metrics["escape_rate"]["k"] == made.after.escapes == 0
    assert metrics["overkill_rate"]["k"] == made.after.overkills
    assert evaluate(of_good_alone, new_parts).metrics["escape_rate"]["k"] == made.before.escapes
    for policy in ("f1", "youden", "precision=0.3", "auto", "escape<=0.7@0.5", "overkill<=0.7@0.5"):
        assert rethreshold(of_good_alone, new_parts, policy).after.scale is Scale.SCORE
    with pytest.raises(DataError, match="cost weighs errors by the probability"):
        rethreshold(of_good_alone, new_parts, "cost escape=9 overkill=1 prevalence=0.1")


def test_good_parts_choose_a_p_value_only_where_they_calibrated(
    of_good_alone: Inspector, synthetic_parts: Path, new_parts: Path
) -> None:
    def good(data: Path) -> Dataset:
        dataset = load_for(of_good_alone, data)
        return dataset.subset(s for s in dataset.samples if s.label == "OK")

    again = rethreshold(of_good_alone, good(synthetic_parts), "auto")
    assert (again.before, again.after) == (of_good_alone.operating_point, of_good_alone.operating_point)
    new = rethreshold(of_good_alone, good(new_parts), "overkill=0.2")
    assert (new.after.scale, new.after.overkills) == (Scale.SCORE, 0)
    with pytest.raises(DataError, match="policy f1 needs some.*good parts alone with overkill=O"):
        rethreshold(of_good_alone, good(new_parts), "f1")


def test_a_threshold_by_hand_is_on_the_inspectors_own_scale(
    of_good_alone: Inspector, new_parts: Path
) -> None:
    by_p = at_threshold(of_good_alone, 0.5).operating_point
    assert by_p is not None
    assert (by_p.scale, by_p.threshold, by_p.n_defect) == (Scale.P_VALUE, 0.5, 0)
    with pytest.raises(ConfigError, match="threshold is 7.0; expected a p-value"):
        at_threshold(of_good_alone, 7.0)
    by_score = rethreshold(of_good_alone, new_parts, "fixed=2.5").inspector
    moved = at_threshold(by_score, 1e3).operating_point
    assert moved is not None
    assert (moved.scale, moved.overkills) == (Scale.SCORE, 0)
