"""Checks of a data set against a region of interest."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.finding import Finding, Severity
from brightfield.data.masks import read_mask
from brightfield.data.parallel import ordered_map
from brightfield.data.region import Region, seen_in
from brightfield.data.scan import ImageFacts, scan
from brightfield.errors import DataError, ImageError
from brightfield.progress import Progress

log = logging.getLogger(__name__)

_NAMED = 5  # pictures that a message names


def facts_inside(facts: Sequence[ImageFacts], region: Region | None) -> list[ImageFacts]:
    """Return facts of images with the sizes of what is looked at.

    Raises:
        ImageError: If an image does not fit the region; the message names it.
    """
    if region is None:
        return list(facts)
    out = []
    for fact in facts:
        try:
            height, width = seen_in((fact.height, fact.width), region).size
        except ImageError as error:
            raise ImageError(f"{fact.path}: {error}") from error
        out.append(replace(fact, height=height, width=width))
    return out


def check_region(dataset: Dataset, region: Region, progress: Progress | None = None) -> None:
    """Check before a training that the region of interest fits its images.

    Defective images of the train split whose masks lie outside the region are named in a warning, since they
    teach that what is inside is defective.

    Raises:
        DataError: If an image of the train or calibration split has another aspect ratio than the region, or
            the region in it is too small.
    """
    check_fits(dataset, region, progress)
    training = [s for s in dataset.samples if s.split == "train" and s.label != dataset.normal]
    unseen = unseen_defects(shares_outside(training, region))
    if unseen:
        log.warning(
            "%d defective training picture(s) have their defect outside the region of interest (%s): the "
            "inspector cannot see it, and would learn to reject what is good inside. Take them out, label "
            "them as good, or draw a larger region",
            len(unseen),
            named(unseen),
        )


def check_fits(dataset: Dataset, region: Region, progress: Progress | None = None) -> None:
    """Check that the region of interest fits the images that are not of the test split.

    Raises:
        DataError: If one has another aspect ratio than the region, or the region in it is too small.
    """
    taught = [s for s in dataset.samples if s.split != "test"]
    misfits = _misfits(taught, region, progress)
    if misfits:
        first = next(iter(misfits))
        raise DataError(
            f"{len(misfits)} image(s) do not fit --roi; the first, {first}: {misfits[first]}. "
            "Draw the mask on one of these pictures, or take the others out"
        )


def find_in_region(region: Region, dataset: Dataset, _groups: Sequence[int]) -> Iterator[Finding]:
    """Yield the findings on a data set and its region of interest, for `check`."""
    misfits = _misfits(dataset.samples, region, None)
    for image, error in misfits.items():
        yield Finding(Severity.ERROR, "region-size", error, (image,))
    fitting = [s for s in dataset.samples if s.image not in misfits and s.label != dataset.normal]
    shares = shares_outside(fitting, region)
    unseen = unseen_defects(shares)
    if unseen:
        message = (
            f"{len(unseen)} defective image(s) have their defect outside the region of interest: take them "
            "out, label them as good, or draw a larger region"
        )
        yield Finding(Severity.WARNING, "region-unseen", message, tuple(unseen))
    note = outside_note(shares)
    if note is not None:
        cut = tuple(image for image, share in shares.items() if share > 0)
        yield Finding(Severity.NOTE, "region-outside", note, cut)


def shares_outside(samples: Sequence[Sample], region: Region) -> dict[str, float]:
    """Return the share of each image's defective pixels that is outside the region, in [0, 1], by its name.

    Images without a mask are left out, and those whose mask is empty, cannot be read or does not fit.
    """
    masked = [s for s in samples if s.mask is not None]
    shares = ordered_map(lambda s: _share_outside(s, region), masked)
    return {s.image: share for s, share in zip(masked, shares, strict=True) if share is not None}


def unseen_defects(shares: Mapping[str, float]) -> list[str]:
    """Return the images whose defect is outside the region as a whole, of the shares outside."""
    return [image for image, share in shares.items() if share == 1]


def outside_note(shares: Mapping[str, float]) -> str | None:
    """Return a note on the defects outside the region, given the shares outside; None if there are none."""
    cut = [image for image, share in shares.items() if share > 0]
    if not cut:
        return None
    mean = sum(shares.values()) / len(shares)
    unseen = unseen_defects(shares)
    whole = f"; of {len(unseen)} all of it is outside: {named(unseen)}" if unseen else ""
    return (
        f"of {len(shares)} images with a mask, {len(cut)} have defective pixels outside the region of "
        f"interest, where nothing is looked at (on average {mean:.1%} of a mask){whole}"
    )


def named(images: Sequence[str]) -> str:
    """Return the first few names, and how many there are more."""
    more = f" and {len(images) - _NAMED} more" if len(images) > _NAMED else ""
    return ", ".join(images[:_NAMED]) + more


def _misfits(samples: Sequence[Sample], region: Region, progress: Progress | None) -> dict[str, str]:
    """Return why images do not fit the region, by name; unreadable ones are reported elsewhere."""
    out = {}
    for sample, fact in zip(samples, scan([s.path for s in samples], progress), strict=True):
        if fact.error is None:
            try:
                region.check((fact.height, fact.width))
            except ImageError as error:
                out[sample.image] = str(error)
    return out


def _share_outside(sample: Sample, region: Region) -> float | None:
    if sample.mask is None:
        return None
    try:
        mask = read_mask(sample.mask)
        inside = seen_in((mask.shape[0], mask.shape[1]), region).region
    except ImageError:
        return None
    return None if inside is None or not mask.any() else float((mask & ~inside).sum() / mask.sum())
