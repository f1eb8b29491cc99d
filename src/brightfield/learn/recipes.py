"""Recipes: named and complete settings for the training of a classifier."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from brightfield.engine.spec import HeadSpec
from brightfield.engine.view_names import FLIPS, MIRRORS
from brightfield.errors import ConfigError
from brightfield.learn.learning import Learning

OPTIMISERS = ("sgd", "adam", "adamw", "muon")
SCHEDULES = ("step", "cosine", "plateau", "one-cycle", "linear")
PRECISIONS = ("auto", "float32", "bfloat16")


def _check_names(optimiser: str, schedule: str, without: tuple[str, ...] = ()) -> None:
    for kind, name, every in (("optimiser", optimiser, OPTIMISERS), ("schedule", schedule, SCHEDULES)):
        known = [n for n in every if n not in without]
        if name not in known:
            raise ConfigError(f"the recipe's {kind} is {name!r}; expected one of {', '.join(known)}")


def _check_plateau(schedule: str, validation: float) -> None:
    if schedule == "plateau" and validation == 0:
        raise ConfigError(
            "the recipe's schedule is 'plateau', which needs held-out images, but its validation share is 0; "
            "expected a validation share above 0, or another schedule"
        )


@dataclass(frozen=True)
class TrainHead:
    """Training of a head on features of a frozen network, which are computed once and cached.

    Attributes:
        views: The views whose features are cached, as names of `VIEWS`.
        folds: The number of folds for calibration on out-of-fold scores, by the head's members trained
            without an image's fold; 0 if a calibration split is held out instead.
        epochs: The passes over the cached features.
        learning_rate: The peak learning rate.
        weight_decay: The weight decay; decoupled with `adamw`, else added to the gradient.
        optimiser: One of `OPTIMISERS` except `muon`, as a head has no filters.
        schedule: One of `SCHEDULES` except `plateau`, as no images are held out.
        step_epochs: The epochs between two steps of the schedule `step`.
        step_factor: The factor of the learning rate at each step of the schedule `step`.
        time_budget: The time for features, in seconds, within which the planner chooses the working size.
    """

    views: tuple[str, ...] = FLIPS[:1]
    folds: int = 0
    epochs: int = 30
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    optimiser: str = "adamw"
    schedule: str = "one-cycle"
    step_epochs: int = 10
    step_factor: float = 0.5
    time_budget: float = 120.0

    def __post_init__(self) -> None:
        _check_names(self.optimiser, self.schedule, without=("muon", "plateau"))


@dataclass(frozen=True)
class FineTune:
    """Fine-tuning of a network's last stages on augmented images.

    Attributes:
        stages: The number of the backbone's last stages that are trained; the others are frozen, with their
            BatchNorm statistics.
        learning_rate: The peak learning rate of all parameters; with `muon` that of the filters.
        epochs: The largest number of epochs.
        patience: The epochs without a better validation F1 before early stopping; None for no stopping.
        batch: The batch size in images.
        micro_batch: The images of a batch whose gradients are computed at once (gradient accumulation); None
            for the whole batch.
        validation: The share of the training split held out to choose the best epoch; 0 for none.
        optimiser: One of `OPTIMISERS`.
        weight_decay: The weight decay; decoupled with `adamw`, per step and not of filters with `muon`, else
            added to the gradient.
        bias_rate: With `muon`, the learning rate of the backbone's parameters that are not filters.
        head_rate: With `muon`, the learning rate of the head.
        schedule: One of `SCHEDULES`; `plateau` needs held-out images.
        step_epochs: The epochs between two steps of the schedule `step`.
        step_factor: The factor of the learning rate at each step of the schedule `step`.
        time_budget: The time for one pass over all tiles, in seconds, within which the planner chooses the
            working size.
    """

    stages: int = 1
    learning_rate: float = 3e-4
    epochs: int = 20
    patience: int | None = 5
    batch: int = 32
    micro_batch: int | None = None
    validation: float = 0.15
    optimiser: str = "adam"
    weight_decay: float = 0.0
    bias_rate: float = 0.01
    head_rate: float = 0.01
    schedule: str = "plateau"
    step_epochs: int = 7
    step_factor: float = 0.1
    time_budget: float = 120.0

    def __post_init__(self) -> None:
        _check_names(self.optimiser, self.schedule)
        _check_plateau(self.schedule, self.validation)


@dataclass(frozen=True)
class FromScratch:
    """Training of a small network from random weights.

    Attributes:
        epochs: The number of epochs.
        batch: The batch size in images.
        micro_batch: The images of a batch whose gradients are computed at once (gradient accumulation); None
            for a number that suits the machine.
        optimiser: One of `OPTIMISERS`.
        learning_rate: The peak learning rate of all parameters; with `muon` that of the filters.
        bias_rate: With `muon`, the learning rate of the trunk's parameters that are not filters, for a loss
            summed over the batch.
        head_rate: With `muon`, the learning rate of the head, for a loss summed over the batch.
        weight_decay: The weight decay; decoupled with `adamw`, per step and not of filters with `muon`, else
            added to the gradient.
        whitening_epochs: The first epochs, in which the bias of a whitening layer is trained.
        schedule: One of `SCHEDULES`; `plateau` needs held-out images.
        step_epochs: The epochs between two steps of the schedule `step`.
        step_factor: The factor of the learning rate at each step of the schedule `step`.
        label_smoothing: The share of each label that is spread over all classes.
        translate: The largest translation of an image in pixels.
        flip: The mirroring: `alternate` (in every other epoch), `random` or `none`.
        cutout: The side in pixels of the square of each image that is blanked; 0 for none.
        validation: The share of the training split held out to choose the best epoch; 0 for none.
        dropout: The share of values dropped in the head in training; None for the network's own.
        image_size: The side of the pictures in pixels, for which the network is built.
    """

    epochs: int
    batch: int
    optimiser: str
    learning_rate: float
    micro_batch: int | None = None
    bias_rate: float = 0.0
    head_rate: float = 0.0
    weight_decay: float = 0.0
    whitening_epochs: int = 3
    schedule: str = "linear"
    step_epochs: int = 10
    step_factor: float = 0.5
    label_smoothing: float = 0.0
    translate: int = 0
    flip: str = "none"
    cutout: int = 0
    validation: float = 0.0
    dropout: float | None = None
    image_size: int = 32

    def __post_init__(self) -> None:
        _check_names(self.optimiser, self.schedule)
        _check_plateau(self.schedule, self.validation)
        if self.optimiser == "muon" and not (self.bias_rate > 0 and self.head_rate > 0):
            raise ConfigError(
                f"the recipe's rates beside muon are {self.bias_rate:g} and {self.head_rate:g}; expected a "
                "bias_rate and a head_rate above 0"
            )


How = TrainHead | FineTune | FromScratch
"""The three ways of training a classifier."""


@dataclass(frozen=True)
class Recipe:
    """The complete settings for the training of a classifier.

    Attributes:
        name: The name for `--recipe`.
        backbone: The default backbone.
        head: The specification of the head; a network trained from scratch has its own head and takes only
            the number of members from here.
        how: The way of training, with its settings.
        learning: The learning options, which training from scratch ignores.
        inference_views: The views whose logits are averaged for an image used whole, as names of `VIEWS`.
        tile_views: The views for an image in tiles, which takes many passes already.
        precision: The number format of training, one of `PRECISIONS`; `auto` is the machine's fastest.
    """

    name: str
    backbone: str
    head: HeadSpec
    how: How
    learning: Learning = field(default_factory=Learning)
    inference_views: tuple[str, ...] = FLIPS[:1]
    tile_views: tuple[str, ...] = FLIPS[:1]
    precision: str = "auto"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest; `how` has the way of training under `way`."""
        return {**asdict(self), "how": {"way": WAYS[type(self.how)], **asdict(self.how)}}


WAYS: dict[type, str] = {TrainHead: "train-head", FineTune: "fine-tune", FromScratch: "from-scratch"}
"""The names of the three ways of training in a manifest."""

MULTI_STAGE = HeadSpec(
    taps=(-6, -5, -4, -3, -2),
    pools=("mean", "max"),
    hidden=(64,),
    members=10,
    dropout=0.3,
    scales=(1.0, 0.53, 0.43),
)
"""Pooled maps of strides 8 to 32 at three scales: fine scratches show in the first, shapes in the last."""

RECIPES: dict[str, Recipe] = {
    "fast": Recipe(name="fast", backbone="tf_efficientnet_lite0", head=MULTI_STAGE, how=TrainHead(folds=5)),
    "best": Recipe(
        name="best",
        backbone="tf_efficientnet_lite0",
        head=replace(MULTI_STAGE, hidden=(128,)),
        how=TrainHead(views=FLIPS[:2], folds=5, epochs=40, time_budget=300.0),
        inference_views=FLIPS[:2],
    ),
    "tutorial": Recipe(
        name="tutorial",
        backbone="resnet50",
        head=HeadSpec(taps=(-1,), pools=("mean",)),
        how=FineTune(),
        learning=Learning(imbalance="sampling", uncertain="full"),
        precision="float32",
    ),
}

_SPEED_RUN = FromScratch(
    epochs=10,
    batch=2000,
    optimiser="muon",
    learning_rate=0.24,
    bias_rate=0.053,
    head_rate=8e-4,
    weight_decay=0.004,
    label_smoothing=0.2,
    translate=2,
    flip="alternate",
)
"""After Keller Jordan's speed runs on CIFAR-10 (2024)."""

SCRATCH_RECIPES: dict[str, Recipe] = {
    "fast": Recipe(
        name="fast", backbone="fast_cnn", head=HeadSpec(), how=_SPEED_RUN, inference_views=MIRRORS
    ),
    "best": Recipe(
        name="best",
        backbone="wide_cnn",
        head=HeadSpec(),
        how=replace(_SPEED_RUN, epochs=40, translate=4, cutout=12),
        inference_views=MIRRORS,
    ),
    "tutorial": Recipe(
        name="tutorial",
        backbone="tutorial_cnn",
        head=HeadSpec(),
        how=FromScratch(
            epochs=30,
            batch=128,
            optimiser="adam",
            learning_rate=1e-3,
            schedule="step",
            translate=4,
            flip="random",
            validation=0.1,
        ),
        precision="float32",
    ),
}


def find_recipe(name: str) -> Recipe:
    """Return a recipe by name.

    Raises:
        ConfigError: If no recipe has this name.
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"--recipe {name!r} is unknown; {hint}known are: {', '.join(RECIPES)}")
    return RECIPES[name]


def usual_rates(how: FineTune | FromScratch, optimiser: str) -> dict[str, float]:
    """Return the default learning rates and weight decay of an optimiser, for a way of training."""
    if isinstance(how, FineTune):
        return _TUNING_RATES[optimiser]
    return _SCRATCH_RATES[optimiser]


_TUNING_RATES: dict[str, dict[str, float]] = {
    "sgd": {"learning_rate": 1e-2, "weight_decay": 1e-4},
    "adam": {"learning_rate": 3e-4, "weight_decay": 0.0},
    "adamw": {"learning_rate": 3e-4, "weight_decay": 1e-2},
    "muon": {"learning_rate": 2e-2, "weight_decay": 0.0, "bias_rate": 1e-2, "head_rate": 1e-2},
}
_SCRATCH_RATES: dict[str, dict[str, float]] = {
    "sgd": {"learning_rate": 5e-2, "weight_decay": 5e-4},
    "adam": {"learning_rate": 1e-3, "weight_decay": 0.0},
    "adamw": {"learning_rate": 1e-3, "weight_decay": 1e-2},
    "muon": {
        name: getattr(_SPEED_RUN, name)
        for name in ("learning_rate", "weight_decay", "bias_rate", "head_rate")
    },
}
