from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import beta, binomtest, poisson
from scipy.stats import t as student

from brightfield.errors import InputError
from brightfield.evaluation.intervals import clopper_pearson, clustered, mean_count


@pytest.mark.parametrize(("k", "n"), [(0, 60), (3, 197), (1, 1), (60, 60), (5, 10)])
@pytest.mark.parametrize("confidence", [0.9, 0.95])
def test_agrees_with_the_binomial_tests_exact_interval(k: int, n: int, confidence: float) -> None:
    expected = binomtest(k, n).proportion_ci(confidence, method="exact")
    rate = clopper_pearson(k, n, confidence)
    assert rate.value == k / n
    assert (rate.low, rate.high) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_none_of_n_has_the_closed_form() -> None:
    rate = clopper_pearson(0, 30)
    assert rate.low == 0.0
    assert rate.high == pytest.approx(1.0 - 0.025 ** (1 / 30))


def test_nothing_judged_is_not_known() -> None:
    assert clopper_pearson(0, 0).as_dict() == {
        "value": None,
        "low": None,
        "high": None,
        "confidence": 0.95,
        "k": 0,
        "n": 0,
    }


@pytest.mark.parametrize(("k", "n", "confidence"), [(2, 1, 0.95), (-1, 1, 0.95), (1, 2, 95.0)])
def test_refuses_what_is_no_share(k: int, n: int, confidence: float) -> None:
    with pytest.raises(InputError, match="expected"):
        clopper_pearson(k, n, confidence)


@pytest.mark.parametrize(("k", "n"), [(0, 60), (3, 197), (60, 60)])
def test_clusters_of_one_are_independent_trials(k: int, n: int) -> None:
    found = clustered([1] * k + [0] * (n - k), [1] * n)
    plain = clopper_pearson(k, n)
    assert (found.k, found.n, found.value) == (k, n, k / n)
    assert (found.low, found.high) == pytest.approx((plain.low, plain.high))


def test_trials_that_all_go_alike_in_a_cluster_count_once() -> None:
    # five defects a part, found all or none: the variance is that of the 20 parts. 20 - 1 stands for 100 - 1
    # trials, and Student's factor for not being surer of that than 20 parts allow
    found = clustered([5] * 12 + [0] * 8, [5] * 20)
    trials = 100 * (19 / 99) * (student.ppf(0.975, 99) / student.ppf(0.975, 19)) ** 2
    assert found.value == 0.6
    assert found.low == pytest.approx(beta.ppf(0.025, 0.6 * trials, 0.4 * trials + 1))
    assert found.high == pytest.approx(beta.ppf(0.975, 0.6 * trials + 1, 0.4 * trials))
    parts = clopper_pearson(12, 20)
    assert found.low == pytest.approx(parts.low, abs=0.03)
    assert found.high == pytest.approx(parts.high, abs=0.03)


def test_where_all_or_none_happen_each_cluster_is_one_trial() -> None:
    assert clustered([5] * 6, [5] * 6).low == pytest.approx(0.025 ** (1 / 6))
    assert clustered([0] * 6, [5] * 6).high == pytest.approx(1 - 0.025 ** (1 / 6))
    one = clustered([3], [4])
    assert one.low is not None
    assert one.high is not None
    assert (one.value, one.low < 0.05, one.high > 0.99) == (0.75, True, True)


def test_clusters_without_trials_do_not_count() -> None:
    assert clustered([2, 0, 1], [3, 0, 2]) == clustered([2, 1], [3, 2])
    assert clustered([0], [0]) == clopper_pearson(0, 0)
    with pytest.raises(InputError, match="expected 0 <= k <= n"):
        clustered([1, 3], [2, 2])


def test_the_interval_holds_the_true_share_of_clustered_trials_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    inside = plain = 0
    for _ in range(400):
        n = rng.integers(1, 8, 30)
        k = rng.binomial(n, rng.beta(1.4, 0.6, 30))  # parts differ: some show all their defects, some none
        rates = clustered(k.tolist(), n.tolist()), clopper_pearson(int(k.sum()), int(n.sum()))
        inside, plain = (
            count + (rate.low <= 0.7 <= rate.high)  # type: ignore[operator]
            for count, rate in zip((inside, plain), rates, strict=True)
        )
    assert inside / 400 > 0.92
    assert plain / 400 < 0.9  # what takes them for independent says more than it knows


def test_a_mean_count_has_poissons_exact_interval() -> None:
    found = mean_count([0, 1] * 20, [1] * 40)  # no more spread than Poisson's
    assert (found.k, found.n) == (20, 40)
    assert found.low is not None
    assert found.high is not None
    # at either end, as many or as few events have a chance of 2.5%
    assert poisson.sf(found.k - 1, 40 * found.low) == pytest.approx(0.025)
    assert poisson.cdf(found.k, 40 * found.high) == pytest.approx(0.025)
    none = mean_count([0] * 30, [1] * 30)
    assert (none.value, none.low, none.high) == (0.0, 0.0, pytest.approx(-np.log(0.025) / 30))
    assert mean_count([], []).value is None


def test_events_in_heaps_have_a_wider_interval() -> None:
    even, heaped = mean_count([1] * 20, [1] * 20), mean_count([20] + [0] * 19, [1] * 20)
    assert even.value == heaped.value == 1.0
    assert (heaped.low, heaped.high) == (
        pytest.approx(mean_count([1], [1]).low),
        pytest.approx(5.57, abs=0.01),
    )
    assert (even.low, even.high) == (pytest.approx(0.611, abs=1e-3), pytest.approx(1.544, abs=1e-3))
