"""The segmenter's networks: their sizes, what is kept and what is trained, and the library's decoders."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import nn

from brightfield.errors import ConfigError, MissingPackageError
from brightfield.learn.backbone import TimmTrunk, build_trunk
from brightfield.learn.weights import load_weights
from brightfield.methods.segmenter.exporting import takes_one_size
from brightfield.methods.segmenter.network import (
    BACKGROUND,
    KEPT_STRIDE,
    Judge,
    LibraryNet,
    SegmenterNet,
    trained_parts,
)
from brightfield.methods.segmenter.options import BACKBONE, DECODERS

X = torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(0))


def net_of(name: str, deepest: int = 16, *, pretrained: bool = False) -> SegmenterNet:
    return SegmenterNet(build_trunk(name), 4, deepest, pretrained=pretrained)


def trained(module: nn.Module) -> set[str]:
    return {name for name, p in module.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("name", "deepest", "strides"),
    [
        ("test_resnet", 8, (2, 4, 8)),
        ("test_resnet", 16, (2, 4, 8, 16)),
        ("test_efficientnet", 32, (2, 4, 8, 16, 32)),
        ("test_convnext", 16, (4, 8, 16)),
        ("test_vit", 16, (16,)),
        ("test_vit", 32, (16,)),
        ("torchvision/mobilenet_v3_small", 16, (4, 8, 16)),
        ("vgg11", 8, (2, 4, 8)),  # its map of stride 1 is not read
    ],
)
def test_logits_are_at_stride_two_and_eight(name: str, deepest: int, strides: tuple[int, ...]) -> None:
    net = net_of(name, deepest)
    assert net.encoder.strides == strides
    maps = net.encoder(X)
    assert [tuple(m.shape) for m in maps] == [
        (2, channels, 64 // stride, 96 // stride)
        for stride, channels in zip(strides, net.encoder.channels, strict=True)
    ]
    logits, aside = net(X)
    assert logits.shape == (2, 4, 32, 48)
    assert aside.shape == (2, 4, 8, 12)
    (logits.square().mean() + aside.square().mean()).backward()
    idle = {n for n, p in net.named_parameters() if p.grad is None}
    assert {n for n in idle if n.startswith("decoder")} == set(), "all of the decoder is used"
    if not name.startswith("torchvision"):
        assert idle == set(), "what comes after the deepest map is cut off"
    found = Judge(net.eval())(X)
    assert found.shape == (2, 3, 32, 48)
    assert torch.allclose(found, net(X)[0].softmax(1)[:, 1:])


def test_at_first_most_pixels_are_good() -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        assert float(Judge(net_of("test_resnet").eval())(X).sum(1).mean()) < 0.5


@pytest.mark.parametrize(("name", "deepest", "found"), [("test_vit", 8, "16"), ("mixer_s32_224", 16, "32")])
def test_a_backbone_without_a_suitable_map_is_refused(name: str, deepest: int, found: str) -> None:
    with pytest.raises(
        ConfigError, match=f"--backbone '{name}' has maps of stride {found} only; .*larger --deepest"
    ):
        net_of(name, deepest)


def test_strides_that_are_no_power_of_two_are_refused() -> None:
    trunk = build_trunk("test_vit")
    trunk.net.feature_info = [{**dict(f), "reduction": 14} for f in trunk.net.feature_info]
    with pytest.raises(ConfigError, match="maps of stride 14 only; expected one of stride 2, 4, 8, 16:"):
        SegmenterNet(trunk, 4, 16, pretrained=False)


def test_a_pretrained_encoder_keeps_its_first_stages_and_its_depthwise_kernels() -> None:
    net = net_of(BACKBONE, pretrained=True)
    every = {name for name, _ in net.encoder.net.named_parameters()}
    stride_of = dict(zip("01234", (2, 4, 8, 16, 16), strict=True))  # of EfficientNet-Lite0's blocks
    assert {name.split(".")[0] for name in every} == {"conv_stem", "bn1", "blocks"}
    assert {name.split(".")[1] for name in every if name.startswith("blocks")} == set(stride_of)
    later = {
        name for name in every if name.startswith("blocks") and stride_of[name.split(".")[1]] > KEPT_STRIDE
    }
    assert later
    assert trained(net.encoder.net) == {name for name in later if "conv_dw" not in name}
    assert trained(net.decoder) == {name for name, _ in net.decoder.named_parameters()}


def test_grouped_kernels_that_are_not_depthwise_are_trained() -> None:
    net = net_of("regnetx_002", pretrained=True)
    grouped = {
        f"{name}.weight"
        for name, module in net.encoder.net.named_modules()
        if isinstance(module, nn.Conv2d) and module.groups > 1 and name.startswith("s3.")  # of stride 16
    }
    assert grouped
    assert grouped <= trained(net.encoder.net)


@pytest.mark.parametrize("pretrained", [True, False])
def test_the_statistics_of_a_pretrained_encoder_stay(pretrained: bool) -> None:
    net = net_of("test_resnet", pretrained=pretrained).train()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    net(X)
    after = net.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert {name for name in changed if name.startswith("decoder")}
    assert any(name.startswith("encoder") for name in changed) is not pretrained


def test_random_weights_are_all_trained() -> None:
    net = net_of("test_efficientnet")
    assert trained(net) == {name for name, _ in net.named_parameters()}


def test_the_parts_that_are_trained_apart() -> None:
    net = net_of("test_resnet")
    encoder, decoder = trained_parts(net)
    counted = [sum(p.numel() for p in part.parameters()) for part in (encoder, decoder, net)]
    assert counted[0] + counted[1] == counted[2]
    with pytest.raises(TypeError, match="a Linear is no network of a segmenter"):
        trained_parts(nn.Linear(1, 1))


@pytest.mark.parametrize("decoder", DECODERS[1:])
def test_every_decoder_of_the_library_marks_pixels_and_is_exported(decoder: str) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    trunk = build_trunk(BACKBONE)
    net = LibraryNet(trunk, 4, decoder)
    net.train()
    logits, aside = net(X)
    assert logits.shape == (2, 4, 64, 96)
    assert aside is None
    logits.square().mean().backward()
    encoder, rest = trained_parts(net)
    gradients = [[p.grad is not None for p in part.parameters()] for part in (encoder, rest)]
    assert all(any(found) for found in gradients)
    assert sum(map(len, gradients)) == len(list(net.parameters()))
    assert takes_one_size(net, trunk.spec) is False


def test_the_library_gets_the_backbones_weights() -> None:
    pytest.importorskip("segmentation_models_pytorch")
    trunk = build_trunk(BACKBONE)
    assert isinstance(trunk, TimmTrunk)
    load_weights(trunk)
    net: Any = LibraryNet(trunk, 3, "unet").eval()
    with torch.no_grad():
        own: Any = trunk.net.eval()
        expected = own.forward_intermediates(X, intermediates_only=True)
        found = net.net.encoder(X)[1:]  # the first is the picture
        assert len(found) == len(expected) == 5
        assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(found, expected, strict=True))
    assert float(net.net.segmentation_head[0].bias.detach()[0]) > BACKGROUND - 0.5


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ("torchvision/mobilenet_v3_small", "--decoder unet takes a timm backbone; 'torchvision/mobilenet_v3"),
        ("test_vit", "--decoder unet cannot be built on 'test_vit' .*choose another decoder or backbone"),
    ],
)
def test_what_the_library_cannot_build_is_refused(backbone: str, message: str) -> None:
    pytest.importorskip("segmentation_models_pytorch")
    with pytest.raises(ConfigError, match=message):
        LibraryNet(build_trunk(backbone), 3, "unet")


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "segmentation_models_pytorch", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'brightfield\[segmentation\]'"):
        LibraryNet(build_trunk("test_resnet"), 3, "unet")
