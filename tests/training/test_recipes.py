"""Recipes are complete and found by name; augmentations keep a picture a picture."""

from __future__ import annotations

import json

import pytest
import torch

from brightfield.errors import ConfigError
from brightfield.models.backbone import known_backbones
from brightfield.models.small import NETWORKS
from brightfield.models.views import VIEWS
from brightfield.training.augment import build_augmentation
from brightfield.training.checkpoint import load_checkpoint, save_checkpoint
from brightfield.training.learning import MIXES, UNCERTAIN, corrections
from brightfield.training.recipes import (
    RECIPES,
    SCRATCH_RECIPES,
    find_recipe,
)


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
        assert (recipe.views == ()) == (recipe.fine_tune is not None)
        assert recipe.folds <= recipe.head.members
        assert json.loads(json.dumps(recipe.as_dict()))["name"] == name


def test_the_tutorial_is_what_it_is_known_for() -> None:
    tune = RECIPES["tutorial"].fine_tune
    assert tune is not None
    assert RECIPES["tutorial"].backbone == "resnet50"
    assert (tune.learning_rate, tune.epochs, tune.patience, tune.stages) == (3e-4, 20, 5, 1)


def test_recipes_from_scratch() -> None:
    assert list(SCRATCH_RECIPES) == list(RECIPES) == ["fast", "best", "tutorial"]
    for name, recipe in SCRATCH_RECIPES.items():
        assert recipe.name == name
        assert recipe.backbone in NETWORKS
        assert recipe.from_scratch is not None
        assert set(recipe.inference_views) <= set(VIEWS)
        assert (
            json.loads(json.dumps(recipe.as_dict()))["from_scratch"]["epochs"] == recipe.from_scratch.epochs
        )
    tutorial = SCRATCH_RECIPES["tutorial"].from_scratch
    assert tutorial is not None
    assert (tutorial.optimiser, tutorial.learning_rate, tutorial.batch, tutorial.epochs) == (
        "adam",
        1e-3,
        128,
        30,
    )
    assert (tutorial.schedule, tutorial.step_epochs, tutorial.step_factor) == ("step", 10, 0.5)


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
