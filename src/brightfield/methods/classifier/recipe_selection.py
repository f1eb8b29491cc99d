"""Selection of the recipe for a data set, and its modification by the user's options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.data.opening import opened
from brightfield.engine.small_names import ONLY_SMALL, SMALL_NETWORKS, SMALL_SIDE
from brightfield.engine.view_names import TEST_TIME
from brightfield.errors import ConfigError, ImageError
from brightfield.learn.learning import Learning
from brightfield.learn.recipes import (
    SCRATCH_RECIPES,
    FineTune,
    FromScratch,
    Recipe,
    TrainHead,
    find_recipe,
    usual_rates,
)
from brightfield.methods.classifier.options import ClassifierOptions

MANY = 2000
"""The number of small images from which training from scratch is better than pretrained features."""

VALIDATION_FOR_PLATEAU = 0.1
"""The share of the training split that is held out if the schedule is changed to `plateau`."""

_SAMPLED = 200
_SMALLEST = 32
_SIDES = 8  # the working size is a multiple of it, so that three poolings by 2 leave no remainder

_FOR_IMAGES = ("batch", "micro_batch", "optimiser", "schedule", "learning_rate", "weight_decay")
"""The options that apply only to training on images, and not to training on cached features."""


def choose_recipe(options: ClassifierOptions, dataset: Dataset) -> Recipe:
    """Return the recipe for a data set, with all changes that the options make.

    A small network is trained from scratch if there are many small pictures without a normal class, as in
    CIFAR-10, for which weights pretrained on photographs help little, or if the backbone has no pretrained
    weights.

    Raises:
        ConfigError: If the recipe is unknown, or options contradict one another.
    """
    recipe = _select_recipe(options, dataset)
    if options.backbone is not None:
        recipe = replace(recipe, backbone=options.backbone)
    match recipe.how:
        case TrainHead():
            recipe = _with_head_options(recipe, recipe.how, options)
        case FineTune():
            recipe = _with_fine_tuning_options(recipe, recipe.how, options)
        case FromScratch():
            recipe = _with_scratch_options(recipe, recipe.how, options)
    if options.tta is not None:
        views = TEST_TIME[options.tta]
        recipe = replace(recipe, inference_views=views, tile_views=views)
    return recipe if options.precision is None else replace(recipe, precision=options.precision)


def _select_recipe(options: ClassifierOptions, dataset: Dataset) -> Recipe:
    """Return the recipe before changes: the given one, or that of this name which suits the pictures."""
    if isinstance(options.recipe, Recipe):
        return _check_given(options.recipe, options)
    size = options.image_size or _longest_side([s.path for s in dataset.samples])
    small = size <= SMALL_SIDE and dataset.normal is None and options.weights is None
    many = len(dataset) >= MANY and options.backbone is None
    if small and (many or options.backbone in SMALL_NETWORKS):
        return _of_size(SCRATCH_RECIPES[options.recipe], size)
    if options.backbone in ONLY_SMALL:
        return _of_size(SCRATCH_RECIPES[options.recipe], options.image_size or min(size, SMALL_SIDE))
    return find_recipe(options.recipe)


def _check_given(recipe: Recipe, options: ClassifierOptions) -> Recipe:
    """Return a recipe given as an object, for the requested size, if its backbone goes with it."""
    name = options.backbone or recipe.backbone
    if isinstance(recipe.how, FromScratch):
        if name not in SMALL_NETWORKS:
            raise ConfigError(
                f"backbone {name!r} does not train from scratch, as recipe {recipe.name!r} does; expected "
                f"one of {', '.join(SMALL_NETWORKS)}"
            )
        return _of_size(recipe, options.image_size or recipe.how.image_size)
    if name in ONLY_SMALL:
        raise ConfigError(
            f"backbone {name!r} has no pretrained weights, which recipe {recipe.name!r} needs: take one of "
            "SCRATCH_RECIPES, or another backbone"
        )
    return recipe


def _of_size(recipe: Recipe, size: int) -> Recipe:
    """Return a recipe from scratch for pictures of this side, rounded up to a multiple of 8."""
    if not isinstance(recipe.how, FromScratch):
        return recipe
    whole = max(_SMALLEST, -(-size // _SIDES) * _SIDES)
    return replace(recipe, how=replace(recipe.how, image_size=whole))


def _with_head_options(recipe: Recipe, how: TrainHead, options: ClassifierOptions) -> Recipe:
    """Return a recipe that trains a head on cached features, with the options applied."""
    for name in _FOR_IMAGES:
        if getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} does not go with recipe {recipe.name!r}, which trains a head on "
                "cached features: leave it out, or take --recipe tutorial, which fine-tunes the network"
            )
    recipe = _with_learning(_with_head(recipe, options), options)
    if recipe.learning.mix == "cutmix":
        raise ConfigError(
            f"--mix cutmix pastes pixels, but recipe {recipe.name!r} trains on features: take --mix mixup, "
            "or --recipe tutorial"
        )
    # a fold is scored by the members trained without it, so there are at most as many folds as members
    members = recipe.head.members
    folds = min(how.folds, members) if members > 1 else 0
    views = how.views if options.tta is None else TEST_TIME[options.tta]
    changed = _given(options, ("epochs", "time_budget"))
    return replace(recipe, how=replace(how, folds=folds, views=views, **changed))


def _with_fine_tuning_options(recipe: Recipe, how: FineTune, options: ClassifierOptions) -> Recipe:
    """Return a recipe that fine-tunes the last stages of a network, with the options applied."""
    changed = {**_training_changes(how, options), **_given(options, ("time_budget",))}
    recipe = _with_learning(_with_head(recipe, options), options)
    return replace(recipe, how=replace(how, **changed))


def _with_scratch_options(recipe: Recipe, how: FromScratch, options: ClassifierOptions) -> Recipe:
    """Return a recipe that trains a small network from scratch, with the options applied."""
    if options.weights not in (None, "none"):
        raise ConfigError(
            f"--weights does not go with {recipe.backbone}, which trains from scratch: leave it out, or "
            "choose another --backbone"
        )
    if options.tile is not None:
        raise ConfigError(
            "--tile does not go with a network trained from scratch, which takes whole pictures: leave it out"
        )
    if options.time_budget is not None:
        raise ConfigError(
            "--time-budget does not go with a network trained from scratch, whose working size is fixed; "
            "--epochs changes how long it learns"
        )
    for name, value in _given(options, ("imbalance", "focal", "mix", "uncertain")).items():
        if value != getattr(Learning(), name):
            raise ConfigError(
                f"--{name} does not go with a network trained from scratch, in which all images have the "
                "same weight: leave it out"
            )
    changed = {**_training_changes(how, options), **_given(options, ("label_smoothing", "dropout"))}
    if changed.get("schedule") == "plateau" and how.validation == 0:
        changed["validation"] = VALIDATION_FOR_PLATEAU
    members = recipe.head.members if options.members is None else options.members
    return replace(recipe, head=replace(recipe.head, members=members), how=replace(how, **changed))


def _training_changes(how: FineTune | FromScratch, options: ClassifierOptions) -> dict[str, Any]:
    """Return the changes to the training of a network; another optimiser comes with its usual rates."""
    other = options.optimiser is not None and options.optimiser != how.optimiser
    usual = usual_rates(how, str(options.optimiser)) if other else {}
    return {**usual, **_given(options, ("epochs", *_FOR_IMAGES))}


def _with_head(recipe: Recipe, options: ClassifierOptions) -> Recipe:
    return replace(recipe, head=replace(recipe.head, **_given(options, ("members", "dropout"))))


def _with_learning(recipe: Recipe, options: ClassifierOptions) -> Recipe:
    """Return the recipe with the learning options that were given."""
    names = [f.name for f in fields(Learning)]
    return replace(recipe, learning=replace(recipe.learning, **_given(options, names)))


def _given(options: ClassifierOptions, names: Sequence[str]) -> dict[str, Any]:
    """Return those of the named options that were given, by name."""
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _longest_side(paths: Sequence[Path]) -> int:
    """Return the longest side in a sample of the images, in pixels.

    It is more than `SMALL_SIDE` if none of them can be read, which the scan reports later.
    """
    sides = []
    for path in paths[:: max(1, len(paths) // _SAMPLED)]:
        try:
            with opened(path) as image:
                sides.append(max(image.size))
        except ImageError:
            continue
    return max(sides, default=SMALL_SIDE + 1)
