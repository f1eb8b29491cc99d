"""A frozen network gives torch's features, from one model for all sizes or from one a scale."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brightfield.engine.network import Network
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import ANY_SIDE, Trunk
from brightfield.errors import BundleError, WeightsError
from brightfield.learn import frozen
from brightfield.learn.backbone import build_trunk
from brightfield.learn.frozen import Freezer, frozen_trunk
from brightfield.learn.network import TileNet, build_network, rescaled
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.small import build_small_trunk, small_head

SPEC = HeadSpec(taps=(-2, -1), pools=("mean", "max"), scales=(1.0, 0.5))


def network(name: str = "test_resnet", spec: HeadSpec = SPEC) -> TileNet:
    torch.manual_seed(0)
    trunk = build_trunk(name)
    return build_network(trunk, 2, spec.on(trunk.spec.strides), pick_runtime("cpu", "float32")).eval()


@pytest.fixture(scope="module")
def net() -> TileNet:
    return network()


@pytest.fixture(scope="module")
def freezer(net: TileNet) -> Freezer:
    return Freezer(net)


def drawn(n: int, side: int) -> Tensor:
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(side))


def by_torch(net: TileNet, x: Tensor) -> np.ndarray:
    """Return the taps of every scale in turn, pooled, written out in torch."""
    pooled = []
    with torch.no_grad():
        for scale in net.head.spec.scales:
            maps = net.trunk(rescaled(x, scale))
            for tap in net.head.spec.taps:
                pooled += [maps[tap].mean((2, 3)), maps[tap].amax((2, 3))]
    return torch.cat(pooled, 1).numpy()


@pytest.mark.parametrize(("n", "side"), [(3, 128), (1, 64), (2, 192)])
def test_features_are_those_of_torch_at_every_scale(freezer: Freezer, n: int, side: int) -> None:
    x = drawn(n, side)
    found = freezer.features(side).pooled(x.numpy())
    expected = by_torch(freezer.net, x)
    assert isinstance(freezer.features(side), Trunk)
    assert found.dtype == np.float32
    assert found.shape == (n, freezer.net.head.spec.width(freezer.net.trunk.spec.channels))
    assert np.allclose(found, expected, atol=1e-3 * float(np.abs(expected).max()))


def test_the_head_on_them_gives_the_networks_logits(freezer: Freezer) -> None:
    x = drawn(2, 128)
    found = freezer.net.head.fitted().logits(freezer.features(128).pooled(x.numpy()))
    with torch.no_grad():
        assert np.allclose(found, freezer.net(x).numpy(), atol=1e-3)


def test_one_model_serves_all_sizes(freezer: Freezer, monkeypatch: pytest.MonkeyPatch) -> None:
    first = freezer.trunk(64)
    assert list(first.networks) == [ANY_SIDE]
    monkeypatch.setattr(frozen, "export_trunk", None)  # what is there is taken again
    assert freezer.trunk(96) is first
    assert freezer.trunk(300) is first


def test_freezing_leaves_the_network_able_to_learn(net: TileNet) -> None:
    before = {k: v.clone() for k, v in net.state_dict().items()}
    frozen_trunk(net, 64)
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    net(drawn(2, 64)).sum().backward()
    assert all(p.grad is not None for p in net.trunk.parameters())
    net.zero_grad(set_to_none=True)


def test_what_learned_meanwhile_needs_a_new_freezer() -> None:
    net = network()
    old = Freezer(net)
    x = drawn(1, 64)
    before = old.features(64).pooled(x.numpy())
    with torch.no_grad():
        for p in net.trunk.parameters():
            p.mul_(1.1)
    assert np.array_equal(old.features(64).pooled(x.numpy()), before)
    assert not np.allclose(Freezer(net).features(64).pooled(x.numpy()), before, rtol=1e-2)


def test_a_transformer_gets_a_model_a_scale() -> None:
    """Its positions are resampled for each size, and each model knows those of one."""
    freezer = Freezer(network("test_vit", HeadSpec(pools=("mean", "max"), scales=(1.0, 0.5))))
    assert sorted(freezer.trunk(128).networks) == [64, 128]
    assert sorted(freezer.trunk(192).networks) == [96, 192]
    assert freezer.trunk(128) is freezer.trunk(128), "exported again"
    for side in (128, 192):
        x = drawn(2, side)
        found = freezer.features(side).pooled(x.numpy())
        expected = by_torch(freezer.net, x)
        assert np.allclose(found, expected, atol=1e-3 * float(np.abs(expected).max()))
    with pytest.raises(BundleError, match="of 192 px, only for 64, 128 px"):
        freezer.trunk(128).pooled(drawn(1, 192).numpy())


def test_a_transformer_at_its_own_size_takes_no_other() -> None:
    trunk = Freezer(network("test_vit", HeadSpec())).trunk(160)
    assert list(trunk.networks) == [160]


def test_a_network_built_for_one_size_is_exported_for_it_alone() -> None:
    torch.manual_seed(0)
    trunk = build_small_trunk("lenet5", 32)
    assert trunk.spec.fixed_size
    net = build_network(trunk, 3, small_head("lenet5", trunk), pick_runtime("cpu", "float32")).eval()
    found = frozen_trunk(net, 32)
    assert list(found.networks) == [32]
    x = drawn(4, 32)
    with torch.no_grad():
        expected = net(x).numpy()
    assert np.allclose(net.head.fitted().logits(found.pooled(x.numpy())), expected, atol=1e-4)


def test_what_cannot_be_exported_is_refused(net: TileNet, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[bool] = []

    def refuse(_net: nn.Module, _side: int, _seen: object, *, any_size: bool) -> Network:
        tried.append(any_size)
        raise WeightsError("this backbone cannot be run")

    monkeypatch.setattr(frozen, "export_trunk", refuse)
    with pytest.raises(WeightsError, match="cannot be run"):
        frozen_trunk(net, 64)
    assert tried == [True, False]
