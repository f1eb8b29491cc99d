from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
from judged_log import picture
from PIL import Image
from week_line import inspector, line, verdict

from brightfield.monitor.drift.alarms import Alarm
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.week.pictures import pictures_of
from brightfield.monitor.week.whole import Answered, week_of


def test_pictures_that_are_kept_become_small_ones(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    with VerdictLog(tmp_path / "line.db", keep=Keep("all")) as log:
        for i in range(3):
            log.record(verdict("OK", rng), picture=picture(i, defective=False))
        week = week_of(log, inspector())
        alarm = Answered(Alarm(3, 1, "darker", "drift", until=3), None, (1, 3), ())
        found = pictures_of(log, replace(week, alarms=(alarm,)))
    assert [Image.open(io.BytesIO(png)).size for png in found.alarms[3]] == [(16, 16), (16, 16)]
    assert found.reference == ()


def test_without_kept_pictures_there_are_none(tmp_path: Path) -> None:
    with line(tmp_path) as log:
        week = week_of(log, inspector())
        alarm = Answered(Alarm(3, 1, "darker", "drift", until=3), None, (1, 3), ())
        assert pictures_of(log, replace(week, alarms=(alarm,))).alarms == {3: ()}
