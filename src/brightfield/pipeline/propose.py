"""Propose masks: what an inspector finds defective, as files to be corrected in a labelling tool."""

from __future__ import annotations

import logging
import math
import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.mask_values import TABLE
from brightfield.data.scan import scan
from brightfield.errors import ConfigError, ImageError
from brightfield.inspector import Inspector
from brightfield.pipeline.mask_files import COCO, FORMATS, write_one, write_overlay, write_shared
from brightfield.pipeline.proposal import MASKS, Proposal, place_of, regions_in
from brightfield.progress import Progress, silent
from brightfield.verdict import UNTYPED, Decision, HeatmapKind, Look

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Proposing:
    """How masks are proposed.

    Attributes:
        formats: What is written, of `FORMATS`.
        threshold: The heat from which a pixel is proposed; None for what the inspector itself marks.
        smallest: The least number of pixels of a proposed region.
        only_defective: Whether good parts get no file at all, instead of an empty mask.
        overlay: Whether a picture with the proposal over the image is written beside each mask.

    Raises:
        ConfigError: If a value is out of range.
    """

    formats: tuple[str, ...] = ("png", "coco")
    threshold: float | None = None
    smallest: int = 1
    only_defective: bool = False
    overlay: bool = False

    def __post_init__(self) -> None:
        unknown = sorted(set(self.formats) - set(FORMATS))
        if unknown or not self.formats:
            raise ConfigError(f"--format {' '.join(unknown)!r} is unknown; known are: {', '.join(FORMATS)}")
        if self.threshold is not None and not (math.isfinite(self.threshold) and self.threshold > 0):
            raise ConfigError(
                f"--threshold {self.threshold} is no heat; expected a number above 0; at 1 parts stop passing"
            )
        if self.smallest < 1:
            raise ConfigError(f"--smallest {self.smallest}: expected 1 pixel at least")


@dataclass(frozen=True)
class Proposed:
    """What was proposed.

    Attributes:
        output: The folder of results.
        images: The number of pictures with a proposal, an empty one of a good part included.
        good: How many of them are good parts, whose mask is empty.
        nothing: Names of the others in which nothing was found.
        left_out: The number of good parts that got no file.
        regions: The number of proposed regions of each type.
        kind: What the inspector's heatmaps mean.
        unreadable: Names of the pictures that could not be read.
    """

    output: Path
    images: int
    good: int
    nothing: tuple[str, ...]
    left_out: int
    regions: dict[str, int]
    kind: HeatmapKind
    unreadable: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as `brightfield masks --json` prints them."""
        return {
            "output": str(self.output),
            "images": self.images,
            "proposed": self.images - self.good - len(self.nothing),
            "good": self.good,
            "nothing": list(self.nothing),
            "left_out": self.left_out,
            "regions": self.regions,
            "heatmap_kind": str(self.kind),
            "unreadable": list(self.unreadable),
        }


Seen = Look | tuple[int, int] | ImageError
"""A judged picture, the height and width of a good one, or the error of one that cannot be read."""


def propose(
    inspector: Inspector,
    dataset: Dataset,
    output: Path,
    how: Proposing,
    progress: Progress | None = None,
) -> Proposed:
    """Write a proposed mask for each picture, or for each defective one.

    A part that is labelled as good has an empty mask and is not judged. Without labels the inspector's
    decision says which parts are good; a part for review is none.

    Args:
        inspector: The inspector.
        dataset: The pictures, with classes or without.
        output: The folder of results.
        how: How masks are proposed.
        progress: Callback for progress reports.

    Raises:
        ConfigError: If the inspector has no normal class or shows no maps, the folder is not apart from the
            pictures, or it holds masks already.
        WriteError: If a file cannot be written.
    """
    if inspector.normal is None:
        raise ConfigError(
            "this inspector has no normal class, so it finds no defects; train one with --normal NAME"
        )
    check_output(output, dataset)
    types, tell = _numbered(inspector, dataset), progress or silent
    proposals: list[Proposal] = []
    unreadable: list[str] = []
    left_out = 0
    crowded = _crowded(dataset)
    for done, (sample, seen) in enumerate(_seen(inspector, dataset), start=1):
        if isinstance(seen, ImageError):
            log.error("%s", seen)  # not a warning, so that --quiet shows the cause of exit code 2
            unreadable.append(sample.image)
        elif how.only_defective and _passed(sample, seen):
            left_out += 1
        else:
            proposal = _proposal(inspector, sample, seen, how, crowded)
            write_one(proposal, sample.path, output, how.formats, types)
            if how.overlay and isinstance(seen, Look):
                write_overlay(proposal, seen, output)
            proposals.append(proposal)
        tell("propose", done, len(dataset))
    proposals.sort(key=lambda p: p.image)
    found = Counter(region.type for p in proposals for region in p.regions)
    write_shared(proposals, output, how.formats, types)
    return Proposed(
        output=output,
        images=len(proposals),
        good=sum(p.good for p in proposals),
        nothing=tuple(p.image for p in proposals if not p.good and not p.regions),
        left_out=left_out,
        regions=dict(sorted(found.items())),
        kind=inspector.method.heatmap_kind,
        unreadable=tuple(sorted(unreadable)),
    )


def check_output(output: Path, dataset: Dataset) -> None:
    """Check that masks can be written to a folder without loss.

    Raises:
        ConfigError: If it holds pictures of the data set, or masks, which may have been corrected.
    """
    place = Path(os.path.realpath(output))
    for sample in dataset.samples:
        if Path(os.path.realpath(sample.path)).is_relative_to(place):
            raise ConfigError(f"{output} holds images of the data set; choose another folder for the masks")
    old = next((p for name in (COCO, TABLE, MASKS, f"*/{MASKS}") for p in output.glob(name)), None)
    if old is not None:
        raise ConfigError(
            f"{old} is there already and may have been corrected since; choose another folder, or remove it"
        )


def _numbered(inspector: Inspector, dataset: Dataset) -> tuple[str, ...] | None:
    """Return the types whose positions from 1 on are a mask's values; None where masks are white on black."""
    if not inspector.method.types:
        return None
    labels = {s.label for s in dataset.samples if s.label is not None}
    return tuple(sorted({*inspector.method.types, *inspector.classes, *labels, UNTYPED}))


def _crowded(dataset: Dataset) -> set[str]:
    """Return the images whose names differ from another's in their suffix only."""
    stems = Counter(Path(s.image).with_suffix("") for s in dataset.samples)
    return {s.image for s in dataset.samples if stems[Path(s.image).with_suffix("")] > 1}


def _seen(inspector: Inspector, dataset: Dataset) -> Iterator[tuple[Sample, Seen]]:
    """Yield each sample with what is known of it; those labelled as good come first."""
    good = [s for s in dataset.samples if s.label == inspector.normal]
    for sample, fact in zip(good, scan([s.path for s in good]), strict=True):
        yield sample, (fact.height, fact.width) if fact.error is None else ImageError(fact.error)
    others = [s for s in dataset.samples if s.label != inspector.normal]
    yield from zip(others, inspector.looks((s.path, True) for s in others), strict=True)


def _passed(sample: Sample, seen: Look | tuple[int, int]) -> bool:
    """Return whether a part is good: by its label, or without one by the inspector's decision."""
    if isinstance(seen, tuple):
        return True
    return sample.label is None and seen.verdict.decision is Decision.OK


def _proposal(
    inspector: Inspector,
    sample: Sample,
    seen: Look | tuple[int, int],
    how: Proposing,
    crowded: Collection[str],
) -> Proposal:
    """Return a picture's proposed mask, which is empty for a good part."""
    label = sample.label or ("" if isinstance(seen, tuple) else seen.verdict.label)
    place = place_of(sample.image, label, suffix=sample.image in crowded)
    if isinstance(seen, tuple):
        return Proposal(sample.image, place, seen, (), good=True)
    shape = (seen.pixels.shape[0], seen.pixels.shape[1])
    if _passed(sample, seen):
        return Proposal(sample.image, place, shape, (), good=True)
    verdict = seen.verdict
    if verdict.heatmap is None:
        raise ConfigError(f"the method {verdict.method} shows no map, so it finds no defective pixels")
    mask = verdict.mask
    if how.threshold is not None or mask is None:
        mask = verdict.heatmap >= (how.threshold or inspector.pixel_threshold or 1.0)
    return Proposal(sample.image, place, shape, regions_in(verdict, mask, how.smallest, label))
