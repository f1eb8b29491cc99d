"""Checks of a data set before training: unreadable files, duplicates, leaks, masks and more."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.data.finding import Finding, Severity
from brightfield.data.fingerprints import PixelSummary, group_summaries, summarise
from brightfield.data.mask_check import MaskSummary, check_masks, images_by_type, summarise_masks
from brightfield.data.scan import ImageFacts, scan
from brightfield.progress import Progress

FEW = 20
TINY_SIDE = 16
LARGE_PIXELS = 40_000_000


@dataclass(frozen=True)
class CheckReport:
    """The result of a check.

    Attributes:
        name: The data set's name.
        n: The number of its images.
        normal: The class that counts as good, or None.
        classes: The number of images of each class.
        splits: The number of images in each split, where the data set defines splits itself.
        findings: The findings, the most severe first.
        masked: The number of images with a mask.
        mask_types: The number of images in which each defect type has marked pixels.
    """

    name: str
    n: int
    normal: str | None
    classes: Mapping[str, int]
    splits: Mapping[str, int]
    findings: tuple[Finding, ...]
    masked: int = 0
    mask_types: Mapping[str, int] = field(default_factory=dict)

    @property
    def spoils_training(self) -> bool:
        """Whether any finding is an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values, as `brightfield data check --json` prints it."""
        return {
            "name": self.name,
            "n": self.n,
            "normal": self.normal,
            "classes": dict(self.classes),
            "splits": dict(self.splits),
            "masks": {"images": self.masked, "types": dict(self.mask_types)},
            "spoils_training": self.spoils_training,
            "findings": [
                {
                    "severity": str(f.severity),
                    "kind": f.kind,
                    "message": f.message,
                    "files": list(f.files),
                }
                for f in self.findings
            ],
        }


@dataclass(frozen=True)
class _Scanned:
    """The results of the single pass over all files, on which the checks below work."""

    dataset: Dataset
    facts: Sequence[ImageFacts]
    summaries: Sequence[PixelSummary]
    groups: Sequence[int]
    masks: Mapping[int, MaskSummary]

    def members(self, numbers: Sequence[object]) -> Iterator[list[int]]:
        """Yield the positions of the images with equal numbers, for each number of two images or more."""
        together: dict[object, list[int]] = defaultdict(list)
        for i, number in enumerate(numbers):
            together[number].append(i)
        yield from (members for members in together.values() if len(members) > 1)

    def names(self, positions: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.dataset.samples[i].image for i in positions)


Findings = Iterator[Finding]
FurtherCheck = Callable[[Dataset, Sequence[int]], Findings]


def check(
    dataset: Dataset, *, further: Sequence[FurtherCheck] = (), progress: Progress | None = None
) -> CheckReport:
    """Return the report on a data set; every image and mask is decoded once.

    Args:
        dataset: The data set.
        further: Additional checks, called with the data set and the near-duplicate group of each image (see
            `near_duplicate_groups`).
        progress: Called after every image.
    """
    paths = [sample.path for sample in dataset.samples]
    facts = scan(paths, progress)
    summaries = summarise(paths, progress)
    scanned = _Scanned(
        dataset, facts, summaries, group_summaries(summaries), summarise_masks(dataset, progress)
    )
    checks: tuple[Callable[[_Scanned], Findings], ...] = (
        *(_unreadable, _equal, _alike, _leaks, _group_leaks, _classes),
        *(_modes, _sizes, _extremes, _constant, _masks),
    )
    findings = [finding for one in checks for finding in one(scanned)]
    findings += [finding for one in further for finding in one(dataset, scanned.groups)]
    order = list(Severity)
    findings.sort(key=lambda finding: order.index(finding.severity))
    splits = Counter(s.split for s in dataset.samples if s.split is not None)
    return CheckReport(
        name=dataset.name,
        n=len(dataset),
        normal=dataset.normal,
        classes=dataset.counts(),
        splits=dict(splits),
        findings=tuple(findings),
        masked=len(scanned.masks),
        mask_types=images_by_type(scanned.masks),
    )


def _unreadable(scanned: _Scanned) -> Findings:
    for i, (one, fact) in enumerate(zip(scanned.summaries, scanned.facts, strict=True)):
        error = one.error or fact.error
        if error is not None:
            yield Finding(Severity.ERROR, "unreadable", error, scanned.names([i]))


def _equal(scanned: _Scanned) -> Findings:
    for members in scanned.members(
        [one.digest or f"unreadable {i}" for i, one in enumerate(scanned.summaries)]
    ):
        labels = sorted({str(scanned.dataset.samples[i].label) for i in members})
        if len(labels) > 1:
            message = f"the same picture carries different labels ({', '.join(labels)}); keep the right one"
            yield Finding(Severity.ERROR, "contradiction", message, scanned.names(members))
        else:
            message = f"{len(members)} files show exactly the same picture; keep one"
            yield Finding(Severity.WARNING, "duplicate", message, scanned.names(members))


def _alike(scanned: _Scanned) -> Findings:
    for members in scanned.members(scanned.groups):
        if len({scanned.summaries[i].digest for i in members}) == 1:
            continue
        labels = sorted({str(scanned.dataset.samples[i].label) for i in members})
        if len(labels) > 1:
            named = ", ".join(labels)
            message = f"nearly the same picture carries different labels ({named}); check them"
            yield Finding(Severity.WARNING, "near-contradiction", message, scanned.names(members))
        else:
            message = f"{len(members)} files show nearly the same picture; a split keeps them together"
            yield Finding(Severity.NOTE, "near-duplicate", message, scanned.names(members))


def _leaks(scanned: _Scanned) -> Findings:
    for members in scanned.members(scanned.groups):
        yield from _leak(scanned, members, "the same or nearly the same picture")


def _group_leaks(scanned: _Scanned) -> Findings:
    samples = scanned.dataset.samples
    for members in scanned.members([(i,) if s.group is None else s.group for i, s in enumerate(samples)]):
        yield from _leak(scanned, members, f"pictures of one group ({samples[members[0]].group})")


def _leak(scanned: _Scanned, members: Sequence[int], what: str) -> Findings:
    splits = sorted({str(scanned.dataset.samples[i].split) for i in members})
    if len(splits) > 1:
        message = f"{what} in {' and '.join(splits)}: test figures come out too good; put them in one split"
        yield Finding(Severity.ERROR, "leak", message, scanned.names(members))


def _classes(scanned: _Scanned) -> Findings:
    dataset = scanned.dataset
    if len(dataset.classes) > 1 and dataset.normal is None:
        message = (
            "no class counts as good, so the classes are only told apart; if one of them is the good one, "
            "name it with --normal"
        )
        yield Finding(Severity.NOTE, "no-normal", message)
    for name, n in dataset.counts().items():
        if n < FEW:
            message = f"class {name!r} has {n} images; below {FEW}, training and figures vary a lot: add more"
            yield Finding(Severity.WARNING, "small-class", message)


def _modes(scanned: _Scanned) -> Findings:
    modes = Counter(fact.mode for fact in scanned.facts if fact.error is None)
    if len(modes) < 2:
        return
    listed = ", ".join(f"{mode} {n}" for mode, n in modes.most_common())
    yield Finding(Severity.NOTE, "mixed-modes", f"pixel formats differ ({listed}); all become 8-bit RGB")
    yield from _shortcut(scanned, [fact.mode for fact in scanned.facts], "pixel format")


def _sizes(scanned: _Scanned) -> Findings:
    sizes = Counter((fact.width, fact.height) for fact in scanned.facts if fact.error is None)
    if len(sizes) < 2:
        return
    listed = ", ".join(f"{w}x{h} {n}" for (w, h), n in sizes.most_common(4))
    more = f" and {len(sizes) - 4} more" if len(sizes) > 4 else ""
    message = f"image sizes differ ({listed}{more}); aspect ratios are kept"
    yield Finding(Severity.NOTE, "mixed-sizes", message)
    yield from _shortcut(scanned, [f"{fact.width}x{fact.height}" for fact in scanned.facts], "image size")


def _shortcut(scanned: _Scanned, values: Sequence[str], what: str) -> Findings:
    """Warn if a property of the files alone separates the normal class from the others."""
    of_good: set[str] = set()
    of_others: set[str] = set()
    for sample, value, fact in zip(scanned.dataset.samples, values, scanned.facts, strict=True):
        if fact.error is None:
            (of_good if sample.label == scanned.dataset.normal else of_others).add(value)
    few = len(of_good | of_others) < len(values) / 4  # values that hardly repeat separate any two classes
    if scanned.dataset.normal is not None and of_good and of_others and few and not of_good & of_others:
        message = (
            f"the {what} alone separates {scanned.dataset.normal!r} from the other classes, and the network "
            "may learn it instead of the defects; take all pictures in the same way"
        )
        yield Finding(Severity.WARNING, "shortcut", message)


def _extremes(scanned: _Scanned) -> Findings:
    readable = [(i, fact) for i, fact in enumerate(scanned.facts) if fact.error is None]
    tiny = [i for i, fact in readable if min(fact.width, fact.height) < TINY_SIDE]
    large = [i for i, fact in readable if fact.width * fact.height > LARGE_PIXELS]
    if tiny:
        message = f"{len(tiny)} images have a side below {TINY_SIDE} pixels: too small to show a defect"
        yield Finding(Severity.WARNING, "tiny", message, scanned.names(tiny))
    if large:
        message = f"{len(large)} images exceed {LARGE_PIXELS // 10**6} megapixels: training will take long"
        yield Finding(Severity.NOTE, "large", message, scanned.names(large))


def _constant(scanned: _Scanned) -> Findings:
    flat = [i for i, one in enumerate(scanned.summaries) if one.error is None and one.low == one.high]
    if flat:
        message = f"{len(flat)} images have one colour throughout, as from a covered camera; remove them"
        yield Finding(Severity.WARNING, "constant", message, scanned.names(flat))


def _masks(scanned: _Scanned) -> Findings:
    yield from check_masks(scanned.dataset, scanned.summaries, scanned.masks)
