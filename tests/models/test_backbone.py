"""Any timm or torchvision network serves as a trunk, and folding its BatchNorm changes nothing."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from brightfield.errors import ConfigError
from brightfield.models.backbone import build_trunk, fold_batchnorm, last_stages


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


@pytest.mark.parametrize(
    "name",
    [
        "tf_efficientnet_lite0",
        "resnet18",
        "mobilenetv3_small_100",
        "torchvision/resnet18",
        "resnetv2_18",  # norms before convolutions, some of whose outputs are used twice
    ],
)
def test_folding_keeps_the_outputs(name: str) -> None:
    trunk = build_trunk(name)
    assert list(dict.fromkeys(trunk.spec.strides)) == [4, 8, 16, 32]
    shake(trunk)
    x = torch.randn(2, 3, 96, 64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        before = trunk(x)
        folded = fold_batchnorm(copy.deepcopy(trunk), 64)
        after = folded(x)
        again = trunk(x)
    assert tuple(m.shape[1] for m in before) == trunk.spec.channels
    assert [m.shape[2:] for m in before] == [(96 // s, 64 // s) for s in trunk.spec.strides]
    for old, new, same in zip(before, after, again, strict=True):
        assert torch.allclose(old, new, atol=1e-4 * float(old.abs().max()))
        assert torch.equal(old, same)
    quiet = [m for m in folded.modules() if isinstance(m, nn.BatchNorm2d) and "forward" in vars(m)]
    assert quiet, "nothing was folded"


class _Awkward(nn.Module):
    """A norm behind a ReLU that works in place, and one convolution that serves two norms."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1), nn.Conv2d(4, 4, 1, bias=False)
        self.after_relu, self.first, self.second = (nn.BatchNorm2d(4) for _ in range(3))
        self.plain = nn.BatchNorm2d(4, affine=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.after_relu(torch.relu_(self.a(x)))
        x = self.b(x)
        x = self.first(x) + self.second(x)
        return torch.as_tensor(self.plain(self.c(x)))


@pytest.mark.parametrize("inference", [False, True])
def test_what_cannot_be_folded_is_left(inference: bool) -> None:
    net = shake(_Awkward())
    x = torch.randn(1, 3, 8, 8)
    with torch.inference_mode(inference), torch.no_grad():
        expected = net(x)
        folded = fold_batchnorm(copy.deepcopy(net), 8)
        assert torch.allclose(folded(x), expected, atol=1e-5)
    assert [n for n, m in folded.named_modules() if "forward" in vars(m)] == ["plain"]


def test_last_stages_of_a_resnet() -> None:
    trunk = build_trunk("resnet18")
    trunk.train()
    names = {id(m): n for n, m in trunk.net.named_modules()}
    found = [names[id(m)] for m in last_stages(trunk, 1)]
    own = [
        n
        for n, m in trunk.net.named_modules()
        if n.startswith("layer4") and list(m.parameters(recurse=False))
    ]
    assert sorted(found) == sorted(own)
    assert len(found) == 10  # two blocks of two convolutions and two norms, and the shortcut's pair
    assert all(m.training for m in trunk.modules()), "the dry run left modules in evaluation mode"
    two = {names[id(m)].split(".")[0] for m in last_stages(trunk, 2)}
    assert two == {"layer3", "layer4"}
    everything = [m for m in trunk.net.modules() if list(m.parameters(recurse=False))]
    assert len(last_stages(trunk, 4)) == len(everything)


def test_last_stages_of_the_default_backbone() -> None:
    trunk = build_trunk("tf_efficientnet_lite0")
    names = {id(m): n for n, m in trunk.net.named_modules()}
    found = {".".join(names[id(m)].split(".")[:2]) for m in last_stages(trunk, 1)}
    assert found == {"blocks.5", "blocks.6", "conv_head", "bn2"}


def test_last_stages_of_torchvision() -> None:
    trunk = build_trunk("torchvision/resnet18")
    names = {id(m): n for n, m in trunk.net.named_modules()}
    assert {names[id(m)].split(".")[0] for m in last_stages(trunk, 1)} == {"layer4"}


def test_unknown_backbones_are_refused_with_a_suggestion() -> None:
    with pytest.raises(ConfigError, match="'resnet81'.*did you mean.*resnet18"):
        build_trunk("resnet81")
    with pytest.raises(ConfigError, match="no feature maps.*convolutional"):
        build_trunk("torchvision/vit_b_16")
    with pytest.raises(ConfigError, match="fasterrcnn"):  # a detector, which torchvision lists too
        build_trunk("torchvision/fasterrcnn_resnet50_fpn")


def test_transformers_take_tiles_of_any_size() -> None:
    trunk = build_trunk("vit_tiny_patch16_224")
    assert not trunk.spec.fixed_size
    with torch.no_grad():
        (found,) = trunk.eval()(torch.zeros(1, 3, 96, 96))
    assert found.shape == (1, 192, 6, 6)


def test_channels_last_maps_are_no_maps_of_many_sides() -> None:
    trunk = build_trunk("torchvision/swin_t")  # works channels last, but for its last map
    assert trunk.spec.channels == (768,)
    assert trunk.spec.strides == (32,)
