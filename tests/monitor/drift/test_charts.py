from __future__ import annotations

import math

import numpy as np
import pytest
from arl import cusum_run_length

from brightfield.monitor.drift.charts import (
    ODDS,
    Design,
    Parts,
    bernoulli_cusums,
    cusum,
    ewma,
    inflation,
    start,
    step,
    t_squared,
)


def test_a_cusum_worked_out_by_hand() -> None:
    total, found = np.zeros(1), []
    for value in (1.0, 0.2, 2.0, -3.0, 1.5):
        total = cusum(total, np.array([value]), 0.5)
        found.append(float(total[0]))
    assert found == pytest.approx([0.5, 0.2, 1.7, 0.0, 1.0])


def test_the_markov_chain_agrees_with_published_run_lengths() -> None:
    # Montgomery, Introduction to statistical quality control, table 9.3: two-sided CUSUM, k = 0.5, h = 5
    assert cusum_run_length(0.5, 5.0) / 2 == pytest.approx(465, rel=0.01)
    assert cusum_run_length(0.5, 5.0, 1.0) == pytest.approx(10.4, rel=0.01)
    assert cusum_run_length(0.5, 5.0, 2.0) == pytest.approx(4.01, rel=0.01)
    assert cusum_run_length(0.5, 4.0) / 2 == pytest.approx(168, rel=0.01)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_cusums_run_as_long_as_the_markov_chain_says(shift: float) -> None:
    rng, limit = np.random.default_rng(0), 3.0
    total, run = np.zeros(4000), np.zeros(4000)
    alive = np.ones(4000, np.bool_)
    while alive.any():
        total = cusum(total, rng.normal(shift, 1, 4000), 0.5)
        run[alive] += 1
        alive &= total <= limit
    assert run.mean() == pytest.approx(cusum_run_length(0.5, limit, shift), rel=0.06)


def test_an_ewma_worked_out_by_hand() -> None:
    mean = ewma(ewma(np.zeros((1, 2)), np.array([[1.0, -2.0]]), 0.2), np.array([[0.0, 1.0]]), 0.2)
    assert mean == pytest.approx(np.array([[0.16, -0.12]]))
    assert t_squared(mean, np.ones(2), 0.2) == pytest.approx([9 * (0.16**2 + 0.12**2)])


def test_t_squared_has_its_mean_in_control_whatever_the_neighbours() -> None:
    rng = np.random.default_rng(1)
    shares, length = np.array([0.0, 0.5, 0.9]), 8.0
    spread = inflation(shares, length)
    lot, mean, found = rng.normal(size=(3000, 3)), np.zeros((3000, 3)), []
    for part in range(200):
        lot = np.where(rng.random((3000, 1)) < 1 / length, rng.normal(size=(3000, 3)), lot)
        own = rng.normal(size=(3000, 3))
        mean = ewma(mean, np.sqrt(shares) * lot + np.sqrt(1 - shares) * own)
        if part > 100:
            found.append(t_squared(mean, spread).mean())
    assert np.mean(found) == pytest.approx(3.0, rel=0.03)
    assert inflation(np.zeros(2), 5.0) == pytest.approx([1, 1])


def test_cusums_of_rejects_are_log_likelihood_ratios() -> None:
    seen = np.array([[2.0, 20.0]])  # a share of 0.1
    totals, after = bernoulli_cusums(np.array([[1.0, 1.0]]), seen, np.array([True]))
    more = ODDS * 0.1 / (0.9 + ODDS * 0.1)
    fewer = 0.1 / ODDS / (0.9 + 0.1 / ODDS)
    assert totals[0] == pytest.approx([1 + math.log(more / 0.1), max(0, 1 + math.log(fewer / 0.1))])
    assert after.tolist() == [[3.0, 21.0]]
    totals, _ = bernoulli_cusums(np.array([[1.0, 1.0]]), seen, np.array([False]))
    assert totals[0] == pytest.approx([1 + math.log((1 - more) / 0.9), 1 + math.log((1 - fewer) / 0.9)])


def test_a_chart_of_rejects_alarms_seldom_at_any_share() -> None:
    # Lorden, Procedures for reacting to a change in distribution, 1971: exp(limit) parts at the least
    for share in (0.01, 0.1, 0.5):
        rng = np.random.default_rng(2)
        design = Design(np.ones(1), 1, share)
        state, highest = start(design, 2000), np.zeros(2000)
        nothing = Parts(np.zeros((2000, 2)), np.ones((2000, 1), np.bool_), np.zeros(2000, np.bool_))
        for _ in range(300):
            parts = Parts(nothing.scores, nothing.active, rng.random(2000) < share)
            state, found = step(design, state, parts)
            highest = np.maximum(highest, found[:, -2:].max(1))
        run_length = math.exp(7.0) / 2  # two charts
        assert np.mean(highest > 7.0) < 1.3 * (1 - math.exp(-300 / run_length))


def test_a_step_moves_every_chart() -> None:
    design = Design(np.ones(2), 2, 0.1)
    state = start(design)
    parts = Parts(np.array([[1.0, 0.0, 2.0, -2.0]]), np.array([[True, False]]), np.array([False]))
    state, found = step(design, state, parts)
    assert found.shape == (1, 1 + 4 + 2)
    assert found[0, 0] == pytest.approx(9 * 0.2**2)
    assert found[0, 1:5] == pytest.approx([1.25, 0.0, 0.0, 0.0])  # the second value says nothing of the part
    assert state.seen[0, 1] == start(design).seen[0, 1] + 1
