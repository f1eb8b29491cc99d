"""ONNX Runtime gives what torch gives, from one thread or several, whole or in pieces."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brightfield.engine import threads
from brightfield.engine.network import Network
from brightfield.engine.trunk import ANY_SIDE, PIXELS_AT_ONCE, Trunk
from brightfield.errors import BundleError, WeightsError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.export import export_trunk


def shake(net: nn.Module) -> nn.Module:
    """Give every BatchNorm statistics and gains that matter."""
    generator = torch.Generator().manual_seed(3)
    for m in net.modules():
        if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None and m.running_var is not None:
            m.running_mean.copy_(torch.randn(m.running_mean.shape, generator=generator) * 0.3)
            m.running_var.copy_(torch.rand(m.running_var.shape, generator=generator) + 0.5)
            if m.affine:
                m.weight.data = torch.rand(m.weight.shape, generator=generator) + 0.5
                m.bias.data = torch.randn(m.bias.shape, generator=generator) * 0.3
    return net.eval()


class Maps(nn.Module):
    """A trunk's maps behind their pooled means, as the export wants them."""

    def __init__(self, name: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = build_trunk(name)
        shake(self.trunk)  # else a norm that does nothing could be left out unnoticed

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = self.trunk(x)
        return (torch.cat([m.mean((2, 3)) for m in maps], 1), *maps)


@pytest.fixture(scope="module")
def net() -> Maps:
    return Maps("test_resnet")


@pytest.fixture(scope="module")
def network(net: Maps) -> Network:
    return export_trunk(net, 64, [64, 96], any_size=True)


def drawn(*shape: int) -> np.ndarray:
    return np.random.default_rng(shape[0]).normal(size=shape).astype(np.float32)


def seen(network: Network, x: np.ndarray, size: tuple[int, int], alone: bool = False) -> list[np.ndarray]:
    """Return all that a network makes of pictures at a size."""
    inputs = {"pictures": np.ascontiguousarray(x), "size": np.array(size)}
    return list(network(inputs, network.outputs, alone=alone))


def by_torch(net: nn.Module, x: np.ndarray, size: tuple[int, int]) -> list[np.ndarray]:
    """Return the same from torch."""
    with torch.no_grad():
        small = torch.from_numpy(np.ascontiguousarray(x))
        if size != x.shape[2:]:
            small = nn.functional.interpolate(small, size, mode="bilinear", antialias=True)
        return [out.numpy() for out in net(small)]


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",  # convolutions with unequal padding
        "resnetv2_18",  # norms before convolutions, some of whose outputs are used twice
        "torchvision/mobilenet_v3_small",
    ],
)
def test_one_model_serves_pictures_of_any_size_at_any_size(name: str) -> None:
    net = Maps(name)
    network = export_trunk(net, 64, [64, 32], any_size=True)
    for shape, size in (
        ((1, 3, 64, 64), (64, 64)),
        ((2, 3, 75, 98), (75, 98)),
        ((3, 3, 160, 160), (96, 64)),
    ):
        x = drawn(*shape)
        for old, new in zip(by_torch(net, x, size), seen(network, x, size), strict=True):
            assert np.allclose(old, new, atol=1e-4 * max(1.0, float(np.abs(old).max())))


def test_a_flipped_batch_is_read_in_its_own_order(net: Maps, network: Network) -> None:
    x = drawn(2, 3, 64, 64)[..., ::-1]
    assert np.allclose(seen(network, x, (64, 64))[-1], by_torch(net, x, (64, 64))[-1], atol=1e-4)


def test_exporting_leaves_the_network_as_it_was() -> None:
    net = Maps("tf_efficientnet_lite0")
    before = {k: v.clone() for k, v in net.state_dict().items()}
    export_trunk(net, 64, [64], any_size=True)
    after = net.state_dict()
    assert all(torch.equal(v, after[k]) for k, v in before.items())
    assert not any("forward" in vars(m) for m in net.modules())
    assert not any(m.training for m in net.modules())
    x = torch.randn(1, 3, 96, 96, requires_grad=True)
    net(x)[-1].sum().backward()
    assert x.grad is not None


class Fickle(nn.Module):
    """Takes another way for some inputs, which a trace does not see."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x * 2 if len(x) == 1 else x * 3,)


class Unknown(nn.Module):
    """Uses an operation that ONNX lacks."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (torch.special.bessel_j0(x),)


@pytest.mark.parametrize(("net", "said"), [(Fickle(), "other values"), (Unknown(), "cannot be run")])
def test_what_onnx_runtime_cannot_run_is_refused(net: nn.Module, said: str) -> None:
    with pytest.raises(WeightsError, match=f"{said}.*--backbone"):
        export_trunk(net, 8, [8], any_size=False)


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BundleError, match="cannot run the network"):
        Network(b"not a model")


def test_several_threads_at_once_get_what_one_gets(network: Network) -> None:
    fresh = Network(network.model)  # so that its sessions are made while several ask
    inputs = [drawn(n, 3, 64, 64) for n in (1, 2, 3, 1, 2, 3)]
    expected = [seen(network, x, (64, 64))[-1] for x in inputs]
    ready = threading.Barrier(6)

    def run(x: np.ndarray) -> np.ndarray:
        ready.wait()
        return seen(fresh, x, (64, 64), alone=len(x) == 2)[-1]

    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(run, inputs))
    assert all(np.allclose(a, b, atol=1e-5) for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("count", [1, 3])
def test_a_large_batch_in_pieces_is_the_batch(
    net: Maps, network: Network, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    with ThreadPoolExecutor(count) as pool:
        monkeypatch.setattr(threads, "count", lambda: count)
        monkeypatch.setattr(threads, "pool", lambda: pool)
        trunk = Trunk({ANY_SIDE: network}, (1.0, 0.5))
        x = drawn(PIXELS_AT_ONCE // 64**2 * count + 5, 3, 64, 64)
        pooled, maps = trunk.pooled_with_maps(x)
        large, small = (by_torch(net, x, (side, side)) for side in (64, 32))
        assert np.allclose(pooled, np.concatenate([large[0], small[0]], 1), atol=1e-4)
        assert all(np.allclose(a, b, atol=1e-3) for a, b in zip(maps, large[1:], strict=True))
        assert np.array_equal(trunk.pooled(x), pooled)


def test_a_trunk_without_a_network_for_a_size_says_so(network: Network) -> None:
    with pytest.raises(BundleError, match="no network for pictures of 64 px, only for 32, 96 px"):
        Trunk({32: network, 96: network}, (1.0,)).pooled(drawn(1, 3, 64, 64))


def test_threads_follow_what_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    threads.count.cache_clear()
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert threads.count() == 3
    threads.count.cache_clear()
