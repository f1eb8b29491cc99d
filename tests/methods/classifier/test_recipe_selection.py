"""Which recipe: many small pictures without a normal class start from scratch, and so do small networks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from brightfield.data.dataset import Dataset, Sample
from brightfield.engine.view_names import TEST_TIME
from brightfield.errors import ConfigError
from brightfield.learn.learning import Learning
from brightfield.learn.recipes import (
    RECIPES,
    SCRATCH_RECIPES,
    FineTune,
    FromScratch,
    Recipe,
    TrainHead,
)
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.methods.classifier.recipe_selection import MANY, choose_recipe


def pictures(folder: Path, side: int, normal: str | None = None, each: int = MANY // 2) -> Dataset:
    Image.fromarray(np.zeros((side, side - 5), np.uint8)).save(folder / "a.png")
    samples = tuple(
        Sample(path=folder / "a.png", image=f"{k}{i}.png", label=k)
        for k in ("OK", "cat")
        for i in range(each)
    )
    return Dataset(name="drawn", samples=samples, classes=("OK", "cat"), normal=normal)


@pytest.mark.parametrize(
    ("side", "normal", "options", "backbone", "size"),
    [
        (32, None, {}, "fast_cnn", 32),
        (28, None, {"recipe": "tutorial"}, "tutorial_cnn", 32),
        (45, None, {"backbone": "resnet18"}, "resnet18", 48),
        (300, None, {}, "tf_efficientnet_lite0", None),
        (32, "OK", {}, "tf_efficientnet_lite0", None),
        (32, None, {"weights": "none"}, "tf_efficientnet_lite0", None),
        (300, "OK", {"backbone": "fast_cnn"}, "fast_cnn", 64),
        (300, "OK", {"backbone": "fast_cnn", "image_size": 96}, "fast_cnn", 96),
        (300, None, {"backbone": "resnet18"}, "resnet18", None),
    ],
)
def test_choice(
    tmp_path: Path, side: int, normal: str | None, options: dict[str, str], backbone: str, size: int | None
) -> None:
    found = choose_recipe(ClassifierOptions(**options), pictures(tmp_path, side, normal))  # type: ignore[arg-type]
    assert found.backbone == backbone
    assert (found.how.image_size if isinstance(found.how, FromScratch) else None) == size


def test_a_picture_too_large_to_trust_is_left_to_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # so that any picture is too large
    assert choose_recipe(ClassifierOptions(), pictures(tmp_path, 32)).how == RECIPES["fast"].how


def test_few_small_pictures_start_from_photographs(tmp_path: Path) -> None:
    assert choose_recipe(ClassifierOptions(), pictures(tmp_path, 32, each=50)).how == RECIPES["fast"].how


@pytest.mark.parametrize("normal", ["OK", None])
def test_number_formats(tmp_path: Path, normal: str | None) -> None:
    def precision(**options: str) -> str:
        return choose_recipe(ClassifierOptions(**options), data).precision  # type: ignore[arg-type]

    data = pictures(tmp_path, 32, normal)
    # as the tutorial's code does, unless asked for otherwise
    assert (precision(), precision(recipe="tutorial")) == ("auto", "float32")
    assert precision(precision="float32") == "float32"
    assert precision(recipe="tutorial", precision="bfloat16") == "bfloat16"


def test_what_does_not_go_together(tmp_path: Path) -> None:
    small = pictures(tmp_path, 32)
    with pytest.raises(ConfigError, match="--tile"):
        choose_recipe(ClassifierOptions(tile=64), small)
    with pytest.raises(ConfigError, match="--weights"):
        choose_recipe(ClassifierOptions(backbone="fast_cnn", weights="hub"), small)


def test_options_of_learning_change_the_recipe(tmp_path: Path) -> None:
    data = pictures(tmp_path, 300, "OK", each=5)
    asked = ClassifierOptions(
        imbalance="adjustment", focal=2, label_smoothing=0.1, mix="mixup", uncertain="soft", tta="flips"
    )
    found = choose_recipe(asked, data)
    assert found.learning == Learning("adjustment", 2, 0.1, "mixup", "soft")
    assert found.how.views == found.inference_views == found.tile_views == TEST_TIME["flips"]  # type: ignore[union-attr]
    plain = choose_recipe(ClassifierOptions(), data)
    assert plain.learning == Learning()
    tutorial = choose_recipe(ClassifierOptions(recipe="tutorial"), data)
    assert tutorial.learning == Learning(imbalance="sampling", uncertain="full")
    assert (
        choose_recipe(ClassifierOptions(recipe="tutorial", imbalance="none"), data).learning.imbalance
        == "none"
    )
    tutorial = choose_recipe(ClassifierOptions(recipe="tutorial", tta="turns", mix="cutmix"), data)
    assert (tutorial.how, tutorial.inference_views) == (FineTune(), TEST_TIME["turns"])


@pytest.mark.parametrize(("members", "folds"), [(12, 5), (3, 3), (1, 0)])
def test_every_fold_has_a_member_that_is_not_shown_it(tmp_path: Path, members: int, folds: int) -> None:
    found = choose_recipe(ClassifierOptions(members=members), pictures(tmp_path, 300, "OK", each=5))
    assert isinstance(found.how, TrainHead)
    assert (found.head.members, found.how.folds) == (members, folds)


def test_pixels_cannot_be_pasted_into_features(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cutmix.*--mix mixup, or --recipe tutorial"):
        choose_recipe(ClassifierOptions(mix="cutmix"), pictures(tmp_path, 300, "OK", each=5))


def test_from_scratch_takes_what_goes_with_it(tmp_path: Path) -> None:
    data = pictures(tmp_path, 32)
    found = choose_recipe(ClassifierOptions(label_smoothing=0.05, tta="none"), data)
    assert isinstance(found.how, FromScratch)
    assert (found.how.label_smoothing, found.inference_views) == (0.05, ("plain",))
    assert choose_recipe(ClassifierOptions(members=3), data).head.members == 3
    for same in ({"mix": "none"}, {"focal": 0.0}, {"imbalance": "none"}):
        assert choose_recipe(ClassifierOptions(**same), data) == choose_recipe(ClassifierOptions(), data)  # type: ignore[arg-type]
    plain = choose_recipe(ClassifierOptions(label_smoothing=0.0), data).how
    assert isinstance(plain, FromScratch)
    assert plain.label_smoothing == 0.0
    for options in (ClassifierOptions(focal=1.0), ClassifierOptions(mix="mixup")):
        with pytest.raises(ConfigError, match="does not go with a network trained from scratch"):
            choose_recipe(options, data)
    with pytest.raises(ConfigError, match="--time-budget does not go with"):
        choose_recipe(ClassifierOptions(time_budget=9.0), data)


def test_epochs_and_batches_as_asked_for(tmp_path: Path) -> None:
    large, small = pictures(tmp_path, 300, "OK", each=5), pictures(tmp_path, 32)
    shorter = choose_recipe(ClassifierOptions(epochs=7, time_budget=9.0), large).how
    assert shorter == TrainHead(folds=5, epochs=7, time_budget=9.0)
    tuned = choose_recipe(ClassifierOptions(recipe="tutorial", epochs=7, micro_batch=4, batch=16), large).how
    assert tuned == FineTune(epochs=7, micro_batch=4, batch=16)
    usual = SCRATCH_RECIPES["fast"].how
    assert choose_recipe(ClassifierOptions(), small).how == usual
    asked = choose_recipe(ClassifierOptions(epochs=7, micro_batch=4, batch=512), small).how
    assert asked == replace(usual, epochs=7, micro_batch=4, batch=512)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "options",
    [
        {"micro_batch": 4},
        {"batch": 16},
        {"optimiser": "sgd"},
        {"schedule": "cosine"},
        {"learning_rate": 1e-3},
        {"weight_decay": 0.0},
    ],
)
def test_what_tunes_a_network_does_not_go_with_kept_features(tmp_path: Path, options: dict[str, Any]) -> None:
    flag = "--" + next(iter(options)).replace("_", "-")
    large = pictures(tmp_path, 300, "OK", each=5)
    for name in ("fast", "best"):
        with pytest.raises(ConfigError, match=f"{flag} does not go with recipe '{name}'.*--recipe tutorial"):
            choose_recipe(ClassifierOptions(recipe=name, **options), large)
    assert choose_recipe(ClassifierOptions(recipe="tutorial", **options), large).how != FineTune() or (
        options == {"weight_decay": 0.0}
    )


def test_another_optimiser_begins_with_rates_of_its_own(tmp_path: Path) -> None:
    large, small = pictures(tmp_path, 300, "OK", each=5), pictures(tmp_path, 32)

    def how(data: Dataset, **options: Any) -> Any:
        return choose_recipe(ClassifierOptions(recipe="tutorial", **options), data).how

    assert how(large, optimiser="adam") == FineTune()
    sgd = how(large, optimiser="sgd", schedule="step")
    assert (sgd.optimiser, sgd.schedule, sgd.learning_rate, sgd.weight_decay) == ("sgd", "step", 1e-2, 1e-4)
    own = how(large, optimiser="sgd", learning_rate=0.5, weight_decay=0.1)
    assert (own.learning_rate, own.weight_decay) == (0.5, 0.1)
    muon, speed_run = how(small, optimiser="muon"), SCRATCH_RECIPES["fast"].how
    assert isinstance(speed_run, FromScratch)
    assert (muon.learning_rate, muon.bias_rate) == (speed_run.learning_rate, speed_run.bias_rate)
    assert muon.batch == 128, "all else is the recipe's"


def test_a_plateau_takes_images_to_see_it(tmp_path: Path) -> None:
    small = pictures(tmp_path, 32)
    found = choose_recipe(ClassifierOptions(schedule="plateau"), small).how
    assert isinstance(found, FromScratch)
    assert found.validation == 0.1


def test_dropout_goes_with_all_three(tmp_path: Path) -> None:
    large, small = pictures(tmp_path, 300, "OK", each=5), pictures(tmp_path, 32)
    assert choose_recipe(ClassifierOptions(dropout=0.1), large).head.dropout == 0.1
    assert choose_recipe(ClassifierOptions(recipe="tutorial", dropout=0.1), large).head.dropout == 0.1
    scratch = choose_recipe(ClassifierOptions(dropout=0.1), small).how
    assert isinstance(scratch, FromScratch)
    assert scratch.dropout == 0.1


def test_a_recipe_of_ones_own_is_taken_as_it_is(tmp_path: Path) -> None:
    small = pictures(tmp_path, 32)
    mine = replace(RECIPES["tutorial"], how=FineTune(epochs=3))
    assert choose_recipe(ClassifierOptions(recipe=mine), small) == mine, (
        "many small pictures do not change it"
    )
    asked = choose_recipe(ClassifierOptions(recipe=mine, epochs=4, backbone="resnet18"), small)
    assert (asked.how, asked.backbone) == (FineTune(epochs=4), "resnet18")
    scratch: Recipe = SCRATCH_RECIPES["tutorial"]
    found = choose_recipe(ClassifierOptions(recipe=scratch, image_size=40), pictures(tmp_path, 300, "OK"))
    assert found == replace(scratch, how=replace(scratch.how, image_size=40))  # type: ignore[call-arg]
    with pytest.raises(ConfigError, match="'resnet34' does not train from scratch"):
        choose_recipe(ClassifierOptions(recipe=scratch, backbone="resnet34"), small)
    with pytest.raises(ConfigError, match="'lenet5' has no pretrained weights, which recipe 'tutorial'"):
        choose_recipe(ClassifierOptions(recipe=mine, backbone="lenet5"), small)
