"""Recipes are complete and found by name; augmentations keep a picture a picture."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from brightfield.engine.views import VIEWS
from brightfield.errors import ConfigError
from brightfield.learn.augment import build_augmentation
from brightfield.learn.backbone import known_backbones
from brightfield.learn.checkpoint import load_checkpoint, save_checkpoint
from brightfield.learn.learning import MIXES, UNCERTAIN, corrections
from brightfield.learn.recipes import (
    OPTIMISERS,
    RECIPES,
    SCRATCH_RECIPES,
    FineTune,
    FromScratch,
    How,
    TrainHead,
    find_recipe,
    usual_rates,
)
from brightfield.learn.small import NETWORKS


def test_every_recipe_is_sound() -> None:
    backbones = set(known_backbones())
    for name, recipe in RECIPES.items():
        assert recipe.name == name
        assert recipe.backbone in backbones
        assert recipe.learning.mix in MIXES
        assert recipe.learning.uncertain in UNCERTAIN
        assert corrections(recipe.learning.imbalance) in ((), ("sampling",)), "one correction at a time"
        assert set(recipe.inference_views) <= set(VIEWS)
        assert recipe.inference_views[0] == "plain"  # heatmaps are those of the first
        assert recipe.tile_views[0] == "plain"
        assert json.loads(json.dumps(recipe.as_dict()))["name"] == name
    for name in ("fast", "best"):
        how = RECIPES[name].how
        assert isinstance(how, TrainHead)
        assert how.views[0] == "plain"
        assert how.folds <= RECIPES[name].head.members


def test_the_tutorial_is_what_it_is_known_for() -> None:
    tune = RECIPES["tutorial"].how
    assert isinstance(tune, FineTune)
    assert RECIPES["tutorial"].backbone == "resnet50"
    assert (tune.learning_rate, tune.epochs, tune.patience, tune.stages) == (3e-4, 20, 5, 1)
    assert (tune.optimiser, tune.weight_decay, tune.schedule) == ("adam", 0.0, "plateau")


def test_recipes_from_scratch() -> None:
    assert list(SCRATCH_RECIPES) == list(RECIPES) == ["fast", "best", "tutorial"]
    for name, recipe in SCRATCH_RECIPES.items():
        assert recipe.name == name
        assert recipe.backbone in NETWORKS
        assert isinstance(recipe.how, FromScratch)
        assert set(recipe.inference_views) <= set(VIEWS)
        said = json.loads(json.dumps(recipe.as_dict()))["how"]
        assert (said["way"], said["epochs"]) == ("from-scratch", recipe.how.epochs)
    tutorial = SCRATCH_RECIPES["tutorial"].how
    assert isinstance(tutorial, FromScratch)
    assert (tutorial.optimiser, tutorial.learning_rate, tutorial.batch, tutorial.epochs) == (
        "adam",
        1e-3,
        128,
        30,
    )
    assert (tutorial.schedule, tutorial.step_epochs, tutorial.step_factor) == ("step", 10, 0.5)


def test_the_head_of_the_default_recipe_learns_as_it_did() -> None:
    how = RECIPES["fast"].how
    assert how == TrainHead(("plain",), 5, 30, 1e-3, 1e-2, "adamw", "one-cycle", time_budget=120.0)
    assert isinstance(how, TrainHead)
    assert replace(how, epochs=40, views=("plain", "half turn"), time_budget=300.0) == RECIPES["best"].how


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (lambda: FineTune(optimiser="adma"), "optimiser is 'adma'; expected one of sgd, adam, adamw, muon"),
        (lambda: FineTune(schedule="exponential"), "schedule is 'exponential'; expected one of step"),
        (lambda: TrainHead(optimiser="muon"), "optimiser is 'muon'; expected one of sgd, adam, adamw$"),
        (lambda: TrainHead(schedule="plateau"), "schedule is 'plateau'"),
        (lambda: FineTune(validation=0), "needs held-out images"),
        (lambda: FromScratch(1, 8, "muon", 0.1), "bias_rate"),
    ],
)
def test_a_recipe_of_ones_own_is_checked(wrong: Callable[[], How], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        wrong()


def test_rates_to_begin_with_are_there_for_every_optimiser() -> None:
    for recipe in (RECIPES["tutorial"], *SCRATCH_RECIPES.values()):
        assert not isinstance(recipe.how, TrainHead)
        for name in OPTIMISERS:
            other = replace(recipe.how, optimiser=name, **usual_rates(recipe.how, name))  # type: ignore[arg-type]
            assert other.learning_rate > 0
        own = usual_rates(recipe.how, recipe.how.optimiser)
        assert {name: getattr(recipe.how, name) for name in own} == own, "the recipe's own are the usual ones"


def test_an_unknown_recipe_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="'fsat'.*did you mean 'fast'"):
        find_recipe("fsat")


def test_augmentation_keeps_size_and_kind() -> None:
    torch.manual_seed(0)
    image = torch.randint(0, 256, (3, 40, 56), dtype=torch.uint8)
    kept = image.clone()
    changed = [build_augmentation((9, 9, 9))(image) for _ in range(6)]
    assert all(c.shape == image.shape and c.dtype == torch.uint8 for c in changed)
    assert torch.equal(image, kept), "changed its input"
    assert not any(torch.equal(c, image) for c in changed)
    torch.manual_seed(0)
    torch.randint(0, 256, (3, 40, 56), dtype=torch.uint8)
    assert torch.equal(build_augmentation((9, 9, 9))(image), changed[0])


def test_what_turns_in_has_the_fill() -> None:
    torch.manual_seed(1)
    white = torch.full((3, 60, 60), 255, dtype=torch.uint8)
    turned = [build_augmentation((10, 120, 30))(white) for _ in range(4)]
    assert any((t[1].int() - t[0].int()).max() > 60 for t in turned), "the fill is green, nothing else is"


def test_a_checkpoint_brings_every_generator_back(tmp_path: object) -> None:
    from pathlib import Path

    import numpy as np

    path = Path(str(tmp_path)) / "c.pt"
    rng = np.random.default_rng(3)
    rng.integers(5)  # leaves half a draw in the generator
    torch.manual_seed(4)
    torch.rand(3)
    save_checkpoint(path, {"x": torch.ones(2), "n": [1, 0.5]}, rng)
    expected = (rng.integers(1000, size=4).tolist(), torch.rand(4).tolist())
    other = np.random.default_rng(0)
    torch.manual_seed(0)
    state = load_checkpoint(path, other)
    assert state is not None
    assert state["n"] == [1, 0.5]
    assert (other.integers(1000, size=4).tolist(), torch.rand(4).tolist()) == expected
    assert load_checkpoint(path.with_name("none.pt"), other) is None
