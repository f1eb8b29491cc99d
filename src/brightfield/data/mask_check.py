"""Checks of the masks of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode
from brightfield.data.finding import Finding, Severity
from brightfield.data.fingerprints import Floats, PixelSummary, nearly_equal, thumbnail
from brightfield.data.mask_kinds import Outlines, ValuedMask
from brightfield.data.mask_types import named_in, read_types, several_values
from brightfield.data.masks import Tone, marked, mask_levels, tone, value_text
from brightfield.data.outlines import areas
from brightfield.data.parallel import ordered_map
from brightfield.errors import DataError
from brightfield.progress import Progress, silent

NEARLY_ALL = 0.75
"""The share of a picture from which on a mask is reported, as it is probably inverted."""


@dataclass(frozen=True)
class MaskSummary:
    """A summary of a mask, taken in one decoding.

    Attributes:
        height: The mask's height in pixels; 0 if it cannot be read.
        width: The mask's width in pixels; 0 if it cannot be read.
        share: The share of its pixels that mark a defect, in [0, 1].
        tone: The kind of its values.
        thumbnail: The mask in grey, float32 (32, 32); None if it cannot be read.
        error: The reason why the mask cannot be read; None if it can.
        types: The defect types that have pixels.
        slivers: The number of outlines that mark no pixel.
        untyped: Whether it marks pixels with several values that no table names.
    """

    height: int = 0
    width: int = 0
    share: float = 0.0
    tone: Tone = Tone.EXACT
    thumbnail: Floats | None = None
    error: str | None = None
    types: tuple[str, ...] = ()
    slivers: int = 0
    untyped: bool = False


def summarise_masks(dataset: Dataset, progress: Progress | None = None) -> dict[int, MaskSummary]:
    """Return the summary of each sample's mask, by the sample's position in the data set."""
    tell = progress or silent
    rows = [i for i, sample in enumerate(dataset.samples) if sample.mask is not None]
    found: dict[int, MaskSummary] = {}
    for i, one in zip(rows, ordered_map(_summarise, [dataset.samples[i] for i in rows]), strict=True):
        found[i] = one
        tell("masks", len(found), len(rows))
    return found


def check_masks(
    dataset: Dataset, summaries: Sequence[PixelSummary], masks: Mapping[int, MaskSummary]
) -> Iterator[Finding]:
    """Yield the findings on the masks.

    Args:
        dataset: The data set.
        summaries: The pixel summary of each image, in order.
        masks: The result of `summarise_masks`.
    """
    for i, mask in masks.items():
        for severity, kind, message in _check_one(dataset, dataset.samples[i], summaries[i], mask):
            yield Finding(severity, kind, message, (dataset.samples[i].image,))
    copies = {i for i, mask in masks.items() if _is_the_picture(summaries[i], mask)}
    drawn = {i: mask for i, mask in masks.items() if mask.error is None and i not in copies}
    yield from _one_finding(dataset, sorted(copies), Severity.ERROR, "mask-picture", _COPIES)
    kinds: tuple[tuple[Callable[[MaskSummary], bool], Severity, str, str], ...] = (
        (lambda mask: mask.tone is Tone.GREY, Severity.WARNING, "mask-grey", _GREY),
        (lambda mask: mask.tone is Tone.NOISY, Severity.NOTE, "mask-noise", _NOISE),
        (lambda mask: mask.share >= NEARLY_ALL, Severity.WARNING, "mask-full", _FULL),
    )
    for concerns, severity, kind, message in kinds:
        rows = [i for i, mask in drawn.items() if concerns(mask)]
        yield from _one_finding(dataset, rows, severity, kind, message)
    slivers = [i for i, mask in drawn.items() if mask.slivers]
    yield from _one_finding(dataset, slivers, Severity.WARNING, "mask-sliver", _SLIVERS)
    untyped = [i for i, mask in drawn.items() if mask.untyped and dataset.samples[i].label != dataset.normal]
    yield from _one_finding(dataset, untyped, Severity.NOTE, "mask-values", _UNTYPED)
    yield from _without_pixels(dataset, masks)
    yield from _unmasked(dataset, bool(masks))


def images_by_type(masks: Mapping[int, MaskSummary]) -> dict[str, int]:
    """Return in how many images each defect type has pixels, sorted by type."""
    return dict(sorted(Counter(name for mask in masks.values() for name in mask.types).items()))


_COPIES = (
    "{n} mask(s) are copies of their picture; expected white (255) where the defect is and black (0) "
    "elsewhere: replace them by drawn masks, or remove them"
)
_TURNED = (
    "it seems to be drawn before the picture was turned upright by its EXIF orientation: draw or export it "
    "on the upright picture"
)
_GREY = (
    "{n} mask(s) are not black and white, many of their pixels are grey; pixels brighter than half of the "
    "brightest count as defect: draw the defect white (255), the rest black (0), and save as PNG"
)
_NOISE = (
    "{n} mask(s) are black and white but for some noise, as JPEG leaves at edges; pixels brighter than half "
    "of the brightest count as defect: nothing needs mending, but PNG keeps masks exact"
)
_SLIVERS = (
    "{n} mask(s) have an outline so thin that no pixel's centre lies inside, so it marks nothing: draw it "
    "wider, or remove it"
)
_UNTYPED = (
    "{n} mask(s) hold several values, but no mask_values.csv with the columns value,type says what they are: "
    "all that a mask marks is taken as its image's class; add one if the values are defect types"
)
_FULL = (
    f"{{n}} mask(s) mark {NEARLY_ALL:.0%} or more of their picture as defect. Where the defect is black in "
    "them, invert them: white (255) is the defect, black (0) the rest; where the whole part is bad, keep them"
)


def _summarise(sample: Sample) -> MaskSummary:
    mask = sample.mask
    if mask is None:
        return MaskSummary(error="no mask")
    try:
        if isinstance(mask, Path):
            return _summary_of_image(sample, mask)
        found = sorted(named_in(sample))
        numbers = read_types(sample, found)
    except DataError as error:
        return MaskSummary(error=str(error))
    present = np.bincount(numbers.ravel(), minlength=len(found) + 1) > 0
    return MaskSummary(
        height=numbers.shape[0],
        width=numbers.shape[1],
        share=float((numbers > 0).mean()),
        types=tuple(name for name, there in zip(found, present[1:], strict=True) if there),
        slivers=areas(mask).count(0) if isinstance(mask, Outlines) else 0,
    )


def _summary_of_image(sample: Sample, path: Path) -> MaskSummary:
    levels = mask_levels(decode(path))
    kind = tone(levels)
    share = float(marked(levels, kind).mean())
    return MaskSummary(
        height=levels.shape[0],
        width=levels.shape[1],
        share=share,
        tone=kind,
        thumbnail=thumbnail(levels),
        types=(str(sample.label),) if share else (),
        untyped=kind is Tone.EXACT and several_values(levels),
    )


def _check_one(
    dataset: Dataset, sample: Sample, one: PixelSummary, mask: MaskSummary
) -> Iterator[tuple[Severity, str, str]]:
    """Yield the severity, kind and message of each problem of a mask with its picture and its label."""
    if mask.error is not None:
        yield Severity.ERROR, "mask-unreadable", f"its mask: {mask.error}"
        return
    if one.error is None and (mask.height, mask.width) != (one.height, one.width):
        sizes = f"{mask.width}x{mask.height}, the image {one.width}x{one.height}"
        turned = (mask.width, mask.height) == (one.height, one.width) and one.height != one.width
        mend = _TURNED if turned else "make them the same size"
        yield Severity.ERROR, "mask-size", f"its mask is {sizes}; {mend}"
    good = sample.label == dataset.normal
    if good and mask.share > 0:
        message = f"its label is {sample.label!r}, but its mask marks a defect; mend the label or the mask"
        yield Severity.WARNING, "mask-on-normal", message
    if dataset.normal is not None and not good and mask.share == 0:
        message = f"its label is {sample.label!r}, but its mask is empty; draw the defect or remove the mask"
        yield Severity.WARNING, "mask-empty", message


def _is_the_picture(one: PixelSummary, mask: MaskSummary) -> bool:
    if one.thumbnail is None or mask.thumbnail is None:
        return False
    return nearly_equal(one.thumbnail, mask.thumbnail)


def _one_finding(
    dataset: Dataset, rows: Sequence[int], severity: Severity, kind: str, message: str
) -> Iterator[Finding]:
    """Yield one finding for all images concerned; none if there are no such images."""
    if rows:
        files = tuple(dataset.samples[i].image for i in rows)
        yield Finding(severity, kind, message.format(n=len(rows)), files)


def _unmasked(dataset: Dataset, masked: bool) -> Iterator[Finding]:
    """Yield a note if some defective images have a mask and others have none."""
    without = [s.image for s in dataset.samples if s.mask is None and s.label != dataset.normal]
    if masked and without and dataset.normal is not None:
        message = (
            f"{len(without)} defective images have no mask while others have one; pixel-level figures leave "
            "them out"
        )
        yield Finding(Severity.NOTE, "mask-missing", message, tuple(without))


def _without_pixels(dataset: Dataset, masks: Mapping[int, MaskSummary]) -> Iterator[Finding]:
    """Yield a note on each type that a table of values names and no mask marks."""
    valued = {s.mask.table: s.mask for s in dataset.samples if isinstance(s.mask, ValuedMask)}
    marked_types = images_by_type(masks)
    for table, mask in valued.items():
        for value, name in mask.names:
            if name and name not in marked_types:
                message = (
                    f"{table.name} says that the value {value_text(value, mask.colours)} is {name!r}, but no "
                    "mask marks such pixels; mend the table, or draw some"
                )
                yield Finding(Severity.NOTE, "mask-type", message)
