"""Build an inspector from a fit result: calibrate it and choose its operating point."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.data.dataset import Dataset
from brightfield.decide.calibration import calibrate
from brightfield.decide.fit_calibration import fit_calibrator
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import Policy
from brightfield.decide.scores import Scores
from brightfield.decide.threshold_selection import choose
from brightfield.evaluation.run import digests
from brightfield.inspector import Inspector
from brightfield.methods.base import Fitted, Judgement, Method
from brightfield.methods.registry import loader
from brightfield.methods.scoring import judged, scores_of
from brightfield.pipeline.measured_reference import MOST, MOST_ANEW, measured_reference, rows_to_measure
from brightfield.pipeline.pixel_threshold import choose_pixel_threshold
from brightfield.pipeline.preflight import Ready
from brightfield.progress import Progress

STEP = 4  # brightness and contrast are taken from every fourth pixel in both directions


def assemble(ready: Ready, fitted: Fitted, policy: Policy, progress: Progress) -> Inspector:
    """Calibrate a fitted method and choose the operating point and the pixel threshold on the same images.

    Args:
        ready: The data with their splits.
        fitted: The fit result.
        policy: How the threshold is chosen.
        progress: Callback for progress reports.

    Raises:
        DataError: If the images are too few for the policy.
    """
    data, calibration = ready.data, ready.calibration
    labels = np.array([data.classes.index(str(s.label)) for s in calibration.samples])
    normal = data.normal_index
    method = _as_stored(fitted, data)
    rows, judgements = _judged(method, fitted, progress)
    scores = fitted.out_of_fold or scores_of(judgements)
    calibrator = fit_calibrator(scores, labels, normal)
    point: OperatingPoint | None = None
    if normal is not None:
        values = calibrate(calibrator, scores, normal)
        types = [str(s.label) for s in calibration.samples]
        point = choose(policy, values, labels != normal, types, scores=scores.defect)
    measured = measured_reference(
        rows,
        judgements if fitted.out_of_fold else [judgements[i] for i in rows],
        (fitted.cache, fitted.preprocessing),
        calibration.samples,
        data,
    )
    inspector = Inspector(
        method=method,
        preprocessing=fitted.preprocessing,
        classes=data.classes,
        normal=data.normal,
        calibrator=calibrator,
        operating_point=point,
        facts={},
        reference={**_reference(fitted.cache, scores, labels), **measured.arrays()},
        splits=_splits(data),
    )
    own = choose_pixel_threshold(inspector, fitted, calibration, scores, progress)
    return replace(inspector, pixel_threshold=own)


def _judged(
    method: Method, fitted: Fitted, progress: Progress
) -> tuple[npt.NDArray[np.int64], list[Judgement]]:
    """Return which calibrating pictures are measured, and judgements of these or of all of them.

    All are judged where that gives the scores too; with out-of-fold scores only those that are measured.
    """
    count = len(fitted.cache)
    if fitted.out_of_fold is None:
        return rows_to_measure(count, MOST), judged(method, fitted.cache, range(count), progress)
    rows = rows_to_measure(count, MOST_ANEW)
    return rows, judged(method, fitted.cache, rows.tolist(), progress)


def _as_stored(fitted: Fitted, data: Dataset) -> Method:
    """Return the method as it will be loaded from the bundle."""
    load = loader(fitted.method.name)
    method: Method = load(fitted.method.stored(), fitted.preprocessing, data.classes, data.normal)
    return method


def _reference(
    cache: PixelCache, scores: Scores, labels: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    thumbnails = (cache[i][::STEP, ::STEP] for i in range(len(cache)))
    reference: dict[str, npt.NDArray[Any]] = {
        "scores": scores.defect,
        "labels": labels,
        "brightness_contrast": np.asarray([(float(p.mean()), float(p.std())) for p in thumbnails]),
    }
    return reference if scores.logits is None else {**reference, "logits": scores.logits}


def _splits(dataset: Dataset) -> dict[str, str]:
    """Return each picture's split by its SHA-256; `train` where the same content is in several splits."""
    rank: Mapping[str, int] = {"train": 2, "calibration": 1}
    by_rank = sorted(dataset.samples, key=lambda s: rank.get(str(s.split), 0))
    contents = digests(dataset.subset(by_rank))
    return {content: str(s.split) for content, s in zip(contents, by_rank, strict=True) if content}
