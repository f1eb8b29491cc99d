"""Atomic writing of a file."""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from brightfield.disk.room import writing

UNFINISHED = re.compile(r"\.\d+-[0-9a-f]{8}\.part")
"""The names of files that are being written, or were when the program was killed."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` atomically: the path never holds an incomplete file, even after a crash.

    The folder is made if it is missing. The content is written and flushed under a temporary name first.

    Raises:
        WriteError: If the file system refuses to write; an existing file is kept.
    """
    with written_atomically(path, len(content)) as file:
        file.write(content)


@contextmanager
def written_atomically(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """Yield a file that takes its place at `path` when the block ends well; see `write_atomically`.

    Args:
        path: The file.
        size: The bytes that will be written, where they are known.

    Raises:
        WriteError: If the file system refuses to write; an existing file is kept.
    """
    # the temporary name is not derived from the file's name, which may have the greatest length already
    unfinished = path.with_name(f".{os.getpid()}-{secrets.token_hex(4)}.part")
    with writing(path, size):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with unfinished.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)
