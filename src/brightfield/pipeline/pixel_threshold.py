"""Judge calibration pictures where they are defective, and choose the pixel threshold on them."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.geometry import resized_shape
from brightfield.data.masks import mask_shares, read_mask
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.heat import attribution_heatmap, peak_at
from brightfield.decide.pixel_threshold import HeatCounts, best_dice, few_good
from brightfield.decide.scores import Scores
from brightfield.errors import DataError
from brightfield.inspector import Inspector
from brightfield.methods.base import Fitted
from brightfield.methods.scoring import batches
from brightfield.progress import Progress
from brightfield.verdict import HeatmapKind

log = logging.getLogger(__name__)

MOST_GOOD = 50
MOST_MASKED = 100
"""The most good pictures, and pictures with masks, that are judged; evenly spaced."""


def choose_pixel_threshold(
    inspector: Inspector, fitted: Fitted, calibration: Dataset, scores: Scores, progress: Progress
) -> float | None:
    """Return the heat from which a pixel counts as defective, chosen on calibration pictures.

    Where pictures of defective parts have masks, it is the value with the greatest Dice, pooled over their
    pixels and those of good parts, as an evaluation reports it; with good parts alone it is the value that
    `GOOD_PIXELS_MARKED` of their pixels reach. Both look at heatmaps at working size: masks are shrunk to it,
    and a pixel counts by the share of it that is marked. Pixels outside the region of interest do not count.

    Args:
        inspector: The calibrated inspector.
        fitted: The fit result, with the calibration pictures.
        calibration: These pictures, in the same order.
        scores: Their scores.
        progress: Callback for progress reports.

    Returns:
        The value in units of the score for evidence maps, in units of the heatmap for attribution maps. None
        for 1 in the heatmap: without a normal class, without masks for attribution maps, where no pixel has
        any heat, and where evidence maps would show pictures that taught the method what is good.
    """
    evidence = inspector.method.heatmap_kind is HeatmapKind.EVIDENCE
    if inspector.operating_point is None or (evidence and fitted.out_of_fold is not None):
        return None
    samples, normal = calibration.samples, inspector.normal
    good = [i for i, s in enumerate(samples) if s.label == normal]
    masked = [i for i, s in enumerate(samples) if s.label != normal and s.mask is not None]
    if not masked and not evidence:
        return None
    counts = HeatCounts()
    shown = {**_weights(masked, MOST_MASKED), **_weights(good, MOST_GOOD)}
    peaks = None if evidence else _peaks(inspector, scores)
    done = 0
    for pictures in batches(fitted.cache[i] for i in shown):
        rows = list(shown)[done : done + len(pictures)]
        for i, judgement in zip(rows, inspector.method.judge(pictures, explain=True), strict=True):
            if judgement.heat is not None:
                heat, inside = judgement.heat, fitted.preprocessing.region_at(judgement.heat.shape)
                if peaks is not None:
                    heat = attribution_heatmap(heat, heat.shape, float(peaks[i]), inside)
                _count(counts, heat, samples[i], fitted.preprocessing, shown[i])
        done += len(pictures)
        progress("locate", done, len(shown))
    return best_dice(counts) if counts.defective.any() else few_good(counts) if evidence else None


def _weights(rows: Sequence[int], most: int) -> dict[int, float]:
    """Return at most so many of the rows, evenly spaced, and how many rows each of them stands for."""
    chosen = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(int)
    return {rows[i]: len(rows) / len(chosen) for i in chosen}


def _peaks(inspector: Inspector, scores: Scores) -> npt.NDArray[np.float64]:
    """Return the greatest heat of each picture's attribution map, (N,)."""
    point, values = inspector.operating_point, inspector.calibrated(scores)
    if point is None:
        raise DataError("the inspector has no operating point, so its heatmaps have no unit")
    stopped = point.stopped(values.on(point.scale, scores.defect))
    known = [None] * len(stopped) if values.probability is None else values.probability.tolist()
    return np.array([peak_at(p, not s, point) for p, s in zip(known, stopped, strict=True)])


def _count(
    counts: HeatCounts, heat: npt.NDArray[np.float32], sample: Sample, rule: Preprocessing, weight: float
) -> None:
    """Count a picture's pixels; a picture whose mask cannot be used is left out, and logged."""
    inside = rule.region_at((heat.shape[0], heat.shape[1]))
    if sample.mask is None:
        counts.add(heat[inside], None, weight)
        return
    try:
        mask = rule.visible_mask(read_mask(sample.mask))
    except DataError as error:
        log.warning("%s; the pixel threshold is chosen without it", error)
        return
    height, width = mask.shape
    if resized_shape(height, width, rule.resize) != heat.shape:
        log.warning("the mask %s has not its image's shape; export it again", sample.mask)
        return
    counts.add(heat[inside], mask_shares(mask, heat.shape)[inside], weight)
