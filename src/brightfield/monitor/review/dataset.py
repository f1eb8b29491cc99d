"""A data set of what people judged: class folders, and a manifest that says who judged what, and when."""

from __future__ import annotations

import csv
import io
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from brightfield.data.cells import defused
from brightfield.disk.atomic import write_atomically
from brightfield.disk.names import shortened
from brightfield.disk.room import writing
from brightfield.errors import ConfigError, DataError
from brightfield.monitor.audit.settled import Opinion, settled
from brightfield.monitor.log.records import Entry, Filter, Judged
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.cases import find_cases, latest_looks
from brightfield.monitor.review.meant import NORMAL, called_good
from brightfield.monitor.review.pages import find_looks, find_shown
from brightfield.monitor.review.records import RANDOM
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
        judged: The judgements that say so: the last one of each person for each time that it was shown.
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
        warnings: What a training on the data set should know of its groups.
    """

    folder: Path
    classes: Mapping[str, int]
    minutes: float | None
    contradictory: int
    without_picture: int
    warnings: tuple[str, ...] = ()


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
            `ENOUGH_GROUPS` groups, or in as many as it has pictures. Where there is none it is the shortest;
            where even that leaves fewer groups of all, there are none.
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
    warnings = _of_groups([one for one, _ in pictured], groups, length) if minutes is None else ()
    drawn = _drawn(log)
    tell, rows = progress or silent, []
    for done, ((one, path), group) in enumerate(zip(pictured, groups, strict=True), start=1):
        image = _copy(path, folder, one)
        rows.append(_row(one, image, group, drawn.get(one.entry.id)))
        tell("pictures", done, len(pictured))
    write_atomically(folder / "manifest.csv", _table(rows))
    counts = Counter(one.label for one, _ in pictured)
    without = len(resolved) - len(pictured)
    return Written(folder, dict(counts), length, contradictory, without, tuple(warnings))


def resolve(log: VerdictLog, asked: Filter | None = None) -> tuple[list[Resolved], int]:
    """Return the judged pictures with the class that most people say, and how many are undecided.

    Most say first whether the part is good, as in the audit; then most of those who call it defective say of
    which type. Of each person the last answer counts, for each time that a page showed the part: one that was
    changed to "not sure" says nothing. The same picture in several entries is one.
    """
    standing = _standing(log, asked)
    normal = called_good(log.counts(("decision", "label"))) or NORMAL
    pictures: dict[str, list[int]] = defaultdict(list)
    by_number = {number: log.entry(number) for number in sorted(standing)}
    for number, entry in by_number.items():
        pictures[entry.picture_sha256 or f"entry {number}"].append(number)
    resolved, contradictory = [], 0
    for numbers in pictures.values():
        said = [judged for number in numbers for judged in standing[number]]
        label = _label(said, normal)
        if label is None:
            contradictory += 1
            continue
        agreeing = tuple(sorted((j for j in said if j.truth == label), key=lambda j: j.at))
        resolved.append(Resolved(by_number[numbers[0]], label, agreeing))
    return resolved, contradictory


def _drawn(log: VerdictLog) -> dict[int, tuple[str, float]]:
    """Return from which pool entries were drawn, and with which probability; not if the page was lost."""
    speak = {c.entry_id for c in find_cases(log.database) if c.seen is not None and c.seen.random}
    return {
        s.entry_id: (s.pool, s.probability)
        for s in log.sampling()
        if s.pool not in RANDOM or s.entry_id in speak
    }


def _standing(log: VerdictLog, asked: Filter | None) -> dict[int, list[Judged]]:
    """Return the judgements of each entry that were not changed or taken back.

    What was said on a page is changed by the same person on the same page, as showing a part again asks for
    another look; what was said without one by the same person.
    """
    rows = {one.id: one.item.entry_id for one in find_shown(log.database)}
    looks = list(find_looks(log.database))
    on_pages = {(rows[one.shown_id], one.by, one.at) for one in looks}
    last = {(rows[n], one.by, one.at) for n, said in latest_looks(looks).items() for one in said}
    found: dict[int, list[Judged]] = defaultdict(list)
    elsewhere: dict[tuple[int, str], Judged] = {}
    for judged in log.judgements(asked):
        key = (judged.entry_id, judged.by, judged.at)
        if key in last:
            found[judged.entry_id].append(judged)
        elif key not in on_pages:
            before = elsewhere.get(key[:2])
            if before is None or judged.at >= before.at:
                elsewhere[key[:2]] = judged
    for judged in elsewhere.values():
        found[judged.entry_id].append(judged)
    return found


def _label(said: Sequence[Judged], normal: str) -> str | None:
    """Return the class that most say; None where as many say another one."""
    found = settled([Opinion(one.by, one.at, one.truth) for one in said], normal)
    if not found.defective:
        return found.truth
    types = Counter(one.truth for one in said if one.truth != normal).most_common(2)
    return found.truth if len(types) == 1 or types[0][1] > types[1][1] else None


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
        if minutes is not None or not _in_few(resolved, groups):
            return groups, length
    if len(set(groups)) >= ENOUGH_GROUPS:
        return groups, lengths[-1]
    return [""] * len(resolved), None


def _in_few(resolved: Sequence[Resolved], groups: Sequence[str]) -> dict[str, int]:
    """Return the classes that are in too few groups, with their number."""
    spread: dict[str, set[str]] = defaultdict(set)
    for one, group in zip(resolved, groups, strict=True):
        spread[one.label].add(group)
    pictures = Counter(one.label for one in resolved)
    wanted = {label: min(ENOUGH_GROUPS, n) for label, n in pictures.items()}
    return {label: len(of) for label, of in spread.items() if len(of) < wanted[label]}


def _of_groups(resolved: Sequence[Resolved], groups: Sequence[str], length: float | None) -> Iterator[str]:
    """Yield what is to be said of groups that were not asked for."""
    if length is None:
        yield (
            "the parts came in too few minutes and lots to be groups: pictures of neighbours may be in "
            "training and test, and figures then look better than they are"
        )
    else:
        for label, n in _in_few(resolved, groups).items():
            yield (
                f"the pictures of {label!r} came in {n} groups of one lot and {length:g} minutes: hardly any "
                "can be tested apart from those that teach"
            )


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
