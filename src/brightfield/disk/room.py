"""Errors of the file system in plain words, reserved disk space, and checks against overwriting inputs."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from brightfield.disk.names import longest_name, nearest_existing
from brightfield.errors import ConfigError, WriteError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""The error numbers for no space: a full disk, an exhausted quota, the limit of a file's size."""

_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_ZEROS = 1 << 20


@contextmanager
def writing(place: Path, needed: int | Callable[[], int] | None = None) -> Iterator[None]:
    """Turn an OSError raised in the block into a WriteError that says what to do.

    Args:
        place: The path that is written.
        needed: The bytes that it takes, or a function that returns them.

    Raises:
        WriteError: In place of any OSError but BrokenPipeError.
    """
    try:
        yield
    except BrokenPipeError:  # the reader of the progress output is gone: no matter of this file
        raise
    except OSError as error:
        size = needed() if callable(needed) else needed
        raise WriteError(why_not_written(error, place, size)) from error


def why_not_written(error: OSError, place: Path, needed: int | None = None) -> str:
    """Return the message why a path cannot be written, and what to do; `needed` is in bytes."""
    room = "" if needed is None else f"; {in_bytes(needed)} are needed"
    other = "choose another place"
    match error.errno:
        case errno.ENOSPC:
            why = f"the disk is full{room}, {in_bytes(free_room(place))} are free; make room, or {other}"
        case errno.EDQUOT:
            why = f"your share of the disk (quota) is used up{room}; make room, or {other}"
        case errno.EFBIG:
            why = f"a file may not grow that large there{room}; {other}"
        case errno.ENAMETOOLONG:
            limit = f"a name may have {longest_name(place.parent)} bytes there"
            why = f"its name or its path is too long ({limit}); shorten it, or {other}"
        case errno.EROFS:
            why = f"the file system is read-only; {other}"
        case errno.EACCES | errno.EPERM:
            why = f"you may not write there; {other}, or ask for the right to"
        case errno.ENOTDIR | errno.EEXIST | errno.EISDIR:
            found = "a folder" if error.errno == errno.EISDIR else "a file"
            where = error.filename2 or error.filename or place
            why = f"{found} is in the way ({where}); move it, or {other}"
        case _:
            why = f"{error.strerror or error}; {other}"
    return f"cannot write {place}: {why}"


def free_room(place: Path) -> int:
    """Return the free bytes on the file system of a path, which need not exist yet."""
    return shutil.disk_usage(nearest_existing(place)).free


def in_bytes(size: int) -> str:
    """Return a number of bytes for people, such as 1.5 GB."""
    if size < 1000:
        return f"{size} bytes"
    value = size / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def reserve(file: BinaryIO, size: int) -> None:
    """Extend an open file to `size` bytes, with disk space allocated for all of them.

    A file that is only truncated to a greater length is sparse: writing to it fails once the disk is full.

    Raises:
        OSError: If there is not enough space.
    """
    missing = size - os.fstat(file.fileno()).st_size
    usage = shutil.disk_usage(file.name)
    # checked first, as a file system that cannot allocate is filled by writing zeros
    if usage.total and usage.free < missing:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), file.name)
    try:
        if size:
            os.posix_fallocate(file.fileno(), 0, size)
    except AttributeError:  # not on this system
        _fill(file, missing)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        _fill(file, missing)


def _fill(file: BinaryIO, missing: int) -> None:
    """Append zeros, which allocates the space."""
    file.seek(0, os.SEEK_END)
    for at in range(0, missing, _ZEROS):
        file.write(bytes(min(_ZEROS, missing - at)))
    file.flush()


def check_overwrites(results: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Check that no result would overwrite an input, even if the same file has two paths.

    Raises:
        ConfigError: If a result would overwrite an input; the message names the first.
    """
    read = {key: path for path in inputs if path is not None and (key := _identity(path)) is not None}
    for result in results:
        identity = _identity(result)
        path = None if identity is None else read.get(identity)
        if path is not None:
            raise ConfigError(
                f"{result} would be written over {path}, which is read; name another place with -o, "
                "or leave that file out"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the device and inode of a file; None if it does not exist."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
