from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from brightfield.disk.atomic import write_atomically
from brightfield.errors import WriteError


def test_writes_into_a_folder_that_is_not_there_yet(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file.txt"
    write_atomically(target, b"content")
    assert target.read_bytes() == b"content"
    assert [path.name for path in target.parent.iterdir()] == ["file.txt"]


def test_replaces_what_was_there(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    target.write_bytes(b"old")
    write_atomically(target, b"new")
    assert target.read_bytes() == b"new"


def test_an_interrupted_write_keeps_the_old_file_and_leaves_no_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "file.txt"
    target.write_bytes(b"old")

    def interrupt(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, b"new")
    assert target.read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("letter", ["n", "缺"])
def test_a_name_as_long_as_names_can_be(tmp_path: Path, letter: str) -> None:
    target = tmp_path / (letter * (255 // len(letter.encode())))
    write_atomically(target, b"content")
    assert target.read_bytes() == b"content"
    with pytest.raises(WriteError, match=r"too long \(a name may have 255 bytes there\)"):
        write_atomically(tmp_path / (letter * 256), b"content")
    assert list(tmp_path.iterdir()) == [target]


def test_no_room_is_said_and_leaves_what_was_there(
    tmp_path: Path, small_files: Callable[[int], AbstractContextManager[None]]
) -> None:
    target = tmp_path / "file.txt"
    target.write_bytes(b"old")
    with small_files(4096), pytest.raises(WriteError, match=r"file\.txt: a file may not .*; 5 kB are needed"):
        write_atomically(target, bytes(5000))
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
