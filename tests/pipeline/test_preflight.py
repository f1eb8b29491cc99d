"""What is refused before a training begins, and which images train, calibrate and test."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import fake_method
import numpy as np
import pytest

from brightfield.data.dataset import Dataset, Sample, order_classes
from brightfield.decide.policy import parse_policy
from brightfield.errors import ConfigError, DataError
from brightfield.methods.base import Fitted, Job
from brightfield.methods.classifier.learner import ClassifierLearner
from brightfield.options import TrainOptions
from brightfield.pipeline import preflight
from brightfield.pipeline.preflight import (
    calibrates_out_of_fold,
    check_calibration,
    check_labels,
    good_held_out,
    make_learner,
    near_duplicates,
    policy_on,
    prepare,
    warn_of_near_duplicates,
)
from brightfield.progress import silent


def parts(
    labels: dict[str, int], normal: str | None = "OK", group: str | None = None, split: str | None = None
) -> Dataset:
    samples = tuple(
        Sample(f"{label}/{i}.png", Path(f"{label}/{i}.png"), label, split=split, group=group)
        for label, n in labels.items()
        for i in range(n)
    )
    return Dataset("parts", samples, order_classes(labels, normal), normal)


@dataclass
class Pupil:
    """A learner that only notes what it is asked to check."""

    folds: int = 0
    good_parts_alone: bool = False
    options: Any = None
    identity: Mapping[str, Any] = field(default_factory=dict)
    checked: list[tuple[Dataset, Dataset]] = field(default_factory=list)

    def check(self, train: Dataset, calibration: Dataset) -> None:
        self.checked.append((train, calibration))

    def check_processes(self, processes: Any) -> None:
        """Any number may share no work."""

    def fit(self, job: Job) -> Fitted:
        raise AssertionError("nothing is to be learned yet")


def alone(dataset: Dataset) -> np.ndarray:
    """Return numbers that say that no picture is like another."""
    return np.arange(len(dataset))


# which method


def test_a_label_for_every_image() -> None:
    check_labels(parts({"OK": 2, "crack": 1}))
    whole = parts({"OK": 6, "crack": 1})
    bare = whole.subset(replace(s, label=None) if s.label == "OK" else s for s in whole.samples)
    with pytest.raises(DataError, match=r"none for OK/0\.png, OK/1\.png, OK/2\.png and 3 more"):
        check_labels(bare)
    with pytest.raises(DataError, match=r"none for OK/0\.png$"):
        make_learner(bare.subset(bare.samples[:1]), TrainOptions())


def test_the_learner_is_that_of_the_method_and_takes_its_options() -> None:
    good = parts({"OK": 5})
    with fake_method.registered() as name:
        made = make_learner(good, TrainOptions(own={"gain": 3.0}))
        assert (type(made), made.options.gain) == (fake_method.MeanPartLearner, 3.0)
        with pytest.raises(ConfigError, match="--recipe is no option of the method mean-part"):
            make_learner(good, TrainOptions(method=name, own={"recipe": "fast"}))


def test_the_classifier_needs_two_classes() -> None:
    made = make_learner(parts({"OK": 5, "crack": 5}), TrainOptions(own={"image_size": 64}))
    assert isinstance(made, ClassifierLearner)
    with pytest.raises(DataError, match="one class only, 'OK'"):
        make_learner(parts({"OK": 5}), TrainOptions(method="classifier"))


def test_a_policy_needs_a_normal_class() -> None:
    kinds = parts({"cat": 5, "dog": 5}, normal=None)
    with pytest.raises(ConfigError, match=r"--policy 'recall=0\.9'.*--normal \(cat, dog\)"):
        make_learner(kinds, TrainOptions(policy="recall=0.9", own={"image_size": 64}))
    for policy in ("auto", "f1"):
        make_learner(kinds, TrainOptions(policy=policy, own={"image_size": 64}))


# who trains, calibrates and tests


def test_out_of_fold_the_training_images_calibrate() -> None:
    data, pupil = parts({"OK": 40, "crack": 20}), Pupil(folds=5)
    ready = prepare(data, pupil, TrainOptions(), alone(data))
    assert {s.split for s in ready.data.samples} == {"train", "test"}
    assert len(ready.data.split("test")) == 12
    assert ready.calibration == ready.data.split("train")
    assert pupil.checked == [(ready.calibration, ready.calibration)]
    assert ready.folds is not None
    assert len(ready.folds) == len(ready.duplicates) == 48
    assert set(ready.folds) == set(range(5))
    defect = np.array([s.label == "crack" for s in ready.calibration.samples])
    for fold in range(5):
        assert 0 < defect[ready.folds == fold].sum() < (ready.folds == fold).sum(), "a class is not there"


@pytest.mark.parametrize(
    ("folds", "options", "held"),
    [
        (0, TrainOptions(), 15),  # 15% of the 96 that do not test
        (5, TrainOptions(calibration=0.25), 24),
        (5, TrainOptions(policy="overkill<=0.9@0.5"), 15),  # a promise needs images that trained nothing
        (5, TrainOptions(test=0.0, calibration=0.5), 60),
    ],
)
def test_elsewhere_images_are_held_out(folds: int, options: TrainOptions, held: int) -> None:
    data, pupil = parts({"OK": 80, "crack": 40}), Pupil(folds)
    ready = prepare(data, pupil, options, alone(data))
    assert ready.folds is None
    assert ready.calibration == ready.data.split("calibration")
    assert len(ready.calibration) == held
    assert pupil.checked == [(ready.data.split("train"), ready.calibration)]
    assert len(ready.duplicates) == len(ready.data.split("train"))


@pytest.mark.parametrize(
    ("n_good", "held"),
    [
        (8, 2),  # a quarter, which proves no bound
        (100, 25),
        (116, 29),  # proves 10%
        (235, 35),  # 15%, as a quarter is not yet 59
        (256, 59),  # proves 5%, and leaves 197 to learn from
        (600, 149),  # 2%
        (1100, 165),  # 15% is more than that
        (1196, 299),  # 1%
        (5000, 750),
    ],
)
def test_as_many_good_parts_are_held_out_as_prove_something(n_good: int, held: int) -> None:
    assert good_held_out(n_good) == held
    assert good_held_out(n_good, 0.5) == round(n_good / 2)


def test_what_learns_from_good_parts_alone_leaves_the_defects_to_calibrate() -> None:
    data = parts({"OK": 320, "crack": 20, "dent": 2})
    pupil = Pupil(good_parts_alone=True)
    ready = prepare(data, pupil, TrainOptions(), alone(data))
    counts = {name: ready.data.split(name).counts() for name in ("train", "calibration", "test")}
    assert counts["train"] == {"OK": 197, "crack": 0, "dent": 0}
    assert counts["calibration"] == {"OK": 59, "crack": 16, "dent": 2}
    assert counts["test"] == {"OK": 64, "crack": 4, "dent": 0}
    assert ready.folds is None
    assert pupil.checked == [(ready.data.split("train"), ready.calibration)]
    assert len(ready.duplicates) == 197
    held = prepare(data, pupil, TrainOptions(calibration=0.5), alone(data)).calibration.counts()
    assert held == {"OK": 128, "crack": 16, "dent": 2}


def test_one_known_defect_is_not_lost() -> None:
    data = parts({"OK": 320, "crack": 1})
    ready = prepare(data, Pupil(good_parts_alone=True), TrainOptions(), alone(data))
    assert ready.calibration.counts() == {"OK": 59, "crack": 1}
    with pytest.raises(DataError, match="class 'crack' has 1 image"):
        prepare(data, Pupil(), TrainOptions(), alone(data))


def test_defects_that_cannot_be_held_out_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    data = parts({"OK": 120, "crack": 60})
    both = data.subset(replace(s, group=f"place {i % 12}") for i, s in enumerate(data.samples))
    prepare(both, Pupil(good_parts_alone=True), TrainOptions(test=0.0), alone(data))
    assert "45 defective parts stay in the train split" in caplog.text
    assert "they share a group with good parts" in caplog.text
    own = data.subset(replace(s, split=("train", "calibration")[i % 2]) for i, s in enumerate(data.samples))
    prepare(own, Pupil(good_parts_alone=True), TrainOptions(test=0.0), alone(data))
    assert "30 defective parts stay" in caplog.text
    assert "the data set has a calibration split of its own" in caplog.text


def test_auto_promises_on_good_parts_alone() -> None:
    """So it needs images that trained nothing, and groups are no parts of their own."""
    good, both = parts({"OK": 200}), parts({"OK": 200, "crack": 40})
    learner = Pupil(folds=5)
    assert not calibrates_out_of_fold(good, learner, TrainOptions())
    assert calibrates_out_of_fold(both, learner, TrainOptions())
    assert calibrates_out_of_fold(parts({"OK": 20}), learner, TrainOptions()), "which prove nothing"
    assert str(policy_on(good, parse_policy("auto"), learner)) == "overkill<=0.02@0.95"
    few = parts({"OK": 200, "crack": 9})
    assert policy_on(few, parse_policy("auto"), learner) == parse_policy("f1")
    alone = Pupil(good_parts_alone=True)
    assert str(policy_on(few, parse_policy("auto"), alone)) == "overkill<=0.02@0.95"
    kinds = parts({"cat": 20, "dog": 20}, normal=None)
    assert policy_on(kinds, parse_policy("auto"), learner) == parse_policy("auto")


def test_the_data_sets_own_calibration_split_is_used() -> None:
    data = parts({"OK": 20, "crack": 20})
    own = ("train", "train", "calibration", "test")
    data = data.subset(replace(s, split=own[i % 4]) for i, s in enumerate(data.samples))
    ready = prepare(data, Pupil(folds=5), TrainOptions(), alone(data))
    assert ready.data.samples == data.samples
    assert ready.folds is None
    assert ready.calibration == data.split("calibration")


def test_without_a_normal_class_few_images_are_held_out_for_the_temperature(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = parts({"cat": 60, "dog": 60}, normal=None)
    monkeypatch.setattr(preflight, "ENOUGH_FOR_A_TEMPERATURE", 12)
    ready = prepare(data, Pupil(), TrainOptions(test=0.0, calibration=0.5), alone(data))
    assert len(ready.calibration) == 12


def test_near_duplicates_stay_together() -> None:
    data = parts({"OK": 60, "crack": 60})
    groups = np.arange(120) // 3  # bursts of three pictures
    held = prepare(data, Pupil(), TrainOptions(), groups)
    for number in range(40):
        assert len({held.data.samples[i].split for i in range(3 * number, 3 * number + 3)}) == 1
    train = np.array([s.split == "train" for s in held.data.samples])
    assert held.duplicates.tolist() == groups[train].tolist()
    folded = prepare(data, Pupil(folds=5), TrainOptions(), groups)
    assert folded.folds is not None
    for number in set(folded.duplicates):
        assert len(set(folded.folds[folded.duplicates == number])) == 1, "a burst is in two folds"


def test_pictures_of_one_group_stay_in_one_fold() -> None:
    data = parts({"OK": 40, "crack": 40})
    data = data.subset(replace(s, group=f"{s.label} {i // 4}") for i, s in enumerate(data.samples))
    ready = prepare(data, Pupil(folds=4), TrainOptions(), alone(data))
    assert ready.folds is not None
    groups = [s.group for s in ready.calibration.samples]
    for group in set(groups):
        assert len({f for f, g in zip(ready.folds, groups, strict=True) if g == group}) == 1


def test_classes_that_only_the_test_split_shows_are_not_learned() -> None:
    data = parts({"OK": 8, "crack": 8, "dent": 4})
    data = data.subset(
        replace(s, split="test" if s.label == "dent" or i % 4 == 0 else "train")
        for i, s in enumerate(data.samples)
    )
    ready = prepare(data, Pupil(folds=2), TrainOptions(), alone(data))
    assert ready.data.classes == ready.calibration.classes == ("OK", "crack")
    assert len(ready.data) == 20, "the test split is judged all the same"


@pytest.mark.parametrize(
    ("labels", "options", "said"),
    [
        ({"OK": 40, "crack": 1}, {}, "class 'crack' has 1 image to split"),
        ({"OK": 40, "crack": 40}, {"policy": "overkill<=0.001@0.99"}, "more.*--calibration SHARE"),
        ({"OK": 40, "crack": 40}, {"policy": "escape[dent]<=0.5@0.5"}, "type 'dent'"),
        ({"OK": 200}, {"policy": "overkill=0.001"}, "takes at least 999, 975 more"),
        ({"OK": 200}, {"policy": "f1"}, "0 of 24 calibration parts are defective"),
    ],
)
def test_what_would_only_fail_later_is_refused(
    labels: dict[str, int], options: dict[str, Any], said: str
) -> None:
    data = parts(labels)
    with pytest.raises((DataError, ConfigError), match=said):
        prepare(data, Pupil(), TrainOptions(**options), alone(data))


def test_near_duplicates_that_cannot_be_shared_out_are_refused() -> None:
    data = parts({"OK": 40, "crack": 12})
    groups = np.where(np.arange(52) < 40, np.arange(52), 40)  # all cracks are one picture
    with pytest.raises(DataError, match="'crack' comes from 1 groups of images that must stay together"):
        prepare(data, Pupil(), TrainOptions(), groups)


def test_near_duplicates_are_looked_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def groups(paths: list[Path], _progress: object) -> list[int]:
        asked.append(len(paths))
        return [0, 1, 0]

    monkeypatch.setattr(preflight, "near_duplicate_groups", groups)
    data = parts({"OK": 3})
    for _ in range(2):
        assert near_duplicates(data, tmp_path, silent).tolist() == [0, 1, 0]
    assert asked == [3]


# what a policy asks of the images that calibrate


def test_promises_that_so_few_parts_cannot_prove() -> None:
    held = parts({"OK": 200, "crack": 60})
    check_calibration(held, parse_policy("escape<=0.05@0.95 and overkill<=0.05@0.95"))
    with pytest.raises(DataError, match="at least 149 of them without an error, 89 more.*--calibration"):
        check_calibration(held, parse_policy("escape<=0.02@0.95"))
    with pytest.raises(ConfigError, match="type 'dent'"):
        check_calibration(held, parse_policy("escape[dent]<=0.05@0.95"))


def test_pictures_of_one_group_are_no_parts_of_their_own(caplog: pytest.LogCaptureFixture) -> None:
    held = parts({"OK": 200, "crack": 60}, group="screw 1")
    with caplog.at_level(logging.WARNING):
        check_calibration(held, parse_policy("f1"))
        assert caplog.text == ""
        check_calibration(held, parse_policy("escape<=0.05@0.95"))
    assert "260 pictures show 1 groups" in caplog.text
    with caplog.at_level(logging.WARNING):
        check_calibration(parts({"OK": 200}, group="screw 1"), parse_policy("auto"))
    assert "200 pictures show 1 groups" in caplog.text


def test_a_burst_of_pictures_is_no_lot_of_parts(caplog: pytest.LogCaptureFixture) -> None:
    held = parts({"OK": 4, "crack": 2}, split="calibration")
    with caplog.at_level(logging.WARNING):
        warn_of_near_duplicates(held, [0, 1, 2, 3, 4, 5], parse_policy("escape<=0.5@0.5"))
        warn_of_near_duplicates(held, [0, 0, 0, 3, 4, 4], parse_policy("f1"))
        assert caplog.text == ""
        warn_of_near_duplicates(held, [0, 0, 0, 3, 4, 4], parse_policy("escape<=0.5@0.5"))
    assert "3 pictures of the calibration split are nearly the same as another" in caplog.text


def test_near_duplicates_in_two_splits_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    data = parts({"OK": 4, "crack": 2})
    torn = data.subset(replace(s, split="test" if i % 2 else "train") for i, s in enumerate(data.samples))
    with caplog.at_level(logging.WARNING):
        warn_of_near_duplicates(torn, [0, 1, 0, 1, 4, 5], parse_policy("f1"))
        assert caplog.text == ""
        warn_of_near_duplicates(torn, [0, 0, 2, 3, 4, 5], parse_policy("f1"))
    assert "2 pictures are nearly the same as one in another split (test and train)" in caplog.text
