"""What is wrong with a data set, before it spoils a training."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.data.finding import Finding, Severity
from brightfield.data.fingerprints import Look, group_looks, look
from brightfield.data.mask_check import MaskLook, check_masks, look_at_masks
from brightfield.data.scan import ImageFacts, scan
from brightfield.progress import Progress

FEW = 20
TINY_SIDE = 16
LARGE_PIXELS = 40_000_000


@dataclass(frozen=True)
class CheckReport:
    """What a check found.

    Attributes:
        name: The data set.
        n: Its images.
        normal: The class that counts as good, if any.
        classes: Images of each class.
        splits: Images of each split that the data set itself gives.
        findings: The worst first.
    """

    name: str
    n: int
    normal: str | None
    classes: Mapping[str, int]
    splits: Mapping[str, int]
    findings: tuple[Finding, ...]

    @property
    def spoils_training(self) -> bool:
        """Whether any finding is an error."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def as_dict(self) -> dict[str, Any]:
        """Return what `brightfield data check --json` prints."""
        return {
            "name": self.name,
            "n": self.n,
            "normal": self.normal,
            "classes": dict(self.classes),
            "splits": dict(self.splits),
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
class _Seen:
    """All that the single pass over the files brought: the checks below only look at this."""

    dataset: Dataset
    facts: Sequence[ImageFacts]
    looks: Sequence[Look]
    groups: Sequence[int]
    masks: Mapping[int, MaskLook]

    def members(self, numbers: Sequence[object]) -> Iterator[list[int]]:
        """Yield the positions of the images that share a number, where there are two or more."""
        together: dict[object, list[int]] = defaultdict(list)
        for i, number in enumerate(numbers):
            together[number].append(i)
        yield from (members for members in together.values() if len(members) > 1)

    def names(self, positions: Sequence[int]) -> tuple[str, ...]:
        return tuple(self.dataset.samples[i].image for i in positions)


Findings = Iterator[Finding]
Further = Callable[[Dataset, Sequence[int]], Findings]


def check(
    dataset: Dataset, *, further: Sequence[Further] = (), progress: Progress | None = None
) -> CheckReport:
    """Return what is wrong with a data set; every image and mask is decoded once.

    Args:
        dataset: The data set.
        further: Checks from elsewhere, given the data set and a number for each image, equal for
            near-duplicates.
        progress: Told of every image.
    """
    paths = [sample.path for sample in dataset.samples]
    facts = scan(paths, progress)
    looks = look(paths, progress)
    seen = _Seen(dataset, facts, looks, group_looks(looks), look_at_masks(dataset, progress))
    checks: tuple[Callable[[_Seen], Findings], ...] = (
        *(_unreadable, _equal, _alike, _leaks, _group_leaks, _classes),
        *(_modes, _sizes, _extremes, _constant, _masks),
    )
    findings = [finding for one in checks for finding in one(seen)]
    findings += [finding for one in further for finding in one(dataset, seen.groups)]
    order = list(Severity)
    findings.sort(key=lambda finding: order.index(finding.severity))
    splits = Counter(s.split for s in dataset.samples if s.split is not None)
    return CheckReport(
        dataset.name, len(dataset), dataset.normal, dataset.counts(), dict(splits), tuple(findings)
    )


def _unreadable(seen: _Seen) -> Findings:
    for i, (one, fact) in enumerate(zip(seen.looks, seen.facts, strict=True)):
        error = one.error or fact.error
        if error is not None:
            yield Finding(Severity.ERROR, "unreadable", error, seen.names([i]))


def _equal(seen: _Seen) -> Findings:
    for members in seen.members([one.digest or f"unreadable {i}" for i, one in enumerate(seen.looks)]):
        labels = sorted({str(seen.dataset.samples[i].label) for i in members})
        if len(labels) > 1:
            message = f"the same picture carries different labels ({', '.join(labels)}); keep the right one"
            yield Finding(Severity.ERROR, "contradiction", message, seen.names(members))
        else:
            message = f"{len(members)} files show exactly the same picture; keep one"
            yield Finding(Severity.WARNING, "duplicate", message, seen.names(members))


def _alike(seen: _Seen) -> Findings:
    for members in seen.members(seen.groups):
        if len({seen.looks[i].digest for i in members}) == 1:
            continue
        labels = sorted({str(seen.dataset.samples[i].label) for i in members})
        if len(labels) > 1:
            message = f"nearly the same picture carries different labels ({', '.join(labels)}); look again"
            yield Finding(Severity.WARNING, "near-contradiction", message, seen.names(members))
        else:
            message = f"{len(members)} files show nearly the same picture; a split keeps them together"
            yield Finding(Severity.NOTE, "near-duplicate", message, seen.names(members))


def _leaks(seen: _Seen) -> Findings:
    for members in seen.members(seen.groups):
        yield from _leak(seen, members, "the same or nearly the same picture")


def _group_leaks(seen: _Seen) -> Findings:
    samples = seen.dataset.samples
    for members in seen.members([(i,) if s.group is None else s.group for i, s in enumerate(samples)]):
        yield from _leak(seen, members, f"pictures of one group ({samples[members[0]].group})")


def _leak(seen: _Seen, members: Sequence[int], what: str) -> Findings:
    splits = sorted({str(seen.dataset.samples[i].split) for i in members})
    if len(splits) > 1:
        message = f"{what} in {' and '.join(splits)}: what is measured there is flattered; move them together"
        yield Finding(Severity.ERROR, "leak", message, seen.names(members))


def _classes(seen: _Seen) -> Findings:
    dataset = seen.dataset
    if len(dataset.classes) > 1 and dataset.normal is None:
        message = "no class counts as good, so classes are only told apart; name the good one with --normal"
        yield Finding(Severity.NOTE, "no-normal", message)
    for name, n in dataset.counts().items():
        if n < FEW:
            message = f"class {name!r} has {n} images; below {FEW}, learning and figures are shaky: add more"
            yield Finding(Severity.WARNING, "small-class", message)


def _modes(seen: _Seen) -> Findings:
    modes = Counter(fact.mode for fact in seen.facts if fact.error is None)
    if len(modes) < 2:
        return
    listed = ", ".join(f"{mode} {n}" for mode, n in modes.most_common())
    yield Finding(Severity.NOTE, "mixed-modes", f"pixel formats differ ({listed}); all become RGB of 8 bits")
    yield from _shortcut(seen, [fact.mode for fact in seen.facts], "pixel format")


def _sizes(seen: _Seen) -> Findings:
    sizes = Counter((fact.width, fact.height) for fact in seen.facts if fact.error is None)
    if len(sizes) < 2:
        return
    listed = ", ".join(f"{w}x{h} {n}" for (w, h), n in sizes.most_common(4))
    more = f" and {len(sizes) - 4} more" if len(sizes) > 4 else ""
    yield Finding(Severity.NOTE, "mixed-sizes", f"image sizes differ ({listed}{more}); shapes are kept")
    yield from _shortcut(seen, [f"{fact.width}x{fact.height}" for fact in seen.facts], "image size")


def _shortcut(seen: _Seen, values: Sequence[str], what: str) -> Findings:
    """Warn where a property of the file alone tells the good from the others."""
    of_good: set[str] = set()
    of_others: set[str] = set()
    for sample, value, fact in zip(seen.dataset.samples, values, seen.facts, strict=True):
        if fact.error is None:
            (of_good if sample.label == seen.dataset.normal else of_others).add(value)
    few = len(of_good | of_others) < len(values) / 4  # where every size is its own, that tells nothing
    if seen.dataset.normal is not None and of_good and of_others and few and not of_good & of_others:
        message = f"the {what} alone tells {seen.dataset.normal!r} from the rest: it will be learned instead"
        yield Finding(Severity.WARNING, "shortcut", message)


def _extremes(seen: _Seen) -> Findings:
    readable = [(i, fact) for i, fact in enumerate(seen.facts) if fact.error is None]
    tiny = [i for i, fact in readable if min(fact.width, fact.height) < TINY_SIDE]
    large = [i for i, fact in readable if fact.width * fact.height > LARGE_PIXELS]
    if tiny:
        message = f"{len(tiny)} images have a side below {TINY_SIDE} pixels: too little to see a defect in"
        yield Finding(Severity.WARNING, "tiny", message, seen.names(tiny))
    if large:
        message = f"{len(large)} images exceed {LARGE_PIXELS // 10**6} megapixels: training will take long"
        yield Finding(Severity.NOTE, "large", message, seen.names(large))


def _constant(seen: _Seen) -> Findings:
    flat = [i for i, one in enumerate(seen.looks) if one.error is None and one.low == one.high]
    if flat:
        message = f"{len(flat)} images are of one colour throughout, as a covered camera gives; remove them"
        yield Finding(Severity.WARNING, "constant", message, seen.names(flat))


def _masks(seen: _Seen) -> Findings:
    yield from check_masks(seen.dataset, seen.looks, seen.masks)
