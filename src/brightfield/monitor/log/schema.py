"""A log's tables: made in a new place, brought up to date in an old one."""

from __future__ import annotations

import importlib
import logging
import threading
from pathlib import Path

from sqlalchemy import Connection, column, inspect, select, table

from brightfield.errors import LogError, said_if_missing
from brightfield.monitor.log.database import Database, patiently
from brightfield.monitor.log.faults import in_words
from brightfield.monitor.log.place import Place
from brightfield.monitor.log.tables import metadata

HEAD = "0004"
"""The newest migration; those from 0001 on are in `migrations/versions`."""

VERSION_TABLE = "brightfield_log_version"
"""The table that says which migrations a log has. It has a name of its own, as a server's database may
serve other programs too."""

_MIGRATIONS = Path(__file__).parent / "migrations"
_ONE_AT_A_TIME = threading.Lock()  # Alembic keeps the migration at work in a global variable

logger = logging.getLogger(__name__)


def bring_up_to_date(database: Database, *, create: bool = True) -> None:
    """Make the tables of a log where there are none, and migrate those of an older version.

    Several processes may do so at once; one migrates, and the others wait.

    Args:
        database: The database.
        create: Whether to make tables where there are none.

    Raises:
        LogError: If the log is of a newer version, or the database is not a log and cannot or shall not
            become one.
        WriteError: If the file system refuses.
    """
    place = database.place
    if place.path is not None and not place.path.exists():
        _check_installed()  # before reading makes an empty file
    with database.reading() as connection:
        current = _is_current(connection, place)
        if not current:
            _check_free(connection, place)
            _check_there(connection, place, create=create)
    if not database.writes:
        _check_readable_as_it_is(place, current=current)
        return
    if place.path is not None:
        _into_wal(database)
    if not current:
        database.write(lambda connection: _migrate(connection, place))


def _check_installed() -> None:
    """Check that what migrates is installed.

    Raises:
        MissingPackageError: If it is not.
    """
    with said_if_missing():
        importlib.import_module("alembic.runtime.environment")


def _into_wal(database: Database) -> None:
    """Have a SQLite file write ahead, so that readers and writers do not wait for each other."""

    def switch() -> str:
        with database.without_transaction() as connection:
            return str(connection.exec_driver_sql("PRAGMA journal_mode=WAL").scalar())

    with in_words(database.place):
        mode = patiently(switch)
    if mode != "wal":
        raise LogError(
            f"{database.place.shown}: the file system there does not let several programs share a SQLite "
            "file (write-ahead logging is refused); put the log on a local disk, or into PostgreSQL"
        )


def _is_current(connection: Connection, place: Place) -> bool:
    """Return whether a log has all migrations.

    Raises:
        LogError: If it has some that this version does not know.
    """
    found = revision(connection)
    if found is not None and found > HEAD:
        raise LogError(
            f"{place.shown} was written by a newer Brightfield: its schema is {found}, this one reads up to "
            f"{HEAD}; upgrade Brightfield"
        )
    return found == HEAD


def revision(connection: Connection) -> str | None:
    """Return the newest migration that a log has; None where there is no log."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    version = table(VERSION_TABLE, column("version_num"))
    return connection.execute(select(version.c.version_num)).scalar()


def _migrate(connection: Connection, place: Place) -> None:
    if _is_current(connection, place):  # another process was quicker
        return
    _check_free(connection, place)
    migrate(connection, HEAD)
    logger.info("%s: tables of schema %s", place.shown, HEAD)


def _check_free(connection: Connection, place: Place) -> None:
    """Check that a log's tables are there, or can be made.

    Raises:
        LogError: If a SQLite file belongs to another program, or tables of the same names are there.
    """
    if revision(connection) is not None:
        return
    found = set(inspect(connection).get_table_names())
    if place.path is not None and found:
        names = ", ".join(sorted(found)[:3])
        raise LogError(
            f"{place.shown} is not a log of verdicts, but another program's database, with the tables "
            f"{names}; name a log, or a new file"
        )
    if taken := found & metadata.tables.keys():
        raise LogError(
            f"{place.shown} already has tables named {', '.join(sorted(taken))}, of another program; name "
            "another database"
        )


def _check_there(connection: Connection, place: Place, *, create: bool) -> None:
    if not create and revision(connection) is None:
        raise LogError(
            f"{place.shown} holds no log of verdicts; expected one, as `inspect --log` writes it: is it the "
            f"right {'database' if place.path is None else 'file'}?"
        )


def _check_readable_as_it_is(place: Place, *, current: bool) -> None:
    if not current:
        raise LogError(
            f"{place.shown} is of an older Brightfield and has to be brought up to date, but you may only "
            "read it; have someone open it who may write to it and to its folder"
        )


def migrate(connection: Connection, target: str) -> None:
    """Run the migrations up to one of them, within the connection's transaction."""
    _check_installed()
    from alembic.config import Config
    from alembic.runtime.environment import EnvironmentContext
    from alembic.runtime.migration import MigrationContext, RevisionStep
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory(str(_MIGRATIONS))

    def steps(found: object, _context: MigrationContext) -> list[RevisionStep]:
        return list(scripts._upgrade_revs(target, found))  # type: ignore[arg-type]

    with _ONE_AT_A_TIME, EnvironmentContext(Config(), scripts, fn=steps) as environment:
        environment.configure(
            connection=connection,
            target_metadata=metadata,
            version_table=VERSION_TABLE,
            transactional_ddl=True,
        )
        environment.run_migrations()
