"""Scale heatmaps of any method so that 1 is the value at which a part no longer passes."""

from __future__ import annotations

import numpy as np
from PIL import Image

from brightfield.data.tiling import at_peak
from brightfield.decide.operating_point import OperatingPoint, standing
from brightfield.verdict import BoolMap, FloatMap, Scale, Verdict

NAMED = 0.5
"""Without a normal class, the heat is 1 where the named class has this probability."""

_TINY = np.finfo(np.float32).tiny
_LARGEST = np.float32(1e6)  # more says nothing more, and sums of it must stay finite
_BELOW_ONE = np.nextafter(np.float32(1), np.float32(0))


def evidence_heatmap(
    heat: FloatMap, shape: tuple[int, int], bound: float, inside: BoolMap | None = None
) -> FloatMap:
    """Return an evidence map at the original image's size, 1 at the score at which a part no longer passes.

    Args:
        heat: float32 (h, w), in units of the score, 0 where nothing is unusual.
        shape: (H, W) of the original image.
        bound: The least score at which a part no longer passes; infinite where all parts pass.
        inside: bool (H, W), the region of interest, outside of which the map is 0; None for all of it.

    Returns:
        float32 (H, W).
    """
    picture = at_size(heat, shape, inside)
    if np.isposinf(bound):
        return np.zeros_like(picture)
    if bound <= 0:  # a part without any evidence does not pass, so every place is at 1 or more
        return _only(np.maximum(picture, np.float32(1)), inside)
    least = np.float32(bound)
    if float(least) < bound:
        least = np.nextafter(least, np.float32(np.inf))
    with np.errstate(over="ignore"):
        heatmap = np.minimum(picture / np.maximum(least, _TINY), _LARGEST)
    # neither rounding nor a tiny bound moves a place across 1, and one without evidence stays at 0
    above, below = np.maximum(heatmap, np.float32(1)), np.minimum(heatmap, _BELOW_ONE)
    return np.asarray(np.where(picture >= least, above, below))


def evidence_maps(
    heat: FloatMap,
    shape: tuple[int, int],
    bound: float,
    pixel_threshold: float | None,
    inside: BoolMap | None = None,
) -> tuple[FloatMap, BoolMap]:
    """Return the heatmap of `evidence_heatmap` and the mask of defective pixels, bool (H, W).

    Args:
        heat: As in `evidence_heatmap`.
        shape: As in `evidence_heatmap`.
        bound: As in `evidence_heatmap`.
        pixel_threshold: The heat from which a pixel counts as defective, in units of the score, so that the
            mask does not change with the bound; None for 1 in the heatmap.
        inside: As in `evidence_heatmap`; no pixel outside is marked.
    """
    picture = at_size(heat, shape, inside)
    heatmap = evidence_heatmap(picture, shape, bound, inside)
    marked = heatmap >= 1 if pixel_threshold is None else picture >= pixel_threshold
    return heatmap, marked if inside is None else marked & inside


def attribution_heatmap(
    heat: FloatMap, shape: tuple[int, int], peak: float, inside: BoolMap | None = None
) -> FloatMap:
    """Return an attribution map at the original image's size, scaled so that a heat of 1 becomes the peak.

    What a coarse map shows outside the region of interest is cut off before, so the peak is inside.

    Args:
        heat: float32 (h, w) in [0, 1]; its maximum is below 1 where part of the decision has no location.
        shape: (H, W) of the original image.
        peak: The value that 1 becomes, as `peak_of` returns it.
        inside: As in `evidence_heatmap`.

    Returns:
        float32 (H, W).
    """
    # a peak below 1 must not be rounded up to 1
    top = np.float32(peak) if peak >= 1 else min(np.float32(peak), _BELOW_ONE)
    return at_peak(at_size(heat, shape, inside), float(top * heat.max()))


def peak_of(verdict: Verdict, point: OperatingPoint | None) -> float:
    """Return the greatest heat of an attribution map, in [0, 2].

    It follows the probability of a defect relative to the threshold, as `standing` maps it. Without a
    probability it is 0.5 for a part that passes and 1 for any other.
    """
    if point is None:
        return standing(verdict.probabilities[verdict.label], NAMED)
    return peak_at(verdict.probability, verdict.decision == "OK", point)


def peak_at(probability: float | None, passes: bool, point: OperatingPoint) -> float:
    """Return what `peak_of` does for a part with this probability of a defect, where a class is normal."""
    if point.scale is not Scale.PROBABILITY or probability is None:
        return 0.5 if passes else 1.0
    return standing(probability, point.stops_at)


def at_size(heat: FloatMap, shape: tuple[int, int], inside: BoolMap | None = None) -> FloatMap:
    """Return a map resized to (H, W), linear between pixel centres, and 0 outside the region of interest."""
    if heat.shape == shape:
        return _only(heat, inside)
    picture = Image.fromarray(heat).resize((shape[1], shape[0]), Image.Resampling.BILINEAR)
    return _only(np.array(picture, dtype=np.float32), inside)


def _only(heat: FloatMap, inside: BoolMap | None) -> FloatMap:
    return heat if inside is None else np.where(inside, heat, np.float32(0))
