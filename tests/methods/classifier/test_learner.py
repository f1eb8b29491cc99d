"""What the classifier asks of the data, and what it says of itself, before it learns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from brightfield.data.dataset import Dataset, Sample
from brightfield.errors import ConfigError, DataError
from brightfield.learn.processes import Processes
from brightfield.methods.classifier.learner import ClassifierLearner, make_learner
from brightfield.methods.classifier.options import ClassifierOptions

CLASSES = ("OK", "pit", "rust")


def parts(*labels: str, normal: str | None = "OK") -> Dataset:
    samples = (Sample(f"{i}.png", Path(f"{i}.png"), label) for i, label in enumerate(labels))
    return Dataset("parts", tuple(samples), CLASSES, normal)


def made(**options: object) -> ClassifierLearner:
    return make_learner(ClassifierOptions(image_size=64, **options), parts(*CLASSES))  # type: ignore[arg-type]


def scratch() -> ClassifierLearner:
    options = ClassifierOptions(image_size=32, backbone="lenet5")
    return make_learner(options, parts(*CLASSES, normal=None))


@pytest.mark.parametrize(
    ("labels", "said"), [(("OK",), "one class only .OK"), (("OK", "pit"), "no image of rust"), ((), "none")]
)
def test_missing_classes_are_refused(labels: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=f"{said}.*--resplit"):
        made().check(parts(*labels), parts(*CLASSES))


@pytest.mark.parametrize(
    ("labels", "normal"), [((), "OK"), (("OK",), "OK"), (("pit", "rust"), "OK"), (("pit",), None)]
)
def test_what_calibrates_shows_good_and_defective_parts(labels: tuple[str, ...], normal: str | None) -> None:
    found = ", ".join(labels) or "no images"
    with pytest.raises(DataError, match=f"calibration split shows {found}; expected .*--resplit"):
        made().check(parts(*CLASSES, normal=normal), parts(*labels, normal=normal))
    made().check(parts(*CLASSES), parts("OK", "rust"))
    made().check(parts(*CLASSES, normal=None), parts("pit", "rust", normal=None))


def test_only_what_learns_from_kept_features_calibrates_out_of_fold() -> None:
    assert made().folds == 5
    assert made(members=3).folds == 3, "more folds than members"
    assert made(members=1).folds == 0
    assert made(recipe="tutorial").folds == 0
    assert scratch().folds == 0


def test_only_networks_from_scratch_share_their_work() -> None:
    scratch().check_processes(Processes(0, 2))
    made().check_processes(Processes(0, 1))
    for learner in (made(), made(recipe="tutorial")):
        with pytest.raises(ConfigError, match="2 processes were started; only the training of a network"):
            learner.check_processes(Processes(1, 2))


def test_it_is_known_again_by_its_recipe() -> None:
    same, other = made(epochs=7), made(epochs=8)
    assert json.loads(json.dumps(same.identity)) == json.loads(json.dumps(made(epochs=7).identity))
    assert same.identity != other.identity


def test_options_that_do_not_go_together_are_refused() -> None:
    with pytest.raises(ConfigError, match="--batch does not go with recipe 'fast'"):
        made(batch=16)
