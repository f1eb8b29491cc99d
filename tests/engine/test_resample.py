"""Resampling against torch, which has it as one call."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn.functional import avg_pool2d, interpolate
from torchvision.transforms.v2.functional import gaussian_blur

from brightfield.engine.numeric import product, small_product
from brightfield.engine.resample import averaging, interpolating, linear_at, nearest_at, resampled, spreading
from brightfield.engine.trunk import scaled_side

X = np.random.default_rng(0).normal(size=(2, 3, 90, 75)).astype(np.float32)


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


@pytest.mark.parametrize(("window", "size"), [(3, (90, 75)), (3, (180, 100)), (5, (45, 75)), (1, (91, 75))])
def test_averaging_pools_and_interpolates(window: int, size: tuple[int, int]) -> None:
    pooled = avg_pool2d(torch.from_numpy(X), window, stride=1, padding=window // 2, count_include_pad=False)
    expected = interpolate(pooled, size, mode="bilinear", align_corners=False).numpy()
    found = resampled(X, averaging(90, size[0], window), averaging(75, size[1], window))
    assert np.allclose(found, expected, atol=1e-4)


def test_a_band_is_its_matrix() -> None:
    band = interpolating(90, 48)
    dense = band.dense(90)
    assert np.allclose(dense.sum(1), 1, atol=1e-6)
    assert np.allclose(dense @ X[0, 0], resampled(X[0, 0], band, interpolating(75, 75)), atol=1e-4)


def test_products_in_pieces_are_products() -> None:
    rng = np.random.default_rng(2)
    for rows, inner, columns in ((600, 67, 300), (7, 5, 3), (40, 400, 700)):
        a = rng.normal(size=(rows, inner)).astype(np.float32)
        b = rng.normal(size=(inner, columns)).astype(np.float32)
        assert np.allclose(small_product(a, b), a @ b, atol=1e-3)
        for some in (a[:2], a):
            assert np.allclose(product(some, np.ascontiguousarray(b.T)), some @ b, atol=1e-3)


def test_smaller_scales_are_whole_places_of_the_deepest_maps() -> None:
    assert [scaled_side(300, s) for s in (1.0, 0.53, 0.43)] == [300, 160, 128]
    assert scaled_side(64, 0.1) == 32


@pytest.mark.parametrize("shape", [(32, 20), (6, 5), (40, 7)])
def test_values_at_single_pixels_are_those_of_the_resized_map(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(3)
    values = rng.random((6, 5)).astype(np.float32)
    types = rng.integers(0, 5, (6, 5)).astype(np.uint8)
    rows, columns = (a.ravel() for a in np.mgrid[: shape[0], : shape[1]])
    for found, resized in (
        (
            linear_at(values, shape, rows, columns),
            Image.fromarray(values).resize(shape[::-1], Image.Resampling.BILINEAR),
        ),
        (
            nearest_at(types, shape, rows, columns),
            Image.fromarray(types).resize(shape[::-1], Image.Resampling.NEAREST),
        ),
    ):
        assert found == pytest.approx(np.asarray(resized).ravel(), abs=1e-6)
