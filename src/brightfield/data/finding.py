"""One thing that a check of a data set found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """An error spoils training; a warning may; a note is good to know."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong, or good to know.

    Attributes:
        severity: How bad it is.
        kind: A word to filter by, such as `unreadable` or `leak`.
        message: What is wrong and how to mend it.
        files: The images concerned, as the data set names them.
    """

    severity: Severity
    kind: str
    message: str
    files: tuple[str, ...] = ()
