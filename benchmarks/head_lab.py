"""Many inspectors from features that are computed once: only their heads are trained, in seconds each."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from brightfield.data.cache import build_cache
from brightfield.data.dataset import Dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.split import fold_numbers
from brightfield.decide.calibration import calibrate
from brightfield.decide.fit_calibration import fit_calibrator
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import parse_policy
from brightfield.decide.scores import scores_of_logits
from brightfield.decide.threshold_selection import choose
from brightfield.evaluation.predictions import Predictions
from brightfield.learn.backbone import build_trunk
from brightfield.learn.features import FeatureBank, extract
from brightfield.learn.frozen import Freezer
from brightfield.learn.head import HeadEnsemble
from brightfield.learn.heads import HeadTrainingData, members_without, train_head
from brightfield.learn.learning import Learning
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.recipes import RECIPES, TrainHead
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.weights import load_weights
from brightfield.methods.classifier.cached_scores import image_logits
from runs import tell

MEMBERS = 5
"""Half of the members of the default recipe, one for each fold."""

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Lab:
    """A data set of two classes with its features.

    Attributes:
        dataset: The data set, the normal class first.
        bank: The features of every picture, seen whole.
        net: The frozen network.
        how: How heads are trained.
    """

    dataset: Dataset
    bank: FeatureBank
    net: TileNet
    how: TrainHead

    @property
    def labels(self) -> Rows:
        """int (N,): 0 for a good part, 1 for a defective one."""
        return np.array([int(s.label != self.dataset.normal) for s in self.dataset.samples], dtype=np.intp)


def open_lab(dataset: Dataset, folder: Path, *, side: int = 300, smoke: bool = False) -> Lab:
    """Compute the features of a data set by the default recipe, pictures seen whole at one size."""
    recipe = RECIPES["fast"]
    trunk = build_trunk("test_resnet" if smoke else recipe.backbone)
    load_weights(trunk, "none" if smoke else None)
    asked = replace(recipe.head, members=MEMBERS, scales=(1.0,))
    spec = asked.on(trunk.spec.strides, trunk.spec.fixed_size)
    net = build_network(trunk, 2, spec, pick_runtime())
    side = 64 if smoke else side
    rule = Preprocessing(8, side, False, side, 0, trunk.spec.mean, trunk.spec.std)
    cache = build_cache([s.path for s in dataset.samples], rule=rule, folder=folder / "pixels", progress=tell)
    how = recipe.how if isinstance(recipe.how, TrainHead) else TrainHead()
    views = how.views[:1]
    bank = extract(Freezer(net), cache, rule, views=views, folder=folder / "features", progress=tell)
    return Lab(dataset, bank, net, replace(how, epochs=3 if smoke else how.epochs))


@dataclass(frozen=True)
class Judged:
    """What a trained head says of the test pictures, and its threshold."""

    predictions: Predictions
    point: OperatingPoint


def train_inspector(lab: Lab, rows: Rows, labels: Rows, test: Rows, seed: int, policy: str = "f1") -> Judged:
    """Train a head on some pictures, calibrate it out of fold, and return what it says of others.

    Args:
        lab: The features.
        rows: The pictures to learn from, as positions in the data set.
        labels: Their labels, (N,), which need not be the true ones.
        test: The pictures to judge.
        seed: The seed of the folds and of the training.
        policy: How the threshold is chosen.
    """
    some = _part(lab.bank, rows)
    given = lab.dataset.subset(
        replace(lab.dataset.samples[i], label=lab.dataset.classes[label])
        for i, label in zip(rows.tolist(), labels.tolist(), strict=True)
    )
    folds = np.array(fold_numbers(given, MEMBERS, seed))
    torch.manual_seed(seed)
    width = int(lab.bank.values.shape[2])
    learner = HeadEnsemble(width, 2, lab.net.head.spec)
    data = HeadTrainingData(
        bank=some,
        images=np.arange(len(rows)),
        targets=np.eye(2, dtype=np.float32)[labels],
        normal=0,
        tile_targets=[None] * len(rows),
        sample_weights=np.ones(len(rows), dtype=np.float32),
        fold_of=folds,
    )
    train_head(learner, data, lab.how, Learning(), seed=seed)
    head = learner.fitted()
    logits = np.empty((len(rows), 2))
    for fold in range(int(folds.max()) + 1):
        own = folds == fold
        members = head.only(members_without(fold, MEMBERS, int(folds.max()) + 1))
        logits[own] = image_logits(members, _part(some, np.flatnonzero(own)), [0], 0)
    scores = scores_of_logits(logits, 0)
    calibrator = fit_calibrator(scores, labels, 0)
    point = choose(parse_policy(policy), calibrate(calibrator, scores, 0), labels != 0, scores=scores.defect)
    judged = scores_of_logits(image_logits(head, _part(lab.bank, test), [0], 0), 0)
    values = calibrate(calibrator, judged, 0)
    rejected = point.rejected(values.on(point.scale, judged.defect))
    return Judged(_predictions(lab, test, judged.defect, values.probability, rejected), point)


def _part(bank: FeatureBank, rows: Rows) -> FeatureBank:
    """Return the features of some pictures, each of one tile."""
    values = np.ascontiguousarray(bank.values[:, bank.starts[rows]])
    return FeatureBank(bank.views, values, np.arange(len(rows) + 1, dtype=np.int64))


def _predictions(
    lab: Lab,
    test: Rows,
    scores: npt.NDArray[np.float64],
    probabilities: npt.NDArray[np.float64] | None,
    rejected: npt.NDArray[np.bool_],
) -> Predictions:
    samples = [lab.dataset.samples[i] for i in test.tolist()]
    normal = str(lab.dataset.normal)
    defect = next(c for c in lab.dataset.classes if c != normal)
    return Predictions(
        images=tuple(s.image for s in samples),
        truth=tuple(str(s.label) for s in samples),
        splits=("test",) * len(samples),
        decisions=tuple("DEFECT" if r else "OK" for r in rejected),
        labels=tuple(defect if r else normal for r in rejected),
        scores=np.asarray(scores, dtype=np.float64),
        probabilities=probabilities,
        p_values=None,
        thresholds=None,
        class_probabilities=None,
        classes=lab.dataset.classes,
        normal=normal,
    )
