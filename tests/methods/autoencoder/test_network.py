"""The autoencoder's network and loss: sizes, and the structural similarity beside a naive computation."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pytest
import torch

from brightfield.methods.autoencoder.network import BOTTLENECK, Autoencoder, Residual

Grey = npt.NDArray[np.float64]


def naive_similarity(x: Grey, y: Grey) -> Grey:
    """Return the structural similarity as Wang et al. define it, window by window, in double precision."""
    weights = np.array(
        [[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in range(-5, 6)] for i in range(-5, 6)]
    )
    weights /= weights.sum()
    padded_x, padded_y = (np.pad(of, 5, mode="reflect") for of in (x, y))
    out = np.empty_like(x)
    for row in range(x.shape[0]):
        for column in range(x.shape[1]):
            a = padded_x[row : row + 11, column : column + 11]
            b = padded_y[row : row + 11, column : column + 11]
            mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
            var_a, var_b = (weights * (a - mean_a) ** 2).sum(), (weights * (b - mean_b) ** 2).sum()
            covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
            out[row, column] = (
                (2 * mean_a * mean_b + 0.01**2)
                * (2 * covariance + 0.03**2)
                / ((mean_a**2 + mean_b**2 + 0.01**2) * (var_a + var_b + 0.03**2))
            )
    return out


def test_similarity_is_that_of_the_paper() -> None:
    rng = np.random.default_rng(0)
    smooth = np.add.outer(np.linspace(0, 0.7, 24), np.linspace(0, 0.3, 20))
    pairs = [
        (rng.random((24, 20)), rng.random((24, 20))),
        (smooth, (smooth + rng.normal(0, 0.05, smooth.shape)).clip(0, 1)),
        (np.full((24, 20), 0.8), np.full((24, 20), 0.2)),
    ]
    for x, y in pairs:
        batch = [torch.from_numpy((of - 0.5).astype(np.float32))[None, None] for of in (x, y)]
        found = Residual().similarity(*batch)[0].numpy()
        assert found == pytest.approx(naive_similarity(x, y), abs=2e-4)


def test_the_residual_is_structure_and_colour() -> None:
    rng = np.random.default_rng(1)
    x, y = (rng.uniform(-0.5, 0.5, (3, 16, 16)).astype(np.float32) for _ in range(2))
    found = Residual()(torch.from_numpy(x)[None], torch.from_numpy(y)[None])[0].numpy()
    structure = naive_similarity(x.mean(0, dtype=np.float64) + 0.5, y.mean(0, dtype=np.float64) + 0.5)
    assert found == pytest.approx((1 - structure) / 2 + np.abs(x - y).mean(0), abs=1e-3)
    alike = Residual()(torch.from_numpy(x)[None], torch.from_numpy(x)[None])
    assert alike.numpy() == pytest.approx(0, abs=1e-4)
    # a change of hue that leaves the brightness as it was is seen too
    red = x.copy()
    red[0] += 0.1
    red[1] -= 0.1
    hue = Residual()(torch.from_numpy(x)[None], torch.from_numpy(red)[None])
    assert hue.numpy() == pytest.approx(0.2 / 3, abs=1e-3)


@pytest.mark.parametrize(("side", "narrowest"), [(32, 8), (100, 13), (128, 8), (256, 8), (448, 14)])
def test_nothing_passes_by_a_narrow_bottleneck(side: int, narrowest: int) -> None:
    net = Autoencoder(side).eval()
    x = torch.rand(2, 3, side, side) - 0.5
    with torch.inference_mode():
        code = net.down(x)
        assert code.shape == (2, BOTTLENECK, narrowest, narrowest)
        whole = net(x)
        assert whole.shape == x.shape
        handle = net.down.register_forward_hook(lambda *_: code.flip(0))
        assert torch.allclose(net(x), whole.flip(0), atol=1e-5), "the code alone makes the picture"
        handle.remove()
