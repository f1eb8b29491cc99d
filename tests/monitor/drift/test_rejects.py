from __future__ import annotations

import pytest
from scipy import stats

from brightfield.monitor.drift.rejects import g_chart


def test_gaps_between_rejects_worked_out_by_hand() -> None:
    chart = g_chart([3, 4, 10], 0.05)
    assert chart.parts == (3, 4, 10)
    assert chart.gaps == (3, 1, 6)
    assert chart.centre == 20


@pytest.mark.parametrize("share", [0.5, 0.05, 0.001])
def test_limits_are_quantiles_of_the_geometric_distribution(share: float) -> None:
    chart = g_chart([], share)
    gap = stats.geom(share)
    assert gap.sf(chart.high) <= 0.00135 < gap.sf(chart.high - 2)
    assert gap.cdf(chart.low) <= 0.00135 + 1e-12 or chart.low == 0
    assert gap.cdf(chart.low + 1) > 0.00135
