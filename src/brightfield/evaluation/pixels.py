"""Pixel-level figures of heatmaps against masks, in constant memory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from brightfield.errors import InputError

BINS = 1 << 17
INTEGRATION_LIMIT = 0.3


@dataclass(frozen=True)
class PixelMetrics:
    """Agreement of heatmaps with masks over all pixels of all images.

    Attributes:
        auroc: Area under the pixels' ROC curve; None without defective or without good pixels.
        aupro: Area under the per-region-overlap curve up to a false positive rate of 0.3, divided by 0.3.
        iou: Intersection over union of heatmap >= 1 and mask, all pixels pooled; None where both are empty.
        dice: 2 x intersection / (sum of both areas), all pixels pooled; None where both are empty.
        images: Number of images counted.
        regions: Number of connected defects in their masks.
    """

    auroc: float | None
    aupro: float | None
    iou: float | None
    dice: float | None
    images: int
    regions: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as metrics.json writes them."""
        return {
            "auroc": self.auroc,
            "aupro": self.aupro,
            "iou": self.iou,
            "dice": self.dice,
            "images": self.images,
            "regions": self.regions,
        }


class PixelMeter:
    """A running count of pixels in histograms of heatmap values, so that memory does not grow.

    Values are mapped by the increasing function x / (1 + |x|) into 131,072 bins, with one edge exactly at 1,
    the threshold. Areas are exact except for ties within a bin (6e-5 wide at 1).
    """

    def __init__(self) -> None:
        """Start with empty counts."""
        self._calm: npt.NDArray[np.int64] = np.zeros(BINS, dtype=np.int64)
        self._defective: npt.NDArray[np.int64] = np.zeros(BINS, dtype=np.int64)
        self._overlap: npt.NDArray[np.float64] = np.zeros(BINS, dtype=np.float64)
        self._regions = 0
        self._images = 0

    def update(
        self,
        heatmap: npt.NDArray[np.float32],
        mask: npt.NDArray[np.bool_] | None,
        region: npt.NDArray[np.bool_] | None = None,
    ) -> None:
        """Count one image.

        Args:
            heatmap: float32 (H, W), defective from 1 on.
            mask: bool (H, W), the truly defective pixels; None for a good part.
            region: bool (H, W), the pixels that count, as others are not looked at; None for all of them.

        Raises:
            InputError: If the shapes differ or a value is not finite.
        """
        if mask is not None and mask.shape != heatmap.shape:
            raise InputError(
                f"the heatmap is {heatmap.shape} and its mask {mask.shape}; expected the same shape"
            )
        if not np.isfinite(heatmap).all():
            raise InputError("the heatmap holds a value that is not finite; expected numbers")
        counted = np.ones(heatmap.shape, dtype=np.bool_) if region is None else region
        bins = _bin(heatmap[counted])  # (P,), of the pixels that count
        self._images += 1
        mask = None if mask is None else mask & counted
        if mask is None or not mask.any():
            self._calm += np.bincount(bins, minlength=BINS)
            return
        flat = mask[counted]
        self._calm += np.bincount(bins[~flat], minlength=BINS)
        self._defective += np.bincount(bins[flat], minlength=BINS)
        # Regions touch at corners too, as in the evaluation code of MVTec AD.
        regions, count = ndimage.label(mask, structure=np.ones((3, 3), dtype=np.int64))
        of_region = regions[counted][flat]
        weight = 1.0 / np.bincount(of_region, minlength=count + 1)[of_region]
        self._overlap += np.bincount(bins[flat], weights=weight, minlength=BINS)
        self._regions += int(count)

    def result(self) -> PixelMetrics:
        """Return the figures of all images counted so far."""
        good, defective = _from_above(self._calm), _from_above(self._defective)
        both = bool(good[-1]) and bool(defective[-1])
        false_positive_rate = good / max(good[-1], 1.0)
        at_threshold = BINS - int(_bin(np.ones(1, dtype=np.float32))[0])
        true_positives, false_positives = defective[at_threshold], good[at_threshold]
        union = defective[-1] + false_positives
        predicted = true_positives + false_positives
        return PixelMetrics(
            auroc=float(np.trapezoid(defective / defective[-1], false_positive_rate)) if both else None,
            aupro=_aupro(false_positive_rate, _from_above(self._overlap), self._regions) if both else None,
            iou=float(true_positives / union) if union else None,
            dice=float(2 * true_positives / (defective[-1] + predicted))
            if defective[-1] + predicted
            else None,
            images=self._images,
            regions=self._regions,
        )


def _bin(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    wide = values.astype(np.float64)
    squashed = wide / (1.0 + np.abs(wide))
    return np.minimum(((squashed + 1.0) * (BINS / 2)).astype(np.int64), BINS - 1)


def _from_above(histogram: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return (BINS + 1,): the sums of the highest 0, 1, 2, ... bins."""
    return np.concatenate([[0.0], np.cumsum(histogram[::-1], dtype=np.float64)])


def _aupro(
    false_positive_rate: npt.NDArray[np.float64], overlap: npt.NDArray[np.float64], regions: int
) -> float:
    """Integrate the mean overlap of regions over false positive rates up to the limit.

    Bergmann et al., "MVTec AD", 2019, section 5.2, and the International Journal of Computer Vision, 2021.
    """
    mean_overlap = overlap / regions
    inside = false_positive_rate <= INTEGRATION_LIMIT
    at_limit = np.interp(INTEGRATION_LIMIT, false_positive_rate, mean_overlap)
    rates = np.append(false_positive_rate[inside], INTEGRATION_LIMIT)
    return float(np.trapezoid(np.append(mean_overlap[inside], at_limit), rates) / INTEGRATION_LIMIT)
