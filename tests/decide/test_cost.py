"""Costs against each decision's expected cost written out."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.decide.cost import Costs, expected_cost, least_cost, shifted
from brightfield.errors import ConfigError

COSTS = [
    Costs(500.0, 2.0, 0.003),
    Costs(500.0, 2.0, 0.003, review=5.0),
    Costs(500.0, 20.0, 0.003, review=5.0),
    Costs(1.0, 1.0, 0.5, review=0.1),
    Costs(3.0, 90.0, 0.2, review=2.0),
]


@pytest.mark.parametrize("costs", COSTS)
@pytest.mark.parametrize("share", [0.003, 0.2, 0.5])
def test_every_part_meets_its_cheapest_decision(costs: Costs, share: float) -> None:
    low, high = least_cost(costs, share)
    for p in np.linspace(0.0005, 0.9995, 997):
        odds = p / (1 - p) * (1 - share) / share * costs.prevalence / (1 - costs.prevalence)
        there = odds / (1 + odds)  # the probability where defects are as rare as on the line
        paid = {"pass": there * costs.escape, "reject": (1 - there) * costs.overkill}
        if costs.review is not None:
            paid["review"] = costs.review
        taken = "pass" if p < low else "reject" if p >= high else "review"
        assert paid[taken] == pytest.approx(min(paid.values()), rel=1e-9, abs=1e-12)


def test_no_band_where_a_person_never_pays() -> None:
    low, high = least_cost(Costs(500.0, 2.0, 0.003, review=5.0), 0.3)
    assert low == high


def test_another_share_of_defects_by_counting() -> None:
    """Of 30 defective and 70 good parts, 15 and 7 look alike; with 7 times as many good ones, 15 of 64 do."""
    assert shifted(15 / 22, 30 / 100, 30 / 520) == pytest.approx(15 / (15 + 49))
    assert shifted([0.0, 1.0], 0.3, 0.001).tolist() == [0.0, 1.0]
    assert shifted(0.4, 0.3, 0.3) == pytest.approx(0.4)
    with pytest.raises(ConfigError, match="share of defects after the shift is 0"):
        shifted(0.5, 0.3, 0.0)


def test_expected_cost_by_hand() -> None:
    costs = Costs(500.0, 2.0, 0.01, review=5.0)
    # 1,000 parts: 10 defective of which 1 escapes, 990 good of which 99 are rejected, 50 looked at
    assert 1000 * expected_cost(costs, 0.1, 0.1, 0.05) == pytest.approx(500 + 99 * 2 + 50 * 5)
    assert expected_cost(costs, [0.0, 1.0], [0.0, 0.0]).tolist() == [0.0, 5.0]


@pytest.mark.parametrize("changes", [{"escape": 0.0}, {"overkill": -1.0}, {"review": float("inf")}])
def test_impossible_costs(changes: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="expected a number above 0"):
        Costs(**{"escape": 5.0, "overkill": 1.0, "prevalence": 0.1, **changes})
    with pytest.raises(ConfigError, match="between 0 and 1"):
        Costs(5.0, 1.0, 0.0)
