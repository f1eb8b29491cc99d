from __future__ import annotations

from pathlib import Path

import pytest
from week_line import DECISIONS, line

from brightfield.monitor.log import columns as module
from brightfield.monitor.log.columns import columns, columns_of
from brightfield.monitor.log.records import Filter


def test_columns_of_the_entries_meant_in_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_PAGE", 3)
    with line(tmp_path, DECISIONS) as log:
        every = list(columns(log.database, Filter(), ("part", "decision")))
        assert every == [(f"P{i}", decision) for i, decision in enumerate(DECISIONS, start=1)]
        rejected = list(columns(log.database, Filter(decision="DEFECT"), ("part",)))
        assert rejected == [("P4",), ("P8",)]


def test_columns_of_some_entries(tmp_path: Path) -> None:
    with line(tmp_path, DECISIONS) as log:
        assert columns_of(log.database, [8, 2, 8, 99], ("part",)) == {2: ("P2",), 8: ("P8",)}
