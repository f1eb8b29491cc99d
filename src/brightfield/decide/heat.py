"""How hot a heatmap is: 1 is where the part no longer passes, whatever the method."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.tiling import at_peak
from brightfield.decide.operating_point import OperatingPoint, standing
from brightfield.verdict import Scale, Verdict

FloatMap = npt.NDArray[np.float32]

NAMED = 0.5
"""The probability of the class named at which heat is 1, where there is no normal class to reject against."""

_TINY = float(np.finfo(np.float32).tiny)
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


def evidence_heatmap(heat: FloatMap, shape: tuple[int, int], bound: float) -> FloatMap:
    """Return an evidence map in the original image's pixels, in units of the score at which a part stops.

    Args:
        heat: float32 (h, w), in the score's units, 0 where nothing is unusual.
        shape: (H, W) of the original image.
        bound: The least score at which a part stops passing; infinite where all pass.
    """
    picture = _resized(heat, shape)
    if np.isposinf(bound):
        return np.zeros_like(picture)
    if bound <= _TINY:  # every part is stopped, wherever it is usual
        return np.maximum(picture, np.float32(1))
    return np.asarray(picture / np.float32(bound))


def attribution_heatmap(heat: FloatMap, shape: tuple[int, int], peak: float) -> FloatMap:
    """Return an attribution map in the original image's pixels, whose hottest place stands at a peak.

    Args:
        heat: float32 (h, w) in [0, 1]: the hottest place is at 1, or less where what decided has no place.
        shape: (H, W) of the original image.
        peak: What 1 becomes: see `peak_of`.
    """
    # what is below 1 must not be rounded up to it
    top = np.float32(peak) if peak >= 1 else min(np.float32(peak), _BELOW_ONE)
    return at_peak(_resized(heat, shape), float(top * heat.max()))


def peak_of(verdict: Verdict, point: OperatingPoint | None) -> float:
    """Return how hot the hottest place of an attribution map is, in [0, 2].

    It stands where the probability does: see `standing`. Where there is no probability only the decision
    says how hot: 0.5 where the part passes, else 1.
    """
    if point is None:
        return standing(verdict.probabilities[verdict.label], NAMED)
    if point.scale is not Scale.PROBABILITY or verdict.probability is None:
        return 0.5 if verdict.decision == "OK" else 1.0
    return standing(verdict.probability, point.stops_at)


def _resized(heat: FloatMap, shape: tuple[int, int]) -> FloatMap:
    if heat.shape == shape:
        return heat
    picture = Image.fromarray(heat).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return np.array(picture, dtype=np.float32)
