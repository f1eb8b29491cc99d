"""Small pictures of a report with what the inspector found in them, and what there truly is."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.ndimage import gaussian_filter

from brightfield.data.dataset import Sample
from brightfield.data.masks import resize_mask
from brightfield.errors import InputError
from brightfield.evaluation.mask_meter import true_types
from brightfield.explain.closest import boxed
from brightfield.explain.overlaid import overlaid
from brightfield.explain.overlay import RIM, line_width, outline
from brightfield.methods.base import Picture
from brightfield.verdict import BoolMap, FloatMap, Verdict

TRUE = (86, 180, 233)
"""The colour of true defects, which no defect type and no heat has: see `TYPE_COLOURS`."""

_DASH = 6  # the length of a dash in widths of the line; dashes tell the truth from the rest in grey too


def exhibited(picture: Picture, heatmap: FloatMap, verdict: Verdict, truth: BoolMap | None = None) -> Picture:
    """Return a shrunk picture with what a verdict says, its closest place, and the true defects, over it.

    Args:
        picture: uint8 (h, w, 3).
        heatmap: float32 (H, W), at the original image's size.
        verdict: The verdict on that image.
        truth: bool (H, W), the truly defective pixels, which get a dashed line; None where unknown.
    """
    drawn = overlaid(picture, heatmap, verdict)
    if verdict.closest is not None:
        drawn = boxed(drawn, verdict.closest.box, heatmap.shape)
    if truth is None:
        return drawn
    shape = (drawn.shape[0], drawn.shape[1])
    found = verdict.mask if verdict.mask is not None else heatmap >= 1.0
    return dashed(drawn, resize_mask(truth, shape), resize_mask(found, shape))


def truth_of(sample: Sample, types: Sequence[str], shape: tuple[int, ...]) -> BoolMap | None:
    """Return the truly defective pixels of an image, bool (H, W); None without a mask that can be used.

    Args:
        sample: The image.
        types: The defect types of the data set's masks.
        shape: The image's (H, W, ...).
    """
    if sample.mask is None:
        return None
    try:
        return np.asarray(true_types(sample, types, shape) > 0)
    except InputError:
        return None  # the evaluation says so


def dashed(picture: Picture, truth: BoolMap, found: BoolMap, width: int | None = None) -> Picture:
    """Return a picture, uint8 (H, W, 3), with a dashed line around the true defects.

    Between its dashes the line is dark. Where it runs along the outline of what was found, that is left
    there, so that both can be seen.

    Args:
        picture: uint8 (H, W, 3), with an outline of what was found.
        truth: bool (H, W), the truly defective pixels.
        found: bool (H, W), those found.
        width: The width of the lines in pixels; None for the picture's `line_width`.
    """
    out, wide = picture.copy(), line_width(truth.shape) if width is None else width
    out[outline(truth, 2 * wide) & ~outline(found, wide)] = RIM
    rows, columns = np.nonzero(outline(truth, wide))
    down, across = np.gradient(gaussian_filter(truth.astype(np.float32), 2.0 * wide))
    upright = np.abs(across[rows, columns]) > np.abs(down[rows, columns])  # where the line runs down
    on = np.where(upright, rows, columns) // (_DASH * wide) % 2 == 0
    out[rows[on], columns[on]] = TRUE
    return out
