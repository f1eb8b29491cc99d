"""The pictures that a successor learns from and is tested on, without those of the golden set."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from brightfield.data.dataset import Dataset, order_classes
from brightfield.data.split import clusters_of
from brightfield.errors import DataError
from brightfield.evaluation.run import digests
from brightfield.inspector import Inspector
from brightfield.options import TrainOptions
from brightfield.pipeline.old_and_new import OldAndNew, load_parts
from brightfield.pipeline.placing import place_new, shares_of
from brightfield.pipeline.preflight import near_duplicates
from brightfield.progress import Progress

log = logging.getLogger(__name__)

_NAMED = 3


@dataclass(frozen=True)
class SuccessorData:
    """A successor's data.

    Attributes:
        given: The pictures with the data sets' own splits.
        placed: The same with a split for each.
        seen: The split of each when the inspector before was trained; None for a new one.
        duplicates: A group number for each, equal for near-duplicates.
        unlearned: How many pictures taught the inspector before and do not teach the successor, because they
            show golden parts.
        notes: Notes for the reader.
    """

    given: Dataset
    placed: Dataset
    seen: tuple[str | None, ...]
    duplicates: tuple[int, ...]
    unlearned: int = 0
    notes: tuple[str, ...] = ()


def load_golden(given: str | Path | None, base: Inspector, new: Dataset) -> Dataset | None:
    """Return the golden set, checked before the training; None without one.

    Raises:
        DataError: If it cannot be read, or is of classes that the inspectors do not know.
    """
    if given is None:
        return None
    golden = load_parts(given, base)
    check_golden(base, new, golden)
    return golden


def check_golden(base: Inspector, new: Dataset, golden: Dataset) -> None:
    """Check before a training that a golden set is of classes that the inspectors know.

    Classes that they do not know are named in a warning, unless an inspector that knows good parts alone is
    given defects beside good parts.

    Args:
        base: The inspector before.
        new: The new pictures, which may teach other defect types.
        golden: The golden set.

    Raises:
        DataError: If defect types, or classes, are known, and none of the golden set's classes is.
    """
    found = {str(label) for label in golden.labels}
    known = {*base.classes, *map(str, new.labels)}
    unknown = ", ".join(sorted(found - known))
    good_alone = known == {base.normal}
    if not unknown or (good_alone and found & known):
        return
    if not found & known and not good_alone:
        good = "" if base.normal is None else f" (good parts are {base.normal!r})"
        raise DataError(
            f"golden set {golden.name}: its classes are {unknown}, and the inspector knows none of them; "
            f"expected at least one of {', '.join(order_classes(known, base.normal))}{good}: give it a "
            "folder for each class, or a manifest with the labels"
        )
    meant = "are left out" if base.normal is None else f"count as defects (good parts are {base.normal!r})"
    log.warning(
        "golden set %s: the inspector was never shown %s: such images %s", golden.name, unknown, meant
    )


def share_out(
    base: Inspector,
    parts: OldAndNew,
    golden: Dataset | None,
    options: TrainOptions,
    folder: Path,
    progress: Progress,
) -> SuccessorData:
    """Return the data of a successor with a split for every picture.

    Pictures of the golden set, and those of the same group or nearly the same, are left out.

    Args:
        base: The inspector before.
        parts: Old and new pictures.
        golden: The golden set, or None.
        options: The options of the successor.
        folder: A folder for what is needed meanwhile.
        progress: Callback for progress reports.

    Raises:
        DataError: If nothing would be left to compare the successor on.
    """
    own = parts.data
    extra = () if golden is None else tuple(replace(s, split=None) for s in golden.samples)
    every = replace(own, samples=(*own.samples, *extra))
    duplicates = [int(g) for g in near_duplicates(every, folder, progress)]
    clusters = clusters_of(every, duplicates)
    kept = _not_golden(every, clusters, len(own))
    if golden is not None and not kept:
        raise DataError(
            f"golden set {golden.name} took all {len(own):,} pictures: they are golden or show golden parts, "
            "which never teach; expected a golden set of a few pictures apart from those of the training"
        )
    given = own.subset(own.samples[i] for i in kept)
    seen = tuple(parts.seen[i] for i in kept)
    placed = place_new(given, seen, [clusters[i] for i in kept], shares_of(base, options), options.seed)
    if golden is None and all(s.split != "test" for s in placed.samples):
        raise DataError(
            "there is no picture on which the successor can be compared with the inspector before: every one "
            "teaches; give a golden set with --golden, or more new pictures, so that some are held out"
        )
    gone = [i for i in range(len(own)) if i not in set(kept)]
    unlearned = sum(parts.seen[i] == "train" for i in gone)
    return SuccessorData(
        given=given,
        placed=placed,
        seen=seen,
        duplicates=tuple(duplicates[i] for i in kept),
        unlearned=unlearned,
        notes=tuple(_notes(own, gone, unlearned)),
    )


def _not_golden(every: Dataset, clusters: list[int], n: int) -> list[int]:
    """Return which of the first n pictures are not golden, nor like one of the others, which are."""
    if len(every) == n:
        return list(range(n))
    contents = digests(every)
    golden_clusters, golden = set(clusters[n:]), {c for c in contents[n:] if c}
    return [i for i in range(n) if clusters[i] not in golden_clusters and contents[i] not in golden]


def _notes(own: Dataset, gone: list[int], unlearned: int) -> list[str]:
    if not gone:
        return []
    names = [own.samples[i].image for i in gone]
    some = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    counts = Counter(str(own.samples[i].label) for i in gone)
    labels = ", ".join(f"{n} {label}" for label, n in sorted(counts.items()))
    also = (
        f"; {unlearned} of them taught the inspector before, which makes it look better on the golden set"
        if unlearned
        else ""
    )
    return [
        f"{len(gone)} pictures ({labels}) are golden or show golden parts, and are kept out of the training "
        f"and of the test: {some}{also}"
    ]
