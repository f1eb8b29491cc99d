"""A network that looks at a picture at several scales."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.backbone import build_trunk
from brightfield.learn.head import HeadSpec
from brightfield.learn.network import build_network, looked_at, normalise, rescaled
from brightfield.learn.runtime import pick_runtime

SPEC = HeadSpec(taps=(-2, -1), pools=("mean", "max"), scales=(1.0, 0.5))


def test_smaller_looks_are_whole_places_of_the_deepest_maps() -> None:
    assert [looked_at(300, s) for s in (1.0, 0.53, 0.43)] == [300, 160, 128]
    assert looked_at(64, 0.1) == 32


def test_a_smaller_look_is_the_picture_antialiased() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    found = rescaled(torch.from_numpy(pixels)[None, None].float(), 0.5)[0, 0].numpy()
    expected = np.asarray(Image.fromarray(pixels).resize((64, 64), Image.Resampling.BILINEAR), np.float32)
    assert np.abs(found - expected).max() <= 1


def test_what_was_normalised_while_scoring_serves_gradients_too() -> None:
    rule = Preprocessing(8, 32, True, 32, 0, (0.5, 0.25, 0.125), (0.25, 0.5, 0.2))
    tiles = torch.full((2, 4, 4, 3), 102.0, requires_grad=True)
    with torch.inference_mode():
        normalise(tiles, rule)
    found = normalise(tiles, rule)
    found.sum().backward()
    assert torch.allclose(found[0, :, 0, 0], torch.tensor([-0.4, 0.3, 1.375]))
    assert tiles.grad is not None
    assert torch.allclose(tiles.grad[0, 0, 0], 1 / (255 * torch.tensor([0.25, 0.5, 0.2])))


def test_features_are_those_of_every_scale_in_turn() -> None:
    torch.manual_seed(0)
    net = build_network(build_trunk("test_resnet"), 2, SPEC, pick_runtime("cpu", "float32")).eval()
    x = torch.randn(3, 3, 128, 128)
    found = net.features(x)
    with torch.no_grad():
        expected = [net.pool([net.trunk(seen)[t] for t in SPEC.taps]) for seen in (x, rescaled(x, 0.5))]
        assert torch.allclose(found, torch.cat(expected, 1), atol=1e-3)
        assert torch.allclose(net(x), net.head(found), atol=1e-3)
    assert found.shape[1] == SPEC.width(net.trunk.spec.channels)


def test_another_head_on_the_same_trunk() -> None:
    net = build_network(build_trunk("test_resnet"), 2, SPEC, pick_runtime("cpu", "float32")).eval()
    x = torch.randn(2, 3, 64, 64)
    before = net.frozen_maps(x)
    other = net.with_head(net.head)
    assert all(torch.equal(a, b) for a, b in zip(before, other.frozen_maps(x), strict=True))
    assert other.trunk is net.trunk
