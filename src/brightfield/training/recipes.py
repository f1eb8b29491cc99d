"""Recipes: named, complete settings of how a classifier is trained."""

from __future__ import annotations

import difflib
from dataclasses import asdict, dataclass, replace
from typing import Any

from brightfield.errors import ConfigError
from brightfield.engine.spec import HeadSpec
from brightfield.engine.view_names import FLIPS, MIRRORS


@dataclass(frozen=True)
class Learning:
    """What a network learns from each image.

    Attributes:
        imbalance: How unequal classes are corrected: `none`, or of `config.CORRECTIONS` one or, joined by
            `+`, several.
        focal: The exponent of the focal loss; 0 for cross-entropy.
        label_smoothing: Share of each label spread over all classes.
        mix: One of `config.MIXES`.
        uncertain: What a label counts whose annotator was not sure: one of `config.UNCERTAIN`.
    """

    imbalance: str = "none"
    focal: float = 0.0
    label_smoothing: float = 0.0
    mix: str = "none"
    uncertain: str = "weighted"


@dataclass(frozen=True)
class FineTune:
    """Training a network's upper stages on augmented images, epoch by epoch, with Adam.

    Attributes:
        stages: How many of the backbone's last stages are trained; the others stay, BatchNorm too.
        learning_rate: At its peak; halved when validation F1 stalls for 2 epochs.
        epochs: At the most.
        patience: Epochs without a better validation F1 before it stops; None trains all epochs.
        batch: Images in a step.
        micro_batch: Images whose gradients are computed at once; those of a batch add up. None for the batch.
        validation: Share of the training part held out to choose the best epoch; 0 for none.
    """

    stages: int = 1
    learning_rate: float = 3e-4
    epochs: int = 20
    patience: int | None = 5
    batch: int = 32
    micro_batch: int | None = None
    validation: float = 0.15


@dataclass(frozen=True)
class FromScratch:
    """Training a small network from random weights, epoch by epoch.

    Attributes:
        epochs: Passes over the images.
        batch: Images in a step.
        micro_batch: Images whose gradients are computed at once; those of a batch add up. None for what
            suits the machine.
        optimiser: `muon` for filters with SGD for all else, or `adam`.
        learning_rate: At its peak: of the filters, or of everything.
        bias_rate: Of biases, beside Muon, for the loss summed over the batch.
        head_rate: Of the head, likewise.
        weight_decay: Per step; beside Muon of all but the filters, whose norm is held.
        whitening_epochs: In which the bias of a whitening first layer learns too.
        schedule: `linear` down to zero, or `step`.
        step_epochs: Epochs between two steps.
        step_factor: By which each multiplies the rate.
        label_smoothing: Share of each label spread over all classes.
        translate: Pixels by which an image is moved at the most.
        flip: `alternate`, `random` or `none`.
        cutout: Side in pixels of a square of each image that is blanked; 0 for none.
        validation: Share of the training part held out to choose the best epoch; 0 for none.
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


@dataclass(frozen=True)
class Recipe:
    """How a classifier is trained.

    Attributes:
        name: What `--recipe` calls it.
        backbone: The backbone where none is named.
        head: What turns maps into logits.
        views: Of each image, whose features are computed once and kept: names of `VIEWS`; () for none.
        folds: In how many the training images calibrate too, each judged by the head's members that were
            not trained on its fold; 0 where only a part held out of training can calibrate.
        head_epochs: Passes over the kept features.
        head_learning_rate: At its peak.
        head_weight_decay: Decoupled.
        learning: What is learned from each image, except by a small network.
        inference_views: Of an image seen whole, whose logits are averaged in use: names of `VIEWS`.
        tile_views: Likewise of the tiles of a larger one, which already take many passes.
        fine_tune: How the upper stages are trained instead of a head on kept features, or None.
        from_scratch: How a small network is trained instead of all that, or None.
        image_size: The side in pixels that a small network is built for.
        time_budget: Seconds that the planner may spend on features when it chooses the working size.
        precision: In which number format networks learn: `float32`, `bfloat16`, or `auto`, the quickest here.
    """

    name: str
    backbone: str
    head: HeadSpec
    views: tuple[str, ...] = FLIPS[:1]
    folds: int = 0
    head_epochs: int = 30
    head_learning_rate: float = 1e-3
    head_weight_decay: float = 1e-2
    learning: Learning = Learning()
    inference_views: tuple[str, ...] = FLIPS[:1]
    tile_views: tuple[str, ...] = FLIPS[:1]
    fine_tune: FineTune | None = None
    from_scratch: FromScratch | None = None
    image_size: int | None = None
    time_budget: float = 120.0
    precision: str = "auto"

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return asdict(self)


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
    "fast": Recipe(name="fast", backbone="tf_efficientnet_lite0", head=MULTI_STAGE, folds=5),
    "best": Recipe(
        name="best",
        backbone="tf_efficientnet_lite0",
        head=replace(MULTI_STAGE, hidden=(128,)),
        views=FLIPS[:2],
        folds=5,
        head_epochs=40,
        inference_views=FLIPS[:2],
        time_budget=300.0,
    ),
    "tutorial": Recipe(
        name="tutorial",
        backbone="resnet50",
        head=HeadSpec(taps=(-1,), pools=("mean",)),
        views=(),
        learning=Learning(imbalance="sampling", uncertain="full"),
        fine_tune=FineTune(),
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
        name="fast",
        backbone="fast_cnn",
        head=HeadSpec(),
        views=(),
        inference_views=MIRRORS,
        from_scratch=_SPEED_RUN,
    ),
    "best": Recipe(
        name="best",
        backbone="wide_cnn",
        head=HeadSpec(),
        views=(),
        inference_views=MIRRORS,
        from_scratch=replace(_SPEED_RUN, epochs=40, translate=4, cutout=12),
    ),
    "tutorial": Recipe(
        name="tutorial",
        backbone="tutorial_cnn",
        head=HeadSpec(),
        views=(),
        from_scratch=FromScratch(
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
