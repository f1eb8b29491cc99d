"""A data set of what people judged: class folders, and a manifest that says who judged what, and when."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from brightfield.data.cells import defused
from brightfield.disk.atomic import write_atomically
from brightfield.disk.names import shortened
from brightfield.disk.room import writing
from brightfield.errors import ConfigError, DataError
from brightfield.monitor.log.records import Entry, Filter, Judged
from brightfield.monitor.log.store import VerdictLog
from brightfield.progress import Progress, silent

COLUMNS = (
    *("image", "label", "group", "entry", "part", "lot", "station", "time", "decision", "score"),
    *("inspector", "looks", "judged_by", "judged_at", "source", "drawn", "probability_of_drawing"),
)
"""The columns of the manifest. `drawn` names the random sample that the part is in, if any."""

MINUTES = (60.0, 30.0, 10.0, 5.0, 1.0)
"""Lengths of time that are tried for groups, the longest first."""

ENOUGH_GROUPS = 10
"""Each class is to be in so many groups, so that it can be split."""

_MINUTE = 60.0


@dataclass(frozen=True)
class Resolved:
    """One picture and what people say of it together.

    Attributes:
        entry: Its entry, the first one where the same picture has several.
        label: The class.
        judged: The judgements that say so, the last one of each person.
    """

    entry: Entry
    label: str
    judged: tuple[Judged, ...]


@dataclass(frozen=True)
class Written:
    """A data set that was written.

    Attributes:
        folder: Where.
        classes: How many pictures each class has.
        minutes: The length of time that makes a group with the lot; None where each picture is its own.
        contradictory: How many pictures were left out, as people say of them now this, now that.
        without_picture: How many were left out, as their picture is not kept.
    """

    folder: Path
    classes: Mapping[str, int]
    minutes: float | None
    contradictory: int
    without_picture: int


def write_dataset(
    log: VerdictLog,
    folder: Path,
    asked: Filter | None = None,
    *,
    minutes: float | None = None,
    progress: Progress | None = None,
) -> Written:
    """Write the pictures that people judged into class folders, with a manifest.

    Parts of one lot that came within the same minutes are one group, which stays in one split.

    Args:
        log: The log.
        folder: A new or empty folder.
        asked: Which entries are meant; None for all.
        minutes: The length of time of a group; None for the longest of `MINUTES` with which each class is in
            `ENOUGH_GROUPS` groups, and no groups where there is none.
        progress: Called after every picture.

    Raises:
        ConfigError: If the folder holds something, or `minutes` is not above 0.
        DataError: If nothing was judged, or no picture of it is kept.
        WriteError: If the folder cannot be written.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ConfigError(f"{folder} is there already; expected a new folder, or an empty one")
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"groups of {minutes} minutes were asked for; expected more than 0")
    resolved, contradictory = resolve(log, asked)
    pictured = [(one, path) for one in resolved if (path := log.picture_of(one.entry)) is not None]
    if not pictured:
        raise DataError(_nothing(log, len(resolved), contradictory))
    groups, length = _groups([one for one, _ in pictured], minutes)
    drawn = {s.entry_id: (s.pool, s.probability) for s in log.sampling()}
    tell, rows = progress or silent, []
    for done, ((one, path), group) in enumerate(zip(pictured, groups, strict=True), start=1):
        image = _copy(path, folder, one)
        rows.append(_row(one, image, group, drawn.get(one.entry.id)))
        tell("pictures", done, len(pictured))
    write_atomically(folder / "manifest.csv", _table(rows))
    counts = Counter(one.label for one, _ in pictured)
    return Written(folder, dict(counts), length, contradictory, len(resolved) - len(pictured))


def resolve(log: VerdictLog, asked: Filter | None = None) -> tuple[list[Resolved], int]:
    """Return the judged pictures with the class that most people say, and how many are undecided.

    Of each person the last judgement counts. The same picture in several entries is one.
    """
    latest: dict[int, dict[str, Judged]] = defaultdict(dict)
    for one in log.judgements(asked):
        before = latest[one.entry_id].get(one.by)
        if before is None or one.at >= before.at:
            latest[one.entry_id][one.by] = one
    pictures: dict[str, list[int]] = defaultdict(list)
    by_number = {number: log.entry(number) for number in sorted(latest)}
    for number, entry in by_number.items():
        pictures[entry.picture_sha256 or f"entry {number}"].append(number)
    resolved, contradictory = [], 0
    for numbers in pictures.values():
        said = [judged for number in numbers for judged in latest[number].values()]
        (label, most), *others = Counter(judged.truth for judged in said).most_common(2)
        if others and others[0][1] == most:
            contradictory += 1
            continue
        agreeing = tuple(sorted((j for j in said if j.truth == label), key=lambda j: j.at))
        resolved.append(Resolved(by_number[numbers[0]], label, agreeing))
    return resolved, contradictory


def _nothing(log: VerdictLog, resolved: int, contradictory: int) -> str:
    if resolved:
        return (
            f"{log.shown} keeps no picture of the {resolved} parts that people judged; log with `--keep all` "
            "or a share before they are judged"
        )
    also = f"; on {contradictory} pictures people contradict each other" if contradictory else ""
    return (
        f"nobody has judged anything in {log.shown}{also}: make a page with `brightfield review LOG --next "
        "30`, and take its file in with `--import`"
    )


def _groups(resolved: Sequence[Resolved], minutes: float | None) -> tuple[list[str], float | None]:
    """Return the group of each picture, empty for none, and the length of time that makes groups."""
    lengths = MINUTES if minutes is None else (minutes,)
    for length in lengths:
        groups = [_group(one.entry, length) for one in resolved]
        spread: dict[str, set[str]] = defaultdict(set)
        for one, group in zip(resolved, groups, strict=True):
            spread[one.label].add(group)
        if minutes is not None or min(map(len, spread.values())) >= ENOUGH_GROUPS:
            return groups, length
    return [""] * len(resolved), None


def _group(entry: Entry, minutes: float) -> str:
    begun = datetime.fromisoformat(entry.time).timestamp() // (minutes * _MINUTE) * minutes * _MINUTE
    moment = datetime.fromtimestamp(begun, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return " ".join(text for text in (entry.lot, entry.station, moment) if text)


def _copy(path: Path, folder: Path, one: Resolved) -> str:
    """Copy a picture into its class folder and return its path below the data set's."""
    name = re.sub(r"[^\w .+-]", "_", one.label).strip(" .") or "class"
    place = folder / shortened(name, 0, folder)
    image = f"{one.entry.id:07d}{path.suffix.lower()}"
    with writing(place / image):
        place.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place / image)
    return f"{place.name}/{image}"


def _row(one: Resolved, image: str, group: str, drawn: tuple[str, float] | None) -> dict[str, str]:
    entry, last = one.entry, one.judged[-1]
    known = {
        "image": image,
        "label": one.label,
        "group": group,
        "entry": str(entry.id),
        "part": entry.part,
        "lot": entry.lot,
        "station": entry.station,
        "time": entry.time,
        "decision": entry.decision,
        "inspector": entry.inspector_sha256,
        "looks": str(len(one.judged)),
        "judged_by": "; ".join(dict.fromkeys(judged.by for judged in one.judged)),
        "judged_at": last.at,
        "source": last.source,
        "drawn": None if drawn is None else drawn[0],
    }
    numbers = {
        "score": f"{entry.score:.9g}",  # may begin with a minus, which makes no formula of a number
        "probability_of_drawing": "" if drawn is None else f"{drawn[1]:.6g}",
    }
    return {**{name: defused(text or "") for name, text in known.items()}, **numbers}


def _table(rows: Sequence[Mapping[str, str]]) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode("utf-8")
