"""The compiled network gives what torch gives, and where it cannot be compiled torch steps in."""

import logging

import pytest
import torch
from brightfield.models.engine import AT_ONCE, Engine, build_scorer
from torch import Tensor, nn

from brightfield.learn.backbone import build_trunk
from brightfield.learn.runtime import pick_runtime


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
    def __init__(self, name: str) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.trunk = build_trunk(name)
        shake(self.trunk)  # else a norm that does nothing could be left out unnoticed

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(self.trunk(x))


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",  # convolutions with unequal padding
        "resnetv2_18",  # norms before convolutions, some of whose outputs are used twice
        "torchvision/mobilenet_v3_small",
    ],
)
@pytest.mark.parametrize("shape", [(3, 64, 64), (3, 75, 98)])
def test_outputs_are_those_of_torch(name: str, shape: tuple[int, int, int]) -> None:
    net = Maps(name)
    engine = Engine(net, shape)
    for n in (1, 3, AT_ONCE // (shape[1] * shape[2]) + 1):  # the last one in two calls
        x = torch.randn(n, *shape, generator=torch.Generator().manual_seed(n))
        with torch.no_grad():
            expected = net(x)
        for old, new in zip(expected, engine(x), strict=True):
            assert torch.allclose(old, new, atol=1e-4 * float(old.abs().max()))


def test_a_flipped_batch_is_read_in_its_own_order() -> None:
    net = Maps("test_resnet")
    engine = Engine(net, (3, 64, 64))
    x = torch.randn(2, 64, 64, 3).permute(0, 3, 1, 2).flip(-1)
    with torch.no_grad():
        assert torch.allclose(net(x)[-1], engine(x)[-1], atol=1e-4)


def test_compiling_leaves_the_network_as_it_was() -> None:
    net = Maps("tf_efficientnet_lite0")
    before = {k: v.clone() for k, v in net.state_dict().items()}
    Engine(net, (3, 64, 64))
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


@pytest.mark.parametrize("net", [Fickle(), Unknown()])
def test_torch_runs_what_cannot_be_compiled(net: nn.Module, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        score = build_scorer(net, (3, 8, 8), pick_runtime("cpu"))
    assert "torch will" in caplog.text
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(score(x)[0], net(x)[0])


def test_an_engine_that_differs_is_refused() -> None:
    with pytest.raises(RuntimeError, match="other values"):
        Engine(Fickle(), (3, 8, 8))
