"""What is said where the file system refuses, room that is reserved, and inputs that are kept."""

from __future__ import annotations

import errno
import os
import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from brightfield.disk.room import check_overwrites, free_room, in_bytes, reserve, writing
from brightfield.errors import ConfigError, WriteError

Usage = namedtuple("Usage", "total used free")


def refuse(number: int, *names: object) -> None:
    raise OSError(number, os.strerror(number), *names)


@pytest.mark.parametrize(
    ("number", "said"),
    [
        (errno.ENOSPC, r"the disk is full; 1\.5 kB are needed, 20 MB are free; make room"),
        (errno.EDQUOT, r"\(quota\) is used up; 1\.5 kB are needed; make room"),
        (errno.EFBIG, r"may not grow that large there; 1\.5 kB are needed; choose another place"),
        (errno.ENAMETOOLONG, r"too long \(a name may have 255 bytes there\); shorten it"),
        (errno.EROFS, "read-only; choose another place"),
        (errno.EACCES, "you may not write there"),
        (errno.ENOTDIR, r"a file is in the way \(.*result\)"),
        (errno.EIO, "Input/output error; choose another place"),
    ],
)
def test_every_refusal_says_the_place_and_the_mend(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(10**9, 0, 20_000_000))
    with (
        pytest.raises(WriteError, match=f"^cannot write .*result: .*{said}"),
        writing(tmp_path / "result", 1500),
    ):
        refuse(number)


def test_the_room_may_be_known_only_when_it_is_short(tmp_path: Path) -> None:
    sizes = [1]

    def grow_and_fail() -> None:
        sizes.append(7)
        refuse(errno.ENOSPC)

    with pytest.raises(WriteError, match="7 bytes are needed"), writing(tmp_path, lambda: sizes[-1]):
        grow_and_fail()
    with pytest.raises(WriteError, match=r"the disk is full, .* are free"), writing(tmp_path):
        refuse(errno.ENOSPC)


def test_a_reader_that_is_gone_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(BrokenPipeError), writing(tmp_path):
        refuse(errno.EPIPE)


def test_bytes_in_words() -> None:
    sizes = (0, 999, 1000, 25_234_000, 999_600_000, 3 * 10**12)
    assert [in_bytes(s) for s in sizes] == ["0 bytes", "999 bytes", "1 kB", "25.2 MB", "1 GB", "3 TB"]


def test_free_room_of_a_place_that_is_not_there_yet(tmp_path: Path) -> None:
    found, expected = free_room(tmp_path / "a" / "b"), os.statvfs(tmp_path)
    assert abs(found - expected.f_bavail * expected.f_frsize) < 10**9


@pytest.mark.parametrize("system", ["reserves", "cannot", "has no call"])
def test_reserved_room_is_taken_and_holds_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, system: str
) -> None:
    if system == "cannot":
        monkeypatch.setattr(os, "posix_fallocate", lambda *a: refuse(errno.EOPNOTSUPP))
    elif system == "has no call":
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
    with (tmp_path / "file").open("w+b") as file:
        file.write(b"abc")
        file.flush()
        reserve(file, 3_000_000)
    found = (tmp_path / "file").stat()
    assert found.st_size == 3_000_000
    assert found.st_blocks * 512 >= 3_000_000
    assert (tmp_path / "file").read_bytes()[:4] == b"abc\0"
    with (tmp_path / "file").open("r+b") as file:
        reserve(file, 3_000_000)
        reserve(file, 0)
    assert (tmp_path / "file").stat().st_size == 3_000_000


def test_what_cannot_fit_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(100, 60, 40))
    with (tmp_path / "file").open("w+b") as file, pytest.raises(OSError, match="No space left") as caught:
        reserve(file, 41)
    assert caught.value.errno == errno.ENOSPC
    assert (tmp_path / "file").stat().st_size == 0
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Usage(0, 0, 0))  # a drive that does not tell
    with (tmp_path / "file").open("w+b") as file:
        reserve(file, 41)
    assert (tmp_path / "file").stat().st_size == 41


def test_a_refused_reservation_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "posix_fallocate", lambda *a: refuse(errno.ENOSPC), raising=False)
    with (tmp_path / "file").open("w+b") as file, pytest.raises(OSError, match="No space left"):
        reserve(file, 10)


def test_no_result_over_an_input_by_whatever_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x.png").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    (tmp_path / "y.png").symlink_to(tmp_path / "a" / "x.png")
    monkeypatch.chdir(tmp_path)
    check_overwrites([Path("a/z.png"), Path("x.png")], [Path("a/x.png"), None, Path("a/z.png")])
    for result, read in (("a/x.png", "a/x.png"), ("link/x.png", "a/x.png"), ("a/x.png", "y.png")):
        with pytest.raises(
            ConfigError, match=f"^{result} would be written over {read}, which is read; name "
        ):
            check_overwrites([Path("a/z.png"), Path(result)], [Path(read)])
