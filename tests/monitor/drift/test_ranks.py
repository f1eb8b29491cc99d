from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from brightfield.monitor.drift.ranks import NormalScores


def test_scores_worked_out_by_hand() -> None:
    scores = NormalScores.of(np.array([[1.0], [2.0], [2.0], [4.0]]))
    found = scores(np.array([[0.0], [1.0], [1.5], [2.0], [9.0]]))[:, 0]
    # among 4 others there are 5 places; ties are in the middle of theirs
    assert found == pytest.approx(stats.norm.ppf([0.5 / 5, 1 / 5, 1.5 / 5, 2.5 / 5, 4.5 / 5]))


def test_new_parts_of_the_same_line_get_standard_normal_scores() -> None:
    rng = np.random.default_rng(0)
    found = np.concatenate(
        [NormalScores.of(rng.gamma(0.5, size=(200, 1)))(rng.gamma(0.5, size=(200, 1))) for _ in range(50)]
    )
    assert found.mean() == pytest.approx(0.0, abs=0.03)
    assert found.std() == pytest.approx(1.0, abs=0.03)
    assert stats.kstest(found[:, 0], "norm").statistic < 0.02


def test_no_part_gets_more_than_its_rank_allows() -> None:
    scores = NormalScores.of(np.arange(50.0)[:, None])
    assert scores(np.array([[1e9]]))[0, 0] == pytest.approx(stats.norm.ppf(1 - 0.5 / 51))


def test_what_is_equal_throughout_is_in_the_middle() -> None:
    scores = NormalScores.of(np.full((60, 1), 3.0))
    assert scores(np.array([[3.0]]))[0, 0] == pytest.approx(0.0)
    assert scores(np.array([[4.0]]))[0, 0] > 2
