"""What every fit of a calibrator asks of its scores and labels."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt

from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]

FEWEST = 10
"""Images of a class below which a fit is logged as uncertain."""

logger = logging.getLogger(__name__)


def require(condition: bool, name: str, value: float) -> None:
    """Refuse a parameter that is out of range."""
    if not condition:
        raise DataError(f"{name} is {value}; expected a finite number, above 0 unless it is an offset")


def check_numbers(values: npt.ArrayLike, name: str, dimensions: int) -> FloatArray:
    """Return finite numbers of shape (N,) or (N, K), or refuse them."""
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
    """Return labels (N,) from 0 to k - 1, or refuse them."""
    array = np.asarray(values)
    if array.shape != (n,):
        raise DataError(f"labels have shape {array.shape}; expected ({n},), one for each image")
    if n and (array.dtype.kind not in "bui" or array.min() < 0 or array.max() >= k):
        raise DataError(
            f"labels are {array.dtype} from {array.min()} to {array.max()}; expected 0 to {k - 1}"
        )
    return array.astype(np.intp)


def check_counts(counts: npt.NDArray[np.intp]) -> None:
    """Refuse fewer than two classes, given the images of each, and log where a class has few."""
    present = counts[counts > 0]
    if len(present) < 2:
        raise DataError(
            f"the {counts.sum()} calibration images show {len(present)} of {len(counts)} classes; "
            "expected two at least: add images, or give calibration a larger share"
        )
    if present.min() < FEWEST:
        logger.warning("calibrated on few images of a class (%d): probabilities are uncertain", present.min())
