"""Writing where the file system may refuse: what is said then, room reserved, and no input written over."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from brightfield.disk.names import longest_name, nearest
from brightfield.errors import ConfigError, WriteError

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
"""What the system answers where there is no room to write: a full disk, a quota, a limit of a file's size."""

_UNSUPPORTED = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})
_ZEROS = 1 << 20


@contextmanager
def writing(place: Path, needed: int | Callable[[], int] | None = None) -> Iterator[None]:
    """Turn what the file system refuses in the block into one error that says what to do.

    Args:
        place: What is written.
        needed: How many bytes that takes, or what returns it once it is asked.

    Raises:
        WriteError: In place of any OSError.
    """
    try:
        yield
    except BrokenPipeError:  # a reader of the progress that is gone, and no file
        raise
    except OSError as error:
        size = needed() if callable(needed) else needed
        raise WriteError(why_not_written(error, place, size)) from error


def why_not_written(error: OSError, place: Path, needed: int | None = None) -> str:
    """Say why a place cannot be written, and how to mend that; `needed` is in bytes."""
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
    """Return the bytes that are free where a place is, or would be."""
    return shutil.disk_usage(nearest(place)).free


def in_bytes(size: int) -> str:
    """Return a number of bytes in words, as 1.5 GB."""
    if size < 1000:
        return f"{size} bytes"
    value = size / 1000
    for unit in ("kB", "MB", "GB"):
        if value < 999.5:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} TB"


def reserve(file: BinaryIO, size: int) -> None:
    """Make an open file `size` bytes long, and keep room on the disk for all of them.

    A file that is only made longer has holes, which a full disk cannot fill later on.

    Raises:
        OSError: If there is no room.
    """
    missing = size - os.fstat(file.fileno()).st_size
    usage = shutil.disk_usage(file.name)
    # where a file system cannot reserve, room is taken by writing: what cannot end well is not begun
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
    """Append zeros, which take their room at once."""
    file.seek(0, os.SEEK_END)
    for at in range(0, missing, _ZEROS):
        file.write(bytes(min(_ZEROS, missing - at)))
    file.flush()


def check_overwrites(results: Iterable[Path], inputs: Iterable[Path | None]) -> None:
    """Refuse results that would be written over files that are read, by whatever path either is named.

    Raises:
        ConfigError: If so; the message names the first.
    """
    read = {key: path for path in inputs if path is not None and (key := _identity(path)) is not None}
    for result in results:
        found = _identity(result)
        path = None if found is None else read.get(found)
        if path is not None:
            raise ConfigError(
                f"{result} would be written over {path}, which is read; name another place with -o, "
                "or leave that file out"
            )


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
