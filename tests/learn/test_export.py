"""What torch's exporter lacks is made up for, and what it cannot do is refused in one clear message."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from brightfield.errors import WeightsError
from brightfield.learn.export import export_network


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


class Smaller(nn.Module):
    """Resamples the picture itself as only weights may be."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (functional.interpolate(x, (8, 8), mode="bicubic", antialias=True),)


class Unknown(nn.Module):
    """Uses an operation that ONNX lacks."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (torch.special.bessel_j0(x),)


def test_resampled_weights_are_those_of_the_size_exported_for() -> None:
    net, before = Positions(), functional.interpolate
    network = export_network(net, [(3, 16, 16)], any_size=False)
    for n in (1, 4):  # of any batch
        x = drawn(n, 3, 16, 16)
        with torch.no_grad():
            assert np.allclose(network(x.numpy())[0], net(x)[0].numpy(), atol=1e-5)
    assert functional.interpolate is before


def test_a_size_that_was_not_traced_is_compared_too() -> None:
    with pytest.raises(WeightsError, match="--backbone"):
        export_network(Positions(), [(3, 16, 16), (3, 24, 24)], any_size=True)


def test_a_picture_that_would_stay_the_traced_one_is_noticed() -> None:
    with pytest.raises(WeightsError, match="cannot be run.*--backbone"):
        export_network(Smaller(), [(3, 16, 16)], any_size=False)


def test_a_refusal_prints_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    print("before")
    with pytest.raises(WeightsError, match=r"bessel.*--backbone"):
        export_network(Unknown(), [(3, 8, 8)], any_size=False)
    print("after")
    assert capfd.readouterr().out == "before\nafter\n"
