"""Fitting of the combined method: a method on patches, a classifier in folds, and their weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.split import fold_numbers
from brightfield.decide.calibration import LEAST_DEFECTS
from brightfield.decide.scores import Scores
from brightfield.errors import ConfigError
from brightfield.learn.recipes import TrainHead
from brightfield.methods.base import Fitted, Job, Picture
from brightfield.methods.classifier.fit import fit as fit_classifier
from brightfield.methods.classifier.options import ClassifierOptions
from brightfield.methods.classifier.recipe_selection import choose_recipe
from brightfield.methods.combined.fitted import Combined, Half, Scale, shifted
from brightfield.methods.combined.options import CombinedOptions
from brightfield.methods.patches.fit import fit as fit_patches
from brightfield.methods.patches.members import auroc
from brightfield.methods.patches.options import FusionOptions
from brightfield.methods.scoring import score

EVEN = 40
"""The number of known defects at which classifier and patches count alike, before they are compared."""

DOUBT = 10
"""The number of known defects at which what they show of the best weight counts as much as that."""

GRID = np.linspace(0, 1, 21)


def fit(job: Job, options: CombinedOptions) -> Fitted:
    """Fit both halves on the good parts of the training split and on the defects of the calibration split.

    Raises:
        ConfigError: If the policy asks for a proven rate.
        DataError: If an image cannot be read.
        WeightsError: If the weights cannot be loaded, or ONNX Runtime cannot run the network.
    """
    if job.policy.promises:
        raise ConfigError(
            f"combined calibrates on scores out of fold, which proves no rate, and policy {job.policy} asks "
            "for one: train with --method fusion or classifier, or choose another policy"
        )
    calibration = job.data.split("calibration")
    is_defect = np.array([s.label != job.data.normal for s in calibration.samples])
    patches = fit_patches(
        replace(job, folder=job.folder / "patches"),
        "fusion",
        FusionOptions(
            backbone=options.backbone,
            weights=options.weights,
            bank=options.bank,
            flow_epochs=options.flow_epochs,
        ),
    )
    of_patches = score(patches.method, patches.cache, job.progress).defect
    classifier, of_classifier = _classifier(job, options)
    scales = [_scale(scores[~is_defect]) for scores in (of_classifier.defect, of_patches)]
    share = weight_of_classifier(scales[0](of_classifier.defect), scales[1](of_patches), is_defect)
    halves = [
        Half(fitted.method, _whole(fitted.preprocessing), scale, weight)
        for fitted, scale, weight in (
            (classifier, scales[0], share),
            (patches, scales[1], 1 - share),
        )
    ]
    normal = job.data.classes.index(str(job.data.normal))
    method = Combined(*halves, normal=normal, tells_types=int(is_defect.sum()) >= LEAST_DEFECTS)
    joined = [method.score(a, b) for a, b in zip(of_classifier.defect, of_patches, strict=True)]
    # pictures stay in their own pixels: each half resizes them as it was fitted
    rule = replace(classifier.preprocessing, long_side=None, enlarge=False, square=False, region=job.region)
    paths = [s.path for s in calibration.samples]
    return Fitted(
        method=method,
        preprocessing=rule,
        cache=build_cache(paths, rule=rule, folder=job.folder / "pixels", progress=job.progress),
        history=[*classifier.history, *patches.history],
        out_of_fold=_scores(method, np.array(joined), of_classifier),
        facts={
            "plan": f"classifier: {classifier.facts['plan']}; patches: {patches.facts['plan']}",
            "weight_of_classifier": round(share, 3),
            "known_defects": int(is_defect.sum()),
        },
        weights_licence=classifier.weights_licence,
        weights_sha256=classifier.weights_sha256,
        learned=partial(_learned, method, classifier.learned, patches.learned),
    )


def weight_of_classifier(
    classifier: npt.NDArray[np.float64], patches: npt.NDArray[np.float64], is_defect: npt.NDArray[np.bool_]
) -> float:
    """Return the classifier's share of the score, in [0, 1].

    With n known defects it is n / (n + `EVEN`) to begin with, and moves, by n / (n + `DOUBT`) of the way, to
    the weight that tells these defects from the good parts best; of several, to the middle.

    Args:
        classifier: The classifier's scores out of fold, in units of good parts' spread, (N,).
        patches: The scores of parts that were not learned from, likewise, (N,).
        is_defect: Which of the parts are defective, (N,).
    """
    n = int(is_defect.sum())
    joined = [w * classifier + (1 - w) * patches for w in GRID]
    areas = np.array([auroc(values[~is_defect], values[is_defect]) for values in joined])
    best = float(GRID[areas >= areas.max() - 1e-9].mean())
    begin = n / (n + EVEN)
    return begin + n / (n + DOUBT) * (best - begin)


def _classifier(job: Job, options: CombinedOptions) -> tuple[Fitted, Scores]:
    """Return a classifier of all images but the tested ones, and the calibration images' scores.

    The scores are those of members that were not shown the image.
    """
    known = job.data.subset(
        replace(s, split="train") for s in job.data.samples if s.split in ("train", "calibration")
    )
    of_calibration = np.array(
        [s.split == "calibration" for s in job.data.samples if s.split in ("train", "calibration")]
    )
    duplicates = _numbers(job, of_calibration)
    given = ClassifierOptions(
        backbone=options.backbone, weights=options.weights, time_budget=options.time_budget
    )
    recipe = choose_recipe(given, known)
    folds = recipe.how.folds if isinstance(recipe.how, TrainHead) else 2
    numbers = fold_numbers(known, folds, job.seed, duplicates=duplicates.tolist())
    inner = replace(
        job, data=known, folder=job.folder / "classifier", duplicates=duplicates, folds=np.array(numbers)
    )
    fitted = fit_classifier(inner, given, recipe)
    if fitted.out_of_fold is None:
        raise ValueError(f"the recipe {recipe.name} has no scores out of fold")
    return fitted, fitted.out_of_fold.only(of_calibration)


def _numbers(job: Job, of_calibration: npt.NDArray[np.bool_]) -> npt.NDArray[np.intp]:
    """Return near-duplicate groups of the training and calibration images; the latter have none known."""
    numbers = np.empty(len(of_calibration), dtype=np.intp)
    numbers[~of_calibration] = job.duplicates
    first = int(np.max(job.duplicates, initial=-1)) + 1
    numbers[of_calibration] = first + np.arange(int(of_calibration.sum()))
    return numbers


def _whole(rule: Preprocessing) -> Preprocessing:
    """Return a preprocessing without its region: the combined method's own cuts pictures to it."""
    return replace(rule, region=None)


def _scale(good: npt.NDArray[np.float64]) -> Scale:
    """Return the scale of good parts' scores; the spread is a robust standard deviation."""
    middle = float(np.median(good))
    spread = max(1.4826 * float(np.median(np.abs(good - middle))), 0.25 * float(np.std(good)))
    return Scale(middle, spread if spread > 1e-9 else 1.0)


def _scores(method: Combined, joined: npt.NDArray[np.float64], of_classifier: Scores) -> Scores:
    """Return the joined scores with shifted logits, as the method gives them."""
    if not method.tells_types or of_classifier.logits is None:
        return Scores(joined)
    pairs = zip(of_classifier.logits, joined - of_classifier.defect, strict=True)
    return Scores(joined, np.stack([shifted(row, method.normal, float(change)) for row, change in pairs]))


def _learned(
    method: Combined,
    classifier: Callable[[Sequence[Picture]], Scores],
    patches: Callable[[Sequence[Picture]], Scores],
    pictures: Sequence[Picture],
) -> Scores:
    """Return the scores of pictures by both networks as they learned, in torch."""
    halves = (method.classifier, method.patches)
    a, b = (
        learned([half.preprocessing.shrunk(p) for p in pictures])
        for learned, half in zip((classifier, patches), halves, strict=True)
    )
    joined = np.array([method.score(x, y) for x, y in zip(a.defect, b.defect, strict=True)])
    return _scores(method, joined, a)
