"""Which recipe a training follows: one on pretrained features, or one from scratch, changed as asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from brightfield.methods.classifier.options import ClassifierOptions

MANY = 2000
"""Images from which on a network learns small pictures better from scratch than from photographs."""

HELD_OUT_TO_SEE_A_PLATEAU = 0.1

_LOOKED_AT = 200
_SMALLEST = 32
_SIDES = 8  # a working size is a multiple of it, so that three pools divide it

_OF_TUNING = ("batch", "micro_batch", "optimiser", "schedule", "learning_rate", "weight_decay")
"""Options of what trains on images and not on kept features."""


def choose_recipe(options: ClassifierOptions, dataset: Dataset) -> Recipe:
    """Return the recipe that the options name, for this data set, with all that they change in it.

    Many small pictures without a normal class, as those of CIFAR-10, train a small network from scratch:
    weights learned on large photographs help little there. So does a backbone that has no such weights.

    Raises:
        ConfigError: If there is no such recipe, or the options do not go together.
    """
    recipe = _found(options, dataset)
    if options.backbone is not None:
        recipe = replace(recipe, backbone=options.backbone)
    match recipe.how:
        case TrainHead():
            recipe = _as_head(recipe, recipe.how, options)
        case FineTune():
            recipe = _as_tuning(recipe, recipe.how, options)
        case FromScratch():
            recipe = _as_scratch(recipe, recipe.how, options)
    if options.tta is not None:
        views = TEST_TIME[options.tta]
        recipe = replace(recipe, inference_views=views, tile_views=views)
    return recipe if options.precision is None else replace(recipe, precision=options.precision)


def _found(options: ClassifierOptions, dataset: Dataset) -> Recipe:
    """Return the recipe that is given, or that of its name which suits the pictures."""
    if isinstance(options.recipe, Recipe):
        return _given(options.recipe, options)
    size = options.image_size or _side([s.path for s in dataset.samples])
    small = size <= SMALL_SIDE and dataset.normal is None and options.weights is None
    many = len(dataset) >= MANY and options.backbone is None
    if small and (many or options.backbone in SMALL_NETWORKS):
        return _of_size(SCRATCH_RECIPES[options.recipe], size)
    if options.backbone in ONLY_SMALL:
        return _of_size(SCRATCH_RECIPES[options.recipe], options.image_size or min(size, SMALL_SIDE))
    return find_recipe(options.recipe)


def _given(recipe: Recipe, options: ClassifierOptions) -> Recipe:
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
            f"backbone {name!r} trains from scratch, and recipe {recipe.name!r} does not: take one of "
            "SCRATCH_RECIPES, or another backbone"
        )
    return recipe


def _of_size(recipe: Recipe, size: int) -> Recipe:
    if not isinstance(recipe.how, FromScratch):
        return recipe
    whole = max(_SMALLEST, -(-size // _SIDES) * _SIDES)
    return replace(recipe, how=replace(recipe.how, image_size=whole))


def _as_head(recipe: Recipe, how: TrainHead, options: ClassifierOptions) -> Recipe:
    """Return a recipe that trains a head on kept features, as asked for."""
    for name in _OF_TUNING:
        if getattr(options, name) is not None:
            raise ConfigError(
                f"--{name.replace('_', '-')} does not go with recipe {recipe.name!r}, which learns from kept "
                "features in seconds: leave it out, or take --recipe tutorial, which tunes the network"
            )
    recipe = _taught(_headed(recipe, options), options)
    if recipe.learning.mix == "cutmix":
        raise ConfigError(
            f"--mix cutmix pastes pixels, and recipe {recipe.name!r} learns from features: take --mix mixup, "
            "or --recipe tutorial"
        )
    # a fold is judged by the members that were not shown it, so there are as many members at the least
    members = recipe.head.members
    folds = min(how.folds, members) if members > 1 else 0
    views = how.views if options.tta is None else TEST_TIME[options.tta]
    changed = _asked(options, ("epochs", "time_budget"))
    return replace(recipe, how=replace(how, folds=folds, views=views, **changed))


def _as_tuning(recipe: Recipe, how: FineTune, options: ClassifierOptions) -> Recipe:
    """Return a recipe that tunes a network's upper stages, as asked for."""
    changed = {**_tuned(how, options), **_asked(options, ("time_budget",))}
    return replace(_taught(_headed(recipe, options), options), how=replace(how, **changed))


def _as_scratch(recipe: Recipe, how: FromScratch, options: ClassifierOptions) -> Recipe:
    """Return a recipe that trains a small network from scratch, as asked for."""
    if options.weights not in (None, "none"):
        raise ConfigError(f"--weights does not go with {recipe.backbone}, which trains from scratch")
    if options.tile is not None:
        raise ConfigError(
            "--tile does not go with a network trained from scratch, which sees the picture whole"
        )
    if options.time_budget is not None:
        raise ConfigError(
            "--time-budget does not go with a network trained from scratch, whose working size is fixed; "
            "--epochs changes how long it learns"
        )
    for name, value in _asked(options, ("imbalance", "focal", "mix", "uncertain")).items():
        if value != getattr(Learning(), name):
            raise ConfigError(
                f"--{name} does not go with a network trained from scratch, whose classes count as the "
                "images do"
            )
    changed = {**_tuned(how, options), **_asked(options, ("label_smoothing", "dropout"))}
    if changed.get("schedule") == "plateau" and how.validation == 0:
        changed["validation"] = HELD_OUT_TO_SEE_A_PLATEAU
    members = recipe.head.members if options.members is None else options.members
    return replace(recipe, head=replace(recipe.head, members=members), how=replace(how, **changed))


def _tuned(how: FineTune | FromScratch, options: ClassifierOptions) -> dict[str, Any]:
    """Return what changes in how a network is tuned: another optimiser begins with rates of its own."""
    other = options.optimiser is not None and options.optimiser != how.optimiser
    usual = usual_rates(how, str(options.optimiser)) if other else {}
    return {**usual, **_asked(options, ("epochs", *_OF_TUNING))}


def _headed(recipe: Recipe, options: ClassifierOptions) -> Recipe:
    return replace(recipe, head=replace(recipe.head, **_asked(options, ("members", "dropout"))))


def _taught(recipe: Recipe, options: ClassifierOptions) -> Recipe:
    """Return the recipe with what the options say of learning."""
    names = [f.name for f in fields(Learning)]
    return replace(recipe, learning=replace(recipe.learning, **_asked(options, names)))


def _asked(options: ClassifierOptions, names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name in names if (value := getattr(options, name)) is not None}


def _side(paths: Sequence[Path]) -> int:
    """Return the longest side of the first images, 0 where none can be read; the scan says which cannot."""
    sides = []
    for path in paths[:: max(1, len(paths) // _LOOKED_AT)]:
        try:
            with opened(path) as image:
                sides.append(max(image.size))
        except ImageError:
            continue
    return max(sides, default=SMALL_SIDE + 1)
