"""From a fitted method to an inspector: calibrate it and choose its operating point."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.data.dataset import Dataset
from brightfield.decide.calibration import calibrate
from brightfield.decide.choose import choose
from brightfield.decide.fit_calibration import fit_calibrator
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import Policy
from brightfield.decide.scores import scores_of_logits
from brightfield.errors import DataError
from brightfield.inspector import Inspector
from brightfield.methods.classifier import Classifier
from brightfield.methods.fit import OutOfFold
from brightfield.progress import Progress
from brightfield.training.plan import Plan

LOOK_STEP = 4  # pixels apart in either direction: brightness and contrast need no more


@dataclass(frozen=True)
class Made:
    """What a fit leaves behind, and the images that calibrate it."""

    classifier: Classifier
    history: list[dict[str, float]]
    chosen: Plan
    part: Dataset
    cache: PixelCache
    out_of_fold: OutOfFold | None

    def logits(self, progress: Progress | None) -> npt.NDArray[np.float64]:
        """Return what was made of each calibration image, float64 (N, K)."""
        if self.out_of_fold is not None:
            return self.out_of_fold.logits
        return self.classifier.score(self.cache, progress)


def assemble(
    dataset: Dataset, made: Made, policy: Policy, *, advice: str = "", progress: Progress | None = None
) -> Inspector:
    """Calibrate, and choose the operating point on the same images.

    Raises:
        DataError: If the images do not suffice for the policy; the message ends with the advice.
    """
    part = made.part
    labels = np.array([dataset.classes.index(str(s.label)) for s in part.samples])
    normal = None if dataset.normal is None else dataset.classes.index(dataset.normal)
    logits = made.logits(progress)
    scores = scores_of_logits(logits, normal)
    calibrator = fit_calibrator(scores, labels, normal)
    point: OperatingPoint | None = None
    if normal is not None:
        types = [str(s.label) for s in part.samples]
        try:
            judged = calibrate(calibrator, scores, normal)
            point = choose(policy, judged, labels != normal, types, scores=scores.defect)
        except DataError as error:
            raise DataError(f"{error}{advice}") from error
    return Inspector(
        method=made.classifier,
        preprocessing=made.chosen.preprocessing,
        classes=dataset.classes,
        normal=dataset.normal,
        calibrator=calibrator,
        operating_point=point,
        facts={},
        reference=_reference(made.cache, logits, labels),
        parts=_parts(dataset),
    )


def _parts(dataset: Dataset) -> dict[str, str]:
    """Return each picture's part by its content; of one that is in several, the part that it trained in."""
    rank = {"train": 2, "calibration": 1}
    by_rank = sorted(dataset.samples, key=lambda s: rank.get(str(s.part), 0))
    return {_digest(s.path): str(s.part) for s in by_rank}


def _reference(
    cache: PixelCache, logits: npt.NDArray[np.float64], labels: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    thin = (cache[i][::LOOK_STEP, ::LOOK_STEP] for i in range(len(cache)))
    looks = [(float(pixels.mean()), float(pixels.std())) for pixels in thin]
    return {"logits": logits, "labels": labels, "brightness_contrast": np.asarray(looks)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
