"""What is said where a log cannot be opened or written."""

from __future__ import annotations

import os
import re
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from brightfield.errors import ConfigError, LogError, WriteError
from brightfield.monitor.log import database as database_module
from brightfield.monitor.log.columns import columns, columns_of
from brightfield.monitor.log.database import Database
from brightfield.monitor.log.judging import latest_judgements
from brightfield.monitor.log.place import place_of
from brightfield.monitor.log.records import Filter, Judged
from brightfield.monitor.log.schema import migrate
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import Verdict

Make = Callable[..., Verdict]

PNG = b"\x89PNG\r\n\x1a\n"


def test_what_is_no_database(tmp_path: Path) -> None:
    path = tmp_path / "line.db"
    path.write_text("verdicts? " * 500)
    with pytest.raises(LogError, match=r"line\.db is not a log of verdicts, as it is no SQLite database"):
        VerdictLog(path)
    assert path.read_text() == "verdicts? " * 500


def test_a_damaged_log(tmp_path: Path, verdict_of: Make) -> None:
    path = tmp_path / "line.db"
    with VerdictLog(path) as log:
        for i in range(200):
            log.record(verdict_of(image=f"{i}".rjust(400, "x")))
    whole = path.read_bytes()
    path.write_bytes(whole[:8192] + os.urandom(len(whole) - 8192))
    with pytest.raises(LogError, match=r"line\.db is damaged .*restore a copy"), VerdictLog(path) as log:
        list(log.entries())


def test_a_folder_and_what_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is a folder; expected a file for the log, such as .*line\.db"):
        VerdictLog(tmp_path)
    with pytest.raises(LogError, match=r"gone\.db does not exist; expected a log of verdicts"):
        VerdictLog(tmp_path / "gone.db", create=False)
    (tmp_path / "file").write_text("")
    with pytest.raises(WriteError, match="a file is in the way"):
        VerdictLog(tmp_path / "file" / "line.db")
    with VerdictLog(tmp_path / "new" / "folder" / "line.db") as log:
        assert log.count() == 0


def test_a_read_only_file_system(small_disk: Callable[[str], Path], verdict_of: Make) -> None:
    disk = small_disk("4m")
    with VerdictLog(disk / "line.db") as log:
        log.record(verdict_of())
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    with pytest.raises(
        WriteError, match=r"cannot write .*line\.db: the file system is read-only; choose another"
    ):
        VerdictLog(disk / "line.db")
    with VerdictLog(disk / "line.db", create=False) as log:
        assert [entry.id for entry in log.entries()] == [1]
    with pytest.raises(WriteError, match=r"cannot write .*new\.db: the file system is read-only"):
        VerdictLog(disk / "new.db")


def test_a_place_that_may_not_be_written(tmp_path: Path) -> None:
    folder = tmp_path / "locked"
    folder.mkdir()
    folder.chmod(0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("root may write everywhere")
    with pytest.raises(WriteError, match="you may not write there"):
        VerdictLog(folder / "line.db")


@pytest.mark.parametrize("at_work", [False, True])
def test_who_may_only_read_reads(
    tmp_path: Path, verdict_of: Make, monkeypatch: pytest.MonkeyPatch, at_work: bool
) -> None:
    path = tmp_path / "100% line?.db"
    with VerdictLog(path) as writer:
        writer.record(verdict_of())
        if not at_work:
            writer.close()
        access = os.access
        monkeypatch.setattr(os, "access", lambda at, how: how != os.W_OK and access(at, how))
        # nothing may be laid beside the file
        there = sorted(found.name for found in tmp_path.iterdir())
        with VerdictLog(path, create=False) as reader:
            assert reader.count() == 1
            assert sorted(found.name for found in tmp_path.iterdir()) == there
            writer.record(verdict_of())
            assert [entry.id for entry in reader.entries()] == [1, 2]
            with pytest.raises(WriteError, match="cannot write"):
                reader.judge([Judged(1, "OK", "Ada")])


def test_who_may_not_read_and_who_may_only_read_an_older_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(place_of(tmp_path / "old.db"))
    database.write(lambda connection: migrate(connection, "0001"))
    database.close()
    access = os.access
    monkeypatch.setattr(os, "access", lambda at, how: how != os.W_OK and access(at, how))
    with pytest.raises(LogError, match=r"older Brightfield .* have someone open it who may write"):
        VerdictLog(tmp_path / "old.db", create=False)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(LogError, match="may not be read by you"):
        VerdictLog(tmp_path / "old.db", create=False)


def test_a_full_disk_says_so_and_costs_nothing_that_was_answered(
    small_disk: Callable[[str], Path], verdict_of: Make
) -> None:
    disk = small_disk("600k")
    with VerdictLog(disk / "line.db") as log:
        answered, said = fill(log, verdict_of())
        assert answered > 0
        assert re.search(r"cannot write .*line\.db: the disk is full, .* are free; make room", said)
        small_disk("4m")
        assert [e.part for e in log.entries()] == [f"P{i}" for i in range(answered)]
        log.record(verdict_of(), part=f"P{answered}")
        assert log.count() == answered + 1


def fill(log: VerdictLog, verdict: Verdict) -> tuple[int, str]:
    """Record a verdict until the disk is full, and return how often that worked, and the error."""
    for answered in range(5000):
        try:
            log.record(verdict, part=f"P{answered}")
        except WriteError as error:
            return answered, str(error)
    raise AssertionError("the disk never was full")


def test_a_log_that_another_program_holds(
    tmp_path: Path, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "line.db"
    with VerdictLog(path) as log:
        log.record(verdict_of())
    monkeypatch.setattr("brightfield.monitor.log.place.BUSY_SECONDS", 0)
    monkeypatch.setattr(database_module, "PATIENCE_SECONDS", 0.0)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with VerdictLog(path) as log:
        with pytest.raises(LogError, match=r"line\.db was locked by another program for .* seconds; close"):
            log.record(verdict_of())
        assert log.count() == 1  # reading waits for nobody
        other.execute("ROLLBACK")
        assert log.record(verdict_of()).id == 2
    other.close()


def test_a_writer_that_is_locked_out_tries_again(
    tmp_path: Path, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "line.db"
    monkeypatch.setattr("brightfield.monitor.log.place.BUSY_SECONDS", 0)
    with VerdictLog(path) as log:
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        pauses: list[float] = []

        def pause(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 3:
                other.execute("ROLLBACK")

        monkeypatch.setattr("brightfield.monitor.log.database.time.sleep", pause)
        assert log.record(verdict_of()).id == 1
        other.close()
    assert pauses == [0.01, 0.02, 0.04]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("mysql://host/line", "cannot be kept in mysql://host/line; expected the path"),
        ("nonsense://", r"expected the path of a file, or postgresql://user@host/database"),
        ("://", "the log's URL cannot be understood"),
        ("sqlite://", "cannot be kept in sqlite"),
    ],
)
def test_urls_that_name_no_log(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        place_of(url)


def test_places() -> None:
    assert place_of("sqlite:////data/line.db").path == Path("/data/line.db")
    assert place_of("line.db").pictures == Path("line.db.pictures")
    for scheme in ("postgresql", "postgres", "postgresql+psycopg2"):
        place = place_of(f"{scheme}://ada:secret@host/line")
        assert (place.path, place.pictures, place.url.drivername) == (None, None, "postgresql+psycopg")
        assert "secret" not in place.shown
        assert place.url.password == "secret"


def test_a_server_that_is_not_there_is_said_without_its_password(tmp_path: Path) -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(LogError, match="check that the server runs") as caught:
        VerdictLog(f"postgresql://ada:secret@/line?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert "ada" in str(caught.value)


def test_whatever_asks_a_server_that_starts_again_waits_for_it(
    server: Callable[[], str], verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = pytest.importorskip("psycopg").errors
    with VerdictLog(server()) as log:
        log.record(verdict_of(), part="P1", picture=PNG)
        connect, refused = log.database._engine.connect, [0]

        def starting() -> object:
            refused[0] += 1
            if refused[0] % 3:  # each is refused twice
                orig = errors.CannotConnectNow("the database system is starting up")
                raise OperationalError("SELECT 1", {}, orig)
            return connect()

        monkeypatch.setattr(log.database._engine, "connect", starting)
        monkeypatch.setattr("brightfield.monitor.log.database.time.sleep", lambda _: None)
        assert log.record(verdict_of(), part="P2", picture=PNG).id == 2
        assert log.record(verdict_of(), part="P1", picture=PNG).repeated
        assert log.entry(1).part == "P1"
        assert [entry.part for entry in log.after(0)] == ["P1", "P2"]
        assert log.count() == 2
        assert log.kept() == (0, 0)
        assert list(log.judgements()) == list(log.sampling()) == list(log.events()) == []
        assert list(columns(log.database, Filter(), ("part",))) == [("P1",), ("P2",)]
        assert columns_of(log.database, [2], ("part",)) == {2: ("P2",)}
        assert latest_judgements(log.database, [1]) == {}
        assert refused[0] > 30
