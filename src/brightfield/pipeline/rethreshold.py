"""Choosing an inspector's operating point again, on other images or by another policy, without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.decide.calibration import Calibrated, Conformal
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import Policy, parse_policy
from brightfield.decide.scores import Scores
from brightfield.decide.threshold_selection import BoolArray, choose, count
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.run import Judged, digests, judge, load_for, splits_seen
from brightfield.inspector import Inspector
from brightfield.pipeline.preflight import group_note
from brightfield.progress import Progress

SPLITS = ("calibration", "test", "all")
"""What an operating point may be chosen on; never on what the inspector was trained on."""


@dataclass(frozen=True)
class Rethresholded:
    """An inspector with a new operating point, and what changed.

    Attributes:
        inspector: The new one; figures of an evaluation are taken out, as the old threshold's.
        before: The old operating point, its counts taken on these images on its own scale.
        after: The new one, its counts on the same images; another policy may be on another scale.
        images: How many images of which split it was chosen on.
        notes: What the user should know of the choice.
        unreadable: Images that could not be read, and are not counted.
    """

    inspector: Inspector
    before: OperatingPoint
    after: OperatingPoint
    images: dict[str, int]
    notes: tuple[str, ...]
    unreadable: tuple[str, ...] = ()


def rethreshold(
    inspector: Inspector,
    data: str | Path | Dataset,
    policy: str,
    *,
    split: str | None = None,
    progress: Progress | None = None,
) -> Rethresholded:
    """Choose the operating point again.

    Images that the inspector was trained on are known by their content and never used. Those that the
    threshold is chosen on belong to the new inspector's calibration split.

    Args:
        inspector: Which one.
        data: As in `train`.
        policy: As `parse_policy` takes it.
        split: One of `SPLITS`; by default the calibration split where there is one, else what the training
            images were given out of fold if they are among the data and calibrated the inspector, else all.
        progress: Told of every image.

    Raises:
        ConfigError: If the policy or the split is unknown, or the inspector has no operating point.
        DataError: If no images are left to choose on, or they do not suffice for the policy.
    """
    wanted = parse_policy(policy)
    old = inspector.operating_point
    if old is None:
        raise ConfigError("this inspector has no normal class, so it names classes and has no threshold")
    _check_split(split)
    dataset = data if isinstance(data, Dataset) else load_for(inspector, data)
    content = digests(dataset)
    seen = splits_seen(inspector, content)
    choosable = inspector.out_of_fold and "train" in seen and "calibration" not in seen
    if choosable and split in (None, "calibration"):
        new = sum(p is None and s.split != "test" for p, s in zip(seen, dataset.samples, strict=True))
        return _out_of_fold(inspector, wanted, old, new)
    chosen, notes = _chosen(inspector, dataset, seen, split, wanted)
    judged = judge(inspector, chosen, progress)
    before, after = _before_and_after(inspector, old, wanted, judged)
    digest_of = dict(zip((s.image for s in dataset.samples), content, strict=True))
    used = () if wanted.is_fixed else (digest_of[s.image] for s in judged.dataset.samples)
    made = inspector.with_operating_point(after).with_metrics(None)
    return Rethresholded(
        inspector=replace(made, splits={**made.splits, **dict.fromkeys(used, "calibration")}),
        before=before,
        after=after,
        images=dict(Counter(str(s.split) for s in judged.dataset.samples)),
        notes=(*notes, *judged.notes),
        unreadable=judged.unreadable,
    )


def _before_and_after(
    inspector: Inspector, old: OperatingPoint, policy: Policy, judged: Judged
) -> tuple[OperatingPoint, OperatingPoint]:
    """Return the old operating point, counted on these images, and the one that the policy chooses there."""
    predictions = judged.predictions
    known = Calibrated(predictions.probabilities, predictions.p_values)
    before = count(old, known, predictions.is_defect, predictions.scores)
    if not _calibrated_it(inspector, judged.dataset):
        known = replace(known, p_value=None)  # they are not those among these images
    after = choose(
        policy,
        known,
        predictions.is_defect,
        predictions.truth,
        calibrated_share=float((inspector.reference["labels"] != inspector.normal_index).mean()),
        scores=predictions.scores,
    )
    return before, after


def _check_split(split: str | None) -> None:
    if split == "train":
        raise ConfigError(
            "--split train: on the images it was trained on an inspector is better than on others, so "
            f"a threshold chosen there would not hold; choose one of {', '.join(SPLITS)}"
        )
    if split is not None and split not in SPLITS:
        raise ConfigError(f"--split {split!r} is unknown; known are: {', '.join(SPLITS)}")


def at_threshold(inspector: Inspector, threshold: float) -> Inspector:
    """Return the inspector with a threshold named by hand, counted on the calibration split it keeps.

    Args:
        inspector: Which one.
        threshold: On the scale of the inspector's own.

    Raises:
        ConfigError: If it has no normal class, or the threshold is not on that scale.
    """
    old = inspector.operating_point
    if old is None:
        raise ConfigError("--threshold needs a normal class; this inspector only names the class")
    point = OperatingPoint(f"fixed={float(threshold)!r}", float(threshold), 0, 0, 0, 0, scale=old.scale)
    scores, is_defect = _kept(inspector)
    return inspector.with_operating_point(
        count(point, inspector.calibrated(scores), is_defect, scores.defect)
    )


def _kept(inspector: Inspector) -> tuple[Scores, BoolArray]:
    """Return the scores of the calibration split that the inspector keeps, and which of it is defective."""
    is_defect = np.asarray(inspector.reference["labels"] != inspector.normal_index, dtype=np.bool_)
    return inspector.reference_scores, is_defect


def _calibrated_it(inspector: Inspector, dataset: Dataset) -> bool:
    """Tell whether these are the good parts that the inspector's p-values compare with."""
    calibrator = inspector.calibrator
    known = isinstance(calibrator, Conformal) and len(calibrator.good) == len(dataset)
    return known and all(s.split == "calibration" for s in dataset.samples)


def _out_of_fold(inspector: Inspector, policy: Policy, old: OperatingPoint, new: int) -> Rethresholded:
    """Choose on what the training images were given by networks that had not been shown them.

    `new` counts the images beside them that the inspector has never met.
    """
    if policy.promises:
        others = "take the other images with --split all" if new else "give other images"
        raise DataError(
            f"policy {str(policy)!r} promises a rate, which takes images that trained nothing; these trained "
            f"the inspector, and were judged out of fold: {others}, choose on the test split with "
            "--split test, or train again with this --policy, which holds images out for it"
        )
    scores, is_defect = _kept(inspector)
    judged = inspector.calibrated(scores)
    types = [inspector.classes[int(i)] for i in inspector.reference["labels"]]
    after = choose(policy, judged, is_defect, types, scores=scores.defect)
    return Rethresholded(
        inspector=inspector.with_operating_point(after).with_metrics(None),
        before=count(old, judged, is_defect, scores.defect),
        after=after,
        images={"train": len(scores)},
        notes=(
            f"{'counted' if policy.is_fixed else 'chosen'} on what the {len(scores)} training images were "
            "given by networks that had not seen them",
            *(
                [f"{new} images that are new to the inspector are not used: --split all takes them"]
                if new
                else []
            ),
        ),
    )


def _chosen(
    inspector: Inspector, dataset: Dataset, seen: Sequence[str | None], split: str | None, policy: Policy
) -> tuple[Dataset, tuple[str, ...]]:
    """Return the images to choose on, each with its split, and notes on them."""
    free = [
        # without a mask, as no heatmap is needed to choose a threshold
        replace(sample, split=known or sample.split or "new", mask=None)
        for sample, known in zip(dataset.samples, seen, strict=True)
        if known != "train"
    ]
    trained = list(seen).count("train")
    wanted = split or ("calibration" if any(s.split == "calibration" for s in free) else "all")
    picked = [s for s in free if wanted in ("all", s.split)]
    if not picked:
        used = f"; {trained} of its images trained the inspector and are not used" if trained else ""
        mend = "choose another split with --split" if free else "give others"
        raise DataError(
            f"{dataset.name} has no images of the {wanted} split to choose a threshold on{used}: {mend}"
        )
    return dataset.subset(picked), tuple(_notes(inspector, wanted, trained, picked, policy))


def _notes(
    inspector: Inspector, wanted: str, trained: int, picked: list[Sample], policy: Policy
) -> Iterator[str]:
    if trained and wanted == "all":
        yield f"{trained} images that trained the inspector are not used: it knows them by heart"
    said = group_note(picked) if policy.promises else None
    if said is not None:
        yield said
    tested = sum(s.split == "test" for s in picked)
    if tested and not policy.is_fixed and "test" in inspector.splits.values():
        yield (
            f"{tested} images of the test split are used: figures on them say less from now on, as the "
            "threshold was chosen to suit them"
        )
