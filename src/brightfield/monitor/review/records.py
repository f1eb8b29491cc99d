"""What people are shown, and what they say of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Pool(StrEnum):
    """Why a picture is shown.

    `PASSED` and `REJECTED` are drawn at random among the parts that passed and those that did not; figures
    come from them alone. `BAND` are parts sent to review, `KNOWN` pieces whose class is known, `AGAIN` what
    is undecided after a first look, `TWICE` a random share of what was looked at. `UNCERTAIN` and `NOVEL`
    teach the next inspector most. `ASKED` was named.
    """

    PASSED = "passed"
    REJECTED = "rejected"
    BAND = "band"
    KNOWN = "known"
    AGAIN = "again"
    TWICE = "twice"
    UNCERTAIN = "uncertain"
    NOVEL = "novel"
    ASKED = "asked"


RANDOM = (Pool.PASSED, Pool.REJECTED)
"""The pools that speak for other parts."""


@dataclass(frozen=True)
class Item:
    """A picture to be shown: that of an entry, or of a known piece.

    Attributes:
        pool: Why it is shown.
        entry_id: The entry; None for a known piece.
        piece: The known piece's name in its folder; None for an entry.
        truth: The known piece's class; None for an entry.
        first: The `id` of the `Shown` that it repeats because of what was said of it; None where it does not.
        probability: The probability with which it was drawn among all parts of its kind; None outside the
            random pools.
    """

    pool: Pool
    entry_id: int | None = None
    piece: str | None = None
    truth: str | None = None
    first: int | None = None
    probability: float | None = None


@dataclass(frozen=True)
class Shown:
    """A picture that was put on a page.

    Attributes:
        id: Its number in the log.
        page: The page's id.
        name: The name by which the page speaks of it.
        item: What it shows, and why.
        at: When the page was made.
    """

    id: int
    page: str
    name: str
    item: Item
    at: str


@dataclass(frozen=True)
class Said:
    """What a person said of a picture on a page.

    Attributes:
        shown_id: The `id` of the `Shown`.
        truth: The class that the person saw; None if they were not sure.
        by: Who.
        at: When, in ISO 8601 in UTC.
        seconds: How long they looked; None where that is not known.
        heat: Whether they had the heatmap shown.
    """

    shown_id: int
    truth: str | None
    by: str
    at: str
    seconds: float | None = None
    heat: bool = False
