"""Grad-CAM against a case worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from brightfield.models.cam import grad_cam

from brightfield.learn.backbone import build_trunk
from brightfield.learn.head import HeadSpec
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime


def test_a_linear_score_of_means() -> None:
    """For score = sum of w_c mean(A_c), the weight is w_c / (H W); times H W the map is sum of w_c A_c."""
    rng = np.random.default_rng(0)
    a = rng.normal(size=(2, 3, 4, 4)).astype(np.float32)
    w = np.array([0.5, -2.0, 1.0], dtype=np.float32)
    found = grad_cam([torch.from_numpy(a)], lambda m: m[0].mean((2, 3)) @ torch.from_numpy(w), 4)
    expected = np.maximum(np.einsum("c,nchw->nhw", w, a), 0)
    assert np.allclose(found.numpy(), expected, atol=1e-5)
    assert found.dtype == torch.float32


def test_the_usual_value_is_calm_and_maps_add_up() -> None:
    a = torch.full((1, 2, 2, 2), 3.0)
    a[0, 0, 0, 1] = 5.0
    b = torch.full((1, 1, 4, 4), 1.0)
    calm = [torch.tensor([3.0, 3.0]), None]
    found = grad_cam([a, b], lambda m: m[0].mean((1, 2, 3)) * 2 + m[1].mean((1, 2, 3)), 4, calm)[0]
    # map a: the weight of each channel is 2 / 8 a pixel, times 4 pixels 1; map b: 1 everywhere
    assert found[0, 3] == 2.0 + 1.0
    assert found[3, 0] == 1.0


def test_a_map_that_speaks_against_hides_nothing_of_another() -> None:
    a, b = torch.full((1, 1, 4, 4), 2.0), torch.full((1, 1, 4, 4), 5.0)
    found = grad_cam([a, b], lambda m: m[0].mean((1, 2, 3)) - m[1].mean((1, 2, 3)), 4)
    assert torch.allclose(found, torch.full((1, 4, 4), 2.0))


def test_where_a_map_and_its_places_agree() -> None:
    """For score = max(A), all the gradient is at the maximum; averaging spreads it to other bright places."""
    a = torch.zeros(1, 1, 4, 4)
    a[0, 0, 1, 2], a[0, 0, 3, 0] = 4.0, 3.0
    place, whole, both = (
        grad_cam([a], lambda m: m[0].amax((1, 2, 3)), 4, weights=weights)[0]
        for weights in ("place", "map", "both")
    )
    assert (place[1, 2], place[3, 0]) == (4.0 * 16, 0.0)
    assert (whole[1, 2], whole[3, 0]) == (4.0, 3.0)
    assert (both[1, 2], both[3, 0]) == (16.0, 0.0)  # the roots of 64 times 4 and of 0 times 3
    assert float(both.sum()) == 16.0


def test_unknown_weights_are_refused() -> None:
    with pytest.raises(ValueError, match=r"weights 'mean' .* map, place, both"):
        grad_cam([torch.zeros(1, 1, 2, 2)], lambda m: m[0].sum((1, 2, 3)), 2, weights="mean")


def test_the_network_is_left_as_it_was() -> None:
    trunk = build_trunk("resnet18")
    spec = HeadSpec(taps=(-2, -1), pools=("mean", "max"))
    net = build_network(trunk, 2, spec, pick_runtime("cpu"))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    maps = net.frozen_maps(torch.randn(1, 3, 64, 64))
    heat = grad_cam(maps, lambda m: net.head(net.pool(m))[:, 1], 64)
    assert heat.shape == (1, 64, 64)
    assert float(heat.min()) >= 0
    hooks = [
        h
        for m in net.modules()
        for h in (m._forward_hooks, m._forward_pre_hooks, m._backward_hooks, m._backward_pre_hooks)
    ]
    assert not any(hooks)
    assert all(p.grad is None for p in net.parameters())
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
