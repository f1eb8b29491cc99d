from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from judged_log import judged_log, known_pieces, looked_at

from brightfield.monitor.log.store import VerdictLog

Brightfield = Callable[..., Any]


@pytest.fixture
def line(tmp_path: Path) -> tuple[VerdictLog, dict[int, str]]:
    return judged_log(tmp_path)


def test_a_page_is_made_looked_at_and_taken_in(
    brightfield: Brightfield, tmp_path: Path, line: tuple[VerdictLog, dict[int, str]]
) -> None:
    log, truth = line
    known = known_pieces(tmp_path / "known")
    words = ("review", tmp_path / "line.db", "--next", 20, "-o", tmp_path / "pages", "--seeded", known)
    made = brightfield(*words, "--shares", "passed=0.6 rejected=0.2 known=0.2", "--json")
    assert made.code == 0, made.err
    document = made.document
    assert document["pictures"] == {"passed": 12, "rejected": 4, "known": 4}
    file = looked_at(log, Path(document["file"]), truth)
    taken = brightfield("review", tmp_path / "line.db", "--import", file, "--json")
    assert taken.document == [{"page": document["page"], "by": "Ada", "looks": 20, "new": 20, "left": 0}]
    again = brightfield("review", tmp_path / "line.db", "--import", file)
    assert "20 looks by Ada, 0 new" in again.out

    found = brightfield("review", tmp_path / "line.db", "--bound", "--promise", "0.3", "--json").document
    assert found["parts"] == {"passed": 60, "rejected": 20}
    assert found["looks"]["known_defective"] == {"n": 2, "missed": 0}
    assert found["promises"][0]["outcome"] in ("open", "broken")
    assert 0 <= found["escape_rate"]["low"] <= found["escape_rate"]["value"] <= found["escape_rate"]["high"]
    printed = brightfield("review", tmp_path / "line.db", "--bound", "--promise", "0.3")
    assert "escapes, of all defects" in printed.out
    assert "promise of escapes at most 0.3" in printed.out
    assert "by station" in printed.out


def test_parts_from_some_time_on_count_alone(
    brightfield: Brightfield, tmp_path: Path, line: tuple[VerdictLog, dict[int, str]]
) -> None:
    log, _ = line
    sql = "UPDATE entries SET time = '2026-02-01T08:00:00.000000+00:00' WHERE id <= 50"
    log.database.write(lambda connection: connection.exec_driver_sql(sql))
    found = brightfield("review", tmp_path / "line.db", "--bound", "--since", "2026-02-02", "--json").document
    assert found["parts"]["passed"] + found["parts"]["rejected"] == 30
    printed = brightfield("review", tmp_path / "line.db", "--bound", "--since", "2026-02-02")
    assert "note: parts from 2026-02-02T00:00:00.000000+00:00 on count alone" in printed.out.replace(
        "\n", " "
    )


def test_without_known_pieces_it_says_so(
    brightfield: Brightfield, tmp_path: Path, line: tuple[VerdictLog, dict[int, str]]
) -> None:
    said = brightfield("review", tmp_path / "line.db", "--next", 5, "-o", tmp_path / "pages")
    assert said.code == 0
    assert "no known pieces are on the page" in said.err
    assert "not measured" in brightfield("review", tmp_path / "line.db", "--bound").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--next", "5"], "add -o FOLDER"),
        (["--bound", "--seeded", "x"], "--seeded belongs to --next"),
        (["--bound", "-o", "x"], "-o belongs to --next"),
        (["--next", "5", "-o", "x", "--promise", "0.1"], "--promise belongs to --bound"),
        (["--next", "5", "-o", "x", "--shares", "known=1"], "would be drawn at random"),
        (["--next", "0", "-o", "x"], "a page of 0 pictures"),
        (["--import", "x", "--since", "2026-01-01"], "--since belongs to --next N and --bound"),
        (["--withdraw", "4711"], "there is no page '4711'"),
        (["--withdraw", "4711", "--since", "2026-01-01"], "--since belongs to --next N and --bound"),
        (["--next", "3000", "-o", "x"], "expected 500 at most"),
        (["--bound", "--since", "Monday"], "'Monday' is no time"),
        (["--next", "5", "-o", "x", "--since", "2099-01-01"], "from 2099-01-01 on; the last one is of"),
        (["--bound", "--confidence", "95"], "confidence is 95"),
        (["--import", "missing.json"], "cannot be read"),
    ],
)
def test_wrong_options_are_said(
    brightfield: Brightfield,
    tmp_path: Path,
    line: tuple[VerdictLog, dict[int, str]],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    said: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    found = brightfield("review", "line.db", *words)
    assert found.code == 2
    assert said in found.err


def test_a_log_that_is_not_there_is_not_made(brightfield: Brightfield, tmp_path: Path) -> None:
    said = brightfield("review", tmp_path / "no.db", "--bound")
    assert said.code == 2
    assert "does not exist" in said.err
    assert not (tmp_path / "no.db").exists()


def test_a_page_that_will_not_come_back_is_withdrawn(
    brightfield: Brightfield, tmp_path: Path, line: tuple[VerdictLog, dict[int, str]]
) -> None:
    words = ("review", tmp_path / "line.db", "--next", 60, "-o", tmp_path / "pages", "--shares", "passed=1")
    first = brightfield(*words, "--json").document
    said = brightfield("review", tmp_path / "line.db", "--withdraw", first["file"])
    assert (
        said.out == f"page {first['page']} is withdrawn: 60 pictures that nobody judged may be drawn again\n"
    )
    again = brightfield("review", tmp_path / "line.db", "--withdraw", first["page"], "--json")
    assert again.document == {"page": first["page"], "left": 60}
    assert brightfield(*words, "--json").document["pictures"] == {"passed": 60}
