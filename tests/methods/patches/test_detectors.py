"""Distances of detectors, the most unusual patches, and evidence."""

from __future__ import annotations

import numpy as np
import pytest

from brightfield.engine.patches import Embedding
from brightfield.methods.good_parts.evidence import top_mean
from brightfield.methods.patches.detectors import Bank, Member
from brightfield.methods.patches.members import ROUNDING, Measured, standardised

RNG = np.random.default_rng(0)


def member(width: int = 16, calm: float = 0.0, unit: float = 1.0) -> Member:
    bank = Bank(RNG.normal(size=(9, width)).astype(np.float32))
    embedding = Embedding((np.eye(width, dtype=np.float32),), np.zeros(width, np.float32))
    return Member("bank", 1.0, (0,), embedding, bank, calm, unit, 0.02, 1.0)


def test_a_bank_measures_euclidean_distances() -> None:
    bank = Bank(RNG.normal(size=(30, 5)).astype(np.float32))
    patches = RNG.normal(size=(2, 3, 4, 5)).astype(np.float32)
    found, rows = bank.closest(patches)
    every = np.linalg.norm(patches[:, :, :, None] - bank.patches, axis=4)
    assert found.shape == rows.shape == (2, 3, 4)
    assert np.allclose(found, every.min(3), atol=1e-4)
    assert np.array_equal(rows, every.argmin(3))
    assert np.array_equal(bank.distances(patches), found)


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.001, 100), (0.01, 100), (0.02, 99.5), (0.025, 99), (0.5, 75.5), (1.0, 50.5)],
)
def test_the_mean_of_the_most_unusual(share: float, expected: float) -> None:
    values = RNG.permutation(np.arange(1, 101)).astype(np.float32)
    assert top_mean(values, share) == pytest.approx(expected)


def test_one_value_is_its_own_mean() -> None:
    assert top_mean(np.array([3], np.float32), 0.02) == 3


def test_evidence_begins_beyond_an_ordinary_distance() -> None:
    distances = np.array([0.0, 2.0, 3.0, 6.0], np.float32)
    found = member(calm=2.0, unit=4.0).evidence(distances)
    assert found.tolist() == [0, 0, 0.25, 1]
    assert found.dtype == np.float32


def test_members_are_in_units_of_the_spread_of_good_parts() -> None:
    scores = np.random.default_rng(1).normal(20, 3, 4001)
    found = standardised(member(), Measured(scores, 5.0))
    assert found.unit == pytest.approx(3, rel=0.05), "the standard deviation, told robustly"
    assert found.calm == pytest.approx(5, rel=0.01)
    with_one_far = standardised(member(), Measured(np.append(scores, 1e3), 5.0))
    assert with_one_far.unit < 4.5, "one odd part is no measure, but not nothing either"


def test_good_parts_that_are_all_the_same_have_no_evidence() -> None:
    same = standardised(member(16), Measured(np.full(5, 0.003), 0.003))
    assert not same.evidence(np.array([0.0, 0.003, 0.003 + 3.9 * ROUNDING], np.float32)).any()
    assert float(same.evidence(np.array([0.1], np.float32))[0]) > 1


def test_what_a_patch_resembles_is_its_direction_and_not_what_is_nearest() -> None:
    bank = Bank(np.array([[0.1, 0.1], [0.0, 3.0], [3.0, 0.0]], np.float32))
    far = np.array([[9.0, 1.0], [0.5, 8.0]], np.float32)
    assert bank.alike(far).tolist() == [2, 1]
    off = np.array([[-2.0, -2.1]], np.float32)
    assert bank.closest(off[None, None])[1].item() == 0
