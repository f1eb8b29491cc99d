"""Places of pictures, enlarged: as they were recorded, and with the outlines of true and found defects."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.mask_types import mask_types
from brightfield.errors import ImageError
from brightfield.evaluation.defect_figures import ImageDefects, TrueDefect
from brightfield.evaluation.run import Evaluation, found_pixels
from brightfield.explain.overlay import as_png, outlined, shrink_types
from brightfield.inspector import Inspector
from brightfield.methods.base import Picture
from brightfield.progress import Progress, silent
from brightfield.report.overlaid import dashed, truth_of
from brightfield.report.report import Outlined
from brightfield.verdict import BoolMap, Defect

MOST = {"missed": 8, "stray": 4, "found": 4}
"""The most defects of each kind that are shown."""

SIDE = 320
"""The longer side of an enlarged place in pixels."""

_AROUND = 2.0  # the side of a place in longer sides of the defect's box
_LEAST = 40  # pixels: a smaller place does not show what is around the defect
_LINE = 2  # the width of a line in pixels of an enlarged place

Box = tuple[int, int, int, int]


def place_of(box: Box, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Return the rows and columns of a square place around a box in a picture (H, W, ...).

    At the picture's edges it is moved inwards, and cut where the picture is smaller.

    Args:
        box: The (top, left, height, width) of a defect.
        shape: The (H, W, ...) of the picture.
    """
    side = max(_LEAST, round(_AROUND * max(box[2:])))
    rows, columns = (
        slice(start, min(extent, start + side))
        for start, extent in (
            (max(0, min(begin + length // 2 - side // 2, extent - side)), extent)
            for begin, length, extent in zip(box[:2], box[2:], shape, strict=False)
        )
    )
    return rows, columns


def enlarged(picture: Picture) -> Picture:
    """Return a picture, uint8 (H, W, 3), with a longer side of `SIDE`; a larger one is shrunk."""
    image = Image.fromarray(picture)
    return np.asarray(image.resize(_extent(picture.shape)[::-1], Image.Resampling.BICUBIC))


def with_outlines(picture: Picture, truth: BoolMap, class_map: npt.NDArray[np.uint8]) -> Picture:
    """Return a picture enlarged, with a dashed line around true defects and a solid one around those found.

    Args:
        picture: uint8 (H, W, 3).
        truth: bool (H, W), the truly defective pixels.
        class_map: uint8 (H, W), the type of each pixel found, from 1 on; 0 for none.
    """
    large = enlarged(picture)
    shape = (large.shape[0], large.shape[1])
    found = _resized(class_map, shape)
    drawn = outlined(large, found, _LINE)
    return dashed(drawn, _resized(truth.astype(np.uint8), shape) > 0, found > 0, _LINE)


def _resized(class_map: npt.NDArray[np.uint8], shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Return a class map, uint8 (H, W), enlarged to a shape, or shrunk so that no defect is lost."""
    if shape[0] < class_map.shape[0]:
        return np.asarray(shrink_types(class_map, shape))
    rows, columns = (np.arange(new) * old // new for old, new in zip(class_map.shape, shape, strict=True))
    return class_map[np.ix_(rows, columns)]


def _extent(shape: tuple[int, ...]) -> tuple[int, int]:
    """Return the height and width of a picture of some shape when it is enlarged, or shrunk, to `SIDE`."""
    times = SIDE / max(shape[:2])
    return max(1, round(shape[0] * times)), max(1, round(shape[1] * times))


@dataclass(frozen=True)
class Choice:
    """One defect to show; its fields are those of `Outlined`."""

    kind: str
    image: str
    truth: Defect | None
    found: Defect | None
    seen: bool
    iou: float

    @property
    def box(self) -> Box:
        """The box of the true defect, or else of the found one."""
        defect = self.truth or self.found
        return (0, 0, 1, 1) if defect is None else defect.box


def chosen(images: Sequence[ImageDefects]) -> list[Choice]:
    """Return the defects to show: the longest missed, the largest stray, and some of those found.

    Of missed and stray ones an image shows one at most. Those found are evenly spaced by their IoU, the worst
    first.
    """
    true = [d for image in images for d in image.true]
    lost: dict[str, TrueDefect] = {}
    for d in sorted((d for d in true if d.found is None), key=lambda d: -d.truth.length):
        lost.setdefault(d.image, d)
    longest = list(lost.values())
    stray = [(image.image, image.largest_stray) for image in images if image.largest_stray is not None]
    stray.sort(key=lambda pair: -pair[1].area)
    hits = sorted((d for d in true if d.found is not None), key=lambda d: d.iou)
    rows = np.unique(np.linspace(0, len(hits) - 1, min(len(hits), MOST["found"])).round().astype(int))
    return [
        *(Choice("missed", d.image, d.truth, None, d.seen, 0.0) for d in longest[: MOST["missed"]]),
        *(Choice("stray", image, None, found, False, 0.0) for image, found in stray[: MOST["stray"]]),
        *(Choice("found", d.image, d.truth, d.found, True, d.iou) for d in (hits[i] for i in rows)),
    ]


def outlined_defects(
    inspector: Inspector, evaluation: Evaluation, progress: Progress | None = None
) -> Iterator[Outlined]:
    """Judge the images of chosen defects again, and yield each defect with its outlines."""
    samples = {sample.image: sample for sample in evaluation.dataset.samples}
    types = mask_types(evaluation.dataset)
    choices = [c for c in chosen(evaluation.against_masks) if c.image in samples]
    looks = inspector.looks((samples[choice.image].path, True) for choice in choices)
    for done, (choice, look) in enumerate(zip(choices, looks, strict=True), start=1):
        (progress or silent)("outlines", done, len(choices))
        if isinstance(look, ImageError) or look.verdict.heatmap is None:
            continue  # it has become unreadable since it was judged
        verdict, heatmap = look.verdict, look.verdict.heatmap
        truth = truth_of(samples[choice.image], types, heatmap.shape)
        if truth is None:
            truth = np.zeros(heatmap.shape, dtype=np.bool_)
        kinds = verdict.class_map
        if kinds is None:
            kinds = found_pixels(verdict.mask, heatmap, inspector.pixel_threshold).astype(np.uint8)
        place = place_of(choice.box, heatmap.shape)
        yield Outlined(
            **vars(choice),
            picture_png=as_png(enlarged(look.picture[place])),
            outlined_png=as_png(with_outlines(look.picture[place], truth[place], kinds[place])),
        )
