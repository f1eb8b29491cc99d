"""A picture with all that a verdict says of its places: heat, outlines and labels, at any size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brightfield.data.masks import resize_mask
from brightfield.explain.labels import labelled
from brightfield.explain.overlay import overlay, shrink_heat, shrink_region, shrink_types

if TYPE_CHECKING:
    from brightfield.verdict import FloatMap, Verdict

Picture = npt.NDArray[np.uint8]


def overlaid(picture: Picture, heatmap: FloatMap, verdict: Verdict) -> Picture:
    """Return a picture with a heatmap, and the verdict's mask, region and labelled defect types, over it.

    Args:
        picture: The image, which may be shrunk, uint8 (h, w, 3).
        heatmap: float32 (H, W), at the original image's size.
        verdict: The verdict on that image.
    """
    shape = (picture.shape[0], picture.shape[1])
    mask = None if verdict.mask is None else resize_mask(verdict.mask, shape)
    types = shrink_types(verdict.class_map, shape)
    drawn = overlay(picture, shrink_heat(heatmap, shape), mask, shrink_region(verdict.region, shape), types)
    if types is None:
        return drawn
    return labelled(drawn, verdict.defects, verdict.types, types, heatmap.shape)
