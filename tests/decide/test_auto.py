"""What `auto` stands for: by the number of parts alone, and kept as often as it says."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from scipy.stats import norm

from brightfield.decide.auto import OVERKILLS, further_bounds, good_parts_policy, resolve, warn_of_few
from brightfield.decide.calibration import Calibrated
from brightfield.decide.policy import parse_policy
from brightfield.decide.threshold_selection import choose

AUTO = parse_policy("auto")


@pytest.mark.parametrize(
    ("n_good", "policy"),
    [
        (1, "overkill=0.5"),
        (28, f"overkill={1 / 29!r}"),
        (29, "overkill<=0.1@0.95"),
        (58, "overkill<=0.1@0.95"),
        (59, "overkill<=0.05@0.95"),
        (148, "overkill<=0.05@0.95"),
        (149, "overkill<=0.02@0.95"),
        (298, "overkill<=0.02@0.95"),
        (299, "overkill<=0.01@0.95"),
        (10_000, "overkill<=0.01@0.95"),
    ],
)
def test_the_smallest_bound_that_so_many_good_parts_prove(n_good: int, policy: str) -> None:
    assert good_parts_policy(n_good) == parse_policy(policy)
    assert resolve(AUTO, np.zeros(n_good, dtype=bool)) == parse_policy(policy)
    # 0.99^299 is the first power below 0.05, and so on
    smallest = next((bound for bound in OVERKILLS if (1 - bound) ** n_good <= 0.05), None)
    assert smallest == (None if n_good < 29 else parse_policy(policy).clauses[0].value)


def test_defects_choose_from_so_many_on() -> None:
    few = np.repeat([False, True], [60, 4])
    assert resolve(AUTO, few) == parse_policy("f1")
    assert resolve(AUTO, few, 4) == parse_policy("f1")
    assert resolve(AUTO, few, 5) == parse_policy("overkill<=0.05@0.95"), "60 are good"
    assert resolve(AUTO, [True, True], 5) == parse_policy("f1"), "which refuses parts without a good one"
    assert resolve(parse_policy("youden"), few, 5) == parse_policy("youden")


@pytest.mark.parametrize("n_good", [20, 29, 59, 149, 400])
def test_the_rate_is_kept_as_often_as_promised(n_good: int) -> None:
    """The true overkill of a threshold on normal scores is known."""
    rng, draws = np.random.default_rng(n_good), 2000
    good = np.zeros(n_good, dtype=bool)
    policy = resolve(AUTO, good).clauses[0]
    rates = np.array(
        [
            norm.sf(choose(AUTO, Calibrated(), good, scores=rng.normal(size=n_good)).threshold)
            for _ in range(draws)
        ]
    )
    if policy.confidence is None:
        assert rates.mean() == pytest.approx(1 / (n_good + 1), abs=4 * rates.std() / np.sqrt(draws))
    else:
        broken = (rates > policy.value).mean()
        assert broken <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / draws)


def test_what_more_good_parts_would_prove() -> None:
    assert further_bounds(64, 0.05, 0.95) == [(0.02, 149), (0.01, 299)]
    assert further_bounds(300, 0.01, 0.95) == []
    assert further_bounds(12, 1.0, 0.95) == [(0.1, 29), (0.05, 59), (0.02, 149), (0.01, 299)]
    assert further_bounds(400, 0.1, 0.95) == [], "they would prove these already"


def test_too_few_are_told_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        warn_of_few(parse_policy("overkill<=0.1@0.95"), 29)
        warn_of_few(parse_policy("f1"), 29)
        assert caplog.text == ""
        warn_of_few(good_parts_policy(24), 24)
    assert "only 24 good parts calibrate, which prove no overkill rate" in caplog.text
    assert "on average 4% of good parts are expected to be rejected" in caplog.text
