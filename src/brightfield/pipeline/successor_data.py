"""The pictures that a successor learns from and is tested on, without those of the golden set."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from brightfield.data.dataset import Dataset
from brightfield.data.split import clusters_of
from brightfield.errors import DataError
from brightfield.evaluation.run import digests
from brightfield.inspector import Inspector
from brightfield.options import TrainOptions
from brightfield.pipeline.old_and_new import OldAndNew
from brightfield.pipeline.placing import place_new, shares_of
from brightfield.pipeline.preflight import near_duplicates
from brightfield.progress import Progress

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
