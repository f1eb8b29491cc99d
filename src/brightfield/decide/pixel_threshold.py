"""Choose the pixel threshold: the heat from which a pixel counts as defective."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

GOOD_PIXELS_MARKED = 0.005
"""The share of good pixels that may reach the pixel threshold where no masks choose it.

The maximum over all good pixels would follow the one oddest place among millions (Bergmann et al., "The MVTec
Anomaly Detection Dataset", International Journal of Computer Vision, 2021, compare such rules).
"""

_DROPPED = 13  # bits of a float32's fraction; the 10 that are left tell values apart that differ by 0.1%
_BINS = 1 << (31 - _DROPPED)


class HeatCounts:
    """Pixels of calibration pictures counted by their heat, so that memory does not grow with the pictures.

    A bin holds values that differ by at most 0.1%, whatever the unit. Heat below 0 counts as 0.
    """

    def __init__(self) -> None:
        """Start with empty counts."""
        self.good: FloatArray = np.zeros(_BINS)
        self.defective: FloatArray = np.zeros(_BINS)

    def add(
        self, heat: npt.NDArray[np.float32], defective: FloatArray | None = None, weight: float = 1.0
    ) -> None:
        """Count one picture.

        Args:
            heat: float32 of any shape, finite, higher is more defective.
            defective: float64 of the same shape, the defective share of each pixel, in [0, 1]; None where all
                are good.
            weight: How many pictures this one stands for.
        """
        bins = _bin(heat)
        if defective is None:
            self.good += weight * np.bincount(bins, minlength=_BINS)
            return
        shares = weight * defective.ravel()
        self.defective += np.bincount(bins, shares, minlength=_BINS)
        self.good += np.bincount(bins, weight - shares, minlength=_BINS)


def best_dice(counts: HeatCounts) -> float | None:
    """Return the heat from which marking pixels gives the greatest Dice, all pixels pooled.

    Of equally good values it is the highest. It is above 0, as a heat of 0 says that nothing is unusual; None
    where no defective pixel has any heat.
    """
    hits, false = _from(counts.defective), _from(counts.good)
    dice = 2.0 * hits[1:] / np.maximum(hits[0] + hits[1:] + false[1:], 1.0)  # (_BINS - 1,), without heat 0
    best = len(dice) - int(dice[::-1].argmax())
    return _least(best) if hits[best] > 0 else None


def few_good(counts: HeatCounts, share: float = GOOD_PIXELS_MARKED) -> float | None:
    """Return the least heat that at most a share of the good pixels reach; None where they have no heat.

    Args:
        counts: The pixels.
        share: The greatest share of good pixels to mark, in (0, 1).
    """
    occupied = np.flatnonzero(counts.good[1:]) + 1  # bins
    if not len(occupied):
        return None
    reached = _from(counts.good)
    first = int(np.flatnonzero(reached <= share * reached[0])[0])
    return _least(max(first, int(occupied[0])))


def _bin(heat: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the bins of heat, int64 (h * w,): the leading bits of positive floats are in their order."""
    positive = np.maximum(np.ascontiguousarray(heat, dtype=np.float32).ravel(), np.float32(0))
    return (np.abs(positive).view(np.uint32) >> _DROPPED).astype(np.int64)  # abs, as -0.0 has a sign bit


def _least(number: int) -> float:
    """Return the least value of a bin."""
    return float(np.array([number << _DROPPED], dtype=np.uint32).view(np.float32)[0])


def _from(histogram: FloatArray) -> FloatArray:
    """Return (_BINS,): the sum of each bin and all above it."""
    return np.asarray(np.cumsum(histogram[::-1])[::-1])
