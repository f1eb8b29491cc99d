"""A finding of a data set check."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How severe a finding is: an error spoils a training, a warning may, a note does not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True)
class Finding:
    """One finding of a data set check.

    Attributes:
        severity: Error, warning or note.
        kind: A keyword to filter by, such as `unreadable` or `leak`.
        message: The problem and its remedy.
        files: The images concerned, by their names in the data set.
    """

    severity: Severity
    kind: str
    message: str
    files: tuple[str, ...] = ()
