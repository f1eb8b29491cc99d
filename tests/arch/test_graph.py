"""What is read off the graph against torch's sizes, parameters, multiply-adds, and gradients' support."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from brightfield.arch.describe import build, describe
from brightfield.arch.graph import Architecture, analyse
from brightfield.arch.receptive_rules import WHOLE
from brightfield.learn.small import NETWORKS

SHAPE = (3, 32, 32)


def positive(net: nn.Module) -> nn.Module:
    """Make every path count: positive weights, norms that do nothing, pools that pass all on."""
    for module in net.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.constant_(module.weight, 1.0 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.ones_(module.weight)  # some begin at zero, to close their branch
    for name, child in list(net.named_children()):
        if isinstance(child, nn.MaxPool2d):
            setattr(net, name, nn.AvgPool2d(child.kernel_size, child.stride, child.padding))
        else:
            positive(child)
    return net


def support(architecture: Architecture, index: int) -> tuple[tuple[int, int], tuple[int, int]] | None:
    layer = architecture.layers[index]
    gradient = architecture.gradient(layer, torch.rand(1, *architecture.input) + 0.1).abs().sum(0)
    rows, columns = torch.nonzero(gradient.sum(1)).ravel(), torch.nonzero(gradient.sum(0)).ravel()
    return (int(rows[0]), int(rows[-1])), (int(columns[0]), int(columns[-1]))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_named_network(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, 10, SHAPE)
    found = analyse(net, SHAPE, name)
    assert found.parameters == sum(p.numel() for p in net.parameters())
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        expected = net.eval()(torch.zeros(1, *SHAPE))
    assert 2 * found.multiply_adds == counter.get_total_flops()
    assert found.layers[-1].output == tuple(expected.shape[1:]) == (10,)

    # an average over a window sees what a maximum over it may
    plain = analyse(positive(copy.deepcopy(net)).double().float(), SHAPE, name)
    maps = [i for i, layer in enumerate(plain.layers) if layer.spatial]
    assert maps
    for i in maps:
        assert plain.layers[i].seen == found.layers[i].seen
        assert plain.field(plain.layers[i]) == support(plain, i), plain.layers[i]


def test_sizes_are_those_that_hooks_see() -> None:
    net = build("resnet18", 10, SHAPE).eval()
    seen: dict[str, tuple[int, ...]] = {}
    for name, module in net.named_modules():
        if isinstance(module, nn.Conv2d):
            module.register_forward_hook(
                lambda _m, _i, out, name=name: seen.update(
                    {name.removeprefix("trunk.net.net."): tuple(out.shape[1:])}
                )
            )
    with torch.no_grad():
        net(torch.zeros(1, *SHAPE))
    found = {x.name: x.output for x in describe("resnet18", SHAPE).layers if x.kind.startswith("conv")}
    assert found == seen


def test_a_picture_that_is_not_square() -> None:
    found = describe("resnet18", (3, 96, 160))
    assert found.layers[0].output == (64, 48, 80)
    assert found.layers[0].kind == "conv 7x7"


class Odd(nn.Module):
    """Unequal windows, dilation, unequal padding, two branches, a gate that sees all."""

    def __init__(self) -> None:
        super().__init__()
        self.tall = nn.Conv2d(1, 4, (5, 1), padding=(2, 0))
        self.wide = nn.Conv2d(1, 4, (1, 3), padding="same", dilation=2)
        self.down = nn.Conv2d(8, 8, 3, stride=2)
        self.gate = nn.Conv2d(8, 8, 1)
        self.gain = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.tall(x), self.wide(x)], 1)
        x = torch.relu(self.down(nn.functional.pad(x, (0, 1, 0, 2)))) * self.gain
        return x * torch.sigmoid(self.gate(x.mean((2, 3), keepdim=True)))


def test_odd_shapes() -> None:
    found = analyse(Odd(), (1, 20, 24))
    layers = {layer.name: layer for layer in found.layers if layer.kind.startswith("conv")}
    assert [s.size for s in layers["tall"].seen] == [5, 1]
    assert [s.size for s in layers["wide"].seen] == [1, 5]
    assert [(s.size, s.step) for s in layers["down"].seen] == [(7, 2), (7, 2)]
    assert layers["gate"].seen == WHOLE
    assert found.parameters == sum(p.numel() for p in Odd().parameters())
    i = found.layers.index(layers["down"])
    assert support(analyse(positive(Odd()), (1, 20, 24)), i) == found.field(layers["down"])


def test_what_the_recurrences_do_not_tell_is_not_guessed() -> None:
    class Shuffled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.last = nn.Conv2d(1, 4, 3), nn.Conv2d(1, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.last(nn.functional.pixel_shuffle(self.first(x), 2))
            return out

    found = analyse(Shuffled(), (1, 12, 12))
    assert found.layers[0].seen is not None
    assert found.layers[-1].seen is None


@pytest.mark.parametrize(
    ("name", "size"),
    [
        ("convnext_atto", 128),  # works on (N, H, W, C)
        ("torchvision/shufflenet_v2_x0_5", 128),  # moves channels about in five dimensions
        ("mobilenetv3_small_100", 128),  # gates that see the whole picture
    ],
)
def test_networks_of_the_libraries(name: str, size: int) -> None:
    found = describe(name, (3, size, size))
    torch.manual_seed(0)
    net = build(name, 10, (3, size, size))
    assert found.parameters == sum(p.numel() for p in net.parameters())
    told = [x for x in found.layers if x.spatial and isinstance(x.seen, tuple)]
    assert told
    for layer in told[:: max(1, len(told) // 8)]:
        bounds = found.field(layer)
        gradient = found.gradient(layer, torch.rand(1, 3, size, size)).abs().sum(0)
        rows, columns = torch.nonzero(gradient.sum(1)).ravel(), torch.nonzero(gradient.sum(0)).ravel()
        assert bounds is not None
        (top, bottom), (left, right) = bounds
        assert top <= int(rows[0]) <= int(rows[-1]) <= bottom
        assert left <= int(columns[0]) <= int(columns[-1]) <= right
