"""Choose an inspector's operating point again, on other images or by another policy, without training."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.decide.auto import resolve
from brightfield.decide.calibration import LEAST_DEFECTS, Calibrated, Conformal
from brightfield.decide.operating_point import OperatingPoint, fixed_point
from brightfield.decide.policy import Policy, parse_policy
from brightfield.decide.scores import Scores
from brightfield.decide.threshold_selection import BoolArray, choose, count
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.ruled import rules_notes
from brightfield.evaluation.run import Judged, digests, judge, load_for, splits_seen
from brightfield.inspector import Inspector
from brightfield.pipeline.preflight import group_note
from brightfield.progress import Progress

SPLITS = ("calibration", "test", "all")
"""The splits that an operating point may be chosen on; images of the train split are never used."""


@dataclass(frozen=True)
class Rethresholded:
    """An inspector with a new operating point, and the counts before and after.

    Attributes:
        inspector: The new inspector; its manifest holds no figures, as those were of the old threshold.
        before: The old operating point with its counts on these images.
        after: The new operating point with its counts on the same images; it may be on another scale.
        images: Number of images that it was chosen on, by split.
        notes: Notes for the user on the choice.
        unreadable: Images that could not be read and are not counted.
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

    Images that the inspector was trained on are recognised by their SHA-256 and not used. Images that the
    threshold is chosen on become part of the new inspector's calibration split.

    Args:
        inspector: The inspector.
        data: As in `train`.
        policy: The policy, as `parse_policy` takes it.
        split: One of `SPLITS`. By default the calibration split where there is one; else the out-of-fold
            scores of the training images if they calibrated the inspector and are among the data; else all
            images.
        progress: Callback for progress reports.

    Raises:
        ConfigError: If the policy or the split is unknown, or the inspector has no operating point.
        DataError: If no images are left to choose on, or they are too few for the policy.
    """
    parsed = parse_policy(policy)
    old = inspector.operating_point
    if old is None:
        raise ConfigError("this inspector has no normal class, so it has no threshold to choose")
    _check_split(split)
    dataset = data if isinstance(data, Dataset) else load_for(inspector, data)
    content = digests(dataset)
    seen = splits_seen(inspector, content)
    choosable = inspector.out_of_fold and "train" in seen and "calibration" not in seen
    if choosable and split in (None, "calibration"):
        new = sum(p is None and s.split != "test" for p, s in zip(seen, dataset.samples, strict=True))
        return _out_of_fold(inspector, parsed, old, new)
    chosen, notes = _chosen(inspector, dataset, seen, split, parsed)
    judged = judge(replace(inspector, rules=None), chosen, progress)  # a threshold is chosen without rules
    unused = () if split else _unused(dataset, seen, chosen)
    try:
        before, after = _before_and_after(inspector, old, parsed, judged)
    except DataError as error:
        raise DataError(". ".join((str(error), *unused))) from error
    digest_of = dict(zip((s.image for s in dataset.samples), content, strict=True))
    used = () if parsed.is_fixed else (digest_of[s.image] for s in judged.dataset.samples)
    changed = inspector.with_operating_point(after).with_metrics(None)
    return Rethresholded(
        inspector=replace(changed, splits={**changed.splits, **dict.fromkeys(used, "calibration")}),
        before=before,
        after=after,
        images=dict(Counter(str(s.split) for s in judged.dataset.samples)),
        notes=(*notes, *unused, *judged.notes, *rules_notes(changed)),
        unreadable=judged.unreadable,
    )


def _before_and_after(
    inspector: Inspector, old: OperatingPoint, policy: Policy, judged: Judged
) -> tuple[OperatingPoint, OperatingPoint]:
    """Return the old operating point, counted on these images, and the new one, chosen on them."""
    predictions = judged.predictions
    calibrated = Calibrated(predictions.probabilities, predictions.p_values)
    before = count(old, calibrated, predictions.is_defect, predictions.scores)
    if not _calibrated_it(inspector, judged.dataset):
        calibrated = replace(calibrated, p_value=None)  # these compare with other parts than these images
    after = choose(
        policy,
        calibrated,
        predictions.is_defect,
        predictions.truth,
        calibrated_share=float((inspector.reference["labels"] != inspector.normal_index).mean()),
        scores=predictions.scores,
    )
    return before, after


def _check_split(split: str | None) -> None:
    if split == "train":
        raise ConfigError(
            "--split train: an inspector is better on the images it was trained on than on others, so "
            f"a threshold chosen on them would not hold; choose one of {', '.join(SPLITS)}"
        )
    if split is not None and split not in SPLITS:
        raise ConfigError(f"--split {split!r} is unknown; known are: {', '.join(SPLITS)}")


def at_threshold(inspector: Inspector, threshold: float) -> Inspector:
    """Return the inspector with a threshold given by hand, with its counts on the calibration images.

    Args:
        inspector: The inspector.
        threshold: The threshold, on the scale of the inspector's own.

    Raises:
        ConfigError: If the inspector has no normal class, or the threshold is outside the scale.
    """
    point = fixed_point(inspector.operating_point, threshold)
    scores, is_defect = _reference(inspector)
    return inspector.with_operating_point(
        count(point, inspector.calibrated(scores), is_defect, scores.defect)
    )


def _reference(inspector: Inspector) -> tuple[Scores, BoolArray]:
    """Return the scores of the calibration images that the inspector stores, and bool (N,) of the defects."""
    is_defect = np.asarray(inspector.reference["labels"] != inspector.normal_index, dtype=np.bool_)
    return inspector.reference_scores, is_defect


def _calibrated_it(inspector: Inspector, dataset: Dataset) -> bool:
    """Return whether the inspector's p-values are relative to exactly the good parts among these."""
    calibrator, n_good = inspector.calibrator, dataset.labels.count(inspector.normal)
    same_number = isinstance(calibrator, Conformal) and len(calibrator.good) == n_good
    return same_number and all(s.split == "calibration" for s in dataset.samples)


def _out_of_fold(inspector: Inspector, policy: Policy, old: OperatingPoint, new: int) -> Rethresholded:
    """Choose the operating point on the out-of-fold scores of the training images.

    `new` is the number of images in the data that are new to the inspector.
    """
    if policy.promises:
        others = "take the other images with --split all" if new else "give other images"
        raise DataError(
            f"policy {str(policy)!r} guarantees a rate, which takes images that trained nothing; these "
            f"trained the inspector and have out-of-fold scores only: {others}, choose on the test split "
            "with --split test, or train again with this --policy, which then holds images out"
        )
    scores, is_defect = _reference(inspector)
    calibrated = inspector.calibrated(scores)
    types = [inspector.classes[int(i)] for i in inspector.reference["labels"]]
    after = choose(policy, calibrated, is_defect, types, scores=scores.defect)
    return Rethresholded(
        inspector=inspector.with_operating_point(after).with_metrics(None),
        before=count(old, calibrated, is_defect, scores.defect),
        after=after,
        images={"train": len(scores)},
        notes=(
            f"{'counted' if policy.is_fixed else 'chosen'} on the out-of-fold scores of the {len(scores)} "
            "training images, given by networks that had not seen them",
            *_note_of_new(new),
            *rules_notes(inspector.with_operating_point(after)),
        ),
    )


def _chosen(
    inspector: Inspector, dataset: Dataset, seen: Sequence[str | None], split: str | None, policy: Policy
) -> tuple[Dataset, tuple[str, ...]]:
    """Return the images to choose the threshold on, each with its split, and notes on them."""
    free = [
        # without a mask, as choosing a threshold needs no heatmap
        replace(sample, split=known or sample.split or "new", mask=None)
        for sample, known in zip(dataset.samples, seen, strict=True)
        if known != "train"
    ]
    trained = list(seen).count("train")
    chosen_split = split or ("calibration" if any(s.split == "calibration" for s in free) else "all")
    picked = [s for s in free if chosen_split in ("all", s.split)]
    if not picked:
        used = f"; {trained} of its images trained the inspector and are not used" if trained else ""
        remedy = "choose another split with --split" if free else "give others"
        raise DataError(
            f"{dataset.name} has no images of the {chosen_split} split to choose a threshold on{used}: "
            f"{remedy}"
        )
    return dataset.subset(picked), tuple(_notes(inspector, chosen_split, trained, picked, policy))


def _unused(dataset: Dataset, seen: Sequence[str | None], chosen: Dataset) -> tuple[str, ...]:
    """Return a note on images that are new to the inspector and that the threshold is not chosen on."""
    used = {s.image for s in chosen.samples}
    new = (s for s, known in zip(dataset.samples, seen, strict=True) if known is None and s.split != "test")
    return _note_of_new(sum(s.image not in used for s in new))


def _note_of_new(n: int) -> tuple[str, ...]:
    return (f"{n} images that are new to the inspector are not used: --split all takes them",) if n else ()


def _notes(
    inspector: Inspector, split: str, trained: int, picked: list[Sample], policy: Policy
) -> Iterator[str]:
    if trained and split == "all":
        yield f"{trained} images that trained the inspector are not used: it is better on them than on others"
    least = LEAST_DEFECTS if isinstance(inspector.calibrator, Conformal) else 1
    chosen_by = resolve(policy, [s.label != inspector.normal for s in picked], least)
    note = group_note(picked) if chosen_by.promises else None
    if note is not None:
        yield note
    tested = sum(s.split == "test" for s in picked)
    if tested and not policy.is_fixed and "test" in inspector.splits.values():
        yield (
            f"{tested} images of the test split are used: figures on them are optimistic from now on, as the "
            "threshold was chosen on them"
        )
