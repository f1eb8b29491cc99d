"""The data of a successor: what the inspector before it learned from, and what has come since."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from brightfield.data.dataset import Dataset, Sample, order_classes
from brightfield.data.image_files import image_files
from brightfield.data.layouts import as_dataset
from brightfield.errors import DataError
from brightfield.evaluation.run import digests, load_for
from brightfield.inspector import Inspector
from brightfield.pipeline.facts import place_at
from brightfield.pipeline.preflight import check_labels

log = logging.getLogger(__name__)

_NAMED = 3


@dataclass(frozen=True)
class Relabelled:
    """A picture whose new label contradicts an old one; the new one counts.

    Attributes:
        image: Its name among the new pictures.
        before: The old label.
        after: The new label.
        split: The split in which it was when the inspector before was trained; None if that did not know it.
    """

    image: str
    before: str
    after: str
    split: str | None


@dataclass(frozen=True)
class OldAndNew:
    """Old and new pictures as one data set, each once.

    Attributes:
        data: The data set, with the data sets' own splits.
        seen: The split of each picture when the inspector before was trained; None for a new one.
        relabelled: Pictures whose label has changed.
        missing: How many pictures of each split of the inspector before are not there any more.
        fresh: The files of the new data set that the inspector before did not know, or under another label.
        places: Where the data sets are.
    """

    data: Dataset
    seen: tuple[str | None, ...]
    relabelled: tuple[Relabelled, ...] = ()
    missing: Mapping[str, int] = field(default_factory=dict)
    fresh: frozenset[Path] = frozenset()
    places: tuple[str | Path, ...] = ()


def load_parts(data: str | Path, base: Inspector) -> Dataset:
    """Return a data set with the inspector's normal class, in which every picture has a label.

    A folder named as the class of good parts may hold the pictures themselves.

    Raises:
        DataError: If it cannot be read, has no label for a picture, or another class counts as good.
    """
    dataset = _folder_of_good(data, base.normal) or load_for(base, data)
    check_labels(dataset)
    normal = base.normal
    if normal is not None and dataset.normal not in (None, normal):
        raise DataError(
            f"the inspector's normal class is {normal!r}, that of {dataset.name} is {dataset.normal!r}: "
            f"rename the latter to {normal!r}"
        )
    labels = {str(label) for label in dataset.labels}
    known = {*labels, normal} - {None}
    return replace(dataset, classes=order_classes((str(c) for c in known), normal), normal=normal)


def _folder_of_good(data: str | Path, normal: str | None) -> Dataset | None:
    folder = Path(data)
    if normal is None or not folder.is_dir() or folder.resolve().name != normal:
        return None
    inside = [file for file, _ in image_files(folder) if file.parent == folder]
    samples = [Sample(f"{normal}/{file.name}", file, normal) for file in inside]
    return replace(as_dataset(normal, samples, normal), place=folder) if samples else None


def find_old(base: Inspector, bundle: Path, new: Dataset, given: str | Path | None = None) -> list[Dataset]:
    """Return the data sets that the inspector learned from: the given one, or those that its bundle names.

    Nothing is looked for where the new data set has all of these pictures itself.

    Raises:
        DataError: If they are nowhere.
    """
    if given is not None:
        return [load_parts(given, base)]
    known = set(digests(new)) & set(base.splits)
    if len(known) == len(base.splits):
        return []
    fingerprints = base.facts.get("fingerprints") or {}
    found = []
    lost = []
    for place in fingerprints.get("data_places") or []:
        try:
            found.append(load_parts(place_at(bundle, place), base))
        except DataError as error:
            log.debug("%s: %s", place, error)
            lost.append(str(place))
    if not found and not known:
        named = str(fingerprints.get("data_name"))
        where = f"it was at {', '.join(lost)}, seen from the bundle" if lost else "the bundle names no place"
        raise DataError(
            f"the data set that {bundle} was trained on ({named}) is not found, and {new.name} has none of "
            f"its pictures; {where}: name it with --old, or give a data set of old and new pictures"
        )
    return found


def join_old_and_new(base: Inspector, old: Sequence[Dataset], new: Dataset) -> OldAndNew:
    """Return old and new pictures as one data set; pictures are known by the SHA-256 of their files.

    A picture that is in both has the new label, and its mask too where the label has changed.

    Args:
        base: The inspector before.
        old: The data sets that it learned from.
        new: The new one.

    Raises:
        DataError: If one picture is twice among the new ones with different labels.
    """
    of_new = digests(new)
    latest = _by_content(new, of_new)
    samples: list[Sample] = []
    contents: list[str] = []
    relabelled: list[Relabelled] = []
    there: set[str] = set()
    for dataset in old:
        pairs = zip(dataset.samples, digests(dataset), strict=True)
        for sample, content in ((s, c) for s, c in pairs if not c or c not in there):
            fresh = latest.get(content) if content else None
            if fresh is not None and fresh.label != sample.label:
                split = base.splits.get(content)
                relabelled.append(Relabelled(fresh.image, str(sample.label), str(fresh.label), split))
            samples.append(sample if fresh is None else _renewed(sample, fresh))
            contents.append(content)
        there |= set(contents)
    rest = [(s, c) for s, c in zip(new.samples, of_new, strict=True) if not c or c not in there]
    samples = _named_apart([*samples, *(s for s, _ in rest)], new.name)
    contents += [c for _, c in rest]
    order = sorted(range(len(samples)), key=lambda i: samples[i].image)
    places = tuple(d.place for d in (*old, new) if d.place is not None)
    joined = Dataset(
        name=new.name if not old else f"{' and '.join(d.name for d in old)} and {new.name}",
        samples=tuple(samples[i] for i in order),
        classes=order_classes({str(s.label) for s in samples} | {*base.classes}, base.normal),
        normal=base.normal,
        licence=new.licence if not old else old[0].licence,
        place=None if old else new.place,
    )
    seen = tuple(base.splits.get(contents[i]) for i in order)
    lost = Counter(split for content, split in base.splits.items() if content not in set(contents))
    changed = {r.image for r in relabelled}
    unknown = frozenset(
        s.path
        for s, content in zip(new.samples, of_new, strict=True)
        if s.image in changed or (content not in base.splits and content not in there)
    )
    return OldAndNew(joined, seen, tuple(relabelled), dict(lost), unknown, tuple(dict.fromkeys(places)))


def _by_content(dataset: Dataset, contents: Sequence[str]) -> dict[str, Sample]:
    found: dict[str, Sample] = {}
    for sample, content in zip(dataset.samples, contents, strict=True):
        before = found.setdefault(content, sample)
        if content and before.label != sample.label:
            raise DataError(
                f"{before.image} and {sample.image} of {dataset.name} are the same picture, labelled "
                f"{before.label!r} and {sample.label!r}: take one of them out"
            )
    return found


def _renewed(old: Sample, new: Sample) -> Sample:
    """Return an old sample with what is newly known of it."""
    mask = new.mask if new.mask is not None or new.label != old.label else old.mask
    probability = new.defect_probability if new.label != old.label else old.defect_probability
    return replace(old, label=new.label, mask=mask, defect_probability=probability)


def _named_apart(samples: Iterable[Sample], name: str) -> list[Sample]:
    """Return samples that all have names of their own; a name that is taken gets the data set's before it."""
    taken: set[str] = set()
    out = []
    for sample in samples:
        image, number = sample.image, 1
        while image in taken:
            image = f"{name if number == 1 else f'{name} {number}'}/{sample.image}"
            number += 1
        taken.add(image)
        out.append(replace(sample, image=image))
    return out


def said_of(parts: OldAndNew) -> list[str]:
    """Return notes on what does not fit together: labels that have changed, pictures that are gone."""
    notes = []
    if parts.relabelled:
        some = ", ".join(f"{r.image} (was {r.before}, now {r.after})" for r in parts.relabelled[:_NAMED])
        more = ", ..." if len(parts.relabelled) > _NAMED else ""
        n = len(parts.relabelled)
        notes.append(
            f"{n} picture{'s have' if n > 1 else ' has'} another label than before, and the new one counts: "
            f"{some}{more}"
        )
    gone = {name: n for name, n in parts.missing.items() if n}
    if gone:
        counts = ", ".join(f"{n} of the {name} split" for name, n in sorted(gone.items()))
        notes.append(
            f"pictures that the inspector before knew are not there any more ({counts}): the successor does "
            "without them"
        )
    return notes
