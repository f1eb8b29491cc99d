from __future__ import annotations

from pathlib import Path

import pytest
from week_line import DAYS, at, line

from brightfield.errors import ConfigError, DataError
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.week.period import Period, period_of


def test_seven_days_up_to_the_last_part(tmp_path: Path) -> None:
    with line(tmp_path) as log:
        found = period_of(log)
    assert found == Period("2026-02-24T08:00:40.000000+00:00", at(DAYS[1], 40), 0, 40, 1, 40)


def test_since_a_day(tmp_path: Path) -> None:
    with line(tmp_path) as log:
        assert period_of(log, "2026-03-03") == Period(
            "2026-03-03T00:00:00.000000+00:00", at(DAYS[1], 40), 20, 20, 21, 40
        )


def test_nothing_to_tell_of(tmp_path: Path) -> None:
    with line(tmp_path) as log, pytest.raises(DataError, match="no entries since 2026-04-01"):
        period_of(log, "2026-04-01")
    with VerdictLog(tmp_path / "empty.db") as log, pytest.raises(DataError, match="has no entries"):
        period_of(log)
    with line(tmp_path / "x") as log, pytest.raises(ConfigError):
        period_of(log, "last Monday")
