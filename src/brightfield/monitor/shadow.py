"""A successor in the shadow of the inspector before: where would it have decided otherwise?"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from brightfield.data.cells import defused
from brightfield.disk.atomic import write_atomically
from brightfield.errors import ConfigError, DataError, ImageError
from brightfield.inspector import Inspector
from brightfield.monitor.log.judging import latest_judgements
from brightfield.monitor.log.records import Entry, Event, Filter
from brightfield.monitor.log.store import VerdictLog
from brightfield.progress import Progress, silent
from brightfield.verdict import Decision, Verdict

SHADOW = "shadow"
"""The kind of the log's event that says which entries the two decide differently."""

_AT_ONCE = 256
_SUFFIXES = (".csv", ".json")


@dataclass(frozen=True)
class Answer:
    """What an inspector says of a part, as `Verdict` has it."""

    decision: str | None
    label: str
    score: float
    probability: float | None
    p_value: float | None
    threshold: float | None

    def agrees(self, other: Answer) -> bool:
        """Whether the other decides likewise; of inspectors without a normal class, names the same class."""
        if self.decision is None or other.decision is None:
            return self.label == other.label
        return self.decision == other.decision


@dataclass(frozen=True)
class Disagreement:
    """A part on which the two inspectors decide differently.

    Attributes:
        entry_id: The log's entry.
        part: The part's number or name; None if unknown.
        lot: The lot.
        station: The place that looked at it.
        image: The picture's name as it was given.
        picture: The picture's file.
        before: The answer of the inspector before.
        after: The answer of the successor.
        truth: The class that a person saw; None if nobody judged it.
        taught: Whether the picture taught the successor, which then tells nothing of how good it is.
    """

    entry_id: int
    part: str | None
    lot: str | None
    station: str | None
    image: str
    picture: Path
    before: Answer
    after: Answer
    truth: str | None = None
    taught: bool = False

    @property
    def change(self) -> str:
        """`OK to DEFECT` and the like; without a normal class, the one label and the other."""
        if self.before.decision is None or self.after.decision is None:
            return f"{self.before.label} to {self.after.label}"
        return f"{self.before.decision} to {self.after.decision}"

    def as_dict(self) -> dict[str, Any]:
        """Return the disagreement as JSON types."""
        return {**asdict(self), "picture": str(self.picture), "change": self.change}


@dataclass(frozen=True)
class Shadow:
    """What a successor makes of the pictures in a log, beside the inspector before.

    Attributes:
        compared: Number of entries that both judged.
        disagreements: The entries that they decide differently: first those that would pass now, then those
            that would no longer, each in the order of how far the two are apart.
        without_picture: Number of entries whose picture is not there.
        unreadable: The files that could not be read.
        judged: Of the disagreements that a person judged and whose picture did not teach the successor, how
            many only the inspector before decides rightly (`before`), and how many only the successor
            (`after`).
    """

    compared: int
    disagreements: tuple[Disagreement, ...] = field(repr=False)
    without_picture: int = 0
    unreadable: tuple[str, ...] = ()
    judged: dict[str, int] = field(default_factory=dict)

    @property
    def entries(self) -> tuple[int, ...]:
        """The `id` of each entry that is decided differently, which a page for review can show."""
        return tuple(one.entry_id for one in self.disagreements)

    @property
    def changes(self) -> dict[str, int]:
        """How many parts change in which way, the most frequent first."""
        return dict(Counter(one.change for one in self.disagreements).most_common())

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON types."""
        return {
            "compared": self.compared,
            "without_picture": self.without_picture,
            "unreadable": list(self.unreadable),
            "changes": self.changes,
            "judged": self.judged,
            "disagreements": [one.as_dict() for one in self.disagreements],
        }


def shadow(
    parent: Inspector,
    successor: Inspector,
    log: VerdictLog,
    asked: Filter | None = None,
    *,
    progress: Progress | None = None,
) -> Shadow:
    """Judge the kept pictures of a log with a successor, and list where it decides otherwise.

    What the inspector before answered itself is taken from the log; entries of other inspectors it judges
    again.

    Args:
        parent: The inspector before.
        successor: The inspector that may replace it.
        log: The log.
        asked: Which entries are meant; None for all.
        progress: Called after every picture.

    Raises:
        ConfigError: If the two have different normal classes.
        DataError: If no picture of these entries is there.
        LogError: If the log cannot be read.
    """
    if parent.normal != successor.normal:
        raise ConfigError(
            f"the normal classes are {parent.normal!r} and {successor.normal!r}; expected the same for both"
        )
    found: list[Disagreement] = []
    unreadable: list[str] = []
    compared = without = done = 0
    meant = asked or Filter()
    total, tell = log.count(meant), progress or silent
    entries = log.entries(meant)
    while chunk := list(itertools.islice(entries, _AT_ONCE)):
        done += len(chunk)
        pictured = [(e, path) for e in chunk if (path := log.picture_of(e)) is not None]
        without += len(chunk) - len(pictured)
        judged = latest_judgements(log.database, [e.id for e, _ in pictured])
        for entry, path, before, after in _answers(parent, successor, pictured):
            if before is None or after is None:
                unreadable.append(str(path))
                continue
            compared += 1
            if not before.agrees(after):
                truth = judged[entry.id].truth if entry.id in judged else None
                taught = successor.splits.get(entry.picture_sha256 or "") == "train"
                where = (entry.id, entry.part, entry.lot, entry.station, entry.image, path)
                found.append(Disagreement(*where, before, after, truth, taught))
        tell("shadow", done, total)
    if not compared:
        raise DataError(
            f"{log.shown} has {total} such entries, and of none is a picture there that can be read: log "
            "with `--keep all`, or keep a share such as `--keep rejects+0.05`"
        )
    found.sort(key=_order)
    return Shadow(compared, tuple(found), without, tuple(unreadable), _who_is_right(found, parent.normal))


def _answers(
    parent: Inspector, successor: Inspector, pictured: Sequence[tuple[Entry, Path]]
) -> Iterator[tuple[Entry, Path, Answer | None, Answer | None]]:
    """Yield each entry with both answers; None for a picture that cannot be read."""
    foreign = [path for entry, path in pictured if not _is_own(entry, parent)]
    again = parent.looks((path, False) for path in foreign)
    for (entry, path), look in zip(
        pictured, successor.looks((path, False) for _, path in pictured), strict=True
    ):
        if _is_own(entry, parent):
            before: Answer | None = _logged(entry)
        else:
            judged = next(again)
            before = None if isinstance(judged, ImageError) else _of(judged.verdict)
        yield entry, path, before, None if isinstance(look, ImageError) else _of(look.verdict)


def _is_own(entry: Entry, parent: Inspector) -> bool:
    return parent.sha256 is not None and entry.inspector_sha256 == parent.sha256


def _logged(entry: Entry) -> Answer:
    known = (entry.score, entry.probability, entry.p_value, entry.threshold)
    return Answer(entry.decision, entry.label, *known)


def _of(verdict: Verdict) -> Answer:
    decision = None if verdict.decision is None else str(verdict.decision)
    known = (verdict.score, verdict.probability, verdict.p_value, verdict.threshold)
    return Answer(decision, verdict.label, *known)


def _order(one: Disagreement) -> tuple[int, float, int]:
    """Return what disagreements are sorted by: what passes now, what no longer passes, the rest."""
    before, after = one.before, one.after
    kind = 0 if after.decision == Decision.OK else 1 if before.decision == Decision.OK else 2
    apart = 0.0
    if before.probability is not None and after.probability is not None:
        apart = abs(before.probability - after.probability)
    elif before.p_value is not None and after.p_value is not None:
        apart = abs(before.p_value - after.p_value)
    return kind, -apart, one.entry_id


def _who_is_right(found: Sequence[Disagreement], normal: str | None) -> dict[str, int]:
    right = {"before": 0, "after": 0}
    for one in found:
        if one.truth is None or one.taught:
            continue
        wrong = [_is_wrong(answer, one.truth, normal) for answer in (one.before, one.after)]
        if wrong[0] != wrong[1]:
            right["after" if wrong[0] else "before"] += 1
    return right


def _is_wrong(answer: Answer, truth: str, normal: str | None) -> bool:
    if normal is None:
        return answer.label != truth
    return (answer.decision == Decision.OK) != (truth == normal)


def write_disagreements(path: Path, found: Shadow) -> None:
    """Write the disagreements as a table (.csv) or with all else as one document (.json).

    Raises:
        ConfigError: If the file has another suffix.
        WriteError: If it cannot be written.
    """
    check_disagreements(path)
    if path.suffix.lower() == ".json":
        write_atomically(path, json.dumps(found.as_dict(), indent=2).encode() + b"\n")
        return
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(one) for one in found.disagreements)
    write_atomically(path, text.getvalue().encode("utf-8"))


COLUMNS = (
    *("entry", "part", "lot", "station", "image", "picture", "change", "truth", "taught"),
    *("before", "before_label", "before_score", "before_probability", "before_p_value"),
    *("after", "after_label", "after_score", "after_probability", "after_p_value"),
)
"""The columns of the table of disagreements."""


def _row(one: Disagreement) -> list[str]:
    texts = (one.part, one.lot, one.station, one.image, str(one.picture), one.change, one.truth)
    row = [str(one.entry_id), *(defused(text or "") for text in texts), "yes" if one.taught else "no"]
    for answer in (one.before, one.after):
        numbers = (answer.score, answer.probability, answer.p_value)
        row += [answer.decision or "", defused(answer.label)]
        row += ["" if value is None else repr(float(value)) for value in numbers]
    return row


def check_disagreements(path: Path) -> None:
    """Check that the disagreements can be written to such a file.

    Raises:
        ConfigError: If its suffix is neither `.csv` nor `.json`.
    """
    if path.suffix.lower() not in _SUFFIXES:
        raise ConfigError(f"{path} ends in {path.suffix or 'no suffix'!r}; expected .csv or .json")


def note_in_log(log: VerdictLog, found: Shadow, successor_sha256: str | None) -> Event:
    """Note in the log which entries are decided differently, and keep their pictures for good.

    Raises:
        LogError: If the log cannot be written.
    """
    log.spare(found.entries)
    n = len(found.disagreements)
    text = f"a successor decides {n} of {found.compared} parts differently"
    facts = {"entries": list(found.entries), "compared": found.compared, "successor": successor_sha256}
    return log.tell(Event(SHADOW, text, facts=facts))
