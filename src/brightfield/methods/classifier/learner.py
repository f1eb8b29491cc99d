"""The classifier's learner: its recipe, the checks of the data, and the fit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.data.dataset import Dataset, check_calibration_classes
from brightfield.errors import ConfigError, DataError
from brightfield.learn.recipes import FromScratch, Recipe, TrainHead
from brightfield.methods.base import Fitted, Job
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.methods.classifier.recipe_selection import choose_recipe


class ClassifierLearner:
    """Fits a classifier by one recipe."""

    good_parts_alone = False

    def __init__(self, options: ClassifierOptions, recipe: Recipe) -> None:
        self.options = options
        self.recipe = recipe

    @property
    def folds(self) -> int:
        """The number of folds for out-of-fold scores; 0 if the trunk is trained, which sees every image."""
        return self.recipe.how.folds if isinstance(self.recipe.how, TrainHead) else 0

    @property
    def identity(self) -> Mapping[str, Any]:
        """The recipe, which may change between versions."""
        return self.recipe.as_dict()

    def check(self, train: Dataset, calibration: Dataset) -> None:
        """Check that training has every class, and calibration good and defective parts or two classes.

        Raises:
            DataError: If a class is missing.
        """
        _check_classes(train)
        check_calibration_classes(
            calibration, "give `calibration` a larger share, or add --resplit to split all images anew"
        )

    def check_processes(self, processes: Any) -> None:
        """Check that there is one process only, unless a network is trained from scratch.

        Raises:
            ConfigError: If there are several processes, and the recipe does not train from scratch.
        """
        if processes.world > 1 and not isinstance(self.recipe.how, FromScratch):
            raise ConfigError(
                f"{processes.world} processes were started; only the training of a network from scratch can "
                "be distributed: start one process"
            )

    def fit(self, job: Job) -> Fitted:
        """Fit the classifier on the training split."""
        from brightfield.methods.classifier.fit import fit  # here, as it imports torch

        return fit(job, self.options, self.recipe)


def make_learner(options: ClassifierOptions, dataset: Dataset) -> ClassifierLearner:
    """Return the learner for a data set.

    Raises:
        ConfigError: If options contradict one another.
        DataError: If the data set has one class only.
    """
    if len(set(dataset.labels)) == 1:
        only = dataset.labels[0]
        raise DataError(f"the data set has one class only, {only!r}; a classifier needs two: add another")
    return ClassifierLearner(options, choose_recipe(options, dataset))


def _check_classes(train: Dataset) -> None:
    """Raise an error if the training split does not hold every class of the data set, at least two.

    Raises:
        DataError: If a class is missing, or there is only one.
    """
    counts = {name: n for name, n in train.counts().items() if n}
    if len(counts) < 2:
        only = next(iter(counts), "none")
        raise DataError(
            f"the training split holds one class only ({only}); a classifier needs at least two. If the "
            "defects are in the test split, as in MVTec's layout, add --resplit to split all images anew"
        )
    missing = [name for name in train.classes if name not in counts]
    if missing:
        raise DataError(
            f"the training split holds no image of {', '.join(missing)}; add some, or --resplit to split all "
            "images anew"
        )
