"""Which recipe a training follows: one on pretrained features, or one from scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from brightfield.config import TrainOptions
from brightfield.data.dataset import Dataset
from brightfield.data.opening import opened
from brightfield.errors import ConfigError, ImageError
from brightfield.models.small import NETWORKS, ONLY_SMALL, SMALL_SIDE
from brightfield.models.views import TEST_TIME
from brightfield.training.recipes import SCRATCH_RECIPES, Learning, Recipe, find_recipe

MANY = 2000
"""Images from which on a network learns small pictures better from scratch than from photographs."""

_LOOKED_AT = 200
_SMALLEST = 32
_SIDES = 8  # a working size is a multiple of it, so that three pools divide it


def choose_recipe(options: TrainOptions, dataset: Dataset) -> Recipe:
    """Return the recipe that the options name, for this data set.

    Many small pictures without a normal class, as those of CIFAR-10, train a small network from scratch:
    weights learned on large photographs help little there. So does a backbone that has no such weights.

    Raises:
        ConfigError: If there is no such recipe, or the options do not go together.
    """
    if dataset.normal is None and options.policy != TrainOptions().policy:
        raise ConfigError(
            f"--policy {options.policy!r} chooses a threshold, and where no class is normal there is none: "
            f"name the class of good parts with --normal ({', '.join(dataset.classes)}), or leave it away"
        )
    recipe = _timed(_taught(_recipe(options, dataset), options), options)
    return recipe if options.precision is None else replace(recipe, precision=options.precision)


def _taught(recipe: Recipe, options: TrainOptions) -> Recipe:
    """Return the recipe with what the options say of learning, of the ensemble and of test-time views."""
    named = {f.name: getattr(options, f.name) for f in fields(Learning)}
    asked = {name: value for name, value in named.items() if value is not None}
    head = recipe.head if options.members is None else replace(recipe.head, members=options.members)
    if recipe.from_scratch is not None:
        recipe = replace(_scratch_taught(recipe, asked), head=head)
    else:
        # a fold is judged by the members that were not shown it, so there are as many members at the least
        folds = min(recipe.folds, head.members) if head.members > 1 else 0
        recipe = replace(recipe, learning=replace(recipe.learning, **asked), head=head, folds=folds)
    if recipe.fine_tune is None and recipe.learning.mix == "cutmix":
        raise ConfigError(
            f"--mix cutmix pastes pixels, and recipe {recipe.name!r} learns from features: take --mix mixup, "
            "or --recipe tutorial"
        )
    if options.tta is None:
        return recipe
    views = TEST_TIME[options.tta]
    return replace(recipe, views=views if recipe.views else (), inference_views=views, tile_views=views)


def _scratch_taught(recipe: Recipe, asked: dict[str, Any]) -> Recipe:
    smoothing = asked.pop("label_smoothing", None)
    changed = [name for name, value in asked.items() if value != getattr(Learning(), name)]
    if changed:
        raise ConfigError(
            f"--{changed[0]} does not go with a network trained from scratch, whose classes count as "
            "the images do"
        )
    if smoothing is None or recipe.from_scratch is None:
        return recipe
    return replace(recipe, from_scratch=replace(recipe.from_scratch, label_smoothing=smoothing))


def _timed(recipe: Recipe, options: TrainOptions) -> Recipe:
    """Return the recipe with as many epochs as asked for, of batches in parts as asked for."""
    asked = {"epochs": options.epochs, "micro_batch": options.micro_batch}
    changed: dict[str, Any] = {name: value for name, value in asked.items() if value is not None}
    if recipe.from_scratch is not None:
        return replace(recipe, from_scratch=replace(recipe.from_scratch, **changed))
    if recipe.fine_tune is not None:
        return replace(recipe, fine_tune=replace(recipe.fine_tune, **changed))
    if options.micro_batch is not None:
        raise ConfigError(
            f"--micro-batch does not go with recipe {recipe.name!r}, which learns from kept features and "
            "needs little memory: leave it away, or take --recipe tutorial"
        )
    return recipe if options.epochs is None else replace(recipe, head_epochs=options.epochs)


def _recipe(options: TrainOptions, dataset: Dataset) -> Recipe:
    recipe = find_recipe(options.recipe)
    size = options.image_size or _side([s.path for s in dataset.samples])
    small = size <= SMALL_SIDE and dataset.normal is None and options.weights is None
    many = len(dataset) >= MANY and options.backbone is None
    if small and (many or options.backbone in NETWORKS):
        return _scratch(options, size)
    if options.backbone in ONLY_SMALL:
        return _scratch(options, options.image_size or min(size, SMALL_SIDE))
    if options.backbone is not None:
        recipe = replace(recipe, backbone=options.backbone)
    return recipe if options.time_budget is None else replace(recipe, time_budget=options.time_budget)


def _scratch(options: TrainOptions, size: int) -> Recipe:
    if options.weights not in (None, "none"):
        raise ConfigError(
            f"--weights does not go with {options.backbone or 'a network'} trained from scratch"
        )
    if options.tile is not None:
        raise ConfigError(
            "--tile does not go with a network trained from scratch, which sees the picture whole"
        )
    recipe = SCRATCH_RECIPES[options.recipe]
    if options.backbone is not None:
        recipe = replace(recipe, backbone=options.backbone)
    return replace(recipe, image_size=max(_SMALLEST, -(-size // _SIDES) * _SIDES))


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
