from __future__ import annotations

import os
from pathlib import Path

import grey_parts
import pytest

from brightfield.inspector import Inspector
from brightfield.monitor.drift import source as source_module
from brightfield.monitor.drift.source import FolderSource, ordered_images


@pytest.fixture(scope="module")
def inspector() -> Inspector:
    return grey_parts.inspector()


def test_a_growing_folder_waits_for_pictures_that_are_being_written(
    inspector: Inspector, tmp_path: Path
) -> None:
    grey_parts.write(tmp_path, 2)
    assert len(list(FolderSource(inspector, tmp_path).new())) == 2
    growing = FolderSource(inspector, tmp_path, growing=True)
    assert list(growing.new()) == []
    for image in tmp_path.iterdir():
        os.utime(image, (0, 0))
    assert len(list(growing.new())) == 2


def test_a_growing_folder_goes_on_past_pictures_that_vanished_or_lead_nowhere(
    inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey_parts.write(tmp_path, 2)
    for image in tmp_path.iterdir():
        os.utime(image, (0, 0))
    link = tmp_path / "part-3.png"
    link.symlink_to(tmp_path / "elsewhere")
    growing = FolderSource(inspector, tmp_path, growing=True)
    found = source_module.ordered_images
    monkeypatch.setattr(
        source_module, "ordered_images", lambda *words: [tmp_path / "part-0.png", *found(*words)]
    )
    assert [part.image for part in growing.new()] == ["part-1.png", "part-2.png"]
    link.unlink()
    grey_parts.write(tmp_path, 1, 3)
    os.utime(link, (0, 0))
    assert [part.image for part in growing.new()] == ["part-3.png"]


def test_a_picture_from_the_future_is_complete_when_it_no_longer_changes(
    inspector: Inspector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1e9]
    monkeypatch.setattr(source_module.time, "time", lambda: clock[0])
    grey_parts.write(tmp_path, 1)
    (image,) = tmp_path.iterdir()
    growing = FolderSource(inspector, tmp_path, growing=True)
    for mtime, later, count in ((2e9, 0, 0), (2e9 + 1, 5, 0), (2e9 + 1, 0.5, 0), (2e9 + 1, 1, 1)):
        os.utime(image, (mtime, mtime))
        clock[0] += later
        assert len(list(growing.new())) == count


def test_pictures_that_a_log_keeps_are_no_line(inspector: Inspector, tmp_path: Path) -> None:
    grey_parts.write(tmp_path, 2)
    grey_parts.write(tmp_path / "line.db.pictures" / "2026-03-02", 2)
    grey_parts.write(tmp_path / "own.pictures", 1)  # no log is beside it
    (tmp_path / "line.db").touch()
    assert [image.relative_to(tmp_path).as_posix() for image in ordered_images(tmp_path)] == [
        "own.pictures/part-1.png",
        "part-1.png",
        "part-2.png",
    ]
    known = {tmp_path / "part-1.png", tmp_path / "own.pictures" / "part-1.png"}
    assert ordered_images(tmp_path, known) == [tmp_path / "part-2.png"]
    assert len(ordered_images(tmp_path / "line.db.pictures")) == 2
