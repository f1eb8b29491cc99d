"""Fitting a classifier: features kept once, a head on them and, if the recipe says so, the upper stages."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from brightfield.data.cache import PixelCache
from brightfield.data.dataset import Dataset, check_classes
from brightfield.data.masks import tile_shares
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.split import resplit, split
from brightfield.errors import DataError
from brightfield.methods.classifier import Classifier, pool_rows
from brightfield.models.network import TileNet
from brightfield.progress import Progress
from brightfield.training.epochs import History
from brightfield.training.features import FeatureBank, extract, in_tiles
from brightfield.training.finetune import FineTuneData, fine_tune
from brightfield.training.heads import HeadTrainingData, members_without, train_head
from brightfield.training.processes import ALONE, Processes
from brightfield.training.recipes import FineTune, FromScratch, Recipe, TrainHead
from brightfield.training.scratch import ScratchData, gather, train_from_scratch
from brightfield.training.targets import certainties, class_targets

log = logging.getLogger(__name__)

_ROWS_AT_ONCE = 4096

SLIVER = 0.1
"""A tile with less than this share of the worst tile's defective pixels shows no defect worth the name."""


@dataclass(frozen=True)
class OutOfFold:
    """What was made of each training image by the head's members that were not shown it.

    Attributes:
        folds: How many there were.
        logits: float64 (N, K), of each image by the members that were not shown its fold.
    """

    folds: int
    logits: npt.NDArray[np.float64]


@dataclass(frozen=True)
class Fitted:
    """A classifier, how its training went, and where it was trained in folds, what these tell."""

    classifier: Classifier
    history: History
    out_of_fold: OutOfFold | None = None


def fit_classifier(
    net: TileNet,
    train: Dataset,
    cache: PixelCache,
    preprocessing: Preprocessing,
    recipe: Recipe,
    *,
    views: Sequence[str],
    seed: int,
    workspace: Path,
    duplicates: npt.NDArray[np.intp] | None = None,
    fold_of: npt.NDArray[np.intp] | None = None,
    progress: Progress | None = None,
) -> Fitted:
    """Fit a classifier on a training part whose images are cached in the same order.

    Its head is trained on features kept in `views` and those of use, or the upper stages if the recipe says
    so. With `fold_of`, (N,), each image is judged out of fold besides. Images with the same number in
    `duplicates`, (N,), stay together where some are held out to choose the best epoch.

    Raises:
        ConfigError: If images are to be mixed that cannot be.
        DataError: If fewer than two classes are there to tell apart.
    """
    check_classes(train)
    normal = None if train.normal is None else train.classes.index(train.normal)
    learning = recipe.learning
    targets = class_targets(train, soft=learning.uncertain == "soft")
    sure = learning.uncertain != "weighted"
    counted = np.ones(len(train), dtype=np.float32) if sure else certainties(train)
    of_tiles = tile_targets(train, cache, preprocessing, targets, normal)
    in_use = recipe.tile_views if in_tiles(cache, preprocessing) else recipe.inference_views
    classifier = Classifier(net, preprocessing, normal, in_use)
    if isinstance(recipe.how, TrainHead):
        every = tuple(dict.fromkeys((*views, *in_use)))
        place = workspace / "features"
        bank = extract(net, cache, preprocessing, views=every, folder=place, progress=progress)
        data = HeadTrainingData(bank, np.arange(len(train)), targets, normal, of_tiles, counted, fold_of)
        history = train_head(net.head, data, recipe.how, learning, seed=seed, progress=progress)
        apart = None if fold_of is None else _out_of_fold(classifier, bank, fold_of)
        return Fitted(classifier, history, apart)
    if not isinstance(recipe.how, FineTune):
        raise TypeError(f"{type(recipe.how).__name__} is trained by fit_from_scratch")
    kept, held = _hold_out(train, recipe.how.validation, seed, duplicates)
    labels = class_targets(train).argmax(1)
    tuned_on = FineTuneData(
        cache=cache,
        preprocessing=preprocessing,
        images=kept,
        targets=targets[kept],
        held_out=held,
        held_out_labels=labels[held],
        normal=normal,
        tile_targets=[of_tiles[i] for i in kept],
        counted=counted[kept],
        learning=learning,
    )
    state = workspace / "fine-tune.pt"
    history = fine_tune(net, tuned_on, recipe.how, seed=seed, checkpoint=state, progress=progress)
    return Fitted(classifier, history)


def _out_of_fold(classifier: Classifier, bank: FeatureBank, fold_of: npt.NDArray[np.intp]) -> OutOfFold:
    """Judge every image by its kept features in the views of use."""
    folds = int(fold_of.max()) + 1
    members = classifier.net.head.spec.members
    judges = [classifier.of_members(members_without(f, members, folds)) for f in range(folds)]
    seen = [bank.views.index(view) for view in classifier.views]
    by_judge = np.stack([_judged(judge, bank, seen) for judge in judges])  # (folds, N, K)
    return OutOfFold(folds, by_judge[fold_of, np.arange(len(fold_of))])


def _judged(judge: Classifier, bank: FeatureBank, views: Sequence[int]) -> npt.NDArray[np.float64]:
    with torch.inference_mode():
        by_view = [
            torch.cat([judge.net.head(torch.from_numpy(f).float()) for f in _pieces(bank.values[view])])
            for view in views
        ]
    return pool_rows(torch.stack(by_view).mean(0), bank.starts, judge.normal)


def _pieces(features: npt.NDArray[np.float16]) -> Iterator[npt.NDArray[np.float16]]:
    for at in range(0, len(features), _ROWS_AT_ONCE):
        yield np.array(features[at : at + _ROWS_AT_ONCE])


def fit_from_scratch(
    net: TileNet,
    train: Dataset,
    cache: PixelCache,
    preprocessing: Preprocessing,
    recipe: Recipe,
    settings: FromScratch,
    *,
    seed: int,
    workspace: Path,
    duplicates: npt.NDArray[np.intp] | None = None,
    together: Processes = ALONE,
    progress: Progress | None = None,
) -> Fitted:
    """Train a small network from random weights, alone or as one of several processes.

    Raises:
        DataError: If fewer than two classes are there to tell apart.
    """
    check_classes(train)
    normal = None if train.normal is None else train.classes.index(train.normal)
    labels = torch.from_numpy(class_targets(train).argmax(1))
    _, held = _hold_out(train, settings.validation, seed, duplicates)
    data = ScratchData(gather(cache, preprocessing), labels, preprocessing, held)
    state = workspace / "scratch.pt"
    rows = train_from_scratch(
        net, data, settings, seed=seed, checkpoint=state, process_group=together, progress=progress
    )
    return Fitted(Classifier(net, preprocessing, normal, recipe.inference_views), rows)


def tile_targets(
    train: Dataset,
    cache: PixelCache,
    preprocessing: Preprocessing,
    targets: npt.NDArray[np.float32],
    normal: int | None,
) -> list[npt.NDArray[np.float32] | None]:
    """Return each image's tiles' classes, float32 (T, K), or None where they are not known.

    A tile is defective that holds a tenth or more of the defective pixels of the image's worst; a good
    image's tiles are good. A defective image without a mask, or with an empty one, tells nothing of its
    tiles. Without any mask nothing is known of any tile.
    """
    if normal is None or not any(s.mask for s in train.samples):
        return [None] * len(train)
    out: list[npt.NDArray[np.float32] | None] = []
    for i, sample in enumerate(train.samples):
        good = sample.label == train.normal
        if sample.mask is None and not good:
            out.append(None)
            continue
        shape = cache.shapes[i][:2]
        shares = tile_shares(sample.mask, shape, preprocessing)
        rows = np.zeros((len(shares), targets.shape[1]), dtype=np.float32)
        rows[:, normal] = 1.0
        if not good:
            rows[shares >= SLIVER * shares.max()] = targets[i]
        out.append(rows if good or shares.max() > 0 else None)
    return out


def _hold_out(
    train: Dataset, share: float, seed: int, duplicates: npt.NDArray[np.intp] | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the rows to train on and those held out of training to choose the best epoch."""
    if share == 0:
        return np.arange(len(train)), np.arange(0)
    alike = None if duplicates is None else duplicates.tolist()
    try:
        parts = split(resplit(train), test=share, calibration=0.0, seed=seed, duplicates=alike)
    except DataError as error:
        if alike is None:
            raise
        log.warning("near-duplicates are on both sides of what chooses the best epoch (%s)", error)
        return _hold_out(train, share, seed, None)
    held = np.array([s.part == "test" for s in parts.samples])
    return np.flatnonzero(~held), np.flatnonzero(held)
