from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from week_line import DAYS, OTHER, OWN, at, inspector, line

from brightfield.monitor.week.period import period_of
from brightfield.monitor.week.tallies import Latency, Stint, tallies_of


def test_counts_by_hand(tmp_path: Path) -> None:
    with line(tmp_path) as log:
        found = tallies_of(log, inspector(), period_of(log))
    assert found.decisions == {"OK": 28, "DEFECT": 8, "REVIEW": 4}
    assert found.by_day == {day: {"OK": 14, "DEFECT": 4, "REVIEW": 2} for day in DAYS}
    # of ten parts the 4th, 6th and 8th do not pass: they have even numbers
    assert found.by_lot == {"L1": {"OK": 20}, "L0": {"OK": 8, "DEFECT": 8, "REVIEW": 4}}
    assert {name: sum(n.values()) for name, n in found.by_station.items()} == {"east": 30, "west": 10}
    decisions = {"OK": 28, "DEFECT": 8, "REVIEW": 4}
    assert found.inspectors == (Stint(OWN, "classifier", at(DAYS[0], 1), at(DAYS[1], 40), 1, decisions),)
    assert found.decided
    json.dumps(found.as_dict())


def test_latency(tmp_path: Path) -> None:
    with line(tmp_path) as log:
        found = tallies_of(log, inspector(), period_of(log))
    assert found.latency.n == 40
    assert found.latency.median == pytest.approx(20.5)  # of 1 to 40
    assert found.latency.p95 == pytest.approx(1 + 0.95 * 39)
    assert found.latency.p99 == pytest.approx(1 + 0.99 * 39)
    assert found.latency.slowest == 40
    assert found.latency_by_day[DAYS[1]] == Latency.of(range(21, 41))


def test_a_change_of_inspector(tmp_path: Path) -> None:
    with line(tmp_path, others=15) as log:
        found = tallies_of(log, inspector(), period_of(log))
        second = tallies_of(log, inspector(), period_of(log, DAYS[1]))
    assert [(s.sha256, s.since_part, s.parts) for s in found.inspectors] == [(OTHER, 1, 15), (OWN, 16, 25)]
    assert [(s.sha256, s.since_part, s.parts) for s in second.inspectors] == [(OWN, 21, 20)]
    assert found.scores is not None
    assert (
        sum(int(n.sum()) for n in found.scores.line.values()) == 25
    )  # the other one scores by its own scale


def test_scores_lie_where_they_are_and_none_is_lost(tmp_path: Path) -> None:
    own = inspector()
    with line(tmp_path) as log:
        scores = tallies_of(log, own, period_of(log)).scores
    assert scores is not None
    assert {name: int(n.sum()) for name, n in scores.line.items()} == {"OK": 28, "REVIEW": 4, "DEFECT": 8}
    assert {name: int(n.sum()) for name, n in scores.reference.items()} == {"good": 40, "defective": 20}
    middles = (scores.edges[1:] + scores.edges[:-1]) / 2
    width = scores.edges[1] - scores.edges[0]
    for name, probability in (("OK", 0.05), ("DEFECT", 0.95)):
        place = middles[np.flatnonzero(scores.line[name])]
        assert place == pytest.approx(np.log(probability / (1 - probability)), abs=width)


def test_an_inspector_that_judged_nothing_has_no_scores(tmp_path: Path) -> None:
    with line(tmp_path, others=40) as log:
        assert tallies_of(log, inspector(), period_of(log)).scores is None
