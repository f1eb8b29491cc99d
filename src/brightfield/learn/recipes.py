"""Recipes: named, complete settings of how a classifier is trained."""

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
            "the recipe's schedule is 'plateau', and it holds no images out to see one; expected a "
            "validation share above 0, or another schedule"
        )


@dataclass(frozen=True)
class TrainHead:
    """Training a head on features of a frozen network, which are computed once and kept.

    Attributes:
        views: Of each image, whose features are kept: names of `VIEWS`.
        folds: In how many the training images calibrate too, each judged by the head's members that were
            not trained on its fold; 0 where only a part held out of training can calibrate.
        epochs: Passes over the kept features.
        learning_rate: At its peak.
        weight_decay: Decoupled with `adamw`, else added to the gradient.
        optimiser: One of `OPTIMISERS` but `muon`, as a head has no filters.
        schedule: One of `SCHEDULES` but `plateau`, as nothing is held out.
        step_epochs: Epochs between two steps of the schedule `step`.
        step_factor: By which each multiplies the rate.
        time_budget: Seconds that the planner may spend on features when it chooses the working size.
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
    """Training a network's upper stages on augmented images, epoch by epoch.

    Attributes:
        stages: How many of the backbone's last stages are trained; the others stay, BatchNorm too.
        learning_rate: At its peak: of everything, or beside Muon of the filters.
        epochs: At the most.
        patience: Epochs without a better validation F1 before it stops; None trains all epochs.
        batch: Images in a step.
        micro_batch: Images whose gradients are computed at once; those of a batch add up. None for the batch.
        validation: Share of the training split held out to choose the best epoch; 0 for none.
        optimiser: One of `OPTIMISERS`.
        weight_decay: Decoupled with `adamw`; with `muon` per step, of all but the filters, whose norm is
            held; else added to the gradient.
        bias_rate: Of biases, beside Muon.
        head_rate: Of the head, likewise.
        schedule: One of `SCHEDULES`; `plateau` needs validation images.
        step_epochs: Epochs between two steps of the schedule `step`.
        step_factor: By which each multiplies the rate.
        time_budget: Seconds that the planner assumes a look at all tiles may take when it chooses the size.
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
    """Training a small network from random weights, epoch by epoch.

    Attributes:
        epochs: Passes over the images.
        batch: Images in a step.
        micro_batch: Images whose gradients are computed at once; those of a batch add up. None for what
            suits the machine.
        optimiser: One of `OPTIMISERS`.
        learning_rate: At its peak: of everything, or beside Muon of the filters.
        bias_rate: Of biases, beside Muon, for the loss summed over the batch.
        head_rate: Of the head, likewise.
        weight_decay: Decoupled with `adamw`; with `muon` per step, of all but the filters, whose norm is
            held; else added to the gradient.
        whitening_epochs: In which the bias of a whitening first layer learns too.
        schedule: One of `SCHEDULES`; `plateau` needs validation images.
        step_epochs: Epochs between two steps of the schedule `step`.
        step_factor: By which each multiplies the rate.
        label_smoothing: Share of each label spread over all classes.
        translate: Pixels by which an image is moved at the most.
        flip: `alternate`, `random` or `none`.
        cutout: Side in pixels of a square of each image that is blanked; 0 for none.
        validation: Share of the training split held out to choose the best epoch; 0 for none.
        dropout: Share of values dropped in the head in training; None for what belongs to the network.
        image_size: The side in pixels that the network is built for.
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
"""The three ways to train a classifier."""


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        name: What `--recipe` calls it.
        backbone: The backbone where none is named.
        head: What turns maps into logits; of a network trained from scratch only the number of members
            counts, as it has a head of its own.
        how: Which of the three ways it is trained, with all that belongs to that way.
        learning: What is learned from each image, except by a network trained from scratch.
        inference_views: Of an image seen whole, whose logits are averaged in use: names of `VIEWS`.
        tile_views: Likewise of the tiles of a larger one, which already take many passes.
        precision: In which number format networks learn: one of `PRECISIONS`; `auto` is the quickest here.
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
        """Return plain values for a manifest; `how` says under `way` which of the three it is."""
        return {**asdict(self), "how": {"way": WAYS[type(self.how)], **asdict(self.how)}}


WAYS: dict[type, str] = {TrainHead: "train-head", FineTune: "fine-tune", FromScratch: "from-scratch"}
"""What a manifest calls the three ways."""

MULTI_STAGE = HeadSpec(
    taps=(-6, -5, -4, -3, -2),
    pools=("mean", "max"),
    hidden=(64,),
    members=10,
    dropout=0.3,
    scales=(1.0, 0.53, 0.43),
)
"""Pooled maps from stride 8 to 32, fine scratches in the first and shapes in the last, at three scales."""

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
        ConfigError: If there is none of that name.
    """
    if name not in RECIPES:
        close = difflib.get_close_matches(name, RECIPES, n=1)
        hint = f"did you mean {close[0]!r}? " if close else ""
        raise ConfigError(f"--recipe {name!r} is unknown; {hint}known are: {', '.join(RECIPES)}")
    return RECIPES[name]


def usual_rates(how: FineTune | FromScratch, optimiser: str) -> dict[str, float]:
    """Return the rates and the weight decay to begin with, where a recipe takes another optimiser."""
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
