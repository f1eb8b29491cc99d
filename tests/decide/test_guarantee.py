"""Exact bounds against the binomial written out, and against simulated lots."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from scipy.stats import binom, binomtest

from brightfield.decide.guarantee import (
    Guarantee,
    errors_allowed,
    escape_threshold,
    overkill_threshold,
    parts_needed,
    upper_bound,
)
from brightfield.decide.policy import parse_policy
from brightfield.decide.threshold_selection import choose
from brightfield.errors import ConfigError, DataError


def tail(errors: int, n: int, rate: float) -> float:
    """Return the chance of so many errors or fewer."""
    return sum(comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(errors + 1))


@pytest.mark.parametrize(("bound", "needed"), [(0.05, 59), (0.02, 149), (0.01, 299)])
def test_parts_needed_without_an_error(bound: float, needed: int) -> None:
    assert parts_needed(bound, 0.95) == needed


@pytest.mark.parametrize(
    ("bound", "errors", "needed"),
    # Wilks' sample sizes of one-sided tolerance limits of higher orders
    [(0.05, 1, 93), (0.05, 2, 124), (0.05, 3, 153), (0.01, 1, 473), (0.01, 2, 628), (0.1, 1, 46)],
)
def test_parts_needed_with_errors(bound: float, errors: int, needed: int) -> None:
    assert parts_needed(bound, 0.95, errors) == needed
    assert tail(errors, needed, bound) <= 0.05 < tail(errors, needed - 1, bound)


@pytest.mark.parametrize(("bound", "confidence"), [(0.3, 0.5), (0.05, 0.95), (0.02, 0.9), (0.4, 0.999)])
def test_no_fewer_parts_prove_it(bound: float, confidence: float) -> None:
    n = parts_needed(bound, confidence)
    assert tail(0, n, bound) <= 1 - confidence < tail(0, n - 1, bound)


def test_a_guarantee_is_proven() -> None:
    assert Guarantee("escape", 0.05, 0.95, 93, 1).errors == 1
    with pytest.raises(ConfigError, match="1 errors of 92 parts do not prove"):
        Guarantee("escape", 0.05, 0.95, 92, 1)


@pytest.mark.parametrize("n", [0, 1, 58, 59, 60, 93, 200, 1000])
@pytest.mark.parametrize(("bound", "confidence"), [(0.05, 0.95), (0.3, 0.5)])
def test_as_many_errors_as_the_binomial_allows(n: int, bound: float, confidence: float) -> None:
    allowed = errors_allowed(n, bound, confidence)
    if allowed >= 0:
        assert tail(allowed, n, bound) <= 1 - confidence
    assert allowed == n - 1 or tail(allowed + 1, n, bound) > 1 - confidence


@pytest.mark.parametrize(("errors", "n"), [(0, 10), (3, 59), (59, 59), (0, 0)])
def test_upper_bound_is_clopper_and_pearson(errors: int, n: int) -> None:
    expected = 1.0
    if n:
        expected = binomtest(errors, n, alternative="less").proportion_ci(0.9, "exact").high
    assert upper_bound(errors, n, 0.9) == pytest.approx(expected)


def test_thresholds_by_hand() -> None:
    # with 10 parts and a bound of 1/2, binomial(10, 1/2) shows 2 or fewer with 0.055, so 0.94 allows 2
    values = np.arange(10) / 10
    assert escape_threshold(values, 0.5, 0.94) == (0.2, 2)
    threshold, errors = overkill_threshold(values, 0.5, 0.94)
    assert (errors, threshold) == (2, np.nextafter(0.7, 2))


def test_ties_are_on_the_safe_side() -> None:
    assert escape_threshold([0.1] * 5 + [0.9] * 5, 0.5, 0.94) == (0.1, 0)
    assert overkill_threshold([0.1] * 5 + [0.9] * 5, 0.5, 0.94) == (np.nextafter(0.9, 2), 0)
    # scores know no greatest value; on probabilities the choice refuses what lies above 1
    assert overkill_threshold([0.1] * 5 + [7.0] * 5, 0.5, 0.94) == (np.nextafter(7.0, 8.0), 0)
    with pytest.raises(DataError, match="5 of 10 good parts have probability 1"):
        choose(parse_policy("overkill<=0.5@0.94"), [0.1] * 5 + [1.0] * 5, [False] * 10)


@pytest.mark.parametrize(("bound", "confidence"), [(0.05, 0.95), (0.1, 0.8)])
def test_the_promise_is_kept_as_often_as_it_says(bound: float, confidence: float) -> None:
    """Of uniform scores the share below a threshold is the threshold: the true rate is known."""
    rng = np.random.default_rng(1)
    n, draws = 150, 2000
    kept_escape = sum(escape_threshold(rng.random(n), bound, confidence)[0] <= bound for _ in range(draws))
    kept_overkill = sum(
        1 - overkill_threshold(rng.random(n), bound, confidence)[0] <= bound for _ in range(draws)
    )
    for kept in (kept_escape, kept_overkill):
        assert binomtest(kept, draws, confidence, alternative="less").pvalue > 1e-3
        assert kept < draws  # it is not merely always cautious


@pytest.mark.parametrize("n", [0, 40])
def test_too_few_parts(n: int) -> None:
    with pytest.raises(DataError, match=f"there are {n} defective parts.*at least 59.*{59 - n} more"):
        escape_threshold(np.zeros(n), 0.05, 0.95)
    with pytest.raises(DataError, match="overkill rate of at most 0.05"):
        overkill_threshold(np.zeros(n), 0.05, 0.95)


@pytest.mark.parametrize(
    ("bound", "confidence"), [(0.0, 0.95), (1.0, 0.95), (0.05, 1.0), (0.05, float("nan"))]
)
def test_impossible_bounds(bound: float, confidence: float) -> None:
    with pytest.raises(ConfigError, match="expected a share above 0 and below 1"):
        escape_threshold(np.zeros(100), bound, confidence)


@pytest.mark.parametrize("bound", [0.001, 0.02, 0.3, 0.5])
@pytest.mark.parametrize("confidence", [0.5, 0.75, 0.95, 0.999])
def test_the_errors_allowed_are_those_of_scipys_binomial(bound: float, confidence: float) -> None:
    for n in (*range(12), 77, 300, 5000):
        tail = binom.cdf(np.arange(n), n, bound)
        expected = int((tail <= (1 - confidence) * (1 + 1e-12)).sum()) - 1
        assert errors_allowed(n, bound, confidence) == expected
