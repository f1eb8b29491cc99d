"""A log copied into another database, with all that belongs to it."""

from __future__ import annotations

from sqlalchemy import Connection, Table, func, insert, select

from brightfield.errors import LogError
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.log.tables import identity, metadata

_PAGE = 1000
_COPIED = [table for table in metadata.sorted_tables if table is not identity]


def copy_log(source: VerdictLog, target: VerdictLog) -> dict[str, int]:
    """Copy entries, judgements, samples and events into an empty log, all or none of them.

    Numbers and times stay as they are. The folder of pictures is not copied, and is
    the source's own until its marker is removed. What is written to the source
    meanwhile may be missed: stop its writers first.

    Returns:
        How many rows of each table were copied.

    Raises:
        LogError: If the target holds something already, or a database fails.
        WriteError: If the file system refuses.
    """

    def work(connection: Connection) -> dict[str, int]:
        for table in _COPIED:
            if connection.execute(select(func.count()).select_from(table)).scalar_one():
                raise LogError(
                    f"{target.shown} already has {table.name}; expected an empty log to copy into, as "
                    "numbers would clash"
                )
        return {table.name: _copied(source, table, connection) for table in _COPIED}

    return target.database.write(work)


def _copied(source: VerdictLog, table: Table, connection: Connection) -> int:
    last = copied = 0
    while True:
        page = select(table).where(table.c.id > last).order_by(table.c.id).limit(_PAGE)
        rows = [dict(row) for row in source.database.mappings(page)]
        if rows:
            connection.execute(insert(table), rows)
            last = rows[-1]["id"]
        copied += len(rows)
        if len(rows) < _PAGE:
            return copied
