"""Any timm or torchvision network serves as a trunk."""

from __future__ import annotations

import pytest
import torch

from brightfield.errors import ConfigError
from brightfield.learn.backbone import build_trunk, last_stages


@pytest.mark.parametrize("name", ["tf_efficientnet_lite0", "mobilenetv3_small_100", "torchvision/resnet18"])
def test_maps_are_as_the_spec_says(name: str) -> None:
    trunk = build_trunk(name).eval()
    assert list(dict.fromkeys(trunk.spec.strides)) == [4, 8, 16, 32]
    with torch.no_grad():
        maps = trunk(torch.randn(2, 3, 96, 64))
    assert tuple(m.shape[1] for m in maps) == trunk.spec.channels
    assert [m.shape[2:] for m in maps] == [(96 // s, 64 // s) for s in trunk.spec.strides]


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
    with pytest.raises(ConfigError, match="'lenet'.*did you mean lenet5"):
        build_trunk("lenet", ["lenet5"])
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
