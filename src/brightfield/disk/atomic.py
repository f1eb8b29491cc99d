"""Write a file whole or not at all."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from brightfield.disk.room import writing


def write_atomically(path: Path, content: bytes) -> None:
    """Put `content` at `path` in one step: a reader, or a killed process, never leaves half a file behind.

    The folder is made where it is missing. The content reaches the disk before it takes its name.

    Raises:
        WriteError: If the file system refuses; what was there is kept.
    """
    # a short name of its own: the file's own name may be as long as names can be
    unfinished = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part")
    with writing(path, len(content)):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
