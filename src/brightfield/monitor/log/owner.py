"""Which log a folder of pictures belongs to: a file in it says so, as a log deletes what it keeps there."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from brightfield.disk.room import writing
from brightfield.errors import ConfigError

MARKER = "brightfield-log.txt"
"""The file in a folder of pictures that names its log."""


@dataclass(frozen=True)
class Owner:
    """A log as a folder's marker names it.

    Attributes:
        identity: What the log's database knows itself by.
        shown: The log's place, for people.
    """

    identity: str
    shown: str


def belongs(folder: Path, log: Owner) -> bool:
    """Return whether a folder is this log's; False where it is nobody's yet.

    Raises:
        ConfigError: If it is another log's.
        WriteError: If its marker cannot be read.
    """
    found = _owner(folder)
    if found is None:
        return False
    if found.identity != log.identity:
        raise ConfigError(
            f"{folder} keeps the pictures of another log ({found.shown or 'not named'}), as {MARKER} in it "
            f"says; name a folder for {log.shown} alone (--keep-in, in Python Keep(folder=...)), or, if that "
            "log is used no more, remove that file"
        )
    return True


def claim(folder: Path, log: Owner) -> None:
    """Make a folder this log's, and the folder itself where it is missing.

    Raises:
        ConfigError: If it is another log's.
        WriteError: If the file system refuses.
    """
    if belongs(folder, log):
        return
    unfinished = folder / f".{os.getpid()}-{secrets.token_hex(4)}.part"
    with writing(folder / MARKER):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            unfinished.write_text(
                f"{log.identity}\n{log.shown}\n", encoding="utf-8", errors="backslashreplace"
            )
            _put_first(unfinished, folder / MARKER)
        finally:
            unfinished.unlink(missing_ok=True)
    belongs(folder, log)  # another log may have been quicker


def _put_first(unfinished: Path, marker: Path) -> None:
    """Put a whole file in its place, unless one is there."""
    try:
        marker.hardlink_to(unfinished)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not marker.exists():
            unfinished.replace(marker)


def _owner(folder: Path) -> Owner | None:
    marker = folder / MARKER
    with writing(marker):
        try:
            lines = marker.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return None
    return Owner(*(line.strip() for line in (*lines, "", "")[:2]))
