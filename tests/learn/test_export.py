"""What torch's exporter lacks is made up for, and what it cannot do is refused in one clear message."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from brightfield.engine.network import Network
from brightfield.errors import WeightsError
from brightfield.learn.export import export_trunk, exported


def drawn(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


class Positions(nn.Module):
    """Adds weights, resampled to the size of the picture, as transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Parameter(drawn(1, 3, 6, 6))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        size = [int(side) for side in x.shape[2:]]
        return (x + functional.interpolate(self.weights, size, mode="bicubic", antialias=True),)


class Unknown(nn.Module):
    """Uses an operation that ONNX lacks."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (torch.special.bessel_j0(x),)


def seen(network: Network, x: Tensor, side: int) -> np.ndarray:
    """Return what a network makes of pictures at a size."""
    (found,) = network({"pictures": x.numpy(), "size": np.array([side, side])}, network.outputs)
    return found


@pytest.mark.parametrize("side", [16, 5, 6])
def test_weights_are_resampled_as_torch_does(side: int) -> None:
    net = Positions()
    network = export_trunk(net, side, [side], any_size=False)
    for n in (1, 4):  # of any batch
        x = drawn(n, 3, side, side)
        with torch.no_grad():
            assert np.allclose(seen(network, x, side), net(x)[0].numpy(), atol=1e-5)


def test_a_size_that_was_not_traced_is_compared_too() -> None:
    with pytest.raises(WeightsError, match="--backbone"):
        export_trunk(Positions(), 16, [16, 24], any_size=True)


def test_pictures_are_seen_at_the_size_asked_for() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3))

    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = net

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            return (self.net(x),)

    network = export_trunk(Listed(), 32, [32, 16], any_size=True)
    x = drawn(2, 3, 32, 32)
    for side in (32, 16, 24):
        with torch.no_grad():
            small = functional.interpolate(x, (side, side), mode="bilinear", antialias=True)
            assert np.allclose(seen(network, x, side), net(small).numpy(), atol=1e-4)


def test_a_refusal_is_one_line_and_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with pytest.raises(WeightsError, match=r"^this backbone cannot be run.*bessel.*--backbone$"):
        export_trunk(Unknown(), 8, [8], any_size=False)
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"


class OneMap(nn.Module):
    """Makes one map of another network's outputs."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        (out,) = self.net(x)
        return out


ANY = {0: "batch", 2: "height", 3: "width"}


def test_one_input_and_one_output_of_any_size() -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.Dropout(0.5))
    network = exported(net, [(16, 24), (32, 8)], ("seen", "told"), ANY)
    assert not net.training
    assert network.outputs == ("told",)
    for shape in ((1, 3, 16, 24), (3, 3, 8, 40)):
        x = drawn(*shape)
        with torch.no_grad():
            assert np.allclose(network({"seen": x.numpy()}, ["told"])[0], net(x).numpy(), atol=1e-5)


def test_positions_are_resampled_in_one_network_too() -> None:
    net = OneMap(Positions())
    network = exported(net, [(12, 12)], ("seen", "told"), {0: "batch"})
    x = drawn(2, 3, 12, 12)
    with torch.no_grad():
        assert np.allclose(network({"seen": x.numpy()}, ["told"])[0], net(x).numpy(), atol=1e-5)
    with pytest.raises(WeightsError, match="--backbone"):
        exported(net, [(12, 12), (24, 12)], ("seen", "told"), ANY)


class Forgetful(nn.Module):
    """Adds what a trace takes for a constant: the mean of the picture it was traced with."""

    def forward(self, x: Tensor) -> Tensor:
        return x + float(x.mean())


@pytest.mark.filterwarnings("ignore:Converting a tensor")
def test_other_values_than_torch_are_refused() -> None:
    with pytest.raises(WeightsError, match="gives other values in ONNX Runtime"):
        exported(Forgetful(), [(8, 8)], ("seen", "told"), ANY)


def test_what_onnx_lacks_is_refused_in_one_network_too(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(WeightsError, match=r"^this backbone cannot be run.*bessel.*--backbone$"):
        exported(OneMap(Unknown()), [(8, 8)], ("seen", "told"), ANY)
    assert capfd.readouterr().out == ""
