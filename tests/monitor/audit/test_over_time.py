from __future__ import annotations

from pathlib import Path

import pytest
from judged_log import judged_log, known_pieces, looked_at

from brightfield.data.load import load
from brightfield.monitor.audit.of_log import audit_log
from brightfield.monitor.audit.over_time import proven_over_time
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.make import Asked, make_page
from brightfield.monitor.review.shares import parse_shares
from brightfield.monitor.review.take_in import take_in


def look(log: VerdictLog, truth: dict[int, str], folder: Path, days: int) -> list[float]:
    """Have people look at a page a day, and return the bound after each."""
    known = load(known_pieces(folder / "known"))
    shares = parse_shares("passed=0.6 rejected=0.2 known=0.2")
    bounds = []
    for day in range(1, days + 1):
        page = make_page(log, folder, Asked(10, shares, known, seed=day))
        take_in(log, looked_at(log, page.path, truth, day=day))
        bounds.append(float(audit_log(log).whole.escape_rate.high))
    return bounds


def test_what_was_proven_is_what_the_audit_said_then(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # the log's parts came before all looks, as its clock is that of the looks less a day
    monkeypatch.setattr("brightfield.monitor.log.rows.now", lambda: "2026-02-28T08:00:00.000000+00:00")
    log, truth = judged_log(tmp_path, passed=40, rejected=16)
    with log:
        bounds = look(log, truth, tmp_path, 3)
        every = proven_over_time(log, points=1000)
    assert len(every) == 30  # each look at a page of ten is a moment
    assert [float(every[i].escape_rate.high) for i in (9, 19, 29)] == bounds
    assert [one.looks for one in every] == sorted(one.looks for one in every)


def test_few_moments_end_with_the_last_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("brightfield.monitor.log.rows.now", lambda: "2026-02-28T08:00:00.000000+00:00")
    log, truth = judged_log(tmp_path, passed=40, rejected=16)
    with log:
        look(log, truth, tmp_path, 2)
        few = proven_over_time(log, points=4)
        last = audit_log(log)
    assert len(few) == 4
    assert few[-1].looks == last.evidence.looks
    assert few[-1].escape_rate.as_dict() == last.whole.escape_rate.as_dict()


def test_without_looks_nothing_was_proven(tmp_path: Path) -> None:
    log, _ = judged_log(tmp_path)
    with log:
        assert proven_over_time(log) == ()
