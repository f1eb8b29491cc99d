"""Fitting of a classifier: a head on frozen features, fine-tuning of the last stages, or from scratch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.masks import tile_shares
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region_check import facts_inside
from brightfield.data.scan import scan_readable
from brightfield.data.split import resplit, split
from brightfield.decide.scores import Scores
from brightfield.disk.atomic import write_atomically
from brightfield.disk.storage import file_digest
from brightfield.engine.head import Head
from brightfield.engine.small_names import SMALL_NETWORKS
from brightfield.errors import DataError
from brightfield.learn.backbone import Trunk, build_trunk
from brightfield.learn.epochs import History
from brightfield.learn.features import Keeping, extract, in_tiles
from brightfield.learn.finetune import FineTuneData, fine_tune
from brightfield.learn.frozen import Freezer
from brightfield.learn.heads import HeadTrainingData, train_head
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.plan import Plan, RequestedSizes, plan
from brightfield.learn.recipes import FineTune, FromScratch, Recipe, TrainHead
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.scratch import ScratchData, gather, train_from_scratch
from brightfield.learn.small import build_small_trunk, small_head
from brightfield.learn.targets import certainties, class_targets
from brightfield.learn.weights import RANDOM_WEIGHTS, WeightsOrigin, load_weights
from brightfield.methods.base import Fitted, Job, Picture
from brightfield.methods.classifier.cached_scores import out_of_fold_scores
from brightfield.methods.classifier.fitted import Classifier
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.methods.classifier.torch_judge import judge_with_torch

log = logging.getLogger(__name__)

_TIMED = 5  # pictures on which the time of the views is measured

SLIVER = 0.1
"""A tile counts as defective if it has at least this share of the worst tile's defective pixels."""


@dataclass(frozen=True)
class _Fit:
    """The inputs that the three ways of fitting share.

    Attributes:
        job: The job.
        recipe: The recipe.
        net: The network to train.
        train: The training split.
        cache: The decoded training images.
        plan: The working size and the tiles.
    """

    job: Job
    recipe: Recipe
    net: TileNet
    train: Dataset
    cache: PixelCache
    plan: Plan

    @property
    def preprocessing(self) -> Preprocessing:
        return self.plan.preprocessing

    @property
    def normal(self) -> int | None:
        return self.train.normal_index

    @property
    def views(self) -> tuple[str, ...]:
        """The views whose logits are averaged in use."""
        tiled = in_tiles(self.cache, self.preprocessing)
        return self.recipe.tile_views if tiled else self.recipe.inference_views

    def classifier(self, freezer: Freezer, head: Head | None = None) -> Classifier:
        """Return the classifier for inference, with the network's own head or the given one."""
        return Classifier(
            freezer.trunk(self.preprocessing.tile),
            head or self.net.head.fitted(),
            self.preprocessing,
            normal=self.normal,
            views=self.views,
            backbone=self.net.trunk.spec.as_dict(),
        )


@dataclass(frozen=True)
class _Learned:
    """A fitted classifier, its history, its scores out of fold, and how many images had kept features."""

    classifier: Classifier
    history: History
    out_of_fold: Scores | None = None
    found: int | None = None


def fit(job: Job, options: ClassifierOptions, recipe: Recipe) -> Fitted:
    """Fit a classifier on the training split.

    Raises:
        ConfigError: If `mix` does not go with tiles, or the network does not take pictures of this size.
        DataError: If an image cannot be read, or there are fewer than two classes.
        WeightsError: If the weights cannot be loaded, or ONNX Runtime cannot run the network.
    """
    torch.manual_seed(job.seed)
    net, origin = _network(recipe, options, len(job.data.classes))
    recipe = replace(recipe, head=net.head.spec)
    freezer = Freezer(net)
    training = job.data.split("train")
    with job.process_group.first_goes_first():
        chosen = _plan(job, training, freezer, recipe, RequestedSizes(options.image_size, options.tile))
        log.info("%s", chosen.reason)
        caches = _caches(job, chosen.preprocessing)
    freezer.trunk(chosen.preprocessing.tile)  # a network that cannot be exported fails before it is trained
    inputs = _Fit(job, recipe, net, training, caches[0], chosen)
    match recipe.how:
        case TrainHead():
            learned = _fit_head(inputs, recipe.how, freezer)
        case FineTune():
            learned = _fine_tune(inputs, recipe.how)
        case FromScratch():
            learned = _from_scratch(inputs, recipe.how)
    return Fitted(
        method=learned.classifier,
        preprocessing=chosen.preprocessing,
        cache=caches[-1],
        history=learned.history,
        out_of_fold=learned.out_of_fold,
        facts={
            "recipe": recipe.as_dict(),
            "plan": chosen.reason,
            "views": {**_views(learned.classifier, caches[-1]), "learned": chosen.views},
            **({} if job.kept_features is None else {"kept_features": learned.found}),
            "precision": str(net.runtime.training).removeprefix("torch."),
        },
        weights_licence=f"{origin.licence} ({origin.source})",
        weights_sha256=origin.sha256,
        learned=partial(judge_with_torch, net, inputs.preprocessing, inputs.normal, inputs.views),
    )


def _network(recipe: Recipe, options: ClassifierOptions, classes: int) -> tuple[TileNet, WeightsOrigin]:
    trunk: Trunk
    if isinstance(recipe.how, FromScratch):
        trunk = build_small_trunk(recipe.backbone, recipe.how.image_size, recipe.head.members)
        origin = RANDOM_WEIGHTS
        head = small_head(recipe.backbone, trunk)
        head = head if recipe.how.dropout is None else replace(head, dropout=recipe.how.dropout)
    else:
        trunk = build_trunk(recipe.backbone, SMALL_NETWORKS)
        origin = load_weights(trunk, options.weights)
        head = recipe.head.on(trunk.spec.strides, trunk.spec.fixed_size)
    runtime = pick_runtime(precision=recipe.precision, trunk=trunk.net)
    return build_network(trunk, classes, head, runtime), origin


def _plan(job: Job, training: Dataset, freezer: Freezer, recipe: Recipe, requested: RequestedSizes) -> Plan:
    """Return the plan; a resumed training keeps its first one, a successor that of the inspector before it.

    A new timing of the machine could change it.
    """
    if job.seen_as is not None:
        kept = job.seen_as
        return Plan(replace(kept.preprocessing, region=job.region), kept.views, kept.reason)
    note = job.folder / "plan.json"
    if note.exists():
        noted = json.loads(note.read_text(encoding="utf-8"))
        return Plan(Preprocessing.from_dict(noted["preprocessing"]), noted["views"], noted["reason"])
    facts = scan_readable([s.path for s in training.samples], job.progress)
    how = recipe.how
    views, needed = (len(how.views), len(recipe.tile_views)) if isinstance(how, TrainHead) else (1, 1)
    budget = 0.0 if isinstance(how, FromScratch) else how.time_budget  # its size is fixed
    if isinstance(how, FromScratch):
        requested = replace(requested, image_size=how.image_size)  # what the network was built for
    elif isinstance(how, FineTune) and requested == RequestedSizes():
        # pictures are augmented whole, at the size that the backbone was trained at
        requested = RequestedSizes(image_size=freezer.net.trunk.spec.input_size)
    tiled = job.data.normal is not None
    facts = facts_inside(facts, job.region)
    chosen = plan(facts, freezer, requested, views=views, needed_views=needed, budget=budget, tiled=tiled)
    chosen = replace(chosen, preprocessing=replace(chosen.preprocessing, region=job.region))
    document = {
        "preprocessing": chosen.preprocessing.as_dict(),
        "views": chosen.views,
        "reason": chosen.reason,
    }
    write_atomically(note, json.dumps(document).encode())
    return chosen


def _caches(job: Job, rule: Preprocessing) -> list[PixelCache]:
    """Return the decoded training images, and the calibration images if a calibration split is held out."""
    return [
        build_cache(
            [s.path for s in job.data.split(name).samples],
            rule=rule,
            folder=job.folder / "pixels",
            progress=job.progress,
        )
        for name in (("train", "calibration") if job.folds is None else ("train",))
    ]


def _fit_head(one: _Fit, how: TrainHead, freezer: Freezer) -> _Learned:
    """Train a head on frozen features, which are computed once and cached."""
    job, learning = one.job, one.recipe.learning
    targets = class_targets(one.train, soft=learning.uncertain == "soft")
    every = tuple(dict.fromkeys((*how.views[: one.plan.views], *one.views)))
    bank = extract(
        freezer,
        one.cache,
        one.preprocessing,
        views=every,
        folder=job.folder / "features",
        keeping=_keeping(one),
        progress=job.progress,
    )
    data = HeadTrainingData(
        bank=bank,
        images=np.arange(len(one.train)),
        targets=targets,
        normal=one.normal,
        tile_targets=tile_targets(one.train, one.cache, one.preprocessing, targets),
        sample_weights=_counted(one),
        fold_of=job.folds,
    )
    history = train_head(one.net.head, data, how, learning, seed=job.seed, progress=job.progress)
    classifier = one.classifier(freezer)
    scores = None if job.folds is None else out_of_fold_scores(classifier, bank, job.folds)
    return _Learned(classifier, history, scores, bank.found)


def _keeping(one: _Fit) -> Keeping | None:
    """Return where the features of the training images are kept; None where none are."""
    if one.job.kept_features is None:
        return None
    return Keeping(one.job.kept_features, [file_digest(s.path) for s in one.train.samples])


def _fine_tune(one: _Fit, how: FineTune) -> _Learned:
    """Fine-tune the last stages of the network on images that are augmented anew in every step."""
    job, learning = one.job, one.recipe.learning
    targets = class_targets(one.train, soft=learning.uncertain == "soft")
    of_tiles = tile_targets(one.train, one.cache, one.preprocessing, targets)
    kept, held_out = _hold_out(one.train, how.validation, job.seed, job.duplicates)
    data = FineTuneData(
        cache=one.cache,
        preprocessing=one.preprocessing,
        images=kept,
        targets=targets[kept],
        held_out=held_out,
        held_out_labels=class_targets(one.train).argmax(1)[held_out],
        normal=one.normal,
        tile_targets=[of_tiles[i] for i in kept],
        sample_weights=_counted(one)[kept],
        learning=learning,
    )
    state = job.folder / "fine-tune.pt"
    history = fine_tune(one.net, data, how, seed=job.seed, checkpoint=state, progress=job.progress)
    return _Learned(one.classifier(Freezer(one.net)), history)


def _from_scratch(one: _Fit, how: FromScratch) -> _Learned:
    """Train a small network from random weights, in one process or in a process group."""
    job = one.job
    labels = torch.from_numpy(class_targets(one.train).argmax(1))
    _, held_out = _hold_out(one.train, how.validation, job.seed, job.duplicates)
    data = ScratchData(gather(one.cache, one.preprocessing), labels, one.preprocessing, held_out)
    history = train_from_scratch(
        one.net,
        data,
        how,
        seed=job.seed,
        checkpoint=job.folder / "scratch.pt",
        process_group=job.process_group,
        progress=job.progress,
    )
    return _Learned(one.classifier(Freezer(one.net)), history)


def _counted(one: _Fit) -> npt.NDArray[np.float32]:
    """Return each training image's weight in the loss, float32 (N,)."""
    if one.recipe.learning.uncertain != "weighted":
        return np.ones(len(one.train), dtype=np.float32)
    return certainties(one.train)


def _views(judge: Classifier, cache: PixelCache) -> dict[str, Any]:
    """Return the views of use for the manifest, with the time that a picture takes on this machine.

    Times are in milliseconds, the median of a few pictures, with all views and with the first alone; None if
    there is no picture.
    """
    names, pictures = list(judge.views), [cache[i] for i in range(min(_TIMED, len(cache)))]
    if not pictures:
        return {"names": names, "milliseconds": None, "milliseconds_of_one": None}
    one = _median_milliseconds(judge.of_views(names[:1]), pictures)
    every = one if len(names) == 1 else _median_milliseconds(judge, pictures)
    return {"names": names, "milliseconds": round(every, 1), "milliseconds_of_one": round(one, 1)}


def _median_milliseconds(judge: Classifier, pictures: Sequence[Picture]) -> float:
    judge.judge(pictures[:1], explain=False)  # the first call is slower: it opens sessions and fills caches
    seconds = []
    for picture in pictures:
        begin = time.perf_counter()
        judge.judge([picture], explain=False)
        seconds.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(seconds))


def tile_targets(
    train: Dataset,
    cache: PixelCache,
    preprocessing: Preprocessing,
    targets: npt.NDArray[np.float32],
) -> list[npt.NDArray[np.float32] | None]:
    """Return the targets of each image's tiles, float32 (T, K), or None if they are unknown.

    The tiles of a good image are good. In a defective image a tile is defective if it has at least a tenth of
    the defective pixels of the image's worst tile; without a mask, or with an empty one, its tiles are
    unknown. If no image has a mask, all tiles are unknown.
    """
    if train.normal_index is None or not any(s.mask for s in train.samples):
        return [None] * len(train)
    normal = train.normal_index
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
    """Return the rows to train on, and the held-out rows on which the best epoch is chosen.

    If near-duplicates make such a division impossible, they are ignored, with a warning.
    """
    if share == 0:
        return np.arange(len(train)), np.arange(0)
    alike = None if duplicates is None else duplicates.tolist()
    try:
        halves = split(resplit(train), test=share, calibration=0.0, seed=seed, duplicates=alike)
    except DataError as error:
        if alike is None:
            raise
        log.warning(
            "the images held out to choose the best epoch have near-duplicates in training (%s)", error
        )
        return _hold_out(train, share, seed, None)
    held_out = np.array([s.split == "test" for s in halves.samples])
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)
