"""Tiles pooled into pictures, against torch's half and NumPy written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brightfield.engine.pooling import defect_log_odds, pool_bags, pool_tiles, tile_weights
from brightfield.learn import head


@pytest.mark.parametrize("normal", [0, 2, None])
def test_tiles_are_pooled_as_in_training(normal: int | None) -> None:
    z = np.random.default_rng(4).normal(size=(5, 7, 3))
    for bag in z:
        assert np.allclose(pool_tiles(bag, normal), head.pool_tiles(torch.from_numpy(bag), normal).numpy())
    if normal is not None:
        assert np.allclose(defect_log_odds(z, normal), head.defect_log_odds(torch.from_numpy(z), normal))
    starts = np.array([0, 1, 5, 7])
    expected = [pool_tiles(z[0][a:b], normal) for a, b in ((0, 1), (1, 5), (5, 7))]
    assert np.array_equal(pool_bags(z[0], starts, normal), expected)


def test_a_tile_says_as_much_as_it_is_likely_to_be_defective() -> None:
    z = np.random.default_rng(7).normal(size=(5, 3)) * 3
    shares = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    defect = 1 - shares[:, 1]
    assert np.allclose(tile_weights(z, 1), defect / defect.max())
    assert tile_weights(z, None).tolist() == [1.0] * 5
    calm = np.array([[900.0, 0.0], [800.0, 0.0]])
    assert np.allclose(tile_weights(calm, 0), [np.exp(-100.0), 1.0], rtol=1e-6, atol=0)
