"""Which image each entry of a COCO file is of."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from brightfield.data.annotated import Annotated
from brightfield.data.dataset import Sample

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CocoFile:
    """A COCO file.

    Attributes:
        path: The file.
        place: The folder whose images it is of, at any depth; None for images anywhere.
        images: What it says of each image that it lists.
    """

    path: Path
    place: Path | None
    images: tuple[Annotated, ...]


def matched(file: CocoFile, samples: Sequence[Sample]) -> dict[str, Annotated]:
    """Return the entry of a COCO file for each sample that it lists, by the sample's image.

    Names agree where their last parts do, as tools write paths from different folders. Of several images
    with an entry's last part, it is of the one that agrees with most of its path. An entry in a folder that
    there is, is of an image in that folder only.
    """
    by_name: dict[str, list[Sample]] = defaultdict(list)
    for sample in samples:
        if file.place is None or sample.path.is_relative_to(file.place):
            by_name[sample.path.name].append(sample)
    there = {sample.path.parent.name for same in by_name.values() for sample in same}
    best: dict[str, tuple[int, list[Annotated]]] = {}
    unmatched = []
    for entry in file.images:
        image, agreeing = _image_of(entry, by_name, there)
        if image is None:
            unmatched.append(entry.image)
        elif agreeing > best.get(image, (0, []))[0]:
            best[image] = (agreeing, [entry])
        elif agreeing == best[image][0]:
            best[image][1].append(entry)
    unclear = [image for image, (_, entries) in best.items() if len(entries) > 1]
    _warn_of_names(file, unmatched, unclear)
    return {image: entries[0] for image, (_, entries) in best.items() if len(entries) == 1}


def _image_of(
    entry: Annotated, by_name: Mapping[str, Sequence[Sample]], there: set[str]
) -> tuple[str | None, int]:
    """Return the image that an entry is of, or None, and how many parts of their paths agree."""
    name = PurePosixPath(entry.image)
    agreeing = [(_common(name, s.path), s.image) for s in by_name.get(name.name, ())]
    longest = max((count for count, _ in agreeing), default=0)
    chosen = [image for count, image in agreeing if count == longest]
    elsewhere = longest < 2 and name.parent.name in there
    return (None if len(chosen) != 1 or elsewhere else chosen[0]), longest


def _common(name: PurePosixPath, path: Path) -> int:
    """Return how many parts of two paths agree, from the last on."""
    pairs = zip(reversed(name.parts), reversed(path.parts), strict=False)
    return next((i for i, (one, other) in enumerate(pairs) if one != other), len(name.parts))


def _warn_of_names(file: CocoFile, unmatched: Sequence[str], unclear: Sequence[str]) -> None:
    for images, why in (
        (unmatched, "that are not there, or could be several"),
        (unclear, "more than once"),
    ):
        if images:
            log.warning(
                "%s lists %d of its %d image(s) %s, first %s; what it says of them is left out",
                file.path,
                len(images),
                len(file.images),
                why,
                images[0],
            )
