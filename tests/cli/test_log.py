"""`brightfield log`: shows, counts, filters and exports what is in a log."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet
import pytest

from brightfield.monitor.log.export import COLUMNS
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.records import Judged
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import Decision, Scale, Verdict

Run = Callable[..., Any]


@pytest.fixture
def line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A log of 30 entries in two lots on two days; every tenth is rejected, and the first is judged."""
    path = tmp_path / "line.db"
    with VerdictLog(path, keep=Keep("rejects")) as log:
        for i in range(30):
            time = f"2026-03-0{1 + i // 15}T08:{i:02d}:00.000000+00:00"
            monkeypatch.setattr("brightfield.monitor.log.rows.now", lambda time=time: time)
            p = 0.9 if i % 10 == 9 else 0.1
            verdict = Verdict(Decision.OK, "OK", p, 0.5, "classifier", 1.0, probability=p, image=f"{i}.png")
            verdict = replace(verdict, scale=Scale.PROBABILITY, inspector="ab" * 32)
            if p > 0.5:
                verdict = replace(verdict, decision=Decision.DEFECT, label="pit")
            log.record(verdict, part=f"P{i}", lot="AB"[i % 2], picture=b"\x89PNG" + bytes(i))
        log.judge([Judged(1, "pit", "Ada")])
    monkeypatch.undo()
    return path


def test_the_last_entries_are_shown(brightfield: Run, line: Path) -> None:
    said = brightfield("log", line)
    assert said.code == 0
    rows = said.out.splitlines()
    assert rows[0].split() == [
        "id",
        "time",
        "(UTC)",
        "part",
        "lot",
        "station",
        "decision",
        "value",
        "label",
        "truth",
        "image",
    ]
    assert [row.split()[0] for row in rows[1:-1]] == [str(i) for i in range(11, 31)]
    assert rows[-2].split() == ["30", "2026-03-02", "08:29:00", "P29", "B", "DEFECT", "0.9", "pit", "29.png"]
    assert rows[-1] == f"30 entries of {line}; the last 20 are shown"
    judged = brightfield("log", line, "--judged").out.splitlines()[1]
    assert judged.split()[-4:] == ["0.1", "OK", "pit", "0.png"]


def test_json_is_one_document(brightfield: Run, line: Path) -> None:
    found = brightfield("log", line, "--decision", "DEFECT", "--last", 2, "--json").document
    assert (found["log"], found["entries"]) == (str(line), 3)
    assert [(row["id"], row["lot"], row["probability"]) for row in found["shown"]] == [
        (20, "B", 0.9),
        (30, "B", 0.9),
    ]
    assert set(found["shown"][0]) == set(COLUMNS)


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("--since", "2026-03-02"), range(16, 31)),
        (("--until", "2026-03-01"), range(1, 16)),
        (("--until", "2026-03-01T08:02"), (1, 2)),
        (("--part", "P3", "P4"), (4, 5)),
        (("--lot", "A", "--decision", "DEFECT"), ()),
        (("--label", "pit"), (10, 20, 30)),
        (("--probability", "0.5", "1"), (10, 20, 30)),
        (("--score", "-1", "0.2", "--until", "2026-03-01T08:01"), (1,)),
        (("--judged",), (1,)),
        (("--not-judged", "--until", "2026-03-01T08:03"), (2, 3)),
        (("--inspector", "abab"), range(1, 31)),
        (("--inspector", "ff"), ()),
        (("--station", "S1"), ()),
    ],
)
def test_filters(brightfield: Run, line: Path, words: tuple[str, ...], ids: Any) -> None:
    found = brightfield("log", line, *words, "--last", 100, "--json").document
    assert [row["id"] for row in found["shown"]] == list(ids)
    assert found["entries"] == len(list(ids))


def test_a_summary(brightfield: Run, line: Path) -> None:
    said = brightfield("log", line, "--summary").out.splitlines()
    assert said[0] == f"{line}: 30 entries, from 2026-03-01 08:00:00 to 2026-03-02 08:29:00 (UTC)"
    assert said[1] == "by decision: OK 27, DEFECT 3"
    assert "by lot: A 15, B 15" in said
    assert "by day: 2026-03-01 15, 2026-03-02 15" in said
    sizes = sum(4 + i for i in (9, 19, 29))
    assert said[-1] == f"judged by a person: 1; pictures kept: 3, {sizes} bytes"
    found = brightfield("log", line, "--summary", "--lot", "B", "--json").document
    assert (found["entries"], found["judged"], found["pictures"], found["bytes"]) == (15, 0, 3, sizes)
    assert found["counts"]["decision"] == [{"decision": "DEFECT", "n": 3}, {"decision": "OK", "n": 12}]


def test_a_day_from_its_beginning_to_its_end_is_no_wrong_range(brightfield: Run, line: Path) -> None:
    words = ("--since", "2026-03-01", "--until", "2026-03-01")
    assert brightfield("log", line, *words, "--json").document["entries"] == 15


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--lot", "Z"), "no entry has the lot 'Z': there are A, B"),
        (("--label", "defect"), "no entry has the label 'defect': there are OK, pit"),
        (("--station", "S1", "S2"), "no entry has the station 'S1' or 'S2': no entry has a station"),
        (("--decision", "REVIEW"), "no entry has the decision 'REVIEW': there are DEFECT, OK"),
    ],
)
def test_a_value_that_no_entry_has_is_said(
    brightfield: Run, line: Path, words: tuple[str, ...], said: str
) -> None:
    for how in ((), ("--summary",), ("--json",)):
        found = brightfield("log", line, *words, *how)
        assert found.code == 0
        assert said in " ".join(found.err.split())
    assert brightfield("log", line, *words).out == f"no entry of {line}\n"
    assert brightfield("log", line, *words, "--summary").out == f"{line}: no entry\n"


def test_nothing_is_said_of_values_where_another_condition_leaves_none(brightfield: Run, line: Path) -> None:
    said = brightfield("log", line, "--lot", "A", "--decision", "DEFECT")
    assert (said.out, said.err) == (f"no entry of {line}\n", "")


def test_export(brightfield: Run, line: Path, tmp_path: Path) -> None:
    said = brightfield("log", line, "--export", tmp_path / "out.csv", "--lot", "A")
    assert said.out == f"15 entries in {tmp_path / 'out.csv'}\n"
    with (tmp_path / "out.csv").open(newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [str(i) for i in range(1, 31, 2)]
    document = brightfield("log", line, "--export", tmp_path / "out.parquet", "--json").document
    assert document == {"log": str(line), "export": str(tmp_path / "out.parquet"), "entries": 30}
    assert parquet.read_table(tmp_path / "out.parquet").num_rows == 30


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("{tmp}/gone.db",), "gone.db does not exist; expected a log of verdicts"),
        (("{tmp}",), "is a folder; expected a file for the log"),
        (("{line}", "--since", "monday"), "'monday' is no time"),
        (("{line}", "--score", "2", "1"), "--score is 2 to 1; expected the lower value first"),
        (("{line}", "--since", "2026-03-02", "--until", "2026-03-01"), "expected the earlier time first"),
        (("{line}", "--since", "2026-03-01T09", "--until", "2026-03-01T08"), "the earlier time first"),
        (
            ("{line}", "--probability", "0.9", "1.5"),
            "--probability is 0.9 to 1.5; expected values from 0 to 1",
        ),
        (("{line}", "--probability", "-0.1", "0.5"), "expected values from 0 to 1"),
        (("{line}", "--summary", "--export", "{tmp}/out.csv"), "not allowed with argument"),
        (("{line}", "--export", "{tmp}/out.xlsx"), "expected a file ending in .csv or .parquet"),
        (("{line}", "--inspector", "mine"), "inspector is 'mine'"),
        (("{line}", "--last", "0"), "'0' is no number of entries"),
        (("{line}", "--decision", "FAIL"), "invalid choice: 'FAIL'"),
    ],
)
def test_what_is_refused(
    brightfield: Run, line: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    said = brightfield("log", *(word.format(tmp=tmp_path, line=line) for word in words))
    assert (said.code, said.out) == (2, "")
    assert message in said.err
    assert not (tmp_path / "gone.db").exists()


def test_names_from_elsewhere_stay_within_their_line(brightfield: Run, tmp_path: Path) -> None:
    with VerdictLog(tmp_path / "line.db") as log:
        log.record(Verdict(None, "[red]x\x1b[2J", 1.0, None, "m", 1.0, image="a\nb.png"), part="[bold]P")
    said = brightfield("log", tmp_path / "line.db")
    assert said.out.count("\n") == 3
    assert "\x1b" not in said.out
    assert "[bold]P" in said.out
    assert r"[red]x\x1b[2J" in said.out
    assert r"a\nb.png" in said.out
