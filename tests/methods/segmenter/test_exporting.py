"""The exported segmenter computes what the trained one does, and what cannot be exported is refused early."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from brightfield.errors import ConfigError, WeightsError
from brightfield.learn.backbone import build_trunk
from brightfield.methods.segmenter.exporting import export, takes_one_size
from brightfield.methods.segmenter.network import Judge, SegmenterNet

SPEC = build_trunk("test_resnet").spec


class Halved(nn.Module):
    """Gives logits at stride 2 of its mean colour, after some function."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        return self.of(nn.functional.avg_pool2d(x, 2).mean(1, keepdim=True).repeat(1, 3, 1, 1)), None

    def of(self, x: Tensor) -> Tensor:
        return x


class Unknown(Halved):
    def of(self, x: Tensor) -> Tensor:
        return torch.special.bessel_j0(x)  # ONNX lacks it


class Large(Halved):
    def of(self, x: Tensor) -> Tensor:
        return nn.functional.conv2d(x, torch.ones(3, 3, 20, 20))  # more than the smallest picture has


class Odd(Halved):
    def of(self, x: Tensor) -> Tensor:
        return x[:, :, 1:, 1:]


class Sized(Halved):
    """Has weights for each place of pictures of one size, as transformers have."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Parameter(torch.randn(1, 3, 80, 80))

    def of(self, x: Tensor) -> Tensor:
        size = [int(side) for side in x.shape[2:]]
        return x + nn.functional.interpolate(self.places, size, mode="bicubic", antialias=True)


@pytest.mark.parametrize("shape", [(1, 32, 32), (3, 64, 160), (2, 224, 96)])
def test_a_convolutional_network_takes_pieces_of_any_size(shape: tuple[int, int, int]) -> None:
    torch.manual_seed(0)
    net = SegmenterNet(build_trunk("test_efficientnet"), 3, 16, pretrained=False)
    assert takes_one_size(net, SPEC) is False
    judge = Judge(net).eval()
    x = torch.randn(shape[0], 3, *shape[1:])
    found = export(judge, 1024, fixed=False)({"pictures": x.numpy()}, ["types"])[0]
    with torch.no_grad():
        assert np.allclose(found, judge(x).numpy(), atol=1e-4)


def test_a_transformer_takes_pieces_of_one_size() -> None:
    torch.manual_seed(0)
    trunk = build_trunk("test_vit")
    net = SegmenterNet(trunk, 3, 16, pretrained=False)
    assert takes_one_size(net, trunk.spec) is True
    judge = Judge(net).eval()
    x = torch.randn(3, 3, 96, 96)
    found = export(judge, 96, fixed=True)({"pictures": x.numpy()}, ["types"])[0]
    with torch.no_grad():
        assert np.allclose(found, judge(x).numpy(), atol=1e-4)


def test_what_takes_one_size_is_found_out() -> None:
    assert takes_one_size(Halved(), SPEC) is False
    assert takes_one_size(Sized(), SPEC) is True
    assert takes_one_size(Halved(), replace(SPEC, fixed_size=True)) is True


@pytest.mark.parametrize("fixed", [False, True])
def test_what_cannot_be_exported_is_refused(fixed: bool) -> None:
    with pytest.raises(WeightsError, match="cannot be run by ONNX Runtime .*bessel"):
        takes_one_size(Unknown(), replace(SPEC, fixed_size=fixed))


@pytest.mark.parametrize(("net", "said"), [(Large(), "Kernel size"), (Odd(), "the logits have 15 rows")])
def test_what_cannot_be_computed_on_the_smallest_pieces_is_refused(net: nn.Module, said: str) -> None:
    with pytest.raises(ConfigError, match=rf"'test_resnet' gives no map of a picture of 32 px .*{said}"):
        takes_one_size(net, SPEC)
