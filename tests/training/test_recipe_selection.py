"""Which recipe: many small pictures without a normal class start from scratch, and so do small networks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from brightfield.config import TrainOptions
from brightfield.training.choice import MANY, choose_recipe
from PIL import Image

from brightfield.data.dataset import Dataset, Sample
from brightfield.errors import ConfigError
from brightfield.models.views import TEST_TIME
from brightfield.training.recipes import Learning


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
    found = choose_recipe(TrainOptions(**options), pictures(tmp_path, side, normal))  # type: ignore[arg-type]
    assert (found.backbone, found.image_size) == (backbone, size)
    assert (found.from_scratch is not None) == (size is not None)


def test_a_picture_too_large_to_trust_is_left_to_the_scan(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # so that any picture is too large
    assert choose_recipe(TrainOptions(), pictures(tmp_path, 32)).from_scratch is None


def test_few_small_pictures_start_from_photographs(tmp_path: Path) -> None:
    assert choose_recipe(TrainOptions(), pictures(tmp_path, 32, each=50)).from_scratch is None


@pytest.mark.parametrize("normal", ["OK", None])
def test_number_formats(tmp_path: Path, normal: str | None) -> None:
    def precision(**options: str) -> str:
        return choose_recipe(TrainOptions(**options), data).precision  # type: ignore[arg-type]

    data = pictures(tmp_path, 32, normal)
    # as the tutorial's code does, unless asked for otherwise
    assert (precision(), precision(recipe="tutorial")) == ("auto", "float32")
    assert precision(precision="float32") == "float32"
    assert precision(recipe="tutorial", precision="bfloat16") == "bfloat16"


def test_what_does_not_go_together(tmp_path: Path) -> None:
    small = pictures(tmp_path, 32)
    with pytest.raises(ConfigError, match="--tile"):
        choose_recipe(TrainOptions(tile=64), small)
    with pytest.raises(ConfigError, match="--weights"):
        choose_recipe(TrainOptions(backbone="fast_cnn", weights="hub"), small)


def test_options_of_learning_change_the_recipe(tmp_path: Path) -> None:
    data = pictures(tmp_path, 300, "OK", each=5)
    asked = TrainOptions(
        imbalance="adjustment", focal=2, label_smoothing=0.1, mix="mixup", uncertain="soft", tta="flips"
    )
    found = choose_recipe(asked, data)
    assert found.learning == Learning("adjustment", 2, 0.1, "mixup", "soft")
    assert found.views == found.inference_views == found.tile_views == TEST_TIME["flips"]
    plain = choose_recipe(TrainOptions(), data)
    assert plain.learning == Learning()
    tutorial = choose_recipe(TrainOptions(recipe="tutorial"), data)
    assert tutorial.learning == Learning(imbalance="sampling", uncertain="full")
    assert choose_recipe(TrainOptions(recipe="tutorial", imbalance="none"), data).learning.imbalance == "none"
    tutorial = choose_recipe(TrainOptions(recipe="tutorial", tta="turns", mix="cutmix"), data)
    assert (tutorial.views, tutorial.inference_views) == ((), TEST_TIME["turns"])


@pytest.mark.parametrize(("members", "folds"), [(12, 5), (3, 3), (1, 0)])
def test_every_fold_has_a_member_that_is_not_shown_it(tmp_path: Path, members: int, folds: int) -> None:
    found = choose_recipe(TrainOptions(members=members), pictures(tmp_path, 300, "OK", each=5))
    assert (found.head.members, found.folds) == (members, folds)


def test_pixels_cannot_be_pasted_into_features(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cutmix.*--mix mixup, or --recipe tutorial"):
        choose_recipe(TrainOptions(mix="cutmix"), pictures(tmp_path, 300, "OK", each=5))


def test_from_scratch_takes_what_goes_with_it(tmp_path: Path) -> None:
    data = pictures(tmp_path, 32)
    found = choose_recipe(TrainOptions(label_smoothing=0.05, tta="none"), data)
    assert found.from_scratch is not None
    assert (found.from_scratch.label_smoothing, found.inference_views) == (0.05, ("plain",))
    assert choose_recipe(TrainOptions(members=3), data).head.members == 3
    for same in (TrainOptions(mix="none"), TrainOptions(focal=0.0), TrainOptions(imbalance="none")):
        assert choose_recipe(same, data) == choose_recipe(TrainOptions(), data)
    plain = choose_recipe(TrainOptions(label_smoothing=0.0), data).from_scratch
    assert plain is not None
    assert plain.label_smoothing == 0.0
    for options in (TrainOptions(focal=1.0), TrainOptions(mix="mixup")):
        with pytest.raises(ConfigError, match="does not go with a network trained from scratch"):
            choose_recipe(options, data)


def test_epochs_and_micro_batches_as_asked_for(tmp_path: Path) -> None:
    large, small = pictures(tmp_path, 300, "OK", each=5), pictures(tmp_path, 32)
    assert choose_recipe(TrainOptions(epochs=7), large).head_epochs == 7
    tuned = choose_recipe(TrainOptions(recipe="tutorial", epochs=7, micro_batch=4), large).fine_tune
    assert tuned is not None
    assert (tuned.epochs, tuned.micro_batch, tuned.batch) == (7, 4, 32)
    scratch = choose_recipe(TrainOptions(epochs=7, micro_batch=4), small).from_scratch
    assert scratch is not None
    assert (scratch.epochs, scratch.micro_batch, scratch.batch) == (7, 4, 2000)
    plain = choose_recipe(TrainOptions(), small).from_scratch
    assert plain is not None
    assert (plain.epochs, plain.micro_batch) == (10, None)
    with pytest.raises(ConfigError, match="--micro-batch does not go with recipe 'fast'"):
        choose_recipe(TrainOptions(micro_batch=4), large)
