"""A log's database: transactions that wait for other writers and are tried again where that can help."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from sqlalchemy import Connection, Executable, Row, RowMapping, text
from sqlalchemy.exc import DBAPIError

from brightfield.monitor.log.faults import in_words, passes
from brightfield.monitor.log.place import BEGIN, NO_TRANSACTION, WRITES, Place, engine_at

PATIENCE_SECONDS = 60.0
"""How long a transaction is tried again before its error is raised."""

_FIRST_WAIT, _LONGEST_WAIT = 0.01, 1.0
_LOCK = int.from_bytes(b"brightfi", "big") >> 1
"""The key of PostgreSQL's advisory lock that writers hold."""

T = TypeVar("T")


class Database:
    """A log's database; safe to use from several threads, and by many processes at once.

    Writers take turns, on PostgreSQL too. So entries are numbered without gaps in the order in which they
    become visible, and whoever has read up to one entry finds all that come later behind it.
    """

    def __init__(self, place: Place, *, power_safe: bool = False, writes: bool = True) -> None:
        self.place = place
        self.writes = writes
        self._engine = engine_at(place, power_safe=power_safe, writes=writes)
        self._process = os.getpid()

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Yield a connection to read with, once: `read` is for what should outlive a server's restart.

        Raises:
            LogError: If the database fails.
        """
        with in_words(self.place), self._connection() as connection, connection.begin():
            yield connection

    def read(self, work: Callable[[Connection], T]) -> T:
        """Do work that reads, in one transaction; it is done again where another try may help.

        Raises:
            LogError: If the database fails, and does not come back.
        """
        with in_words(self.place):
            return patiently(lambda: self._read_once(work))

    def rows(self, query: Executable) -> Sequence[Row[*tuple[Any, ...]]]:
        """Return the rows that a query finds; it is asked as `read` does."""
        return self.read(lambda connection: connection.execute(query).all())

    def mappings(self, query: Executable) -> Sequence[RowMapping]:
        """Return the rows that a query finds by the names of their columns; it is asked as `read` does."""
        return self.read(lambda connection: connection.execute(query).mappings().all())

    @contextmanager
    def without_transaction(self) -> Iterator[Connection]:
        """Yield a connection to SQLite for settings of the file itself."""
        with self._connection() as connection:
            yield connection.execution_options(**{BEGIN: NO_TRANSACTION})

    def write(self, work: Callable[[Connection], T]) -> T:
        """Do work in one transaction that writes; it is done again where another try may help.

        Raises:
            LogError: If the database fails, or stays locked.
            WriteError: If the file system refuses.
        """
        with in_words(self.place):
            return patiently(lambda: self._write_once(work))

    def close(self) -> None:
        """Close all connections; the next use opens new ones."""
        self._engine.dispose()

    def _read_once(self, work: Callable[[Connection], T]) -> T:
        with self._connection() as connection, connection.begin():
            return work(connection)

    def _write_once(self, work: Callable[[Connection], T]) -> T:
        with self._connection() as connection:
            writing = connection.execution_options(**{BEGIN: WRITES})
            with writing.begin():
                if self.place.path is None:
                    writing.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
                return work(writing)

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        if os.getpid() != self._process:  # a forked process must not share its parent's connections
            self._engine.dispose(close=False)
            self._process = os.getpid()
        with self._engine.connect() as connection:
            yield connection


def patiently(work: Callable[[], T]) -> T:
    """Do work, and again with growing pauses where it fails for a reason that passes.

    Raises:
        DBAPIError: If it still fails after `PATIENCE_SECONDS`, or for another reason.
    """
    end = time.monotonic() + PATIENCE_SECONDS
    pause = _FIRST_WAIT
    while True:
        try:
            return work()
        except DBAPIError as error:
            if not passes(error) or time.monotonic() + pause > end:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_WAIT)
