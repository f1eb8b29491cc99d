"""Evaluate an inspector on a data set: predictions and figures."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.load import load as load_dataset
from brightfield.data.parallel import ordered_map
from brightfield.data.region_check import outside_note, shares_outside
from brightfield.disk.storage import file_digest
from brightfield.errors import ConfigError, DataError, ImageError
from brightfield.evaluation.contradiction import contradictions
from brightfield.evaluation.defect_figures import ImageDefects
from brightfield.evaluation.mask_meter import MaskMeter
from brightfield.evaluation.predictions import FloatArray, Predictions
from brightfield.evaluation.ruled import on_rules, promises_kept, rules_notes
from brightfield.evaluation.summary import summarise
from brightfield.inspector import Inspector
from brightfield.progress import Progress, silent
from brightfield.verdict import BoolMap, Defect, FloatMap, HeatmapKind, Verdict

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """The evaluation of an inspector on a data set.

    Attributes:
        predictions: The predictions, one per image.
        metrics: The figures, as JSON types.
        dataset: The images judged.
        notes: Notes for the reader, on images seen in training, unreadable files and masks.
        unreadable: Names of the images that could not be read; no figure includes them.
        defects: The measured defects of each image by its name; of those alone whose defects were looked for.
        against_masks: The defects found in each image beside those of its mask; empty without masks.
    """

    predictions: Predictions
    metrics: dict[str, Any]
    dataset: Dataset
    notes: tuple[str, ...]
    unreadable: tuple[str, ...]
    defects: Mapping[str, tuple[Defect, ...]] = field(default_factory=dict)
    against_masks: tuple[ImageDefects, ...] = ()

    @property
    def document(self) -> dict[str, Any]:
        """The content of `metrics.json`: the figures and the notes."""
        return {**self.metrics, "notes": list(self.notes), "unreadable": list(self.unreadable)}

    def _repr_html_(self) -> str:
        """Show the key figures and the report's charts in a notebook."""
        from brightfield.report.notebook import evaluation_html  # here, as it loads matplotlib

        return evaluation_html(self.dataset.name, self.predictions, self.metrics, self.notes)


def evaluate(
    inspector: Inspector,
    data: str | Path | Dataset,
    *,
    split: str | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge one split of a data set; images that cannot be read are noted and left out.

    Args:
        inspector: The inspector.
        data: As in `train`.
        split: `train`, `calibration`, `test` or `all`; by default the test split if there is one, else all.
        progress: Callback for progress reports.

    Raises:
        DataError: If the split is empty, has classes the inspector does not know, or no image can be read.
        ConfigError: If there is no such split.
    """
    dataset = data if isinstance(data, Dataset) else load_for(inspector, data)
    return evaluate_split(inspector, choose_split(inspector, dataset, split), progress)


def evaluate_split(inspector: Inspector, picked: Picked, progress: Progress | None = None) -> Evaluation:
    """Judge the split of a data set that `choose_split` returned.

    Raises:
        DataError: If it has classes the inspector does not know, or no image can be read.
    """
    judged = judge(inspector, picked.dataset, progress)
    point = inspector.operating_point
    promised = () if point is None or picked.known else promises_kept(inspector)
    document = {} if point is None else point.as_dict()
    metrics = summarise(judged.predictions, operating_point=document, pixel=judged.pixel)
    return Evaluation(
        predictions=judged.predictions,
        metrics={**metrics, **on_rules(inspector.rules, judged.predictions)},
        dataset=judged.dataset,
        notes=(
            *picked.notes,
            *judged.notes,
            *rules_notes(inspector),
            *contradictions(promised, judged.predictions),
        ),
        unreadable=judged.unreadable,
        defects=judged.defects,
        against_masks=judged.against_masks,
    )


@dataclass(frozen=True)
class Judged:
    """The predictions of an inspector on a data set, before figures are computed.

    Attributes:
        predictions: The predictions, one per readable image.
        dataset: These images, with the inspector's classes and those it does not know.
        pixel: Figures of heatmaps, types of pixels and single defects against masks; None without masks.
        notes: Notes for the reader, on classes, unreadable files and masks.
        unreadable: Names of the images that could not be read.
        defects: As in `Evaluation`.
        against_masks: As in `Evaluation`.
    """

    predictions: Predictions
    dataset: Dataset
    pixel: dict[str, Any] | None
    notes: tuple[str, ...]
    unreadable: tuple[str, ...]
    defects: Mapping[str, tuple[Defect, ...]] = field(default_factory=dict)
    against_masks: tuple[ImageDefects, ...] = ()


def judge(inspector: Inspector, dataset: Dataset, progress: Progress | None = None) -> Judged:
    """Judge every readable image of a data set.

    Raises:
        DataError: If it has classes that the inspector does not know, or no image can be read.
    """
    judged = _known_classes(inspector, dataset)
    notes = _on_classes(inspector, judged)
    outcome = _verdicts(inspector, judged, progress)
    if outcome.errors:
        notes.append(_on_unreadable(outcome.errors))
        judged = judged.subset(s for s in judged.samples if s.image not in outcome.errors)
    if outcome.masks:
        notes.append(
            f"{len(outcome.masks)} mask(s) are left out of the pixel figures; the first: {outcome.masks[0]}"
        )
    region = inspector.preprocessing.region
    outside = None if region is None else outside_note(shares_outside(judged.samples, region))
    notes += [] if outside is None else [outside]
    meter = outcome.meter
    notes += [] if meter is None else meter.notes()
    found = zip(judged.samples, outcome.verdicts, strict=True)
    return Judged(
        predictions=_predictions(inspector, judged, outcome.verdicts),
        dataset=judged,
        pixel=None if meter is None else _pixel(inspector, meter),
        notes=tuple(notes),
        unreadable=tuple(outcome.errors),
        defects={sample.image: verdict.defects for sample, verdict in found if verdict.measured},
        against_masks=() if meter is None else meter.images,
    )


def load_for(inspector: Inspector, data: str | Path) -> Dataset:
    """Load a data set with the inspector's normal class; a folder of defects alone may lack that class."""
    try:
        return load_dataset(data, normal=inspector.normal)
    except DataError:
        if inspector.normal is None:
            raise
        return load_dataset(data)


def _on_classes(inspector: Inspector, dataset: Dataset) -> list[str]:
    """Return notes on classes that the inspector does not know, and on a missing normal class."""
    notes: list[str] = []
    new = [name for name in dataset.classes if name not in inspector.classes]
    if new and inspector.classes != (
        inspector.normal,
    ):  # an inspector trained on good parts alone knows no other class
        notes.append(f"the inspector was never shown {', '.join(new)}: such images count as defects")
    if inspector.normal is not None and inspector.normal not in dataset.labels:
        notes.append(f"no image is of the normal class {inspector.normal!r}: all count as defects")
    return notes


@dataclass(frozen=True)
class Picked:
    """The split to judge, notes on it, and the number of its images known to the inspector, by split."""

    dataset: Dataset
    notes: tuple[str, ...]
    known: dict[str, int]


def choose_split(inspector: Inspector, dataset: Dataset, split: str | None) -> Picked:
    """Return the split to judge.

    Images are recognised by their SHA-256: those that the inspector was trained or calibrated on keep that
    split, whatever their name.

    Args:
        inspector: The inspector.
        dataset: The data set.
        split: `train`, `calibration`, `test`, `all`, or None for the test split if there is one, else all.

    Raises:
        DataError: If the split is empty.
        ConfigError: If there is no such split.
    """
    if split not in (None, "all", "train", "calibration", "test"):
        raise ConfigError(f"--split {split!r} is unknown; known are: train, calibration, test, all")
    seen = splits_seen(inspector, digests(dataset))
    samples = [replace(s, split=p or s.split or "test") for s, p in zip(dataset.samples, seen, strict=True)]
    wanted = split or ("test" if any(s.split == "test" for s in samples) else "all")
    rows = [i for i, s in enumerate(samples) if wanted in ("all", s.split)]
    if not rows:
        raise DataError(
            f"the data set has no images of the {wanted} split; choose another with --split, or --split all"
        )
    known = Counter(str(seen[i]) for i in rows if seen[i] in ("train", "calibration"))
    notes = [
        f"{n} of these images were in the {name} split when the inspector was trained: "
        "its figures on them are too good"
        for name, n in sorted(known.items())
    ]
    left = sum(p is not None and s.split != wanted for s, p in zip(samples, seen, strict=True))
    if left and split is None and wanted == "test":
        notes.append(
            f"{left:,} images that trained or calibrated the inspector are left out (--split all judges them "
            "too)"
        )
    return Picked(dataset.subset(samples[i] for i in rows), tuple(notes), dict(known))


def splits_seen(inspector: Inspector, content: Sequence[str]) -> list[str | None]:
    """Return the split of each image, by its SHA-256, when the inspector was trained; None for new images."""
    return [inspector.splits.get(digest) for digest in content]


def digests(dataset: Dataset) -> list[str]:
    """Return the SHA-256 of each image's file; empty for a file that cannot be read."""
    return list(ordered_map(_digest, [s.path for s in dataset.samples]))


def _known_classes(inspector: Inspector, dataset: Dataset) -> Dataset:
    """Return the data set with the inspector's classes, then the defect types that it does not know."""
    labels = {str(s.label) for s in dataset.samples if s.label is not None}
    if any(s.label is None for s in dataset.samples):
        raise DataError("evaluation needs a label for every image; use inspect for images without labels")
    unknown = sorted(labels - set(inspector.classes))
    if unknown and inspector.normal is None:
        raise DataError(
            f"the inspector knows the classes {', '.join(inspector.classes)}; "
            f"the data set also has {', '.join(unknown)}"
        )
    if inspector.normal not in {None, *labels} and dataset.normal not in (None, inspector.normal):
        raise DataError(
            f"the inspector's normal class is {inspector.normal!r}, the data set's is {dataset.normal!r}: "
            f"rename the data set's to {inspector.normal!r}"
        )
    return replace(dataset, classes=(*inspector.classes, *unknown), normal=inspector.normal)


@dataclass(frozen=True)
class _Outcome:
    """Verdicts of the readable images, errors of unreadable images and masks, and what masks were counted."""

    verdicts: list[Verdict]
    errors: dict[str, str]
    masks: list[str]
    meter: MaskMeter | None


def _verdicts(inspector: Inspector, dataset: Dataset, progress: Progress | None) -> _Outcome:
    tell = progress or silent
    masked = inspector.normal is not None and any(s.mask for s in dataset.samples)
    meter = MaskMeter(dataset, inspector.method.types, inspector.mm_per_pixel) if masked else None
    verdicts: list[Verdict] = []
    errors: dict[str, str] = {}
    masks: list[str] = []
    measured = meter is not None and inspector.method.heatmap_kind is HeatmapKind.EVIDENCE
    requests = [
        (s.path, measured or (meter is not None and _mask_is_known(s, dataset.normal)))
        for s in dataset.samples
    ]
    for done, (sample, look) in enumerate(
        zip(dataset.samples, inspector.looks(requests), strict=True), start=1
    ):
        tell("judge", done, len(dataset))
        if isinstance(look, ImageError):
            errors[sample.image] = str(look)
            log.error("%s", look)  # not a warning, so that --quiet shows the cause of exit code 2
            continue
        verdict = look.verdict
        if meter is not None and verdict.heatmap is not None and _mask_is_known(sample, dataset.normal):
            try:
                found = found_pixels(verdict.mask, verdict.heatmap, inspector.pixel_threshold)
                meter.update(sample, verdict, found, good=sample.label == inspector.normal)
            except DataError as error:
                masks.append(str(error))
        verdicts.append(verdict.without_maps())
    if not verdicts:
        raise DataError(_on_unreadable(errors))
    return _Outcome(verdicts, errors, masks, meter if len(masks) < len(verdicts) else None)


def _pixel(inspector: Inspector, meter: MaskMeter) -> dict[str, Any]:
    inside = {} if inspector.preprocessing.region is None else {"region": "inside"}
    return {**meter.result(), "threshold": inspector.pixel_threshold, **inside}


def found_pixels(mask: BoolMap | None, heatmap: FloatMap, pixel_threshold: float | None) -> BoolMap:
    """Return the pixels found defective, bool (H, W): the mask, or without one what is hot in the heatmap."""
    if mask is not None:
        return mask
    return np.asarray(heatmap >= (1.0 if pixel_threshold is None else pixel_threshold))


def _on_unreadable(errors: Mapping[str, str]) -> str:
    return (
        f"{len(errors)} image(s) cannot be judged and are left out; the first: {next(iter(errors.values()))}"
    )


def _mask_is_known(sample: Sample, normal: str | None) -> bool:
    """Return whether the defective pixels are known: from a mask, or because the part is good."""
    return sample.mask is not None or sample.label == normal


def _predictions(inspector: Inspector, dataset: Dataset, verdicts: Sequence[Verdict]) -> Predictions:
    classes, point = dataset.classes, inspector.operating_point
    shares = None
    if all(v.probabilities for v in verdicts):
        shares = np.array([[v.probabilities.get(c, 0.0) for c in classes] for v in verdicts])
    return Predictions(
        images=tuple(s.image for s in dataset.samples),
        truth=tuple(str(s.label) for s in dataset.samples),
        splits=tuple(str(s.split) for s in dataset.samples),
        decisions=tuple(None if v.decision is None else str(v.decision) for v in verdicts),
        labels=tuple(v.label for v in verdicts),
        scores=np.array([v.score for v in verdicts], dtype=np.float64),
        probabilities=_column([v.probability for v in verdicts]),
        p_values=_column([v.p_value for v in verdicts]),
        thresholds=None if point is None else np.full(len(verdicts), point.threshold),
        class_probabilities=shares,
        classes=classes,
        normal=inspector.normal,
        scale=None if point is None else point.scale,
        rules=None if inspector.rules is None else tuple(v.rule for v in verdicts),
    )


def _column(values: Sequence[float | None]) -> FloatArray | None:
    """Return float64 (N,), or None where the inspector gives no such values."""
    known = [value for value in values if value is not None]
    return np.array(known, dtype=np.float64) if len(known) == len(values) else None


def _digest(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError:
        return ""  # judging reports the error
