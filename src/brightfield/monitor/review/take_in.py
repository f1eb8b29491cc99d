"""Taking in what people said on a page."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from brightfield.errors import InputError
from brightfield.monitor.log.records import Judged
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.pages import add_looks, find_shown
from brightfield.monitor.review.records import RANDOM, Pool, Said, Shown

SCHEMA = 1
"""The schema of the files that a page saves."""

_MOST_CHARACTERS = 200
_EXPECTED = "expected review-PAGE-NAME.json, which the page puts into the downloads"


@dataclass(frozen=True)
class TakenIn:
    """What became of a page's file.

    Attributes:
        page: The page's id.
        by: Who judged.
        looks: How many looks the file holds.
        new: How many of them were not in the log yet.
        left: How many pictures of the page nobody has judged in this file.
    """

    page: str
    by: str
    looks: int
    new: int
    left: int


def take_in(log: VerdictLog, file: Path) -> TakenIn:
    """Write what a person said on a page into the log; the same file again changes nothing.

    Looks at parts also become judgements of their entries. Looks at known pieces do not.

    Raises:
        InputError: If it is no file of a page, or of a page that this log does not know.
    """
    document = _read(file)
    page, by = _text(document, "page", file), _text(document, "by", file)
    shown = {one.name: one for one in find_shown(log.database, page)}
    if not shown:
        raise InputError(
            f"{file} is of page {page!r}, which is not in {log.shown}; give the log that the page was made "
            "from"
        )
    looks = document.get("looks")
    if not isinstance(looks, list):
        raise InputError(f"{file} holds no list of looks; save the page's file again")
    said = [_said(look, shown, by, file) for look in looks]
    new = add_looks(log.database, said)
    by_number = {one.id: one for one in shown.values()}
    log.judge(_judgements(said, by_number))
    return TakenIn(page, by, len(said), new, len(shown) - len({one.shown_id for one in said}))


def _judgements(said: Sequence[Said], shown: Mapping[int, Shown]) -> list[Judged]:
    found = []
    for one in said:
        item = shown[one.shown_id].item
        if item.entry_id is None or one.truth is None:
            continue
        source = "audit" if item.pool in (*RANDOM, Pool.AGAIN, Pool.TWICE) else "review"
        note = "saw the heatmap" if one.heat else ""
        found.append(Judged(item.entry_id, one.truth, one.by, one.at, source, note))
    return found


def _read(file: Path) -> dict[str, Any]:
    try:
        document = json.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{file} is no file that a review page saves; {_EXPECTED}") from error
    if not isinstance(document, dict) or document.get("brightfield") != "review":
        raise InputError(f"{file} is no file that a review page saves; {_EXPECTED}")
    if document.get("schema") != SCHEMA:
        raise InputError(
            f"{file} has the schema {document.get('schema')!r}, and this version reads {SCHEMA}; make a new "
            "page"
        )
    return document


def _said(look: Any, shown: Mapping[str, Shown], by: str, file: Path) -> Said:
    if not isinstance(look, dict) or look.get("item") not in shown:
        name = look.get("item") if isinstance(look, dict) else look
        raise InputError(
            f"{file} speaks of a picture {name!r} that is not on its page; was it changed by hand?"
        )
    truth = look.get("truth")
    if truth is not None and (
        not isinstance(truth, str) or not truth.strip() or len(truth) > _MOST_CHARACTERS
    ):
        raise InputError(f"{file} says {truth!r} of a picture; expected the name of a class, or null")
    seconds = look.get("seconds")
    if isinstance(seconds, bool) or not (isinstance(seconds, int | float) and math.isfinite(seconds)):
        seconds = None
    number = shown[str(look["item"])].id
    return Said(number, truth, by, _moment(look.get("at"), file), seconds, bool(look.get("heat")))


def _moment(at: Any, file: Path) -> str:
    """Return a time as the log keeps it, in UTC."""
    try:
        moment = datetime.fromisoformat(str(at))
    except ValueError as error:
        raise InputError(f"{file} names the time {at!r}; expected ISO 8601") from error
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat(timespec="microseconds")


def _text(document: Mapping[str, Any], name: str, file: Path) -> str:
    value = document.get(name)
    if not isinstance(value, str) or not value.strip() or len(value) > _MOST_CHARACTERS:
        raise InputError(f"{file} says {value!r} for {name!r}; expected a text")
    return value.strip()
