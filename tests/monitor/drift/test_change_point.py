from __future__ import annotations

import numpy as np
import pytest

from brightfield.monitor.drift.change_point import change_point


@pytest.mark.parametrize(
    ("values", "first"),
    [
        ([0, 0, 0, 2, 2], 3),  # 2 * 2^2 = 8 beats 3 * (4/3)^2 and 1 * 2^2
        ([0, 1, 1, 1], 1),
        ([-3, 0, 0, 3], 3),
        ([2], 0),
        ([1, 1], 0),
    ],
)
def test_the_likeliest_change_worked_out_by_hand(values: list[float], first: int) -> None:
    assert change_point(np.array(values, dtype=np.float64)[:, None]) == first


def test_several_values_tell_it_together() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        values = rng.normal(size=(60, 10))
        values[50:] += 0.8
        found.append(change_point(values))
    assert np.median(found) == 50
    assert np.quantile(np.abs(np.array(found) - 50), 0.9) <= 4
