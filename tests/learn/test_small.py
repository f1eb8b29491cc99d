"""Networks for small images: sizes as published, learnable, and helpful about names."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import nn

from brightfield.arch.describe import build, describe
from brightfield.engine.small_names import ONLY_SMALL, SMALL_NETWORKS
from brightfield.errors import ConfigError
from brightfield.learn.small import NETWORKS, FastCNN, build_small_trunk, small_head, small_trunk_of

SHAPE = (3, 32, 32)


def test_published_parameter_counts() -> None:
    # LeCun et al.'s LeNet-5 has 61,706 with one input channel, all maps connected and a linear end
    assert sum(p.numel() for p in build("lenet5", 10, SHAPE).parameters()) == 61_706 + 6 * 2 * 25
    # He et al.'s ResNet-18 has 11,689,512 with a 7x7 stem and 1000 classes
    resnet = build("resnet18", 10, SHAPE)
    assert sum(p.numel() for p in resnet.parameters()) == 11_689_512 - 64 * 3 * (49 - 9) - 990 * 513


def test_the_tutorial_network_by_hand() -> None:
    widths = [3, 64, 64, 128, 128, 256, 256]
    convolutions = sum(9 * a * b + b + 2 * b for a, b in itertools.pairwise(widths))
    dense = 256 * 4 * 4 * 256 + 256 + 256 * 10 + 10
    assert sum(p.numel() for p in build("tutorial_cnn", 10, SHAPE).parameters()) == convolutions + dense


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_logits_and_gradients(name: str) -> None:
    torch.manual_seed(0)
    net = build(name, 7, SHAPE).train()
    out = net(torch.randn(4, *SHAPE))
    assert out.shape == (4, 7)
    out.square().mean().backward()
    assert all(p.grad is not None for p in net.parameters() if p.requires_grad)


@pytest.mark.parametrize("members", [1, 3])
def test_a_bundle_names_how_many_stand_abreast(members: int) -> None:
    torch.manual_seed(0)
    trunk = build_small_trunk("tutorial_cnn", 32, members).eval()
    again = small_trunk_of(trunk.spec.name, 32).eval()
    again.load_state_dict(trunk.state_dict())
    x = torch.randn(2, *SHAPE)
    (maps,) = trunk(x)
    assert maps.shape == (2, members * 256, 4, 4)
    assert trunk.spec.channels == (members * 256,)
    assert torch.equal(again(x)[0], maps)
    nets = trunk.net.nets if members > 1 else [trunk.net]
    for own, net in zip(maps.split(256, 1), nets, strict=True):  # type: ignore[arg-type]
        assert torch.equal(own, net(x))
    spec = small_head("tutorial_cnn", trunk)
    assert (spec.members, spec.apart, spec.width(trunk.spec.channels)) == (
        members,
        members > 1,
        members * 256 * 16,
    )


def test_small_pictures_get_a_small_stem() -> None:
    assert describe("resnet18", SHAPE).layers[0].output == (64, 32, 32)
    assert describe("resnet18", (3, 128, 128)).layers[0].output == (64, 64, 64)


def test_a_third_convolution_is_added_to_what_it_reads() -> None:
    torch.manual_seed(0)
    block = FastCNN((8, 8, 8), convolutions=3).eval().blocks[0]
    first, pool, norm, gelu, second, norm_2, gelu_2, third, gelu_3 = block.children()  # type: ignore[union-attr]
    conv, norm_3 = third.layers
    nn.init.normal_(conv.weight)
    x = torch.randn(2, 24, 12, 12)
    read = gelu_2(norm_2(second(gelu(norm(pool(first(x)))))))
    with torch.no_grad():
        assert torch.allclose(block(x), gelu_3(read + norm_3(conv(read))))


def test_whitened_patches_are_uncorrelated() -> None:
    generator = torch.Generator().manual_seed(0)
    images = nn.functional.avg_pool2d(torch.randn(64, 3, 34, 34, generator=generator), 3, 1)  # smooth
    net = FastCNN()
    net.whiten(images, epsilon=0.0)
    out = nn.functional.conv2d(images, net.whitening.weight)[:, :12]
    flat = out.permute(1, 0, 2, 3).flatten(1)
    moment = flat @ flat.T / flat.shape[1]
    assert torch.allclose(moment, torch.eye(12), atol=1e-3)
    assert torch.equal(net.whitening.weight[12:], -net.whitening.weight[:12])


def test_unknown_names_and_sizes() -> None:
    with pytest.raises(ConfigError, match="did you mean resnet18"):
        build("resnet_18", 10, SHAPE)
    with pytest.raises(ConfigError, match="images of 4 px"):
        describe("lenet5", (3, 4, 4))
    with pytest.raises(ConfigError, match="3 channels, .* found 1x32x32"):
        build("vgg11", 10, (1, 32, 32))


def test_every_network_has_its_name_and_no_more() -> None:
    assert set(SMALL_NETWORKS) == set(NETWORKS)
    assert set(ONLY_SMALL) <= set(NETWORKS)
