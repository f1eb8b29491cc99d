"""Conformal p-values by hand, and their promise on simulated good parts."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.decide.conformal import conformal_p_values
from brightfield.errors import DataError


def test_by_hand() -> None:
    # of 0, 1, 1, 2 and the new part itself
    found = conformal_p_values([1.0, 0.0, 2.0, 1.0], [-5.0, 1.0, 1.5, 9.0])
    np.testing.assert_allclose(found, [1.0, 4 / 5, 2 / 5, 1 / 5])


@pytest.mark.parametrize("level", [0.01, 0.05, 0.3])
def test_of_good_parts_no_more_than_the_level_fall_below_it(level: float) -> None:
    rng = np.random.default_rng(0)
    draws = 4000
    below = [
        conformal_p_values(rng.exponential(size=60), rng.exponential(size=1))[0] <= level
        for _ in range(draws)
    ]
    assert np.mean(below) <= level + 3 * np.sqrt(level * (1 - level) / draws)
    # with continuous scores it is floor(level * 61) / 61 exactly, so not needlessly cautious either
    exact = np.floor(level * 61) / 61
    assert abs(np.mean(below) - exact) <= 3 * np.sqrt(max(exact, 1 / draws) / draws)


def test_wrong_scores_are_refused() -> None:
    with pytest.raises(DataError, match="no good parts"):
        conformal_p_values([], [0.5])
    with pytest.raises(DataError, match="not finite"):
        conformal_p_values([0.0, np.nan], [0.5])
