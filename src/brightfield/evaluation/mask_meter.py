"""Verdicts compared with masks: heat, types of pixels and single defects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.mask_types import mask_types, read_types
from brightfield.errors import DataError
from brightfield.evaluation import pixels
from brightfield.evaluation.defect_figures import ImageDefects, defect_figures
from brightfield.evaluation.defects import compare, found_defects, true_defects
from brightfield.evaluation.pixels import PixelMeter
from brightfield.evaluation.type_pixels import UNTYPED, TypeMap, TypeMeter
from brightfield.verdict import BoolMap, Verdict

FIGURES = (*pixels.FIGURES, "mean_iou")
"""The figures of pixels in [0, 1], higher is better; see `PixelMetrics` and `TypeMeter`."""


class MaskMeter:
    """A running comparison of verdicts with masks; memory grows with the number of true defects only."""

    def __init__(self, dataset: Dataset, types: Sequence[str], mm_per_pixel: float | None = None) -> None:
        """Start with nothing counted.

        Args:
            dataset: The images whose masks are compared.
            types: The defect types between which the method tells pixels apart; empty for none.
            mm_per_pixel: The side of a pixel in millimetres; None where it is not known.
        """
        self.true_types, self.found_types = mask_types(dataset), tuple(types)
        self._mm_per_pixel = mm_per_pixel
        self._heat = PixelMeter()
        self._types = TypeMeter(self.true_types, self.found_types)
        self._images: list[ImageDefects] = []

    def update(self, sample: Sample, verdict: Verdict, found: BoolMap, *, good: bool) -> None:
        """Count one image.

        Args:
            sample: The image; without a mask all of its pixels are good.
            verdict: The verdict on it, with a heatmap.
            found: bool (H, W), the pixels found defective.
            good: Whether the part is good.

        Raises:
            ImageError: If the mask cannot be read.
            DataError: If the mask has another size than its image.
        """
        heatmap, region = verdict.heatmap, verdict.region
        if heatmap is None:
            return
        true = true_types(sample, self.true_types, heatmap.shape)
        self._heat.update(
            heatmap,
            None if sample.mask is None else true > 0,
            region=region,
            found=found,
            defect_type=None if good else str(sample.label),
        )
        if verdict.class_map is None:
            self._types.update(true, found.astype(np.uint8), region=region)
        else:
            self._types.update(true, verdict.class_map, verdict.types, region)
        if region is not None:
            true, found = np.where(region, true, np.uint8(0)), found & region
        self._images.append(
            compare(
                sample.image,
                sample.group or sample.image,
                good,
                true_defects(true, self.true_types, heatmap, self._mm_per_pixel),
                found_defects(found, heatmap, verdict.defects, UNTYPED),
            )
        )

    @property
    def images(self) -> tuple[ImageDefects, ...]:
        """The defects of each image counted so far, compared."""
        return tuple(self._images)

    def result(self) -> dict[str, Any]:
        """Return the figures of all images counted so far, as metrics.json writes them under `pixel`."""
        return {
            **self._heat.result().as_dict(),
            **self._types.result(),
            "per_type": {name: figures.as_dict() for name, figures in self._heat.per_type().items()},
            "defects": {
                **defect_figures(self._images, self.found_types),
                "mm_per_pixel": self._mm_per_pixel,
            },
        }

    def notes(self) -> list[str]:
        """Return notes on types that only the masks or only the inspector tells apart."""
        if not self.found_types:
            return []
        unknown = [name for name in self.true_types if name not in self.found_types]
        unseen = [name for name in self.found_types if name not in self.true_types]
        notes = []
        if unknown:
            notes.append(
                f"masks mark {', '.join(unknown)}, which the inspector does not know: what it finds there "
                "counts as found, but of the wrong type"
            )
        if unseen:
            notes.append(f"no mask marks {', '.join(unseen)}: such pixels can only be found wrongly here")
        return notes


def true_types(sample: Sample, types: Sequence[str], shape: tuple[int, ...]) -> TypeMap:
    """Return the true type of each pixel of an image, uint8 (H, W), 0 where it is good.

    Args:
        sample: The image; without a mask all of its pixels are good.
        types: The types, as `mask_types` returned them.
        shape: The image's (H, W, ...).

    Raises:
        ImageError: If the mask cannot be read.
        DataError: If the mask has another size than its image.
    """
    if sample.mask is None:
        return np.zeros(shape[:2], dtype=np.uint8)
    true = read_types(sample, types)
    if true.shape != shape[:2]:
        raise DataError(
            f"the mask {sample.mask} is {true.shape[1]}x{true.shape[0]} px, its image {shape[1]}x{shape[0]}; "
            "expected the same size: export the mask again"
        )
    return true
