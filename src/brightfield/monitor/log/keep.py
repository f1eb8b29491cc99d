"""Which pictures a log keeps, and for how long."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from brightfield.errors import ConfigError
from brightfield.verdict import Decision

ALL, REJECTS, NONE = "all", "rejects", "none"
_WANTED = "all, rejects, none, a share such as 0.05, or rejects+0.05"
_DIGITS = 13  # of the SHA-256 in hexadecimal: 52 bits, which a float holds exactly


@dataclass(frozen=True)
class Keep:
    """What is kept of the pictures.

    Attributes:
        pictures: `all`, `rejects` (of parts that do not pass), `none`, a share of all parts in (0, 1], or
            `rejects+SHARE` for both. None for `rejects` where there is a folder for them, else `none`.
        days: After how many days a picture is deleted; None for never.
        megabytes: How much room the pictures may take, in 1,000,000 bytes: the oldest are deleted for new
            ones. None for no limit.
        folder: Where pictures are kept; None for `<log>.pictures` beside a log that is a file.

    Raises:
        ConfigError: If a value is out of range.
    """

    pictures: str | float | None = None
    days: float | None = None
    megabytes: float | None = None
    folder: Path | None = None

    def __post_init__(self) -> None:
        _parsed(self.pictures)
        for name, value in (("days", self.days), ("megabytes", self.megabytes)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigError(f"pictures are kept for {value} {name}; expected more than 0, or None")

    @property
    def nothing(self) -> bool:
        """Whether no picture is kept, whatever it shows."""
        return _parsed(self.pictures) == (False, 0.0)

    def keeps(self, decision: str | None, digest: str) -> bool:
        """Return whether the picture of a part is kept.

        A share is drawn by the picture's own digest, so that the same pictures are kept when they come again.

        Args:
            decision: The decision on the part; without one nothing is rejected.
            digest: The SHA-256 of the picture, in hexadecimal digits.
        """
        rejects, share = _parsed(self.pictures)
        if rejects and decision is not None and decision != Decision.OK:
            return True
        return int(digest[:_DIGITS], 16) < share * 16.0**_DIGITS


def _parsed(pictures: str | float | None) -> tuple[bool, float]:
    """Return whether all rejects are kept, and which share of all parts."""
    text = REJECTS if pictures is None else str(pictures).strip().lower()
    if text in (ALL, REJECTS, NONE):
        return text == REJECTS, float(text == ALL)
    rejects = text.startswith(f"{REJECTS}+")
    try:
        share = float(text.removeprefix(f"{REJECTS}+"))
    except ValueError:
        share = math.nan
    if not 0.0 < share <= 1.0:
        raise ConfigError(f"{pictures!r} does not say which pictures are kept; expected {_WANTED}")
    return rejects, share
