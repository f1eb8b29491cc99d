"""Progress on stderr: bars for a person, lines for a log, nothing when quiet, and never on stdout."""

from __future__ import annotations

import pytest
from rich.progress import Progress as Bars

from brightfield.cli.progress import _bars, show_progress


def report_two_stages(quiet: bool) -> None:
    with show_progress(quiet) as progress:
        for stage, total in (("decode", 3), ("decode", 2), ("head", 2)):
            for done in range(1, total + 1):
                progress(stage, done, total)


def test_one_line_a_stage_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    report_two_stages(quiet=False)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == ["decode: 3", "decode: 2", "head: 2"]


def test_quiet_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    report_two_stages(quiet=True)
    assert capsys.readouterr() == ("", "")


def test_one_bar_a_stage_which_begins_again() -> None:
    bars = Bars(disable=True)
    show = _bars(bars)
    for stage, done, total in (("decode", 1, 3), ("decode", 3, 3), ("head", 1, 9), ("decode", 1, 2)):
        show(stage, done, total)
    assert [(t.description, t.completed, t.total) for t in bars.tasks] == [("decode", 1, 2), ("head", 1, 9)]
