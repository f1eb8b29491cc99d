from __future__ import annotations

from pathlib import Path

import pytest

from brightfield.atomic import write_atomically


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
