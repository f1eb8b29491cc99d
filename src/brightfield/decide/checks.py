"""Checks of the scores and labels that a calibrator is fitted on."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]

FEWEST = 10
"""With fewer images of a class than this, a warning is logged that the fit is uncertain."""

logger = logging.getLogger(__name__)


def require(condition: bool, name: str, value: float) -> None:
    """Raise DataError for a parameter that is out of range."""
    if not condition:
        raise DataError(f"{name} is {value}; expected a finite number, above 0 unless it is an offset")


def check_numbers(values: npt.ArrayLike, name: str, dimensions: int) -> FloatArray:
    """Return finite float64 values of shape (N,) or (N, K); raise DataError for any others."""
    array = np.asarray(values, dtype=np.float64)
    expected = "(N, K)" if dimensions == 2 else "(N,)"
    if array.ndim != dimensions:
        raise DataError(f"{name} have shape {array.shape}; expected {expected}")
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise DataError(
            f"{bad} of {array.size} {name} are not finite; the model diverged or an image is broken"
        )
    return array


def check_labels(values: npt.ArrayLike, n: int, k: int) -> npt.NDArray[np.intp]:
    """Return labels (N,) from 0 to k - 1; raise DataError for other shapes or values."""
    array = np.asarray(values)
    if array.shape != (n,):
        raise DataError(f"labels have shape {array.shape}; expected ({n},), one for each image")
    if n and (array.dtype.kind not in "bui" or array.min() < 0 or array.max() >= k):
        raise DataError(
            f"labels are {array.dtype} from {array.min()} to {array.max()}; expected 0 to {k - 1}"
        )
    return array.astype(np.intp)


def check_counts(counts: npt.NDArray[np.intp]) -> None:
    """Raise DataError for fewer than two classes, given the images per class; warn where a class has few."""
    present = counts[counts > 0]
    if len(present) < 2:
        raise DataError(
            f"the {counts.sum()} calibration images are of {len(present)} of {len(counts)} classes; "
            "expected at least two classes: add images, or choose a larger --calibration"
        )
    if present.min() < FEWEST:
        logger.warning(
            "the smallest class has few calibration images (%d): the probabilities are uncertain",
            present.min(),
        )
