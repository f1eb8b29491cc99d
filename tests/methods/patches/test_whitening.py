"""Whitened patches are uncorrelated, of variance 1, and each map counts alike."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from brightfield.engine.patches import averaged
from brightfield.methods.patches.whitening import FEWEST, SHRINKAGE, Moments

FloatArray = npt.NDArray[np.float32]


def maps(n: int, seed: int = 0, scale: float = 1.0) -> list[FloatArray]:
    """Return two maps with correlated channels; the second has another grid, and other units."""
    rng = np.random.default_rng(seed)
    mixing = np.random.default_rng(9).normal(size=(6, 6))
    first = np.einsum("nchw,cd->ndhw", rng.normal(size=(n, 6, 8, 8)), mixing) + 3
    second = scale * (rng.normal(size=(n, 4, 4, 4)) * np.array([1, 2, 3, 4])[None, :, None, None] + 1)
    return [first.astype(np.float32), second.astype(np.float32)]


def whitened(n: int = 400, scale: float = 1.0) -> tuple[FloatArray, Moments]:
    moments = Moments((6, 4))
    for at in range(0, n, 100):
        moments.add([m[at : at + 100] for m in maps(n, scale=scale)], np.ones((100, 8, 8), np.bool_))
    return moments.embedding()(maps(n, scale=scale)).reshape(n * 64, -1), moments


def test_patches_are_white_on_their_own_pictures() -> None:
    patches, moments = whitened()
    assert moments.count == 400 * 64
    assert np.abs(patches.mean(0)).max() < 1e-3
    covariance = np.cov(patches.T)
    # shrinkage leaves directions of little variance below 1, and none above
    off = covariance - np.diag(np.diag(covariance))
    assert np.abs(off).max() < 1e-2
    assert float(np.diag(covariance).max()) < 1 / (1 - SHRINKAGE) + 1e-2
    assert np.median(np.diag(covariance)) > 0.7


def test_units_of_a_map_do_not_matter() -> None:
    one, _ = whitened()
    other, _ = whitened(scale=1000.0)
    assert np.allclose(np.linalg.norm(one, axis=1), np.linalg.norm(other, axis=1), rtol=1e-2, atol=1e-2)


def test_it_is_that_of_all_patches_at_once() -> None:
    """Against the covariance of the joined features, by its definition."""
    some = maps(200)
    moments = Moments((6, 4))
    moments.add(some, np.ones((200, 8, 8), np.bool_))
    embedding = moments.embedding()
    joined = np.concatenate([averaged(np.moveaxis(m, 1, 3), 8, 8) for m in some], 3).reshape(-1, 10)
    joined = joined.astype(np.float64)
    power = (joined**2).mean(0)
    scaled = joined / np.sqrt(np.repeat([power[:6].sum(), power[6:].sum()], [6, 4]))
    covariance = np.cov(scaled.T, bias=True)
    shrunk = (1 - SHRINKAGE) * covariance + SHRINKAGE * np.trace(covariance) / 10 * np.eye(10)
    centred = scaled - scaled.mean(0)
    # all directions are kept here, so lengths are Mahalanobis distances
    expected = np.einsum("nd,de,ne->n", centred, np.linalg.inv(shrunk), centred)
    found = (embedding(some).reshape(-1, embedding.width).astype(np.float64) ** 2).sum(1)
    assert embedding.width == 10
    assert np.allclose(found, expected, rtol=1e-2, atol=1e-2)


def test_only_cells_that_count_are_seen() -> None:
    some = maps(50)
    spoilt = [m.copy() for m in some]
    inside = np.ones((50, 8, 8), np.bool_)
    inside[:, :, 5:] = False
    spoilt[0][:, :, :, 7] = 1e6  # averaged over its neighbours, it reaches column 6
    found, expected = Moments((6, 4)), Moments((6, 4))
    found.add(spoilt, inside)
    expected.add(some, inside)
    assert found.count == 50 * 8 * 5
    assert np.array_equal(found.embedding().offset, expected.embedding().offset)


def test_the_directions_may_be_limited() -> None:
    moments = Moments((6, 4))
    moments.add(maps(100), np.ones((100, 8, 8), np.bool_))
    assert moments.embedding(most=3).width == 3
    patches = moments.embedding(most=3)(maps(100)).reshape(-1, 3)
    assert np.allclose(np.cov(patches.T), np.eye(3), atol=0.1)


@pytest.mark.parametrize("level", [0.0, 3.5])
def test_features_that_never_change_stay_finite(level: float) -> None:
    flat = [np.full((5, 6, 8, 8), level, np.float32), np.full((5, 4, 4, 4), level, np.float32)]
    moments = Moments((6, 4))
    moments.add(flat, np.ones((5, 8, 8), np.bool_))
    embedding = moments.embedding()
    assert embedding.width >= FEWEST
    assert float(np.abs(embedding(flat)).max()) < 1e-2, "rounding errors are not taken for differences"
    flat[0][0] += 1
    other = embedding(flat)
    assert np.isfinite(other).all()
    assert float(np.abs(other[0]).max()) > 1
