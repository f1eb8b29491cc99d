"""Names of files that fit the file system, which counts their bytes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

LONGEST = 255
"""Bytes that a name may have on nearly every file system."""

_DIGITS = 10


def fitted(start: str, spare: int, folder: Path) -> str:
    """Return a name's start, shortened where it and `spare` more bytes are too long for a name in `folder`.

    A start that is too long is cut between two characters and ends in `~` and digits of its SHA-256. So one
    start always becomes the same, and two that begin alike stay apart.
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
    """Return how many bytes a name in a folder, which need not be there yet, may have."""
    there = nearest(folder)
    try:
        limit = os.pathconf(there, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # unknown here
        return LONGEST
    return min(limit, LONGEST) if limit > 0 else LONGEST


def nearest(path: Path) -> Path:
    """Return a path, or the nearest folder above it that is there."""
    absolute = path.absolute()
    return next((place for place in (absolute, *absolute.parents) if os.path.exists(place)), absolute)
