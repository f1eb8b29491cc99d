"""Checks of the masks of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode
from brightfield.data.finding import Finding, Severity
from brightfield.data.fingerprints import Floats, PixelSummary, nearly_equal, thumbnail
from brightfield.data.masks import Tone, marked, mask_levels, tone
from brightfield.data.parallel import ordered_map
from brightfield.errors import ImageError
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
    """

    height: int = 0
    width: int = 0
    share: float = 0.0
    tone: Tone = Tone.EXACT
    thumbnail: Floats | None = None
    error: str | None = None


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
    yield from _unmasked(dataset, bool(masks))


_COPIES = (
    "{n} mask(s) are copies of their picture; expected white (255) where the defect is and black (0) "
    "elsewhere: replace them by drawn masks, or remove them"
)
_GREY = (
    "{n} mask(s) are not black and white, many of their pixels are grey; pixels brighter than half of the "
    "brightest count as defect: draw the defect white (255), the rest black (0), and save as PNG"
)
_NOISE = (
    "{n} mask(s) are black and white but for some noise, as JPEG leaves at edges; pixels brighter than half "
    "of the brightest count as defect: nothing needs mending, but PNG keeps masks exact"
)
_FULL = (
    f"{{n}} mask(s) mark {NEARLY_ALL:.0%} or more of their picture as defect. Where the defect is black in "
    "them, invert them: white (255) is the defect, black (0) the rest; where the whole part is bad, keep them"
)


def _summarise(sample: Sample) -> MaskSummary:
    if sample.mask is None:
        return MaskSummary(error="no mask")
    try:
        levels = mask_levels(decode(sample.mask))
    except ImageError as error:
        return MaskSummary(error=str(error))
    kind = tone(levels)
    share = float(marked(levels, kind).mean())
    return MaskSummary(levels.shape[0], levels.shape[1], share, kind, thumbnail(levels))


def _check_one(
    dataset: Dataset, sample: Sample, one: PixelSummary, mask: MaskSummary
) -> Iterator[tuple[Severity, str, str]]:
    """Yield the severity, kind and message of each problem of a mask with its picture and its label."""
    if mask.error is not None:
        yield Severity.ERROR, "mask-unreadable", f"its mask: {mask.error}"
        return
    if one.error is None and (mask.height, mask.width) != (one.height, one.width):
        sizes = f"{mask.width}x{mask.height}, the image {one.width}x{one.height}"
        yield Severity.ERROR, "mask-size", f"its mask is {sizes}; make them the same size"
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
