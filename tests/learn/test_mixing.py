"""Mixtures hold as much of each image as their targets say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from brightfield.learn.mixing import Mixture, draw_mixture


@pytest.mark.parametrize("kind", ["mixup", "cutmix"])
def test_a_mixture_holds_as_much_of_each_as_its_target_says(kind: str) -> None:
    rng = np.random.default_rng(0)
    truth = torch.eye(5)
    # image k is 1 everywhere in channel k, so that channel means are shares
    images = truth[:, :, None, None].expand(5, 5, 12, 20).contiguous()
    before = images.clone()
    for _ in range(50):
        drawn = draw_mixture(kind, tuple(images.shape), rng)
        found = drawn.images(images).mean((2, 3))
        assert torch.allclose(found, drawn.targets(truth), atol=1e-6)
        assert 0 <= drawn.kept <= 1
    assert torch.equal(images, before)


def test_a_box_is_pasted_where_it_was() -> None:
    images = torch.arange(32.0).view(2, 1, 4, 4)
    found = Mixture(torch.tensor([1, 0]), 0.75, (1, 3, 2, 4)).images(images)
    assert found[0, 0].tolist() == [[0, 1, 2, 3], [4, 5, 22, 23], [8, 9, 26, 27], [12, 13, 14, 15]]


def test_mixup_keeps_most_of_each_and_mixes_features_too() -> None:
    rng = np.random.default_rng(1)
    kept = [draw_mixture("mixup", (8, 3), rng).kept for _ in range(200)]
    assert min(kept) >= 0.5
    assert np.median(kept) > 0.9, "Beta(0.2, 0.2) is far from a half most of the time"
    assert draw_mixture("mixup", (8, 3), rng).images(torch.rand(8, 3)).shape == (8, 3)


def test_boxes_that_are_cut_off_at_the_rim_cover_less_than_half() -> None:
    rng = np.random.default_rng(2)
    kept = [draw_mixture("cutmix", (2, 3, 64, 64), rng).kept for _ in range(4000)]
    assert 0.55 < np.mean(kept) < 0.75
