"""A network that looks at a picture at several scales."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.spec import HeadSpec
from brightfield.learn.backbone import build_trunk
from brightfield.learn.network import PooledTrunk, build_network, normalise, rescaled
from brightfield.learn.runtime import pick_runtime

SPEC = HeadSpec(taps=(-2, -1), pools=("mean", "max"), scales=(1.0, 0.5))


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


def test_logits_are_those_of_every_scale_in_turn() -> None:
    torch.manual_seed(0)
    net = build_network(build_trunk("test_resnet"), 2, SPEC, pick_runtime("cpu", "float32")).eval()
    x = torch.randn(3, 3, 128, 128)
    with torch.no_grad():
        maps = [net.trunk(seen)[t] for seen in (x, rescaled(x, 0.5)) for t in SPEC.taps]
        pooled = torch.cat([p for m in maps for p in (m.mean((2, 3)), m.amax((2, 3)))], 1)
        assert pooled.shape[1] == SPEC.width(net.trunk.spec.channels)
        assert torch.allclose(net.pool(net.tapped(x)), pooled, atol=1e-4)
        assert torch.allclose(net(x), net.head(pooled), atol=1e-4)


def test_what_is_exported_are_pooled_vectors_and_the_taps_of_one_scale() -> None:
    net = build_network(build_trunk("test_resnet"), 2, SPEC, pick_runtime("cpu", "float32")).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        pooled, *found = PooledTrunk(net)(x)
        maps = [net.trunk(x)[t] for t in SPEC.taps]
    assert all(torch.equal(a, m) for a, m in zip(found, maps, strict=True))
    assert torch.allclose(pooled, torch.cat([p for m in maps for p in (m.mean((2, 3)), m.amax((2, 3)))], 1))


def test_the_fingerprint_is_that_of_the_trunk_alone() -> None:
    torch.manual_seed(0)
    trunk, runtime = build_trunk("test_resnet"), pick_runtime("cpu", "float32")
    one, two = (build_network(trunk, 2, SPEC, runtime).trunk_fingerprint() for _ in range(2))
    assert one == two, "another head, the same trunk"
    assert build_network(build_trunk("test_resnet"), 2, SPEC, runtime).trunk_fingerprint() != one
