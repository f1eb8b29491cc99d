from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import betainc, betaln

from brightfield.errors import ConfigError
from brightfield.monitor.audit.sequences import RARE, WIDE, log_capital, lower, upper


def mixture(rate: float, events: int, others: int, shape: float) -> float:
    """Return the logarithm of the truncated beta-binomial mixture in closed form."""
    log_beta = betaln(events + shape, others + 1)
    inside = math.log(betainc(events + shape, others + 1, rate))
    null = events * math.log(rate) + others * math.log1p(-rate)
    return math.log(shape) - shape * math.log(rate) + log_beta + inside - null


@pytest.mark.parametrize(("events", "others"), [(0, 50), (0, 400), (3, 200), (20, 800), (5, 5)])
@pytest.mark.parametrize("rate", [0.01, 0.05, 0.4])
@pytest.mark.parametrize("shape", [0.5, 1.0, 10.0])
def test_the_capital_is_the_beta_binomial_mixture_below_the_rate(
    events: int, others: int, rate: float, shape: float
) -> None:
    found = log_capital(rate, events, others, shapes=(shape,))
    assert found == pytest.approx(mixture(rate, events, others, shape), abs=1e-5)


def test_the_bound_without_any_event_is_the_one_worked_by_hand() -> None:
    # with the shape 1 the capital after n looks without event is (1 - (1-u)^(n+1)) / ((n+1) u (1-u)^n)
    n, alpha = 229, 0.05
    u = float(upper(0, n, alpha, shapes=(1.0,)))
    by_hand = (1 - (1 - u) ** (n + 1)) / ((n + 1) * u * (1 - u) ** n)
    assert by_hand == pytest.approx(1 / alpha, rel=1e-4)


def test_nothing_is_known_before_the_first_look() -> None:
    assert upper(0, 0, 0.05) == 1.0
    assert lower(0, 0, 0.05) == 0.0


def test_a_rate_of_one_cannot_be_excluded_by_events_alone() -> None:
    assert upper(40, 0, 0.05) == 1.0
    assert 0.8 < lower(40, 0, 0.05) < 1.0


def test_bounds_move_the_right_way() -> None:
    assert upper(1, 200, 0.05) > upper(0, 201, 0.05)
    assert upper(0, 400, 0.05) < upper(0, 200, 0.05)
    assert upper(0, 200, 0.01) > upper(0, 200, 0.05)
    assert lower(6, 100, 0.05) > lower(3, 103, 0.05)


def test_many_counts_at_once_give_what_each_gives_alone() -> None:
    events = np.array([[0.0, 1.0], [1.0, 7.0]])
    others = np.array([[10.0, 20.0], [20.0, 300.0]])
    together = upper(events, others, 0.1, shapes=WIDE)
    for at in np.ndindex(2, 2):
        assert together[at] == upper(events[at], others[at], 0.1, shapes=WIDE)


def test_a_wrong_bound_at_any_look_is_as_rare_as_promised() -> None:
    """The capital against the true rate, at every one of 2,000 looks, on 500 lines."""
    rate, alpha, looks = 0.03, 0.1, np.arange(1.0, 2001.0)
    found = (np.random.default_rng(3).random((500, 2000)) < rate).cumsum(axis=1).astype(np.float64)
    counts, case = np.unique(np.stack((found.ravel(), np.tile(looks, 500)), 1), axis=0, return_inverse=True)
    for shapes in (RARE, WIDE):
        capital = log_capital(rate, counts[:, 0], counts[:, 1] - counts[:, 0], shapes=shapes)
        ever = (capital[case].reshape(found.shape) >= -math.log(alpha)).any(axis=1).mean()
        assert ever <= alpha
        assert ever > alpha / 5, "a bound that is hardly ever wrong is wider than it need be"


def test_weights_of_one_change_nothing() -> None:
    counts = np.array([2.0, 1.0]), np.array([100.0, 50.0])
    weighted = upper(*counts, 0.05, weights=[1.0, 1.0])
    assert weighted == pytest.approx(float(upper(3, 150, 0.05)))


def test_weighted_looks_are_fair_bets_at_the_true_rate() -> None:
    """Of unequal parts drawn with unequal probabilities, the expected pay of a look is 1 at the mean rate."""
    shares, rates, drawn = np.array([0.7, 0.3]), np.array([0.01, 0.06]), np.array([0.02, 0.1])
    mean = float(shares @ rates)
    among_drawn = shares * drawn / (shares @ drawn)
    weights = drawn.min() / drawn
    event, other = (
        np.exp(
            [
                float(
                    log_capital(
                        mean, np.eye(2)[kind] * is_event, np.eye(2)[kind] * (1 - is_event), weights=weights
                    )
                )
                for kind in range(2)
            ]
        )
        for is_event in (1, 0)
    )
    pay = among_drawn @ (rates * event + (1 - rates) * other)
    assert pay == pytest.approx(1.0, abs=1e-12)


def test_looks_of_little_weight_prove_little() -> None:
    assert upper([0.0, 0.0], [100.0, 900.0], 0.05, weights=[1.0, 0.01]) < upper(0, 100, 0.05)
    assert upper([0.0, 0.0], [100.0, 900.0], 0.05, weights=[1.0, 0.01]) > upper(0, 120, 0.05)


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: upper(0, 10, 0.0), "alpha is 0.0"),
        (lambda: upper(-1, 10, 0.05), "negative"),
        (lambda: upper(np.inf, 10, 0.05), "not finite"),
        (lambda: upper([1.0], [2.0], 0.05, weights=[0.0]), "weights are"),
        (lambda: upper([1.0, 2.0], [2.0, 3.0], 0.05, weights=[1.0]), "1 weights"),
    ],
)
def test_wrong_input_is_said(call: object, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        call()  # type: ignore[operator]
