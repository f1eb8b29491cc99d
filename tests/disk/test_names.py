"""Names that fit the file system, whose limit is in bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from brightfield.disk.names import LONGEST, longest_name, nearest_existing, shortened


def test_a_name_that_fits_stays_as_it_is(tmp_path: Path) -> None:
    assert shortened("a" * 243, 12, tmp_path) == "a" * 243
    assert shortened("", 12, tmp_path) == ""


@pytest.mark.parametrize("letter", ["n", "é", "缺", "😀", "\udcff"])
@pytest.mark.parametrize("shift", range(4))
def test_a_long_one_is_cut_between_characters(tmp_path: Path, letter: str, shift: int) -> None:
    start = "x" * shift + letter * 260
    short = shortened(start, 12, tmp_path)
    kept, _, mark = short.rpartition("~")
    width = len(os.fsencode(letter))
    assert 243 - width < len(os.fsencode(short)) <= 243
    assert start.startswith(kept)
    assert len(mark) == 10
    (tmp_path / f"{short}.heatmap.png").touch()
    assert shortened(start, 12, tmp_path) == short


def test_two_that_begin_alike_stay_apart(tmp_path: Path) -> None:
    names = {shortened("n" * 250 + end, 12, tmp_path) for end in ("1", "2", "12", "")}
    assert len(names) == 4


def test_a_file_system_with_shorter_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "pathconf", lambda place, name: 143)
    assert len(shortened("n" * 200, 12, tmp_path)) == 131
    monkeypatch.setattr(os, "pathconf", lambda place, name: 1530)
    assert longest_name(tmp_path) == LONGEST

    def unknown(place: Path, name: str) -> int:
        raise OSError

    monkeypatch.setattr(os, "pathconf", unknown)
    assert longest_name(tmp_path / "not" / "there") == LONGEST
    monkeypatch.delattr(os, "pathconf")
    assert longest_name(tmp_path) == LONGEST


def test_the_nearest_place_that_is_there(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    assert nearest_existing(tmp_path / "a" / "b" / "c") == tmp_path / "a"
    assert nearest_existing(tmp_path / "a") == tmp_path / "a"
    assert nearest_existing(tmp_path / ("n" * 300) / "c") == tmp_path
