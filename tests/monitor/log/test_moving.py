"""A log copied from one database to another."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from brightfield.engine.measurement import Measurement
from brightfield.errors import LogError
from brightfield.monitor.log.moving import copy_log
from brightfield.monitor.log.records import Event, Judged, Sampled
from brightfield.monitor.log.store import VerdictLog
from brightfield.verdict import Verdict

Make = Callable[..., Verdict]


def fill(log: VerdictLog, verdict_of: Make) -> None:
    measured = Measurement(np.arange(4, dtype=np.float32), 0.5, 0.25, 0.125, 480, 640)
    for i in range(5):
        log.record(verdict_of(i / 5, measurement=measured, measured=True), part=f"P{i}", lot="Größe")
    log.judge([Judged(2, "pit", "Ada")])
    log.sample([Sampled(3, "passed", 0.1, facts={"seed": 1})])
    log.tell(Event("alarm", "darker", entry_id=4, facts={"at": [1, 2]}))


@pytest.mark.parametrize("back", [False, True])
def test_everything_is_copied(
    server: Callable[[], str], tmp_path: Path, verdict_of: Make, back: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("brightfield.monitor.log.moving._PAGE", 2)
    places = [str(tmp_path / "line.db"), server()]
    with VerdictLog(places[back]) as source, VerdictLog(places[not back]) as target:
        fill(source, verdict_of)
        copied = {"entries": 5, "events": 1, "judgements": 1, "samples": 1, "shown": 0, "looks": 0}
        assert copy_log(source, target) == copied
        assert list(target.entries()) == list(source.entries())
        assert list(target.judgements()) == list(source.judgements())
        assert list(target.sampling()) == list(source.sampling())
        assert list(target.events()) == list(source.events())
        again = target.record(verdict_of(0.9), part="P1", lot="Größe")
        assert (again.id, again.repeated) == (2, True)
        assert target.record(verdict_of()).id == 6


def test_a_log_that_holds_something_is_not_written_over(tmp_path: Path, verdict_of: Make) -> None:
    with VerdictLog(tmp_path / "a.db") as source, VerdictLog(tmp_path / "b.db") as target:
        fill(source, verdict_of)
        target.record(verdict_of())
        with pytest.raises(LogError, match=r"b\.db already has entries; expected an empty log"):
            copy_log(source, target)
        assert target.count() == 1
        with pytest.raises(LogError, match=r"a\.db already has entries"):
            copy_log(source, source)
