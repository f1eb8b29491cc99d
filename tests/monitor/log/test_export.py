"""Logs as CSV and Parquet, read back by other means."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest

from brightfield.data.cells import restored
from brightfield.engine.measurement import Measurement
from brightfield.errors import ConfigError, WriteError
from brightfield.monitor.log.export import COLUMNS, export
from brightfield.monitor.log.records import Filter, Judged
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import Verdict


@pytest.fixture
def log(tmp_path: Path, verdict_of: Callable[..., Verdict]) -> Iterator[VerdictLog]:
    """Three entries: one judged twice, one whose names are formulas, one measured."""
    measured = Measurement(np.arange(4, dtype=np.float32), 0.5, 0.25, 0.125, 480, 640)
    with VerdictLog(tmp_path / "line.db") as log:
        log.record(verdict_of(0.25), part="P1", lot="A")
        log.record(verdict_of(image="=1+1.png", label="@x"), part="'-2", station="+S")
        log.record(verdict_of(measurement=measured, measured=True))
        log.judge([Judged(1, "pit", "Ada"), Judged(1, "OK", "Bo", source="audit", note='=dust, "again"')])
        yield log


def test_csv(log: VerdictLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brightfield.monitor.log.export._PAGE", 2)
    assert export(log, tmp_path / "out.csv") == 3
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(COLUMNS)
    first, formula, measured = rows
    assert [r["id"] for r in rows] == ["1", "2", "3"]
    assert (first["part"], first["lot"], first["station"], first["score"]) == ("P1", "A", "", "-2.5")
    assert (first["truth"], first["judged_by"], first["judged_source"]) == ("OK", "Bo", "audit")
    assert (first["judged_note"], restored(first["judged_note"])) == ('\'=dust, "again"', '=dust, "again"')
    assert json.loads(first["probabilities"]) == {"OK": 0.75, "pit": 0.25}
    assert [formula[name] for name in ("image", "part", "station", "label")] == [
        "'=1+1.png",
        "''-2",
        "'+S",
        "'@x",
    ]
    assert restored(formula["part"]) == "'-2"
    assert (measured["brightness"], measured["height"], measured["column"]) == ("0.5", "480", "0.5")
    assert (measured["defects"], first["defects"], first["brightness"]) == ("[]", "", "")


def test_parquet(log: VerdictLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brightfield.monitor.log.export._PAGE", 2)
    assert export(log, tmp_path / "out.parquet") == 3
    table = parquet.read_table(tmp_path / "out.parquet")
    assert table.column_names == [*COLUMNS, "embedding"]
    rows = table.to_pylist()
    assert [(r["id"], r["part"], r["score"]) for r in rows] == [
        (1, "P1", -2.5),
        (2, "'-2", 2.5),
        (3, None, 2.5),
    ]
    assert rows[1]["image"] == "=1+1.png"
    assert [r["embedding"] for r in rows] == [None, None, [0.0, 1.0, 2.0, 3.0]]
    assert [r["truth"] for r in rows] == ["OK", None, None]


def test_a_filter_and_no_entries(log: VerdictLog, tmp_path: Path) -> None:
    assert export(log, tmp_path / "some.csv", Filter(lot="A")) == 1
    for suffix in (".csv", ".parquet"):
        assert export(log, tmp_path / f"none{suffix}", Filter(lot="Z")) == 0
    assert (tmp_path / "none.csv").read_text().splitlines() == [",".join(COLUMNS)]
    assert parquet.read_table(tmp_path / "none.parquet").num_rows == 0


def test_other_formats_are_refused(log: VerdictLog, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"expected a file ending in \.csv or \.parquet"):
        export(log, tmp_path / "out.xlsx")


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_full_disk_leaves_what_was_there(
    log: VerdictLog,
    tmp_path: Path,
    small_files: Callable[[int], AbstractContextManager[None]],
    suffix: str,
) -> None:
    out = tmp_path / f"out{suffix}"
    out.write_text("before")
    with small_files(100), pytest.raises(WriteError, match="a file may not grow that large"):
        export(log, out)
    assert out.read_text() == "before"
    assert not list(tmp_path.glob("*.part"))
