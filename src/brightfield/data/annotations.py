"""Annotation files of a folder: which there are, and which image each of their entries is of."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from brightfield.data.annotated import Annotated, read_json
from brightfield.data.coco import is_coco, read_coco
from brightfield.data.coco_match import CocoFile, matched
from brightfield.data.dataset import Sample
from brightfield.data.image_files import ANNOTATION_FOLDER, SPLIT_FOLDERS
from brightfield.data.labelme import SUFFIX, is_labelme, read_labelme
from brightfield.errors import DataError

log = logging.getLogger(__name__)

GOOD = "OK"
"""The class of an image without defects where no folder and no option names one."""

_NAMED = re.compile(r"_?annotations?([._-].*)?|instances.*|.*\bcoco\b.*|result", re.IGNORECASE)
"""The names of COCO files, without their suffix, as annotation tools write them."""


def coco_files(places: Iterable[Path], normal: str | None = None) -> list[CocoFile]:
    """Return the COCO files in folders of images, and in the folders `annotations` in these.

    A file that is called like one and holds other JSON is left out with a warning.

    Raises:
        DataError: If such a file is no JSON, or a COCO file cannot be understood.
    """
    found = []
    strangers = []
    for place in places:
        beside = [p for p in sorted(place.glob(f"*{SUFFIX}")) if _NAMED.fullmatch(p.stem)]
        for path in (*beside, *sorted((place / ANNOTATION_FOLDER).glob(f"*{SUFFIX}"))):
            if not is_coco(read_json(path)):
                strangers.append(path)
            else:
                found.append(CocoFile(path, place, tuple(read_coco(path, normal))))
    if strangers:
        log.warning(
            "%d file(s) are not COCO and are left out, first %s; expected an object with images, annotations "
            "and categories",
            len(strangers),
            strangers[0],
        )
    return found


def any_annotation(samples: Sequence[Sample], files: Sequence[CocoFile]) -> bool:
    """Return whether an annotation file may be of any of the samples."""
    listed = {PurePosixPath(entry.image).name for file in files for entry in file.images}
    if any(sample.path.name in listed for sample in samples):
        return True
    return any(is_labelme(_content(path)) for _, path in _json_files(samples))


def annotations_of(
    samples: Sequence[Sample], files: Sequence[CocoFile], normal: str | None
) -> dict[str, Annotated]:
    """Return what annotation files say of the samples, by the image's name.

    A labelme file counts before a COCO file.

    Args:
        samples: The samples, with labelme files in folders of masks as their mask.
        files: The COCO files.
        normal: The normal class, if it is named.

    Raises:
        DataError: If a labelme file cannot be understood.
    """
    found: dict[str, Annotated] = {}
    for file in files:
        more = matched(file, samples)
        if again := found.keys() & more.keys():
            log.warning("%s lists %d image(s) that another file lists too; it counts", file.path, len(again))
        found |= more
    broken = []
    for sample, path in _json_files(samples):
        content = read_json(path) if path == sample.mask else _content(path)
        if path == sample.mask or is_labelme(content):
            found[sample.image] = read_labelme(path, content, normal)
        elif content is None:
            broken.append(path)
    if broken:
        log.warning(
            "%d JSON file(s) beside images cannot be read and are left out, first %s", len(broken), broken[0]
        )
    return found


def outlines_of_rows(samples: Sequence[Sample], normal: str | None) -> list[Sample]:
    """Return the samples of a manifest with outlines for each mask that is a labelme or a COCO file.

    An image that such a COCO file does not list has no mask.

    Raises:
        DataError: If a file is neither, or cannot be understood.
    """
    named = {s.mask for s in samples if isinstance(s.mask, Path) and s.mask.suffix.lower() == SUFFIX}
    if not named:
        return list(samples)
    contents = {path: read_json(path) for path in named}
    of_several = [path for path, content in contents.items() if is_coco(content)]
    found: dict[str, Annotated] = {}
    for path in sorted(of_several):
        rows = [s for s in samples if s.mask == path]
        found |= matched(CocoFile(path, None, tuple(read_coco(path, normal))), rows)
    for sample in samples:
        if sample.mask in contents.keys() - set(of_several):
            found[sample.image] = read_labelme(sample.mask, contents[sample.mask], normal)
    cleared = [replace(s, mask=None) if s.mask in of_several and s.image not in found else s for s in samples]
    return annotated(cleared, found, normal or GOOD)


def with_splits_of_files(samples: Sequence[Sample], found: Mapping[str, Annotated]) -> list[Sample]:
    """Return the samples with the splits that their COCO files name, as `instances_train2017.json` does.

    Samples that have a split, or a class without a split, stay as they are; so do all where only one split is
    named.
    """
    named = {
        image: split
        for image, one in found.items()
        for word in re.split(r"[^a-z]+", one.source.stem.lower())
        if (split := SPLIT_FOLDERS.get(word)) is not None
    }
    free = [s.image for s in samples if s.label is None and s.split is None]
    if len({named.get(image) for image in free} - {None}) < 2 or any(image not in named for image in free):
        return list(samples)
    chosen = {image: named[image] for image in free}
    return [replace(s, split=chosen[s.image]) if s.image in chosen else s for s in samples]


def annotated(samples: Sequence[Sample], found: Mapping[str, Annotated], good: str) -> list[Sample]:
    """Return the samples with their outlines as masks, and those without a class with one.

    A mask image counts before outlines. A class is that of the largest area in an image, or `good`.

    Args:
        samples: The samples; those without a class are of a folder without class folders.
        found: What is known of each, by its image's name.
        good: The class of images without annotations.

    Raises:
        ImageError: If neither an annotation nor the image says how large it is.
    """
    out, twice = [], []
    for sample in samples:
        one = found.get(sample.image)
        if one is None:
            out.append(sample if sample.label is not None else replace(sample, label=good))
            continue
        mask = None if sample.mask == one.source else sample.mask
        if mask is not None and one.shapes:
            twice.append(sample.image)
        mask = mask or one.outlines(sample.path)
        label = one.label(good, sample.path) if sample.label is None else sample.label
        out.append(replace(sample, mask=mask, label=label))
    if twice:
        log.warning(
            "%d image(s) have both a mask image and outlines, first %s; the mask images count: remove "
            "those that are out of date",
            len(twice),
            twice[0],
        )
    bare = sum(len(one.others) for one in found.values())
    if bare:
        log.warning(
            "%d annotation(s) have no outline, as they are boxes, lines or points: they mark no pixels", bare
        )
    return out


def _json_files(samples: Sequence[Sample]) -> Iterator[tuple[Sample, Path]]:
    """Yield the JSON file that is a sample's mask or lies beside its image, where there is one."""
    listings: dict[Path, frozenset[str]] = {}  # each folder is listed once
    for sample in samples:
        if isinstance(sample.mask, Path) and sample.mask.suffix.lower() == SUFFIX:
            yield sample, sample.mask
            continue
        folder = sample.path.parent
        if folder not in listings:
            listings[folder] = frozenset(path.name for path in folder.glob(f"*{SUFFIX}"))
        if listings[folder] and sample.path.stem + SUFFIX in listings[folder]:
            yield sample, sample.path.with_suffix(SUFFIX)


def _content(path: Path) -> Any:
    """Return the content of a JSON file; None if it cannot be read."""
    try:
        return read_json(path)
    except DataError:
        return None
