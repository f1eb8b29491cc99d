"""Probabilities and log-odds against SciPy, where floats end too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import special, stats

from brightfield.decide.odds import expit, log_binomial_tail
from brightfield.engine.numeric import logsumexp, softmax

WIDE = np.array([-1e308, -800.0, -745.0, -40.0, -1e-300, 0.0, 1e-9, 3.0, 37.0, 800.0, 1e308])


def test_expit() -> None:
    values = np.concatenate((WIDE, np.random.default_rng(0).normal(size=1000) * 20))
    np.testing.assert_allclose(expit(values), special.expit(values), rtol=1e-14, atol=1e-300)
    assert float(expit(0.0)) == 0.5


@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0, 1e300])
def test_softmax_and_its_logarithm(k: int, scale: float) -> None:
    rows = np.random.default_rng(k).normal(size=(50, k)) * scale
    rows[0] = rows[0, 0]  # all alike
    np.testing.assert_allclose(logsumexp(rows), special.logsumexp(rows, axis=1), rtol=1e-15)
    np.testing.assert_allclose(softmax(rows), special.softmax(rows, axis=1), rtol=1e-14)


def test_small_terms_are_not_lost() -> None:
    assert logsumexp(np.array([[0.0, -40.0]]))[0] == pytest.approx(math.exp(-40), rel=1e-12)


@pytest.mark.parametrize("n", [0, 1, 2, 59, 1000, 30_000])
@pytest.mark.parametrize("rate", [1e-6, 0.05, 0.5, 0.999])
def test_the_binomials_tail(n: int, rate: float) -> None:
    found = log_binomial_tail(n, rate)
    expected = stats.binom.logcdf(np.arange(n), n, rate)
    likely = expected > -300  # SciPy's underflows far below
    np.testing.assert_allclose(found[likely], expected[likely], rtol=1e-9, atol=1e-9)
    assert len(found) == n
