"""What learns a classifier: its recipe, what the data must hold for it, and the fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.data.dataset import Dataset, check_classes, check_judged
from brightfield.errors import ConfigError, DataError
from brightfield.learn.recipe_selection import choose_recipe
from brightfield.learn.recipes import FromScratch, Recipe, TrainHead
from brightfield.methods.base import Fitted, Job
from brightfield.methods.classifier.options import ClassifierOptions


class ClassifierLearner:
    """Learns a classifier by one recipe."""

    def __init__(self, options: ClassifierOptions, recipe: Recipe) -> None:
        self.options = options
        self.recipe = recipe

    @property
    def folds(self) -> int:
        """In how many folds the training images can calibrate; what tunes the trunk shows it every image."""
        return self.recipe.how.folds if isinstance(self.recipe.how, TrainHead) else 0

    @property
    def identity(self) -> Mapping[str, Any]:
        """The recipe, which may differ from version to version."""
        return self.recipe.as_dict()

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Refuse splits without good and defective parts, or without two classes.

        Raises:
            DataError: If a class is missing.
        """
        check_classes(train)
        check_judged(
            calibration, "give `calibration` a larger share, or --resplit to share all images out again"
        )

    def check_processes(self, processes: Any) -> None:
        """Refuse several processes unless a network is trained from scratch.

        Raises:
            ConfigError: If several were started.
        """
        if processes.world > 1 and not isinstance(self.recipe.how, FromScratch):
            raise ConfigError(
                f"{processes.world} processes were started; only networks trained from scratch share the "
                "work among several: start one"
            )

    def fit(self, job: Job) -> Fitted:
        """Learn the classifier."""
        from brightfield.methods.classifier.fit import fit  # here, as it imports torch

        return fit(job, self.options, self.recipe)


def make_learner(options: ClassifierOptions, dataset: Dataset) -> ClassifierLearner:
    """Return what learns a classifier of a data set.

    Raises:
        ConfigError: If the options do not go together.
        DataError: If the data set shows one class only.
    """
    if len(set(dataset.labels)) == 1:
        only = dataset.labels[0]
        raise DataError(f"the data set shows one class only, {only!r}; a classifier needs two: add the other")
    return ClassifierLearner(options, choose_recipe(options, dataset))
