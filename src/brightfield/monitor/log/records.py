"""What is in a log of verdicts: entries, judgements by people, samples that were drawn, events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from brightfield.engine.measurement import Measurement

JUDGED_IN = ("review", "audit", "seeded", "import")
"""Where a person's judgement can come from."""


def now() -> str:
    """Return the time in UTC, in ISO 8601 with microseconds: always 32 characters, which sort by time."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass(frozen=True)
class Entry:
    """One verdict in the log; None stands for what is not known.

    Attributes:
        id: The place in the log, from 1; later entries have greater ones.
        time: When it was written, as `now` gives it.
        part: The part's own number or name.
        lot: The lot that the part belongs to.
        station: The place that looked at it.
        image: The picture's name as it was given.
        picture_sha256: The SHA-256 of the picture's file.
        inspector_sha256: The SHA-256 that the manifest of the inspector's bundle states of itself.
        method: The method that judged.
        decision: OK, REVIEW or DEFECT; None of an inspector without a normal class.
        label: The most probable class, or the defect type found.
        score: The method's score, any scale, higher is more defective.
        probability: Calibrated probability of a defect in [0, 1].
        p_value: The share of good parts at least as unusual, in [0, 1].
        threshold: The threshold, on `scale`.
        scale: `probability`, `p_value` or `score`.
        rule: The limit on measured defects that rejected the part.
        milliseconds: From the decoded picture to the verdict.
        probabilities: Calibrated probability of each class; empty where there are none.
        measurement: What drift needs of the picture.
        picture: The file of the kept picture, relative to the log's folder of pictures.
        defects: The measured defects as `Defect.as_dict` gives them; None where none was looked for.
        repeated: Whether this answer had been given before: the same part came again. Not kept in the log.
        other_picture: Whether it then came with another picture than before. Not kept in the log.
    """

    id: int
    time: str
    part: str | None
    lot: str | None
    station: str | None
    image: str
    picture_sha256: str | None
    inspector_sha256: str | None
    method: str
    decision: str | None
    label: str
    score: float
    probability: float | None
    p_value: float | None
    threshold: float | None
    scale: str | None
    rule: str | None
    milliseconds: float
    probabilities: Mapping[str, float] = field(default_factory=dict)
    measurement: Measurement | None = field(default=None, repr=False)
    picture: str | None = None
    defects: tuple[dict[str, Any], ...] | None = field(default=None, repr=False)
    repeated: bool = field(default=False, compare=False)
    other_picture: bool = field(default=False, compare=False)

    @property
    def value(self) -> float | None:
        """The value that was compared with the threshold, on `scale`; None without a threshold."""
        known = {"probability": self.probability, "p_value": self.p_value, "score": self.score}
        return None if self.scale is None else known[self.scale]


@dataclass(frozen=True)
class Judged:
    """A person's judgement on one entry; an entry may have several, by one person or by many.

    Attributes:
        entry_id: The entry that was judged.
        truth: The class that the person saw.
        by: Who judged.
        at: When, as `now` gives it.
        source: One of `JUDGED_IN`.
        note: What else the person said.
    """

    entry_id: int
    truth: str
    by: str
    at: str = field(default_factory=now)
    source: str = "review"
    note: str = ""


@dataclass(frozen=True)
class Sampled:
    """An entry that an audit drew at random for a person to look at.

    Attributes:
        entry_id: The entry that was drawn.
        pool: What it was drawn from, such as `passed` or `rejected`.
        probability: The probability with which it was drawn, in (0, 1].
        at: When, as `now` gives it.
        draw: The draw that it belongs to: entries drawn together share it.
        facts: What else the audit has to remember, as JSON types.
    """

    entry_id: int
    pool: str
    probability: float
    at: str = field(default_factory=now)
    draw: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Event:
    """Something that happened to the line: an alarm, what was done about it, a change of inspector.

    Attributes:
        kind: What it is, such as `alarm`, `action`, `inspector`.
        text: What is said of it.
        entry_id: The entry at which it happened; None for none.
        about: The `id` of the event that this one answers; None for none.
        facts: What else belongs to it, as JSON types.
        at: When, as `now` gives it.
        id: The event's number, from 1; 0 for one that is not in a log yet.
    """

    kind: str
    text: str
    entry_id: int | None = None
    about: int | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    at: str = field(default_factory=now)
    id: int = 0


Texts = str | tuple[str, ...] | None
"""One text or any of several; None for any."""

Range = tuple[float | None, float | None] | None
"""The least and the greatest value, both included; None for no bound."""


@dataclass(frozen=True)
class Filter:
    """Which entries are meant; all conditions hold at once, and None sets none.

    Attributes:
        since: The earliest time, included: ISO 8601 or a datetime, taken for UTC where it names no zone.
        until: The time before which entries are meant; a date alone includes that whole day.
        part: The part's id.
        lot: The lot.
        station: The station.
        decision: `OK`, `REVIEW`, `DEFECT`.
        label: The label.
        inspector: The SHA-256 of the inspector, or its first digits.
        score: Range of the score.
        probability: Range of the probability of a defect.
        judged: Whether a person has judged the entry.
        after: Entries with a greater `id` than this one.
        pictured: Whether a picture is kept.
    """

    since: str | datetime | None = None
    until: str | datetime | None = None
    part: Texts = None
    lot: Texts = None
    station: Texts = None
    decision: Texts = None
    label: Texts = None
    inspector: str | None = None
    score: Range = None
    probability: Range = None
    judged: bool | None = None
    after: int | None = None
    pictured: bool | None = None
