"""Drawn defects are where their masks say."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from brightfield.learn.drawn_defects import KINDS, with_defect


def part(seed: int, shape: tuple[int, int] = (180, 240)) -> npt.NDArray[np.uint8]:
    rng = np.random.default_rng(seed)
    return rng.integers(70, 180, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("kind", KINDS, ids=lambda k: k.__name__)
@pytest.mark.parametrize("shape", [(180, 240), (64, 64), (40, 300)])
def test_only_the_place_of_a_defect_changes(kind, shape: tuple[int, int]) -> None:
    picture, other = part(0, shape), part(1, (90, 110))
    seen, sizes = 0, []
    for seed in range(25):
        before = picture.copy()
        drawn, mask = kind(np.random.default_rng(seed), picture, other)
        assert np.array_equal(picture, before), "the good part itself stays as it is"
        assert drawn.shape == picture.shape
        assert drawn.dtype == np.uint8
        assert mask.shape == shape
        assert mask.dtype == np.bool_
        changed = np.abs(drawn.astype(int) - picture).max(2)
        if mask.any():
            seen += 1
            sizes.append(float(mask.mean()))
            assert (changed[mask] > 0).mean() > 0.9
        # a soft outline may reach a little further, but changes less
        assert changed[~mask].mean() < 2
    assert seen > 20
    assert max(sizes) < 0.35


def test_every_kind_is_drawn() -> None:
    rng = np.random.default_rng(0)
    sizes = [with_defect(rng, part(0), part(1))[1].sum() for _ in range(60)]
    assert len({int(s) for s in sizes}) > 40


def test_the_same_seed_draws_the_same() -> None:
    one, other = (with_defect(np.random.default_rng(3), part(0), part(1)) for _ in range(2))
    assert np.array_equal(one[0], other[0])
    assert np.array_equal(one[1], other[1])
