"""What reaches the terminal: names that cannot move its cursor, and quiet that is quiet."""

from __future__ import annotations

import argparse
import logging
import re
import shutil
import warnings
from pathlib import Path

import pytest
from PIL import Image
from rich.table import Table

from brightfield.cli import inspect
from brightfield.cli.terminal import messages, printable, say, stdout
from brightfield.errors import ImageError

EVIL = "a\x1b[2Jb\nOK 0.0 good.png"
SHOWN = r"a\x1b[2Jb\nOK 0.0 good.png"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (EVIL, SHOWN),
        ("\t\r\0\x07\x7f", r"\t\r\x00\x07\x7f"),
        ("\x9b31m", r"\x9b31m"),
        ("gnp.\u202egood", r"gnp.\u202egood"),
        ("a\u2028b\u2066c", r"a\u2028b\u2066c"),
        ("Ölfilter 部品 ﷽ 👩\u200d🔧.png", "Ölfilter 部品 ﷽ 👩\u200d🔧.png"),
        ("back\\slash", "back\\slash"),
        ("", ""),
    ],
)
def test_control_characters_are_written_out(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_whatever_is_printed_is_printable(capsys: pytest.CaptureFixture[str]) -> None:
    console = stdout(200)
    console.print(EVIL, markup=False)
    table = Table(EVIL, title=EVIL)
    table.add_row(EVIL)
    console.print(table)
    console.print(":smile:.png", markup=False)
    say("error", EVIL, "bold red")
    said = capsys.readouterr()
    assert said.out.count(SHOWN) == 4
    assert ":smile:.png" in said.out
    assert said.err == f"error: {SHOWN}\n"
    assert "\x1b" not in said.out + said.err


def test_names_of_files_and_classes(brightfield, trained_bundle: Path, spots: Path, tmp_path: Path) -> None:
    good = sorted((spots / "OK").iterdir())
    folder = tmp_path / "pictures"
    (folder / "\x1b[31mbad\nclass").mkdir(parents=True)
    (folder / "OK").mkdir()
    shutil.copy(good[0], folder / "OK" / EVIL)
    (folder / "\x1b[31mbad\nclass" / EVIL).write_bytes(b"no picture")
    told = brightfield("inspect", trained_bundle, folder)
    checked = brightfield("data", "check", folder, "--verbose")
    assert told.code == checked.code == 2
    assert told.out.count(SHOWN) == told.err.count(f"error: {folder}") == 1
    assert r"\x1b[31mbad\nclass" in told.err
    assert r"\x1b[31mbad\nclass 1" in checked.out
    for text in (told.out, told.err, checked.out, checked.err):
        assert "\x1b" not in text
        assert not [line for line in text.splitlines() if re.match(r"class\b|OK 0\.0 good", line)]


def test_mistakes_and_tracebacks(brightfield, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    said = brightfield("inspect", tmp_path, "a.png", "--a\x1b[2Jb\nc")  # as a file may be called
    assert r"unrecognized arguments: --a\x1b[2Jb\nc" in said.err

    def fail(_args: argparse.Namespace) -> int:
        raise ImageError(EVIL)

    monkeypatch.setattr(inspect, "run", fail)
    said = brightfield("inspect", tmp_path, "a.png", "--debug")
    assert f"error: {SHOWN}\n" in said.err
    assert "Traceback" in said.err
    assert "\x1b" not in said.err


@pytest.fixture
def bombs(tmp_path: Path, synthetic_parts: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data set whose pictures Pillow warns of, each when it is opened."""
    with Image.open(next((synthetic_parts / "OK").iterdir())) as image:
        width, height = image.size
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", width * height - 1)
    return synthetic_parts


@pytest.mark.filterwarnings("always::PIL.Image.DecompressionBombWarning")
def test_quiet_is_quiet(brightfield, bombs: Path, trained_bundle: Path) -> None:
    before = warnings.showwarning
    for words in (("data", "check", bombs), ("inspect", trained_bundle, bombs / "OK")):
        said = brightfield(*words, "--quiet", "--json")
        assert (said.code, said.err) == (0, "")
    assert warnings.showwarning is before


@pytest.mark.filterwarnings("always::PIL.Image.DecompressionBombWarning")
def test_warnings_of_pillow_name_their_picture_from_any_thread(brightfield, bombs: Path) -> None:
    said = brightfield("data", "check", bombs)
    for path in (*(bombs / "OK").iterdir(), *(bombs / "pit").iterdir()):
        assert f"warning: {path}: Image size (12288 pixels) exceeds limit of 12287 pixels" in said.err
    assert ".py" not in said.err
    assert "DecompressionBombWarning in " in brightfield("data", "check", bombs, "--debug").err


def test_what_pillow_logs_is_a_line_and_quiet_too(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet, said in ((True, ""), (False, "error: more samples than\\n can be decoded\n")):
        with messages(quiet, verbose=False, debug=False):
            logging.getLogger("PIL.TiffImagePlugin").error("more samples than\n can be decoded")
        assert capsys.readouterr().err == said
    assert logging.getLogger("PIL").handlers == []
