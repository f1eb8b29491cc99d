"""From a fitted method to an inspector: calibrate it, choose its operating point, fix its heatmaps' scale."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.data.dataset import Dataset
from brightfield.decide.calibration import fit_calibrator, probabilities
from brightfield.decide.choose import choose
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.policy import Policy
from brightfield.errors import DataError
from brightfield.inspector import Inspector
from brightfield.methods.classifier import Classifier
from brightfield.methods.fit import OutOfFold
from brightfield.progress import Progress
from brightfield.training.plan import Plan

HEAT_IMAGES = 60
HEAT_QUANTILE = 0.95  # of good parts' peaks
NAMED_QUANTILE = 0.5  # of all pictures' peaks, where the class is named and none is calm
HEAT_DEFECTS = 10
HEAT_FLOOR = 0.1  # of the median defect's peak
LOOK_STEP = 4  # pixels apart in either direction: brightness and contrast need no more


@dataclass(frozen=True)
class Made:
    """What a fit leaves behind, and the images that calibrate it with whoever judges them."""

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

    def heat_peak(self, row: int) -> float:
        """Return the greatest heat of a calibration image, by whoever has not been trained on it."""
        apart = self.out_of_fold
        judge = self.classifier if apart is None else apart.judges[apart.fold_of[row]]
        return float(judge.heat(self.cache[row]).max())


def assemble(
    dataset: Dataset, made: Made, policy: Policy, *, advice: str = "", progress: Progress | None = None
) -> Inspector:
    """Calibrate, choose the operating point on the same images, and fix the heatmaps' scale.

    Raises:
        DataError: If the images do not suffice for the policy; the message ends with the advice.
    """
    part = made.part
    labels = np.array([dataset.classes.index(str(s.label)) for s in part.samples])
    normal = None if dataset.normal is None else dataset.classes.index(dataset.normal)
    logits = made.logits(progress)
    calibrator = fit_calibrator(logits, labels, normal)
    shares = probabilities(calibrator, logits, normal)
    point: OperatingPoint | None = None
    passed, rejected = np.arange(len(part)), np.arange(0)
    if normal is not None:
        defect = 1.0 - shares[:, normal]
        types = [str(s.label) for s in part.samples]
        try:
            point = choose(policy, defect, labels != normal, types)
        except DataError as error:
            raise DataError(f"{error}{advice}") from error
        good = labels == normal
        calm = good & (defect < point.passes_below)
        passed = np.flatnonzero(calm if calm.any() else good)
        rejected = np.flatnonzero(~good & (defect >= point.threshold))
    quantile = NAMED_QUANTILE if normal is None else HEAT_QUANTILE
    unit = _heat_unit(made, passed, rejected, quantile)
    return Inspector(
        method=made.classifier,
        preprocessing=made.chosen.preprocessing,
        classes=dataset.classes,
        normal=dataset.normal,
        calibrator=calibrator,
        operating_point=point,
        heat_unit=unit,
        facts={},
        reference=_reference(made.cache, logits, labels),
        parts=_parts(dataset),
    )


def _parts(dataset: Dataset) -> dict[str, str]:
    """Return each picture's part by its content; of one that is in several, the part that it trained in."""
    rank = {"train": 2, "calibration": 1}
    by_rank = sorted(dataset.samples, key=lambda s: rank.get(str(s.part), 0))
    return {_digest(s.path): str(s.part) for s in by_rank}


def _heat_unit(
    made: Made, passed: npt.NDArray[np.intp], rejected: npt.NDArray[np.intp], quantile: float
) -> float:
    """Return the heat that 95 of 100 good parts that pass stay below everywhere, so that they look calm.

    Where no class is normal, the typical picture should show what its class was told by: half stay below.
    Where they show no heat at all, that would be nothing, and the faintest warmth would glow: the unit is
    at least a share of what defects show.
    """
    peaks = _heat_peaks(made, passed, HEAT_IMAGES)
    defects = _heat_peaks(made, rejected, HEAT_DEFECTS)
    unit = float(np.quantile(peaks, quantile, method="higher")) if peaks else 0.0
    least = HEAT_FLOOR * float(np.median(defects)) if defects else 0.0
    return max(unit, least) or 1.0


def _heat_peaks(made: Made, rows: npt.NDArray[np.intp], most: int) -> list[float]:
    return [made.heat_peak(int(i)) for i in rows[:: max(1, len(rows) // most)][:most]]


def _reference(
    cache: PixelCache, logits: npt.NDArray[np.float64], labels: npt.NDArray[np.intp]
) -> dict[str, npt.NDArray[Any]]:
    thin = (cache[i][::LOOK_STEP, ::LOOK_STEP] for i in range(len(cache)))
    looks = [(float(pixels.mean()), float(pixels.std())) for pixels in thin]
    return {"logits": logits, "labels": labels, "brightness_contrast": np.asarray(looks)}


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
