"""Where a log of verdicts is: a file, or a database by its URL; and the engine that opens it."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, NullPool, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from brightfield.errors import ConfigError, said_if_missing

BUSY_SECONDS = 30
"""How long SQLite itself waits for a writer in another process."""

BEGIN = "brightfield_begin"
"""The execution option of a connection to SQLite that says how its transactions begin; empty for none."""

READS, WRITES, NO_TRANSACTION = "BEGIN", "BEGIN IMMEDIATE", ""


@dataclass(frozen=True)
class Place:
    """A log's place.

    Attributes:
        url: The URL of the database.
        path: The file of a SQLite database; None for a server.
        shown: The place for messages, without a password.
    """

    url: URL
    path: Path | None
    shown: str

    @property
    def pictures(self) -> Path | None:
        """The folder for kept pictures beside the file; None for a server."""
        return None if self.path is None else self.path.with_name(f"{self.path.name}.pictures")


def place_of(where: str | Path) -> Place:
    """Return the place that a path or a URL names.

    Raises:
        ConfigError: If the URL cannot be understood, or is of neither SQLite nor PostgreSQL.
    """
    text = str(where)
    if "://" not in text:
        return _file(Path(where))
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise ConfigError(
            f"the log's URL cannot be understood ({type(error).__name__}); expected one such as "
            "postgresql://user@host/database"
        ) from error
    kind = url.get_backend_name()
    if kind in ("postgresql", "postgres"):
        shown = url.render_as_string(hide_password=True)
        return Place(url.set(drivername="postgresql+psycopg"), None, shown)
    if kind == "sqlite" and url.database and url.database != ":memory:":
        return _file(Path(url.database))
    raise ConfigError(
        f"a log of verdicts cannot be kept in {url.render_as_string(hide_password=True)}; expected the path "
        "of a file, or postgresql://user@host/database"
    )


def _file(path: Path) -> Place:
    return Place(URL.create("sqlite+pysqlite", database=str(path.absolute())), path, str(path))


def may_write(place: Place) -> bool:
    """Return whether a log may be written: its file, and those that SQLite lays beside it."""
    if place.path is None:
        return True
    file, wal = _file_and_wal(place)
    return os.access(file, os.W_OK) and (wal.exists() or os.access(file.parent, os.W_OK))


def _file_and_wal(place: Place) -> tuple[Path, Path]:
    file = Path(str(place.url.database))
    return file, file.with_name(f"{file.name}-wal")


def _read_only(place: Place) -> sqlite3.Connection:
    file, wal = _file_and_wal(place)
    # without a writer the file is alone; SQLite would lay files beside it, unless told that nobody writes
    how = "mode=ro" if wal.exists() else "immutable=1"
    return sqlite3.connect(f"{file.as_uri()}?{how}", uri=True, timeout=BUSY_SECONDS, check_same_thread=False)


def engine_at(place: Place, *, power_safe: bool, writes: bool = True) -> Engine:
    """Return the engine of a place; nothing is opened yet.

    Args:
        place: The place.
        power_safe: Whether SQLite flushes each transaction to the disk itself.
        writes: Whether a file is opened to write as well.

    Raises:
        MissingPackageError: If the database's driver is not installed.
    """
    with said_if_missing():
        if place.path is None:
            # each statement has to see what was committed before it, also while a writer waited for its turn
            return create_engine(
                place.url,
                pool_pre_ping=True,
                isolation_level="READ COMMITTED",
                connect_args={"connect_timeout": 10},
            )
        if writes:
            engine = create_engine(place.url, connect_args={"timeout": BUSY_SECONDS})
        else:  # each connection anew: how the file can be read changes as writers come and go
            engine = create_engine(place.url, creator=partial(_read_only, place), poolclass=NullPool)
    _set_up_sqlite(engine, "FULL" if power_safe else "NORMAL")
    return engine


def _set_up_sqlite(engine: Engine, synchronous: str) -> None:
    def connect(connection: Any, _record: Any) -> None:
        connection.isolation_level = (
            None  # transactions begin where `begin` says, not where the driver thinks
        )
        connection.execute(f"PRAGMA synchronous={synchronous}")
        connection.execute("PRAGMA foreign_keys=ON")

    def begin(connection: Connection) -> None:
        # a transaction that reads first and then writes cannot wait for another writer: it takes the lock now
        how = connection.get_execution_options().get(BEGIN, READS)
        if how:
            connection.exec_driver_sql(how)

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)
