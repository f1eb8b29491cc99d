"""Heat in closed form against automatic differentiation, and against cases worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import interpolate
from torchvision.transforms.v2.functional import gaussian_blur

from brightfield.engine.heat import grad_cam, score_gradient
from brightfield.engine.pooling import map_gradients
from brightfield.engine.spec import HeadSpec
from brightfield.learn.head import HeadEnsemble, defect_log_odds
from brightfield.learn.head import pool_maps as torch_pool

SHAPES = ((2, 5, 12, 12), (2, 4, 6, 6), (2, 3, 6, 6))


def by_autograd(maps: list[Tensor], head: HeadEnsemble, normal: int | None, named: int) -> list[Tensor]:
    """Return the gradients of what is explained with respect to the maps."""
    leaves = [m.clone().requires_grad_(True) for m in maps]
    logits = head(torch_pool(leaves, head.spec.pools))
    score = logits[:, named] if normal is None else defect_log_odds(logits, normal)
    return list(torch.autograd.grad(score.sum(), leaves))


def heat_of(maps: list[Tensor], gradients: list[Tensor], calm: list[Tensor | None], size: int) -> np.ndarray:
    """Return the geometric mean of Grad-CAM and its element-wise form, written out in torch."""
    out = torch.zeros(len(maps[0]), 2, size, size)
    for m, gradient, usual in zip(maps, gradients, calm, strict=True):
        activation = m if usual is None else m - usual[:, None, None]
        whole = gradient.mean((2, 3), keepdim=True)
        cams = torch.stack([(w * activation).sum(1) for w in (whole, gradient)], 1) * m[0, 0].numel()
        out += interpolate(cams.clamp_min(0), (size, size), mode="bilinear", align_corners=False)
    side = 2 * round(1.5 * size / 40) + 1
    return gaussian_blur(out, [side, side], [size / 40]).prod(1).sqrt().numpy()


@pytest.mark.parametrize("activation", ["gelu", "relu", "tanh"])
@pytest.mark.parametrize("pools", [("mean",), ("mean", "max"), ("max",), ("flatten",)])
@pytest.mark.parametrize(
    ("normal", "hidden", "apart"), [(0, (7,), False), (None, (), False), (1, (6, 5), True)]
)
def test_heat_is_that_of_automatic_differentiation(
    activation: str, pools: tuple[str, ...], normal: int | None, hidden: tuple[int, ...], apart: bool
) -> None:
    torch.manual_seed(0)
    shapes = [(2, 4, 6, 6)] if "flatten" in pools or apart else list(SHAPES)
    maps = [torch.randn(shape) for shape in shapes]
    maps[0] = maps[0].clamp_min(0)  # where a channel is cut off, several places share its maximum
    maps[0][:, 1] = 0
    width = sum(m[0].numel() if pool == "flatten" else m.shape[1] for m in maps for pool in pools)
    spec = HeadSpec(pools=pools, hidden=hidden, members=2, activation=activation, apart=apart)
    head = HeadEnsemble(width, 3, spec).eval()
    head.center.normal_()
    head.scale.uniform_(0.5, 2)
    calm: list[Tensor | None] = [None if i else torch.rand(m.shape[1]) for i, m in enumerate(maps)]
    expected = by_autograd(maps, head, normal, 2)

    arrays, fitted = [m.numpy() for m in maps], head.fitted()
    layers = fitted.layers(torch_pool(maps, pools).numpy())
    assert np.allclose(layers[-1].mean(0), head(torch_pool(maps, pools)).detach().numpy(), atol=1e-5)
    of_logits = score_gradient(layers[-1].mean(0), normal, np.array([2, 2]))
    gradients = map_gradients(arrays, pools, fitted.gradient(layers, of_logits, width))
    for found, wanted in zip(gradients, expected, strict=True):
        assert np.allclose(found, wanted.numpy(), atol=1e-5)
    usual = [None if c is None else c.numpy() for c in calm]
    heat = grad_cam(arrays, gradients, 48, usual)
    assert np.allclose(heat, heat_of(maps, expected, calm, 48), atol=1e-4 * max(1.0, float(heat.max())))


def test_a_linear_score_of_means() -> None:
    """For score = sum of w_c mean(A_c), the weight is w_c / (H W); times H W the map is sum of w_c A_c."""
    a = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    w = np.array([0.5, -2.0, 1.0], dtype=np.float32)
    gradients = map_gradients([a], ("mean",), np.stack([w, w]))
    expected = np.maximum(np.einsum("c,nchw->nhw", w, a), 0)
    for weights in ("map", "place", "both"):
        found = grad_cam([a], gradients, 4, [None], weights=weights)
        assert found.dtype == np.float32
        assert np.allclose(found, expected, atol=1e-5)


def test_the_usual_value_is_calm_and_maps_add_up() -> None:
    a = np.full((1, 2, 2, 2), 3.0, np.float32)
    a[0, 0, 0, 1] = 5.0
    b = np.full((1, 1, 4, 4), 1.0, np.float32)
    gradients = [np.full(a.shape, 2 / 8, np.float32), np.full(b.shape, 1 / 16, np.float32)]
    found = grad_cam([a, b], gradients, 4, [np.array([3.0, 3.0], np.float32), None])[0]
    # map a: the weight of each channel is 2 / 8 a pixel, times 4 pixels 1; map b: 1 everywhere
    assert found[0, 3] == pytest.approx(2.0 + 1.0)
    assert found[3, 0] == pytest.approx(1.0)


def test_a_map_that_speaks_against_hides_nothing_of_another() -> None:
    a, b = np.full((1, 1, 4, 4), 2.0, np.float32), np.full((1, 1, 4, 4), 5.0, np.float32)
    gradients = [np.full(a.shape, 1 / 16, np.float32), np.full(b.shape, -1 / 16, np.float32)]
    assert np.allclose(grad_cam([a, b], gradients, 4, [None, None]), 2.0)


def test_where_a_map_and_its_places_agree() -> None:
    """For score = max(A), all the gradient is at the maximum; averaging spreads it to other bright places."""
    a = np.zeros((1, 1, 4, 4), np.float32)
    a[0, 0, 1, 2], a[0, 0, 3, 0] = 4.0, 3.0
    gradients = map_gradients([a], ("max",), np.ones((1, 1), np.float32))
    place, whole, both = (
        grad_cam([a], gradients, 4, [None], weights=weights)[0] for weights in ("place", "map", "both")
    )
    assert (place[1, 2], place[3, 0]) == (4.0 * 16, 0.0)
    assert (whole[1, 2], whole[3, 0]) == (4.0, 3.0)
    assert (both[1, 2], both[3, 0]) == (16.0, 0.0)  # the roots of 64 times 4 and of 0 times 3


def test_unknown_weights_are_refused() -> None:
    a = np.zeros((1, 1, 2, 2), np.float32)
    with pytest.raises(ValueError, match=r"weights 'mean' .* map, place, both"):
        grad_cam([a], [a], 2, [None], weights="mean")
