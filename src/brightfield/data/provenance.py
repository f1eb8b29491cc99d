"""Where labels come from: who judged which picture, when, and on which occasion, as a manifest says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from brightfield.data.manifest import read_csv

BY, AT, SOURCE = "judged_by", "judged_at", "source"
"""The columns of a manifest that `brightfield dataset` writes; `; ` stands between several names."""

MANIFEST = "manifest.csv"

_SEPARATOR = "; "


@dataclass(frozen=True)
class Judged:
    """A picture that a person, or several, judged.

    Attributes:
        path: The picture.
        label: The class that was seen.
        by: Who saw it; several where they agreed.
        at: When, in ISO 8601; empty if unknown.
        source: On which occasion, such as `review` or `audit`; empty if unknown.
    """

    path: Path
    label: str
    by: tuple[str, ...]
    at: str = ""
    source: str = ""


@dataclass
class _Person:
    """What one person judged."""

    labels: Counter[str] = field(default_factory=Counter)
    times: list[str] = field(default_factory=list)


def read_provenance(place: str | Path | None) -> list[Judged]:
    """Return what a data set's manifest says of judgements; nothing without a manifest or such columns.

    Args:
        place: A folder with a `manifest.csv`, or a CSV manifest; anything else says nothing.

    Raises:
        DataError: If the manifest cannot be read.
    """
    if place is None:
        return []
    path = Path(place)
    path = path / MANIFEST if path.is_dir() else path
    if path.suffix.lower() != ".csv" or not path.is_file():
        return []
    rows = read_csv(path, ("image",), ("label", BY, AT, SOURCE))
    return [
        Judged(
            path=path.parent / row["image"],
            label=row.get("label", ""),
            by=tuple(name for name in row.get(BY, "").split(_SEPARATOR) if name),
            at=row.get(AT, ""),
            source=row.get(SOURCE, ""),
        )
        for row in rows
        if row.get(BY)
    ]


def judged_in_short(judged: Iterable[Judged]) -> dict[str, Any] | None:
    """Return who judged what and when, in few numbers, as JSON types; None if nobody judged anything.

    Returns:
        `pictures`, their number; `sources`, how many by occasion; `people`, by name how many of each class
        under `labels`, and the `first` and `last` time. A picture counts for each who judged it.
    """
    people: dict[str, _Person] = {}
    sources: Counter[str] = Counter()
    pictures = 0
    for one in judged:
        pictures += 1
        sources[one.source or "unknown"] += 1
        for name in one.by:
            person = people.setdefault(name, _Person())
            person.labels[one.label] += 1
            if one.at:
                person.times.append(one.at)
    if not pictures:
        return None
    return {
        "pictures": pictures,
        "sources": dict(sorted(sources.items())),
        "people": {
            name: {
                "labels": dict(sorted(person.labels.items())),
                "first": min(person.times, default=None),
                "last": max(person.times, default=None),
            }
            for name, person in sorted(people.items())
        },
    }
