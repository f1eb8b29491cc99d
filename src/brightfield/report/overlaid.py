"""Small pictures of a report with what the inspector found in them."""

from __future__ import annotations

from brightfield.data.masks import resize_mask
from brightfield.explain.closest import boxed
from brightfield.explain.overlay import overlay, shrink_heat, shrink_region
from brightfield.methods.base import Picture
from brightfield.verdict import FloatMap, Verdict


def overlaid(picture: Picture, heatmap: FloatMap, verdict: Verdict) -> Picture:
    """Return a shrunk picture with a heatmap, and the verdict's mask, region and closest place, over it.

    Args:
        picture: uint8 (h, w, 3).
        heatmap: float32 (H, W), at the original image's size.
        verdict: The verdict on that image.
    """
    shape = (picture.shape[0], picture.shape[1])
    mask = None if verdict.mask is None else resize_mask(verdict.mask, shape)
    drawn = overlay(picture, shrink_heat(heatmap, shape), mask, shrink_region(verdict.region, shape))
    return drawn if verdict.closest is None else boxed(drawn, verdict.closest.box, heatmap.shape)
