"""Resampling against torch, which has it as one call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate
from torchvision.transforms.v2.functional import gaussian_blur

from brightfield.engine.pixels import at_scale, scaled_side
from brightfield.engine.resample import interpolating, resampled, shrinking, spreading

X = np.random.default_rng(0).normal(size=(2, 3, 90, 75)).astype(np.float32)


@pytest.mark.parametrize("size", [(48, 33), (90, 75), (45, 74), (89, 40)])
def test_shrinking_is_antialiased(size: tuple[int, int]) -> None:
    expected = interpolate(torch.from_numpy(X), size, mode="bilinear", antialias=True).numpy()
    found = resampled(X, shrinking(90, size[0]), shrinking(75, size[1]))
    assert found.dtype == np.float32
    assert np.allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize("size", [(180, 150), (97, 200), (30, 20)])
def test_interpolating_is_not(size: tuple[int, int]) -> None:
    expected = interpolate(torch.from_numpy(X), size, mode="bilinear", align_corners=False).numpy()
    assert np.allclose(
        resampled(X, interpolating(90, size[0]), interpolating(75, size[1])), expected, atol=1e-4
    )


@pytest.mark.parametrize(("side", "size"), [(8, 64), (38, 300), (3, 96)])
def test_spreading_interpolates_and_blurs(side: int, size: int) -> None:
    maps = np.random.default_rng(1).random((2, 2, side, side)).astype(np.float32)
    large = interpolate(torch.from_numpy(maps), (size, size), mode="bilinear", align_corners=False)
    deviation = size / 40
    kernel = 2 * round(1.5 * deviation) + 1
    expected = gaussian_blur(large, [kernel, kernel], [deviation, deviation]).numpy()
    spread = spreading(side, size, deviation)
    assert np.allclose(resampled(maps, spread, spread), expected, atol=1e-4)


def test_a_band_is_its_matrix() -> None:
    band = shrinking(90, 48)
    dense = band.dense(90)
    assert np.allclose(dense.sum(1), 1, atol=1e-6)
    assert np.allclose(dense @ X[0, 0], resampled(X[0, 0], band, interpolating(75, 75)), atol=1e-4)


def test_smaller_scales_are_whole_places_of_the_deepest_maps() -> None:
    assert [scaled_side(300, s) for s in (1.0, 0.53, 0.43)] == [300, 160, 128]
    assert scaled_side(64, 0.1) == 32
    assert at_scale(X, 1.0) is X
    assert at_scale(np.zeros((1, 3, 300, 300), np.float32), 0.53).shape == (1, 3, 160, 160)
