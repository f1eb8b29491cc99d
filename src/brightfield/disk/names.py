"""File names that fit the file system's limit, which is in bytes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

LONGEST = 255
"""The longest name in bytes on nearly every file system."""

_DIGITS = 10


def shortened(start: str, spare: int, folder: Path) -> str:
    """Return the beginning of a file name, shortened if it is too long for a name in `folder`.

    A shortened one ends in `~` and digits of the SHA-256 of the whole, so that the result is always the same,
    and differs for names that begin alike.

    Args:
        start: The beginning of the name.
        spare: The bytes that the rest of the name takes.
        folder: The folder of the file, which need not exist yet.
    """
    whole = os.fsencode(start)
    room = longest_name(folder) - spare
    if len(whole) <= room:
        return start
    mark = f"~{hashlib.sha256(whole).hexdigest()[:_DIGITS]}"
    kept = start
    while kept and len(os.fsencode(kept)) > room - len(mark):
        kept = kept[:-1]
    return kept + mark


def longest_name(folder: Path) -> int:
    """Return the most bytes that a file name in a folder may have; the folder need not exist yet."""
    existing = nearest_existing(folder)
    try:
        limit = os.pathconf(existing, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # not known on this system
        return LONGEST
    return min(limit, LONGEST) if limit > 0 else LONGEST


def nearest_existing(path: Path) -> Path:
    """Return the path as an absolute one, or the nearest folder above it that exists."""
    absolute = path.absolute()
    return next((place for place in (absolute, *absolute.parents) if os.path.exists(place)), absolute)
