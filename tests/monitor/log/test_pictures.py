"""Kept pictures: where they lie, and which are deleted when there are too many or they are too old."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import update

from brightfield.errors import ConfigError, ImageError, InputError, WriteError
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.moving import copy_log
from brightfield.monitor.log.owner import MARKER
from brightfield.monitor.log.records import Judged, Sampled
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.log.tables import entries
from brightfield.verdict import Verdict

Make = Callable[..., Verdict]

PNG = b"\x89PNG\r\n\x1a\n"
OLD = "2026-01-01T10:00:00.000000+00:00"
LEFT = "0123456789abcdef-01234567.png"
"""As a log names a picture."""

NAMES = ("left.png", "0123456789abcdef.png", "part-17.jpg", "notes.txt")


def files(folder: Path | None) -> list[str]:
    assert folder is not None
    return sorted(p.name for p in folder.rglob("*") if p.is_file() and p.name != MARKER)


def test_rejects_are_kept_beside_the_log(tmp_path: Path, verdict_of: Make) -> None:
    picture = tmp_path / "camera" / "1.JPG"
    picture.parent.mkdir()
    picture.write_bytes(b"\xff\xd8\xff picture")
    with VerdictLog(tmp_path / "line.db") as log:
        passed = log.record(verdict_of(0.1, image=str(picture)), picture=picture)
        rejected = log.record(verdict_of(0.9, image=str(picture)), picture=picture)
        assert log.folder == tmp_path / "line.db.pictures"
        assert passed.picture is None
        assert rejected.picture is not None
        assert re.fullmatch(r"\d{4}-\d\d-\d\d/[0-9a-f]{16}-[0-9a-f]{8}\.jpg", rejected.picture)
        kept = log.picture_of(rejected)
        assert kept == log.folder / rejected.picture
        assert kept.read_bytes() == picture.read_bytes()
        assert log.kept() == (1, len(picture.read_bytes()))
        # of the other one the original still is what it was
        assert log.picture_of(passed) == picture
        picture.write_bytes(b"\xff\xd8\xff another")
        assert log.picture_of(passed) is None
        kept.unlink()
        assert log.picture_of(rejected) is None


def test_a_server_needs_a_folder(server: Callable[[], str], tmp_path: Path, verdict_of: Make) -> None:
    place = server()
    with pytest.raises(ConfigError, match=r"pictures are kept in a folder; name one \(--keep-in"):
        VerdictLog(place, keep=Keep("rejects"))
    with VerdictLog(place) as log:
        assert log.record(verdict_of(), picture=PNG).picture is None
    with VerdictLog(place, keep=Keep("rejects", folder=tmp_path / "kept")) as log:
        entry = log.record(verdict_of(), picture=PNG)
        assert log.picture_of(entry) == tmp_path / "kept" / str(entry.picture)


def test_a_part_that_comes_again_leaves_no_second_file(tmp_path: Path, verdict_of: Make) -> None:
    with VerdictLog(tmp_path / "line.db") as log:
        for i in range(3):
            log.record(verdict_of(), part="P1", picture=PNG + bytes([i]))
        assert len(files(log.folder)) == 1


def test_no_file_stays_where_the_entry_could_not_be_written(
    tmp_path: Path, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VerdictLog(tmp_path / "line.db") as log:

        def refuse(*_: object) -> None:
            raise WriteError("the disk is full")

        monkeypatch.setattr(log.database, "write", refuse)
        with pytest.raises(WriteError):
            log.record(verdict_of(), picture=PNG)
        assert files(log.folder) == []


def test_the_oldest_make_room(tmp_path: Path, verdict_of: Make) -> None:
    size = 1000
    with VerdictLog(tmp_path / "line.db", keep=Keep("all", megabytes=10 * size / 1e6)) as log:
        for i in range(30):
            log.record(verdict_of(), picture=PNG + bytes([i]).ljust(size - len(PNG), b"."))
            count, taken = log.kept()
            assert taken <= 10 * size
            assert len(files(log.folder)) == count
        kept = [e.id for e in log.entries() if e.picture is not None]
        assert kept == list(range(30 - len(kept) + 1, 31))
        assert len(kept) == 9
        assert log.count() == 30


def test_what_a_person_or_an_audit_has_to_do_with_stays(tmp_path: Path, verdict_of: Make) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep("all")) as log:
        for i in range(10):
            log.record(verdict_of(), picture=PNG + bytes([i]))
        log.judge([Judged(2, "OK", "Ada")])
        log.sample([Sampled(4, "passed", 0.1)])
        log.spare([6])
    with VerdictLog(tmp_path / "line.db", keep=Keep("all", megabytes=1e-6)) as log:
        assert log.prune() == 7
        assert [e.id for e in log.entries() if e.picture is not None] == [2, 4, 6]
        assert len(files(log.folder)) == 3
        assert log.prune() == 0


def test_old_pictures_go_with_what_killed_processes_left(
    tmp_path: Path, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep("all")) as log:
        monkeypatch.setattr("brightfield.monitor.log.rows.now", lambda: OLD)
        for i in range(3):
            log.record(verdict_of(), picture=PNG + bytes([i]))
        log.judge([Judged(2, "OK", "Ada")])
        assert log.folder is not None
        (log.folder / "2026-01-01" / LEFT).write_bytes(PNG)
        (log.folder / "2025-12-31").mkdir()
        (log.folder / "2025-12-31" / LEFT).write_bytes(PNG)
        (log.folder / "2025-12-31" / ".17-01234567.part").write_bytes(PNG)
    monkeypatch.undo()
    with VerdictLog(tmp_path / "line.db", keep=Keep("all", days=30)) as log:
        log.record(verdict_of(), picture=PNG + b"new")
        assert [e.id for e in log.entries() if e.picture is not None] == [2, 4]
        assert len(files(log.folder)) == 2
        assert log.folder is not None
        assert not (log.folder / "2025-12-31").exists()
        assert log.entry(1).time == OLD


def test_what_is_not_the_logs_is_never_deleted(
    tmp_path: Path, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As with a camera's own folders: its originals are no pictures that the log keeps."""
    originals = [tmp_path / "camera" / day / name for day in ("2026-01-01", "2025-12-31") for name in NAMES]
    for original in originals:
        original.parent.mkdir(parents=True, exist_ok=True)
        original.write_bytes(PNG)
    unused = tmp_path / "camera" / "2025-12-30" / LEFT
    unused.parent.mkdir()
    unused.write_bytes(PNG)
    keep = Keep("none", days=30, folder=tmp_path / "camera")
    with VerdictLog(tmp_path / "line.db", keep=keep) as log:
        log.record(verdict_of(), picture=PNG)
        log.prune()
    assert unused.exists()  # the folder is not the log's yet
    with VerdictLog(tmp_path / "line.db", keep=replace(keep, pictures="all")) as log:
        monkeypatch.setattr("brightfield.monitor.log.rows.now", lambda: OLD)
        log.record(verdict_of(), picture=PNG)
        assert log.kept() == (0, 0)
    assert not unused.exists()  # named as the log names its own, in the log's folder
    assert all(original.read_bytes() == PNG for original in originals)


def test_two_logs_do_not_share_a_folder(
    place: str, tmp_path: Path, verdict_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep = Keep("all", days=30, folder=tmp_path / "kept")
    monkeypatch.setattr("brightfield.monitor.log.rows.now", lambda: OLD)
    with VerdictLog(tmp_path / "other.db", keep=keep) as other:  # open while nothing is kept yet
        with VerdictLog(place, keep=replace(keep, days=None)) as log:
            log.record(verdict_of(), picture=PNG)
        with pytest.raises(ConfigError, match=r"keeps the pictures of another log \(.*name a folder for"):
            other.record(verdict_of(), picture=PNG)
        with pytest.raises(ConfigError, match="keeps the pictures of another log"):
            other.prune()
        assert other.count() == 0
    with pytest.raises(ConfigError, match=MARKER):
        VerdictLog(tmp_path / "other.db", keep=keep)
    with VerdictLog(place, keep=keep) as log:  # its own still takes it
        assert log.kept()[0] == 1
        assert log.prune() == 1
    with VerdictLog(tmp_path / "other.db") as other:  # and whoever names none reads as ever
        assert other.count() == 0


def test_a_copy_is_another_log_until_it_is_given_the_folder(tmp_path: Path, verdict_of: Make) -> None:
    keep = Keep("all", folder=tmp_path / "kept")
    with VerdictLog(tmp_path / "line.db", keep=keep) as log:
        log.record(verdict_of(), picture=PNG)
        with VerdictLog(tmp_path / "new.db") as copy:
            copy_log(log, copy)
    with pytest.raises(ConfigError, match=r"another log \(.*line\.db\)"):
        VerdictLog(tmp_path / "new.db", keep=keep)
    (tmp_path / "kept" / MARKER).unlink()
    with VerdictLog(tmp_path / "new.db", keep=keep) as copy:
        assert copy.picture_of(copy.entry(1)) is not None
        copy.record(verdict_of(), picture=PNG)
    assert str(tmp_path / "new.db") in (tmp_path / "kept" / MARKER).read_text()


def test_several_programs_take_a_folder_and_clear_it_at_once(tmp_path: Path, verdict_of: Make) -> None:
    keep = Keep("all", days=30, folder=tmp_path / "kept")
    VerdictLog(tmp_path / "line.db").close()
    for day in range(1, 29):
        (tmp_path / "kept" / f"2026-01-{day:02}").mkdir(parents=True)
    together = threading.Barrier(4)

    def work(_: int) -> int:
        with VerdictLog(tmp_path / "line.db", keep=keep) as log:
            together.wait()
            log.record(verdict_of(), picture=PNG)
            return log.prune()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(4))) == [0] * 4
    assert [p.name for p in (tmp_path / "kept").iterdir() if p.name.startswith("2026-01-")] == []
    assert len(files(tmp_path / "kept")) == 4


@pytest.mark.parametrize("policy", [{"days": 30}, {"megabytes": 1e-6}])
def test_a_picture_that_cannot_be_deleted_stops_neither_the_line_nor_the_others(
    policy: dict[str, float],
    tmp_path: Path,
    verdict_of: Make,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("brightfield.monitor.log.pictures._AT_ONCE", 2)
    with VerdictLog(tmp_path / "line.db", keep=Keep("all")) as log:
        with monkeypatch.context() as earlier:
            earlier.setattr("brightfield.monitor.log.rows.now", lambda: OLD)
            for i in range(5):
                log.record(verdict_of(), picture=PNG + bytes([i]))
        fixed = log.picture_of(log.entry(1))
    assert fixed is not None
    fixed.unlink()
    fixed.mkdir()  # not even root can unlink a folder
    with VerdictLog(tmp_path / "line.db", keep=Keep("rejects", **policy)) as log:
        assert [log.record(verdict_of(), picture=PNG + bytes([i])).id for i in (6, 7)] == [6, 7]
        said = [message for message in caplog.messages if "old pictures stay" in message]
        assert len(said) == (
            1 if "days" in policy else 2
        )  # room is looked for at each of these tiny pictures
        assert fixed.name in said[0]
        assert 2 not in [e.id for e in log.entries() if e.picture is not None]
        with pytest.raises(WriteError, match="1 of the old pictures cannot be deleted"):
            log.prune()
        assert log.entry(1).picture is not None


def test_pictures_are_kept_for_ages(tmp_path: Path, verdict_of: Make) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep("all", days=1e9)) as log:
        assert log.record(verdict_of(), picture=PNG).picture is not None
        assert log.prune() == 0


def test_a_picture_that_is_gone_is_forgotten_like_others(tmp_path: Path, verdict_of: Make) -> None:
    with VerdictLog(tmp_path / "line.db", keep=Keep("all", megabytes=1e-6)) as log:
        entry = log.record(verdict_of(0.9), picture=PNG)
        assert log.kept() == (0, 0)
        assert log.entry(entry.id).picture is None
        assert files(log.folder) == []


def test_what_others_keep_elsewhere_is_left_alone(
    server: Callable[[], str], tmp_path: Path, verdict_of: Make
) -> None:
    place = server()
    with VerdictLog(place, keep=Keep("all", folder=tmp_path / "kept")) as log:
        log.record(verdict_of(), picture=PNG)
    with VerdictLog(place, keep=Keep(megabytes=1e-6, days=1e-6)) as log:
        assert log.prune() == 0
        assert log.kept()[0] == 1


def test_a_name_that_leads_elsewhere_is_never_followed(tmp_path: Path, verdict_of: Make) -> None:
    other = tmp_path / "other.png"
    other.write_bytes(PNG)
    with VerdictLog(tmp_path / "line.db", keep=Keep("all")) as log:
        entry = log.record(verdict_of(image=""), picture=PNG)
        changed = update(entries).values(picture="../other.png")
        log.database.write(lambda connection: connection.execute(changed))
        assert log.picture_of(log.entry(entry.id)) is None
    with VerdictLog(tmp_path / "line.db", keep=Keep("all", megabytes=1e-6)) as log:
        log.prune()
    assert other.exists()


@pytest.mark.parametrize(
    ("content", "suffix"),
    [
        (PNG, ".png"),
        (b"\xff\xd8\xff\xe0", ".jpg"),
        (b"BM1234", ".bmp"),
        (b"II*\0....", ".tif"),
        (b"MM\0*....", ".tif"),
        (b"RIFF1234WEBP", ".webp"),
    ],
)
def test_bytes_have_the_suffix_of_their_format(
    tmp_path: Path, verdict_of: Make, content: bytes, suffix: str
) -> None:
    with VerdictLog(tmp_path / "line.db") as log:
        entry = log.record(verdict_of(image="camera"), picture=content)
    assert str(entry.picture).endswith(suffix)


def test_what_is_no_picture(tmp_path: Path, verdict_of: Make) -> None:
    with VerdictLog(tmp_path / "line.db") as log:
        with pytest.raises(InputError, match="the picture is no image file; expected the bytes of PNG"):
            log.record(verdict_of(image=""), picture=b"raw pixels")
        with pytest.raises(ImageError, match=r"gone\.png cannot be read for the log"):
            log.record(verdict_of(), picture=tmp_path / "gone.png")
        assert log.count() == 0
