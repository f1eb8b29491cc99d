"""What is wrong with the masks of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode
from brightfield.data.finding import Finding, Severity
from brightfield.data.fingerprints import Floats, Look, nearly_equal, thumbnail
from brightfield.data.masks import Tone, marked, mask_levels, tone
from brightfield.data.parallel import ordered_map
from brightfield.errors import ImageError
from brightfield.progress import Progress, silent

NEARLY_ALL = 0.75
"""The share of a picture from which on a mask is likelier inverted than drawn."""


@dataclass(frozen=True)
class MaskLook:
    """What one decoding tells of a mask.

    Attributes:
        height: In pixels; 0 where it cannot be read.
        width: As the height.
        share: Of its pixels, those that mark a defect, in [0, 1].
        tone: What its values are.
        thumbnail: float32 (32, 32) grey; None where it cannot be read.
        error: Why it cannot be read; None where it can.
    """

    height: int = 0
    width: int = 0
    share: float = 0.0
    tone: Tone = Tone.EXACT
    thumbnail: Floats | None = None
    error: str | None = None


def look_at_masks(dataset: Dataset, progress: Progress | None = None) -> dict[int, MaskLook]:
    """Return the look of each sample's mask by the sample's position, each decoded once."""
    tell = progress or silent
    rows = [i for i, sample in enumerate(dataset.samples) if sample.mask is not None]
    found: dict[int, MaskLook] = {}
    for i, one in zip(rows, ordered_map(_look_at, [dataset.samples[i] for i in rows]), strict=True):
        found[i] = one
        tell("masks", len(found), len(rows))
    return found


def check_masks(dataset: Dataset, looks: Sequence[Look], masks: Mapping[int, MaskLook]) -> Iterator[Finding]:
    """Yield what is wrong with the masks.

    Args:
        dataset: All images.
        looks: Of each image, in order.
        masks: What `look_at_masks` returned.
    """
    for i, mask in masks.items():
        for severity, kind, message in _of_one(dataset, dataset.samples[i], looks[i], mask):
            yield Finding(severity, kind, message, (dataset.samples[i].image,))
    copies = {i for i, mask in masks.items() if _is_the_picture(looks[i], mask)}
    drawn = {i: mask for i, mask in masks.items() if mask.error is None and i not in copies}
    yield from _together(dataset, sorted(copies), Severity.ERROR, "mask-picture", _COPIES)
    kinds: tuple[tuple[Callable[[MaskLook], bool], Severity, str, str], ...] = (
        (lambda mask: mask.tone is Tone.GREY, Severity.WARNING, "mask-grey", _GREY),
        (lambda mask: mask.tone is Tone.NOISY, Severity.NOTE, "mask-noise", _NOISE),
        (lambda mask: mask.share >= NEARLY_ALL, Severity.WARNING, "mask-full", _FULL),
    )
    for is_so, severity, kind, message in kinds:
        rows = [i for i, mask in drawn.items() if is_so(mask)]
        yield from _together(dataset, rows, severity, kind, message)
    yield from _unmasked(dataset, bool(masks))


_COPIES = (
    "{n} mask(s) show the same as their picture: a mask is white (255) where the defect is and black (0) "
    "elsewhere; put the drawn masks there, or remove these"
)
_GREY = (
    "{n} mask(s) are not black and white, many of their pixels are grey; what is brighter than half of a "
    "mask's brightest counts as defect: draw the defect white (255), the rest black (0), and save as PNG"
)
_NOISE = (
    "{n} mask(s) are black and white but for some noise, as JPEG leaves at rims; what is brighter than half "
    "of a mask's brightest counts as defect: nothing needs mending, but PNG keeps masks exact"
)
_FULL = (
    f"{{n}} mask(s) mark {NEARLY_ALL:.0%} or more of their picture as defect. Where the defect is black in "
    "them, invert them: white (255) is the defect, black (0) the rest; where the whole part is bad, keep them"
)


def _look_at(sample: Sample) -> MaskLook:
    if sample.mask is None:
        return MaskLook(error="no mask")
    try:
        levels = mask_levels(decode(sample.mask))
    except ImageError as error:
        return MaskLook(error=str(error))
    of = tone(levels)
    share = float(marked(levels, of).mean())
    return MaskLook(levels.shape[0], levels.shape[1], share, of, thumbnail(levels))


def _of_one(
    dataset: Dataset, sample: Sample, one: Look, mask: MaskLook
) -> Iterator[tuple[Severity, str, str]]:
    """Yield severity, kind and message of what is wrong with one mask beside its picture and label."""
    if mask.error is not None:
        yield Severity.ERROR, "mask-unreadable", f"its mask: {mask.error}"
        return
    if one.error is None and (mask.height, mask.width) != (one.height, one.width):
        sizes = f"{mask.width}x{mask.height}, the image {one.width}x{one.height}"
        yield Severity.ERROR, "mask-size", f"its mask is {sizes}; make them one size"
    good = sample.label == dataset.normal
    if good and mask.share > 0:
        message = f"it counts as {sample.label!r}, but its mask marks a defect; mend the label or the mask"
        yield Severity.WARNING, "mask-on-normal", message
    if dataset.normal is not None and not good and mask.share == 0:
        message = f"it counts as {sample.label!r}, but its mask is empty; draw it or remove the mask"
        yield Severity.WARNING, "mask-empty", message


def _is_the_picture(one: Look, mask: MaskLook) -> bool:
    if one.thumbnail is None or mask.thumbnail is None:
        return False
    return nearly_equal(one.thumbnail, mask.thumbnail)


def _together(
    dataset: Dataset, rows: Sequence[int], severity: Severity, kind: str, message: str
) -> Iterator[Finding]:
    """Yield one finding for all images concerned, or none."""
    if rows:
        files = tuple(dataset.samples[i].image for i in rows)
        yield Finding(severity, kind, message.format(n=len(rows)), files)


def _unmasked(dataset: Dataset, masked: bool) -> Iterator[Finding]:
    """Tell of defects without a mask, where others have one."""
    without = [s.image for s in dataset.samples if s.mask is None and s.label != dataset.normal]
    if masked and without and dataset.normal is not None:
        message = f"{len(without)} defects have no mask while others have one; pixel figures leave them out"
        yield Finding(Severity.NOTE, "mask-missing", message, tuple(without))
