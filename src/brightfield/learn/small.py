"""Networks for small images, by name, trained from scratch: a trunk and the head that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from brightfield.engine.spec import HeadSpec
from brightfield.errors import ConfigError
from brightfield.learn.backbone import IMAGENET_MEAN, IMAGENET_STD, BackboneSpec, Trunk

PREFIX = "small/"
"""Before the name of a network in a bundle, since libraries have large ones of the same name."""

TIMES = "*"
"""Between the name of a network in a bundle and how many of it stand side by side, where it is several."""


_WHITENED_AT_ONCE = 500
"""Images whose patches are in memory together."""


@dataclass(frozen=True)
class SmallNetwork:
    """How a network is built.

    Attributes:
        body: Builds what turns (N, 3, H, W) into the last map (N, C, h, w).
        head: What follows on that map.
        adapted: Whether it is known for large pictures and changed for small ones.
    """

    body: Callable[[], nn.Module]
    head: HeadSpec
    adapted: bool = False


class Abreast(nn.Module):
    """Networks side by side on the same images, whose last maps are joined: (N, M * C, h, w)."""

    def __init__(self, nets: Iterable[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x: Tensor) -> Tensor:
        """Return every network's last map."""
        return torch.cat([net(x) for net in self.nets], 1)


class SmallTrunk(Trunk):
    """The convolutions of a network for small images, or of several of them abreast, read at their end."""

    def __init__(self, name: str, size: int, members: int = 1) -> None:
        super().__init__()
        self.members = members
        body = NETWORKS[name].body
        self.net = body() if members == 1 else Abreast(body() for _ in range(members))
        with torch.no_grad():
            self.net.eval()
            out = self.net(torch.zeros(1, 3, size, size))
            self.net.train()
        self.places = int(out.shape[2] * out.shape[3])
        self.stage_ends = ("",)
        self.spec = BackboneSpec(
            name=f"{PREFIX}{name}" if members == 1 else f"{PREFIX}{name}{TIMES}{members}",
            channels=(int(out.shape[1]),),
            strides=(round(size / int(out.shape[2])),),
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            input_size=size,
            fixed_size="flatten" in NETWORKS[name].head.pools,
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the last map of a normalised batch, alone in a list."""
        return [self.net(x)]


def build_small_trunk(name: str, size: int, members: int = 1) -> SmallTrunk:
    """Build a network's convolutions for square images of a side in pixels, with random weights.

    Several `members` stand side by side, each with weights of its own (deep ensembles, Lakshminarayanan et
    al., "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", 2017).

    Raises:
        ConfigError: If the images are too small for it.
    """
    try:
        return SmallTrunk(name, size, members)
    except RuntimeError as e:
        raise ConfigError(
            f"network {name!r} does not run on images of {size} px: {str(e).splitlines()[0][:200]}"
        ) from e


def small_trunk_of(spec_name: str, size: int) -> SmallTrunk:
    """Build the trunk that a bundle names, such as `small/fast_cnn` or `small/fast_cnn*3`."""
    name, _, members = spec_name.removeprefix(PREFIX).partition(TIMES)
    return build_small_trunk(name, size, int(members or 1))


def small_head(name: str, trunk: SmallTrunk) -> HeadSpec:
    """Return the head that belongs to a network's trunk: to its size, and to how many stand abreast in it."""
    head = NETWORKS[name].head
    if "flatten" in head.pools:
        head = replace(head, places=trunk.places)
    return head if trunk.members == 1 else replace(head, members=trunk.members, apart=True)


def _lenet5() -> nn.Module:
    """LeNet-5 up to C5 (LeCun et al. 1998, section II.B), with average pools and all maps connected."""
    return nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.Tanh(), nn.AvgPool2d(2), nn.Conv2d(6, 16, 5), nn.Tanh(), nn.AvgPool2d(2)
    )


def _tutorial_cnn() -> nn.Module:
    layers: list[nn.Module] = []
    before = 3
    for width in (64, 128, 256):
        for _ in range(2):
            layers += [nn.Conv2d(before, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(inplace=True)]
            before = width
        layers.append(nn.MaxPool2d(2))
    return nn.Sequential(*layers)


def _vgg(name: str) -> Callable[[], nn.Module]:
    def build() -> nn.Module:
        from torchvision.models import get_model

        body: nn.Module = get_model(f"{name}_bn", weights=None).features
        return body

    return build


class _Timm(nn.Module):
    """A timm network's convolutions, whose stem does not shrink the picture."""

    def __init__(self, name: str, stem: str) -> None:
        super().__init__()
        import timm

        self.net: Any = timm.create_model(name, pretrained=False, num_classes=0)
        old: Any = self.net.get_submodule(stem)
        new = nn.Conv2d(old.in_channels, old.out_channels, 3, padding=1, bias=False)
        nn.init.kaiming_normal_(new.weight, mode="fan_out", nonlinearity="relu")
        setattr(self.net, stem, new)
        if hasattr(self.net, "maxpool"):
            self.net.maxpool = nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net.forward_features(x)
        return out


class FastCNN(nn.Module):
    """Convolutions that learn in few epochs: a whitening first layer, and others that begin as the identity.

    The first layer is set once from the training images so that its outputs are uncorrelated
    (`whiten`), and of it only the bias is trained. After Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds
    on a Single GPU" (2024), sections 3.1 to 3.3; where a block has three convolutions, a shortcut
    spans the third.

    Args:
        widths: Channels of the three blocks.
        convolutions: In each block, 2 or 3.
        gain: What the last map is multiplied by.
    """

    def __init__(
        self, widths: tuple[int, int, int] = (64, 256, 256), convolutions: int = 2, gain: float = 1 / 9
    ) -> None:
        super().__init__()
        self.whitening = nn.Conv2d(3, 24, 2)
        self.whitening.weight.requires_grad_(False)
        before = 24
        blocks = []
        for width in widths:
            blocks.append(_block(before, width, convolutions))
            before = width
        self.blocks = nn.Sequential(*blocks)
        self.gain = gain

    def whiten(self, images: Tensor, epsilon: float = 5e-4) -> None:
        """Set the first layer from normalised images (N, 3, H, W): the eigenvectors of their 2x2 patches.

        Each is divided by the root of its eigenvalue, and stands there twice, with either sign, since the
        activation behind it lets through one.
        """
        moments, n = torch.zeros(12, 12, device=images.device), 0
        for few in torch.split(images, _WHITENED_AT_ONCE):
            patches = few.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12).float()
            moments, n = moments + patches.T @ patches, n + len(patches)
        values, vectors = torch.linalg.eigh(moments / n)
        rows = (vectors / torch.sqrt(values + epsilon)).T.flip(0).reshape(12, 3, 2, 2)
        with torch.no_grad():
            self.whitening.weight.copy_(torch.cat([rows, -rows]))

    def train_whitening(self, learns: bool) -> None:
        """Let the first layer's bias learn, or not."""
        for name, value in self.whitening.named_parameters():
            value.requires_grad_(learns and name == "bias")

    def forward(self, x: Tensor) -> Tensor:
        """Return the last map."""
        out: Tensor = self.blocks(nn.functional.gelu(self.whitening(x))) * self.gain
        return out


class _Added(nn.Module):
    """What some layers make of a map, added to it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def _block(before: int, width: int, convolutions: int) -> nn.Sequential:
    third = [_Added(_dirac(width, width), _norm(width)), nn.GELU()] if convolutions == 3 else []
    return nn.Sequential(
        *(_dirac(before, width), nn.MaxPool2d(2), _norm(width), nn.GELU()),
        *(_dirac(width, width), _norm(width), nn.GELU()),
        *third,
    )


def _dirac(before: int, width: int) -> nn.Conv2d:
    """A 3x3 convolution whose first channels begin as copies of its input's."""
    conv = nn.Conv2d(before, width, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[: min(before, width)])
    return conv


def _norm(width: int) -> nn.BatchNorm2d:
    """A norm of which only the bias is trained: the layer behind it can scale as well."""
    norm = nn.BatchNorm2d(width, eps=1e-12, momentum=0.4)
    norm.weight.requires_grad_(False)
    return norm


_LINEAR = HeadSpec(taps=(-1,), pools=("mean",))

NETWORKS: dict[str, SmallNetwork] = {
    "fast_cnn": SmallNetwork(FastCNN, HeadSpec(taps=(-1,), pools=("max",))),
    "wide_cnn": SmallNetwork(
        lambda: FastCNN((128, 512, 512), convolutions=3), HeadSpec(taps=(-1,), pools=("max",))
    ),
    "tutorial_cnn": SmallNetwork(
        _tutorial_cnn, HeadSpec(pools=("flatten",), hidden=(256,), dropout=0.5, activation="relu")
    ),
    "lenet5": SmallNetwork(_lenet5, HeadSpec(pools=("flatten",), hidden=(120, 84), activation="tanh")),
    "vgg11": SmallNetwork(_vgg("vgg11"), _LINEAR, adapted=True),
    "vgg16": SmallNetwork(_vgg("vgg16"), _LINEAR, adapted=True),
    "resnet18": SmallNetwork(lambda: _Timm("resnet18", "conv1"), _LINEAR, adapted=True),
    "resnet50": SmallNetwork(lambda: _Timm("resnet50", "conv1"), _LINEAR, adapted=True),
    "mobilenet": SmallNetwork(lambda: _Timm("mobilenetv1_100", "conv_stem"), _LINEAR, adapted=True),
    "efficientnet_lite0": SmallNetwork(
        lambda: _Timm("efficientnet_lite0", "conv_stem"), _LINEAR, adapted=True
    ),
}
