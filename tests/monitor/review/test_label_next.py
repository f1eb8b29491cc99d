from __future__ import annotations

import numpy as np
import pytest

from brightfield.errors import ConfigError
from brightfield.monitor.review.label_next import Mix, distances, label_next
from brightfield.monitor.review.records import Pool


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_distances_of_probabilities_are_in_log_odds() -> None:
    found = distances([0.5, 0.9, 0.1, 0.0], 0.5, probability=True)
    assert found[:3] == pytest.approx([0.0, np.log(9), np.log(9)])
    assert np.isfinite(found[3])
    assert distances([3.0, -1.0], 1.0, probability=False).tolist() == [2.0, 2.0]


def test_without_embeddings_the_most_uncertain_are_chosen_and_some_at_random() -> None:
    chosen = label_next(np.arange(100.0)[::-1], None, None, 10, rng(), Mix(0.6, 0.0))
    assert [row for row, pool in chosen if pool is Pool.UNCERTAIN] == [99, 98, 97, 96, 95, 94]
    assert sum(pool is Pool.PASSED for _, pool in chosen) == 4
    assert len({row for row, _ in chosen}) == 10


def test_novel_parts_are_the_farthest_from_all_labelled_ones() -> None:
    points = np.array([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.1, 0.0], [0.0, 9.0]])
    chosen = label_next(np.full(5, 1.0), points, points[:1], 2, rng(), Mix(0.0, 1.0))
    # farthest-first, in units of each axis's spread: the point above, then the farther one to the right
    assert [row for row, _ in chosen] == [4, 3]
    assert {pool for _, pool in chosen} == {Pool.NOVEL}


def test_uncertain_parts_that_look_alike_are_not_all_taken() -> None:
    points = np.array([[0.0]] * 4 + [[10.0], [20.0]])
    chosen = label_next(np.arange(6.0), points, None, 3, rng(), Mix(1.0, 0.0))
    assert len({float(points[row, 0]) for row, _ in chosen}) == 3


def test_nothing_is_chosen_twice_and_no_more_than_there_is() -> None:
    points = np.random.default_rng(0).normal(size=(8, 3))
    chosen = label_next(np.arange(8.0), points, points[:2], 20, rng())
    assert sorted(row for row, _ in chosen) == list(range(8))


def test_wrong_shares_are_said() -> None:
    with pytest.raises(ConfigError, match="add up to 1 at most"):
        Mix(0.8, 0.4)
