"""The coreset covers what streamed by, and is never larger than it may be."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from brightfield.methods.patches.coreset import KEY, WAITING, Coreset, k_center


def points(n: int, width: int, seed: int = 0) -> npt.NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    return (rng.normal(size=(n, width)) + 6 * rng.integers(0, 4, (n, 1))).astype(np.float32)


def radius_of(all_of: npt.NDArray[np.float32], centres: npt.NDArray[np.float32]) -> float:
    distances = np.linalg.norm(all_of[:, None].astype(np.float64) - centres[None], axis=2)
    return float(distances.min(1).max())


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("size", [1, 2, 3])
def test_k_center_is_within_twice_the_best_radius(seed: int, size: int) -> None:
    vectors = points(11, 2, seed)
    rows, radius = k_center(vectors, size)
    assert len(set(rows.tolist())) == size
    assert radius == pytest.approx(radius_of(vectors, vectors[rows]), rel=1e-3)
    best = min(radius_of(vectors, vectors[list(c)]) for c in itertools.combinations(range(11), size))
    # the best centres may lie anywhere, but not at less than half the radius of the best points
    assert best / 2 <= radius <= 2 * best + 1e-5


def test_k_center_begins_in_the_middle_and_goes_far() -> None:
    line = np.array([[0], [1], [2], [3], [10]], np.float32)  # the mean is 3.2
    rows, radius = k_center(line, 3)
    assert rows.tolist() == [3, 4, 0]
    assert radius == pytest.approx(1)


def test_k_center_of_equal_points() -> None:
    rows, radius = k_center(np.ones((6, 3), np.float32), 4)
    assert len(rows) == 4
    assert radius == 0


def streamed(vectors: npt.NDArray[np.float32], size: int, batch: int) -> Coreset:
    coreset = Coreset(size, vectors.shape[1], 1, 0)
    for at in range(0, len(vectors), batch):
        some = vectors[at : at + batch]
        coreset.add(some, np.arange(at, at + len(some), dtype=np.int64)[:, None])
        assert len(coreset) < (WAITING + 1) * size + batch, "memory does not grow with the stream"
    coreset.finish()
    return coreset


@pytest.mark.parametrize("batch", [1, 17, 250, 2000])
def test_every_patch_lies_near_a_kept_one(batch: int) -> None:
    vectors = points(1500, 6)
    coreset = streamed(vectors, 30, batch)
    assert len(coreset) == len(coreset.vectors) == len(coreset.tags) == 30
    assert np.array_equal(vectors[coreset.tags[:, 0]], coreset.vectors), "tags stay with their patches"
    _, at_once = k_center(vectors, 30)
    found = radius_of(vectors, coreset.vectors)
    # each selection adds its radius to what was dropped before; Charikar et al. prove a factor of 8
    assert found <= 8 * at_once
    assert found <= 2.5 * at_once, "on well-behaved points it is much better than that"


def test_fewer_patches_than_it_may_hold_are_all_kept() -> None:
    vectors = points(20, 4)
    coreset = streamed(vectors, 30, 7)
    assert np.array_equal(coreset.vectors, vectors)
    assert coreset.radius == 0
    assert len(streamed(vectors, 20, 20)) == 20


def test_copies_do_not_fill_it() -> None:
    """Once there are more copies than wait, the others are at no distance and the radius is 0."""
    coreset = streamed(np.repeat(points(3, 4), 400, axis=0), 10, 50)
    assert len(coreset) <= 10
    assert {tuple(v) for v in coreset.vectors.tolist()} == {tuple(v) for v in points(3, 4).tolist()}


def test_wide_patches_are_compared_in_a_projection() -> None:
    """Which keeps distances to within a third or so (Johnson and Lindenstrauss)."""
    vectors = points(900, 3 * KEY)
    coreset = streamed(vectors, 40, 100)
    rows, at_once = k_center(vectors, 40)
    assert len(rows) == len(coreset) == 40
    assert coreset.vectors.shape == (40, 3 * KEY)
    assert radius_of(vectors, coreset.vectors) <= 2 * at_once
