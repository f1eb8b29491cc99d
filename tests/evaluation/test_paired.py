"""Paired decisions, against likelihoods maximised by search, sums written out, and simulated lines."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.stats import binom, norm

from brightfield.evaluation.paired import (
    Flips,
    is_paid_for,
    is_worse,
    mid_p,
    noticed_rise,
    rise_bounds,
    rise_p,
)


def test_mid_p_by_hand() -> None:
    assert mid_p(4, 0) == pytest.approx(0.5**5)
    assert mid_p(0, 0) == 0.5
    # of 6 parts, at least 5 for the worse: half of P(5), and P(6)
    assert mid_p(5, 1) == pytest.approx((0.5 * 6 + 1) / 2**6)
    assert mid_p(2, 7) + mid_p(7, 2) == pytest.approx(1.0)


def test_mid_p_errs_about_as_often_as_it_says() -> None:
    for discordant in (8, 20, 60):
        noticed = [k for k in range(discordant + 1) if mid_p(k, discordant - k) <= 0.05]
        assert binom.pmf(noticed, discordant, 0.5).sum() == pytest.approx(0.05, abs=0.025)


def score_by_search(worse: int, better: int, n: int, rise: float) -> float:
    """Return Tango's statistic, with the likeliest share of improving parts found by a search."""

    def unlikely(share: float) -> float:
        shares = (share + rise, share, 1 - 2 * share - rise)
        counts = (worse, better, n - worse - better)
        return -sum(k * math.log(max(p, 1e-300)) for k, p in zip(counts, shares, strict=True) if k)

    bounds = (max(0.0, -rise), (1 - rise) / 2)
    share = float(minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x)
    return (worse - better - n * rise) / math.sqrt(n * (2 * share + rise - rise**2))


@pytest.mark.parametrize(("worse", "better", "n"), [(12, 2, 50), (5, 9, 60), (3, 3, 400), (30, 25, 100)])
def test_bounds_are_where_the_score_test_just_does_not_reject(worse: int, better: int, n: int) -> None:
    low, high = rise_bounds(worse, better, n, 0.95)
    assert low < (worse - better) / n < high
    assert score_by_search(worse, better, n, low) == pytest.approx(norm.ppf(0.95), abs=1e-3)
    assert score_by_search(worse, better, n, high) == pytest.approx(-norm.ppf(0.95), abs=1e-3)


def test_at_no_rise_the_score_test_is_mcnemars() -> None:
    # McNemar's statistic of 12 and 2 is (12 - 2) / sqrt(14): at that level the lower bound is 0
    level = float(norm.cdf(10 / math.sqrt(14)))
    assert rise_bounds(12, 2, 50, level)[0] == pytest.approx(0.0, abs=1e-6)


def test_bounds_where_nothing_or_everything_changes() -> None:
    low, high = rise_bounds(0, 0, 100)
    assert -0.03 < low < 0.0 < high < 0.03
    assert high == pytest.approx(-low)
    assert rise_bounds(5, 0, 5)[1] == 1.0
    assert rise_bounds(0, 5, 5)[0] == -1.0


def test_bounds_hold_as_often_as_they_say() -> None:
    rng = np.random.default_rng(0)
    held = []
    for worse, better, _ in rng.multinomial(80, (0.10, 0.06, 0.84), size=1500):
        held.append(rise_bounds(int(worse), int(better), 80)[1] >= 0.04)
    assert 0.93 < np.mean(held) < 0.975


@pytest.mark.parametrize(("n", "flips", "margin"), [(60, 0.0, 0.01), (60, 0.05, 0.01), (600, 0.02, 0.02)])
def test_the_rise_that_is_noticed_4_times_of_5(n: int, flips: float, margin: float) -> None:
    rise = noticed_rise(n, flips, margin, 0.05)
    assert rise is not None
    rng = np.random.default_rng(1)
    drawn = rng.multinomial(n, (flips + rise, flips, 1 - 2 * flips - rise), size=4000)
    share = np.mean([is_worse(int(worse), int(better), n, margin, 0.05) for worse, better, _ in drawn])
    assert share == pytest.approx(0.8, abs=0.025)


def test_few_parts_notice_little() -> None:
    assert noticed_rise(0, 0.0, 0.01, 0.05) is None
    assert noticed_rise(3, 0.0, 0.01, 0.05) is None  # 3 of 3 could be chance
    few, many = (noticed_rise(n, 0.02, 0.01, 0.05) for n in (40, 4000))
    assert few is not None
    assert many is not None
    assert few > 5 * many > 0.01


def test_more_of_one_error_paid_for_by_fewer_of_the_other() -> None:
    fewer = Flips(0, 12, 200)  # 6 points
    assert is_paid_for(Flips(20, 0, 400), fewer, 0.01, 0.05)  # 5 points
    assert is_paid_for(Flips(28, 0, 400), fewer, 0.02, 0.05)  # 7 points: one more, within the margin
    assert not is_paid_for(Flips(80, 0, 400), fewer, 0.01, 0.05)  # 20 points
    assert not is_paid_for(Flips(8, 0, 400), Flips(1, 4, 200), 0.01, 0.05)  # 1 and 4 could be chance
    assert not is_paid_for(Flips(8, 0, 400), Flips(0, 0, 0), 0.01, 0.05)


def test_the_variance_of_a_rise_is_that_of_drawn_parts() -> None:
    drawn = np.random.default_rng(2).multinomial(150, (0.12, 0.05, 0.83), size=20000)
    rises = (drawn[:, 0] - drawn[:, 1]) / 150
    assert Flips(18, 8, 150).rise == pytest.approx(10 / 150)
    expected = np.mean([Flips(int(w), int(b), 150).variance for w, b, _ in drawn[:2000]])
    assert expected == pytest.approx(rises.var(), rel=0.05)


def test_the_p_value_of_a_margin_is_that_of_its_bound() -> None:
    assert rise_p(12, 2, 50, 0.0) == pytest.approx(max(mid_p(12, 2), norm.sf(10 / np.sqrt(14))))
    confidence = 1 - rise_p(40, 10, 400, 0.03)
    assert rise_bounds(40, 10, 400, confidence)[0] == pytest.approx(0.03, abs=1e-6)
    assert rise_p(4, 0, 4000, 0.0) == pytest.approx(0.5**5)  # of few, the exact one


@pytest.mark.parametrize("n", [60, 600])
def test_a_rise_of_the_margin_itself_is_seldom_called_worse(n: int) -> None:
    drawn = np.random.default_rng(3).multinomial(n, (0.05, 0.03, 0.92), size=4000)
    called = np.mean([is_worse(int(worse), int(better), n, 0.02, 0.05) for worse, better, _ in drawn])
    assert 0.02 < called < 0.08  # of 60 parts a little more often than it says


def test_worse_takes_more_than_chance_and_more_than_the_margin() -> None:
    assert is_worse(10, 1, 100, 0.01, 0.05)
    assert not is_worse(3, 1, 100, 0.01, 0.05)  # chance
    assert not is_worse(10, 1, 100, 0.10, 0.05)  # within the margin
    assert not is_worse(1, 10, 100, 0.0, 0.05)
