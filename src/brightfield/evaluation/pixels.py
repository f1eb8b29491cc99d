"""Pixel-level figures of heatmaps against masks, over all pixels and by defect type, in constant memory."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from brightfield.errors import InputError
from brightfield.verdict import BoolMap

BINS = 1 << 17
INTEGRATION_LIMIT = 0.3
STRICT_LIMIT = 0.05
"""A false positive rate of 0.3 marks far more good pixels than a small defect has; this one fewer."""

FloatArray = npt.NDArray[np.float64]

FIGURES = ("auroc", "aupro", "aupro_5", "iou", "dice")
"""The figures in [0, 1], higher is better; see `PixelMetrics`."""


@dataclass(frozen=True)
class PixelMetrics:
    """Agreement of heatmaps with masks over all pixels of all images.

    Attributes:
        auroc: Area under the pixels' ROC curve; None without defective or without good pixels.
        aupro: Area under the per-region-overlap curve up to a false positive rate of 0.3, divided by 0.3.
        aupro_5: The same area up to a false positive rate of 0.05, divided by 0.05.
        iou: Intersection over union of found pixels and mask, all pixels pooled; None where both are empty.
        dice: 2 x intersection / (sum of both areas), all pixels pooled; None where both are empty.
        images: Number of images counted.
        regions: Number of connected defects in their masks.
    """

    auroc: float | None
    aupro: float | None
    aupro_5: float | None
    iou: float | None
    dice: float | None
    images: int
    regions: int

    def as_dict(self) -> dict[str, Any]:
        """Return the figures as metrics.json writes them."""
        return asdict(self)


@dataclass
class _Counts:
    """The pixels of some images, counted.

    Attributes:
        calm: int64 (BINS,), good pixels by heat.
        defective: int64 (BINS,), defective pixels by heat.
        overlap: float64 (BINS,), the same, each pixel as its share of its region.
        regions: Number of connected defects.
        images: Number of images.
        found: Number of pixels that were found defective.
        hits: Number of those that are defective.
    """

    calm: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    defective: npt.NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, dtype=np.int64))
    overlap: FloatArray = field(default_factory=lambda: np.zeros(BINS, dtype=np.float64))
    regions: int = 0
    images: int = 0
    found: int = 0
    hits: int = 0


class PixelMeter:
    """A running count of pixels in histograms of heatmap values, so that memory grows with defect types only.

    Values are mapped by the increasing function x / (1 + |x|) into 131,072 bins. Areas are exact except for
    ties within a bin (6e-5 wide at 1). IoU and Dice are exact.
    """

    def __init__(self) -> None:
        """Start with empty counts."""
        self._good = _Counts()
        self._types: dict[str, _Counts] = defaultdict(_Counts)

    def update(
        self,
        heatmap: npt.NDArray[np.float32],
        mask: BoolMap | None,
        *,
        region: BoolMap | None = None,
        found: BoolMap | None = None,
        defect_type: str | None = None,
    ) -> None:
        """Count one image.

        Args:
            heatmap: float32 (H, W), higher is more defective.
            mask: bool (H, W), the truly defective pixels; None where all are good.
            region: bool (H, W), the pixels that count, as others are not looked at; None for all of them.
            found: bool (H, W), the pixels found defective; None for those with a heat of 1 or more.
            defect_type: The part's defect type; None for a good part, which counts with every type.

        Raises:
            InputError: If the shapes differ or a value is not finite.
        """
        predicted = heatmap >= 1 if found is None else found
        for name, other in (("its mask", mask), ("the found pixels", predicted), ("the region", region)):
            if other is not None and other.shape != heatmap.shape:
                raise InputError(
                    f"the heatmap is {heatmap.shape} and {name} {other.shape}; expected the same shape"
                )
        if not np.isfinite(heatmap).all():
            raise InputError("the heatmap holds a value that is not finite; expected numbers")
        counts = self._good if defect_type is None else self._types[defect_type]
        if region is not None:
            predicted, mask = predicted & region, None if mask is None else mask & region
        bins = _bin(_counted(heatmap, region))  # (P,), of the pixels that count
        counts.images += 1
        counts.found += int(np.count_nonzero(predicted))
        if mask is None or not mask.any():
            counts.calm += np.bincount(bins, minlength=BINS)
            return
        counts.hits += int(np.count_nonzero(predicted & mask))
        flat = _counted(mask, region)
        counts.calm += np.bincount(bins[~flat], minlength=BINS)
        counts.defective += np.bincount(bins[flat], minlength=BINS)
        # Regions touch at corners too, as in the evaluation code of MVTec AD.
        defects, number = ndimage.label(mask, structure=np.ones((3, 3), dtype=np.int64))
        of_defect = _counted(defects, region)[flat]
        weight = 1.0 / np.bincount(of_defect, minlength=number + 1)[of_defect]
        counts.overlap += np.bincount(bins[flat], weights=weight, minlength=BINS)
        counts.regions += int(number)

    def result(self) -> PixelMetrics:
        """Return the figures of all images counted so far."""
        return _figures([self._good, *self._types.values()])

    def per_type(self) -> dict[str, PixelMetrics]:
        """Return the figures by defect type, each of the parts of that type together with all good parts."""
        return {name: _figures([self._good, counts]) for name, counts in sorted(self._types.items())}


def _counted(values: npt.NDArray[Any], region: BoolMap | None) -> npt.NDArray[Any]:
    """Return the values (P,) of the pixels that count, of values (H, W)."""
    return values.ravel() if region is None else values[region]


def _figures(groups: Iterable[_Counts]) -> PixelMetrics:
    """Return the figures of groups of images, taken together."""
    counts = list(groups)
    good = _from_above(sum(c.calm for c in counts))
    defective = _from_above(sum(c.defective for c in counts))
    overlap, regions = _from_above(sum(c.overlap for c in counts)), sum(c.regions for c in counts)
    both = bool(good[-1]) and bool(defective[-1])
    rate = good / max(good[-1], 1.0)  # (BINS + 1,), of false positives
    hits, sizes = sum(c.hits for c in counts), int(defective[-1]) + sum(c.found for c in counts)
    return PixelMetrics(
        auroc=float(np.trapezoid(defective / defective[-1], rate)) if both else None,
        aupro=_aupro(rate, overlap / regions, INTEGRATION_LIMIT) if both else None,
        aupro_5=_aupro(rate, overlap / regions, STRICT_LIMIT) if both else None,
        iou=hits / (sizes - hits) if sizes else None,
        dice=2 * hits / sizes if sizes else None,
        images=sum(c.images for c in counts),
        regions=regions,
    )


def _bin(values: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    wide = values.astype(np.float64)
    squashed = wide / (1.0 + np.abs(wide))
    return np.minimum(((squashed + 1.0) * (BINS / 2)).astype(np.int64), BINS - 1)


def _from_above(histogram: Any) -> FloatArray:
    """Return (BINS + 1,): the sums of the highest 0, 1, 2, ... bins."""
    return np.concatenate([[0.0], np.cumsum(histogram[::-1], dtype=np.float64)])


def _aupro(false_positive_rate: FloatArray, mean_overlap: FloatArray, limit: float) -> float:
    """Integrate the mean overlap of regions over false positive rates up to a limit, divided by the limit.

    Bergmann et al., "MVTec AD", 2019, section 5.2, and the International Journal of Computer Vision, 2021.
    """
    inside = false_positive_rate <= limit
    at_limit = np.interp(limit, false_positive_rate, mean_overlap)
    rates = np.append(false_positive_rate[inside], limit)
    return float(np.trapezoid(np.append(mean_overlap[inside], at_limit), rates) / limit)
