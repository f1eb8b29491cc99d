from __future__ import annotations

import numpy as np
import pytest
from drift_lines import Line, reference

from brightfield.monitor.drift.neighbours import likeness
from brightfield.monitor.drift.standard import fit_standard


def lots(count: int, length: int, share: float, seed: int, width: int = 15) -> np.ndarray:
    rng = np.random.default_rng(seed)
    common = np.repeat(rng.normal(size=(-(-count // length), width)), length, axis=0)[:count]
    return np.sqrt(share) * common + np.sqrt(1 - share) * rng.normal(size=(count, width))


REFERENCE = np.random.default_rng(5).normal(size=(300, 15))


@pytest.mark.parametrize("seed", range(5))
def test_independent_parts_are_not_alike(seed: int) -> None:
    for count in (30, 120, 500):
        found = likeness(lots(count, 1, 0.0, seed), np.arange(count), REFERENCE)
        assert found is None or found.independent


@pytest.mark.parametrize(("length", "share"), [(5, 0.5), (20, 0.7), (8, 0.3)])
def test_lots_are_recognised_with_their_size(length: int, share: float) -> None:
    found = likeness(lots(600, length, share, 1), np.arange(600), REFERENCE)
    assert found is not None
    assert share - 0.1 <= found.shares.mean() <= share + 0.2  # rather too large than too small
    assert length / 2.5 <= found.length <= 2.5 * length


def test_order_is_what_positions_say() -> None:
    values, order = lots(400, 10, 0.6, 2), np.random.default_rng(0).permutation(400)
    found = likeness(values[order], order, REFERENCE)
    assert found is not None
    assert not found.independent
    by_chance = likeness(values[order], np.arange(400), REFERENCE)
    assert by_chance is None or by_chance.independent


@pytest.mark.parametrize("change", ["step", "ramp"])
def test_a_drift_is_no_likeness(change: str) -> None:
    values = lots(300, 1, 0.0, 3)
    values += 2.0 * (np.arange(300) >= 150)[:, None] if change == "step" else np.linspace(0, 3, 300)[:, None]
    found = likeness(values, np.arange(300), REFERENCE)
    assert found is None or found.independent


def test_where_all_parts_are_alike_nothing_is_told() -> None:
    one_lot = lots(100, 100, 0.8, 4)
    assert likeness(one_lot, np.arange(100), REFERENCE) is None
    assert likeness(one_lot[:3], np.arange(3), REFERENCE) is None


def test_one_value_that_is_alike_is_noticed() -> None:
    values = lots(300, 1, 0.0, 6)
    values[:, 4] = lots(300, 25, 0.95, 7)[:, 4]
    found = likeness(values, np.arange(300), REFERENCE)
    assert found is not None
    assert found.shares.argmax() == 4
    assert found.shares[4] > 0.6


def test_what_never_varies_is_left_out() -> None:
    known = reference(100, defective=0.0)
    _, pool = fit_standard(known)
    usual = pool.levelled()
    still = np.ptp(usual, axis=0) == 0
    assert still.sum() == 2  # height and width
    standard, _ = fit_standard(known)
    line = standard.values(Line(3, defective=0.0, lot=10, alike=0.7).parts(300))
    found = likeness(line, np.arange(300), usual)
    assert found is not None
    assert not found.shares[still].any()
    assert found.shares[~still].mean() > 0.4


def test_where_nothing_varies_parts_are_independent() -> None:
    same = np.zeros((40, 15))
    found = likeness(same, np.arange(40), same)
    assert found is not None
    assert found.independent
