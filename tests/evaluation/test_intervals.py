from __future__ import annotations

import pytest
from scipy.stats import binomtest

from brightfield.errors import InputError
from brightfield.evaluation.intervals import clopper_pearson


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
