"""What a database says when it fails, in words that say what to do."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from brightfield.disk.room import why_not_written
from brightfield.errors import InputError, LogError, WriteError
from brightfield.monitor.log.place import BUSY_SECONDS, Place

_NOT_WRITABLE = {
    "SQLITE_FULL": errno.ENOSPC,
    "SQLITE_READONLY": errno.EROFS,
    "SQLITE_PERM": errno.EACCES,
    "SQLITE_CANTOPEN": errno.EACCES,
}
_LATER = ("SQLITE_BUSY", "SQLITE_LOCKED")
_SERVER_LATER = ("40001", "40P01", "57P01", "57P02", "57P03", "53300", "55P03")
"""PostgreSQL's codes for what may succeed at another try: conflicts, restarts, too many connections."""


def passes(error: DBAPIError) -> bool:
    """Return whether an error may be gone when the transaction is tried again."""
    kind = type(error.orig)
    if error.connection_invalidated or _sqlite_name(error.orig).startswith(_LATER):
        return True
    code = getattr(error.orig, "sqlstate", None)
    if code is not None:
        return code in _SERVER_LATER or code.startswith("08")
    # a server that cannot be reached gives no code
    return kind.__module__.startswith("psycopg") and kind.__name__ == "OperationalError"


@contextmanager
def in_words(place: Place) -> Iterator[None]:
    """Turn an error of the database raised in the block into one that says what to do.

    Raises:
        WriteError: If the file system refuses.
        LogError: In place of any other error of the database.
    """
    try:
        yield
    except DBAPIError as error:
        raise _of_sqlite(place, error) if place.path is not None else _of_server(place, error) from error
    except SQLAlchemyError as error:
        raise LogError(f"{place.shown}: {_first_line(error)}") from error


def _of_sqlite(place: Place, error: DBAPIError) -> InputError:
    name = _sqlite_name(error.orig)
    if name.startswith(_LATER):
        return LogError(
            f"{place.shown} was locked by another program for {BUSY_SECONDS} seconds; close that program, "
            "or wait until it is done"
        )
    if name.startswith("SQLITE_NOTADB"):
        return LogError(
            f"{place.shown} is not a log of verdicts, as it is no SQLite database; name a log, or a new file"
        )
    if name.startswith("SQLITE_CORRUPT"):
        return LogError(
            f"{place.shown} is damaged ({_first_line(error)}); restore a copy of it, or save what can be "
            "read with `sqlite3 FILE .recover`"
        )
    number = next((n for start, n in _NOT_WRITABLE.items() if name.startswith(start)), None)
    if place.path is not None and (number is not None or name.startswith("SQLITE_IOERR")):
        return WriteError(why_not_written(_reason(place, number), place.path))
    return LogError(f"{place.shown} cannot be used: {_first_line(error)}")


def _reason(place: Place, number: int | None) -> OSError:
    """Return the operating system's reason, which SQLite does not pass on, as far as it can be told."""
    if number is None:
        return OSError(None, "the disk failed (input/output error)")
    if number in (errno.EROFS, errno.EACCES):
        number = errno.EROFS if _read_only(os.path.dirname(place.url.database or "")) else errno.EACCES
    return OSError(number, os.strerror(number), place.url.database)


def _read_only(folder: str) -> bool:
    try:
        return bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return False


def _of_server(place: Place, error: DBAPIError) -> LogError:
    return LogError(
        f"{place.shown} cannot be used: {_first_line(error)}; check that the server runs, that the database "
        "exists, and that its user may create and write tables there"
    )


def _sqlite_name(error: Any) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _first_line(error: SQLAlchemyError) -> str:
    said = str(getattr(error, "orig", None) or error).strip()
    return said.splitlines()[0] if said else type(error).__name__
