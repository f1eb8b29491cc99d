"""Augmentation of whole batches against the same by hand, image by image."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from brightfield.learn.draws import Draws, augmented, cut_out, draw
from brightfield.learn.recipes import SCRATCH_RECIPES, FromScratch

FAST = SCRATCH_RECIPES["fast"].how
assert isinstance(FAST, FromScratch)
IMAGES = torch.from_numpy(np.random.default_rng(1).integers(0, 255, (40, 8, 8, 3), dtype=np.uint8))
ORDER = np.random.default_rng(2).permutation(40)[:33]
FIRST = np.random.default_rng(3).random(40) < 0.5


def drawn(settings: FromScratch, epoch: int = 0) -> Draws:
    return draw(
        ORDER,
        settings,
        8,
        epoch=epoch,
        first=FIRST,
        rng=np.random.default_rng([0, epoch]),
        device=torch.device("cpu"),
    )


@pytest.mark.parametrize("flip", ["alternate", "random", "none"])
def test_images_are_cut_from_a_reflected_border_and_mirrored(flip: str) -> None:
    draws = drawn(replace(FAST, flip=flip))
    found = augmented(IMAGES, draws)
    assert len(found) == 33
    for i, row in enumerate(ORDER):
        border = np.pad(IMAGES[row].numpy(), ((2, 2), (2, 2), (0, 0)), mode="reflect")
        down, right = (int(by) + 2 for by in draws.moved[:, i])
        hand = border[down : down + 8, right : right + 8]
        assert np.array_equal(found[i].numpy(), hand[:, ::-1] if draws.mirror[i] else hand)
    assert set(draws.moved.flatten().tolist()) == {-2, -1, 0, 1, 2}
    share = float(draws.mirror.float().mean())
    assert share == 0 if flip == "none" else 0.2 < share < 0.8


def test_without_augmentation_images_stay_as_they_are() -> None:
    assert torch.equal(augmented(IMAGES, drawn(replace(FAST, translate=0, flip="none"))), IMAGES[ORDER])


def test_random_mirrors_are_drawn_anew_every_epoch() -> None:
    one, two = (drawn(replace(FAST, flip="random"), epoch).mirror for epoch in (0, 1))
    assert 0.2 < float((one == two).float().mean()) < 0.8


def test_mirrors_alternate() -> None:
    even, odd = (drawn(FAST, epoch).mirror.numpy() for epoch in (0, 1))
    assert np.array_equal(even, FIRST[ORDER])
    assert np.array_equal(odd, ~even)


def test_some_are_those_of_the_whole() -> None:
    draws = drawn(replace(FAST, cutout=3))
    some = draws.some(5, 12)
    assert torch.equal(augmented(IMAGES, some), augmented(IMAGES, draws)[5:12])
    assert torch.equal(some.hole, draws.hole[:, 5:12])


def test_cutout_blanks_one_square_of_each_image() -> None:
    x = torch.ones(50, 3, 8, 8)
    hole = torch.from_numpy(np.random.default_rng(0).integers(0, 6, (2, 50)))
    blank = cut_out(x, hole, 3) == 0
    assert (blank.sum((1, 2, 3)) == 3 * 9).all()
    for i, (top, left) in enumerate(hole.T.tolist()):
        assert blank[i, :, top : top + 3, left : left + 3].all()
    assert cut_out(x, hole, 0) is x


def test_holes_lie_anywhere_inside() -> None:
    assert set(drawn(replace(FAST, cutout=5)).hole.flatten().tolist()) == {0, 1, 2, 3}
