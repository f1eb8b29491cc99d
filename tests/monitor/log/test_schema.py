"""A log's tables: the migrations make what the code expects, once, and older logs are brought up to date."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from brightfield.errors import LogError
from brightfield.monitor.log import schema
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.place import place_of
from brightfield.monitor.log.records import Event
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.log.tables import metadata
from brightfield.verdict import Verdict

Make = Callable[..., Verdict]


def test_the_migrations_make_the_tables_that_the_code_expects(place: str) -> None:
    options = {"version_table": schema.VERSION_TABLE, "compare_type": True, "compare_server_default": True}
    with VerdictLog(place) as log, log.database.reading() as connection:
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        assert len(inspect(connection).get_indexes("entries")) >= 10


def test_head_is_the_newest_migration() -> None:
    scripts = ScriptDirectory(str(Path(schema.__file__).parent / "migrations"))
    assert scripts.get_current_head() == schema.HEAD


def older(place: str) -> None:
    """Make a log as the first version had it, with one entry."""
    database = Database(place_of(place))
    database.write(lambda connection: schema.migrate(connection, "0001"))
    columns = "id, key, time, day, label, score, milliseconds, method, image"
    values = "1, 'k', '2026-01-01T00:00:00.000000+00:00', '2026-01-01', 'OK', 0.5, 1.0, 'classifier', 'a.png'"
    database.write(
        lambda connection: connection.execute(text(f"INSERT INTO entries ({columns}) VALUES ({values})"))
    )
    database.close()


def test_an_older_log_is_brought_up_to_date_with_all_that_is_in_it(place: str, verdict_of: Make) -> None:
    older(place)
    with VerdictLog(place, create=False) as log:
        assert [(e.id, e.label, e.score) for e in log.entries()] == [(1, "OK", 0.5)]
        assert log.record(verdict_of()).id == 2
        assert log.tell(Event("alarm", "a table that the first version did not have")).id == 1
        with log.database.reading() as connection:
            assert schema.revision(connection) == schema.HEAD


def test_a_newer_log_is_refused(place: str, verdict_of: Make) -> None:
    with VerdictLog(place) as log:
        log.record(verdict_of())
        newer = text(f"UPDATE {schema.VERSION_TABLE} SET version_num = '0099'")
        log.database.write(lambda connection: connection.execute(newer))
    with pytest.raises(
        LogError, match=r"newer Brightfield: its schema is 0099, this one reads up to .*upgrade"
    ):
        VerdictLog(place)


def test_another_programs_file_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE prices (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LogError, match=r"another program's database, with the tables prices"):
        VerdictLog(path)
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.db"]


def test_another_programs_tables_on_a_server_may_stand_beside(
    server: Callable[[], str], verdict_of: Make
) -> None:
    place = server()
    database = Database(place_of(place))
    database.write(lambda connection: connection.execute(text("CREATE TABLE prices (a int)")))
    with VerdictLog(place) as log:
        log.record(verdict_of())
    taken = server()
    other = Database(place_of(taken))
    other.write(lambda connection: connection.execute(text("CREATE TABLE events (a int)")))
    with pytest.raises(LogError, match="already has tables named events, of another program"):
        VerdictLog(taken)
    for one in (database, other):
        one.close()


def test_who_only_reads_makes_no_log(place: str) -> None:
    database = Database(place_of(place))
    if database.place.path is not None:
        database.place.path.touch()
    with pytest.raises(LogError, match=r"holds no log of verdicts; expected one, as `inspect --log` writes"):
        VerdictLog(place, create=False)
    with database.reading() as connection:
        assert inspect(connection).get_table_names() == []
    if database.place.path is not None:
        assert database.place.path.stat().st_size == 0
    database.close()


def test_the_docs_name_every_table() -> None:
    docs = (Path(__file__).parents[3] / "docs" / "log.md").read_text(encoding="utf-8")
    said = docs.split("They are ")[1].split(", and may")[0]
    assert set(re.findall(r"`(\w+)`", said)) == {*metadata.tables, schema.VERSION_TABLE}


OPENING = """
import sys
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import Verdict
print("ready", flush=True)
sys.stdin.readline()
with VerdictLog(sys.argv[1]) as log:
    print(log.record(Verdict(None, "a", 1.0, None, "m", 1.0)).id)
"""


def test_several_processes_open_a_new_log_at_once(place: str) -> None:
    words = [sys.executable, "-c", OPENING, place]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(words, **pipes) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    said = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    assert sorted(said) == ["1\n", "2\n"]


def test_opening_a_log_that_is_up_to_date_loads_no_alembic(tmp_path: Path) -> None:
    VerdictLog(tmp_path / "line.db").close()
    code = "import sys; from brightfield import VerdictLog; VerdictLog(sys.argv[1]).close()"
    code += "; print([m for m in sys.modules if m.split('.')[0] in ('alembic', 'torch', 'scipy', 'psycopg')])"
    words = [sys.executable, "-c", code, str(tmp_path / "line.db")]
    assert subprocess.run(words, capture_output=True, text=True, check=True).stdout == "[]\n"
