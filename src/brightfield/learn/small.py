"""Networks for small images, trained from scratch: by name, a trunk and its head."""

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
"""The prefix of a small network's name in a bundle, since libraries have large networks of the same name."""

TIMES = "*"
"""The separator between a network's name in a bundle and the number of networks in its ensemble."""


_WHITENED_AT_ONCE = 500
"""The number of images whose patches are in memory at once."""


@dataclass(frozen=True)
class SmallNetwork:
    """The parts of a network.

    Attributes:
        body: A function that builds the convolutions, (N, 3, H, W) to the last map (N, C, h, w).
        head: The specification of the head on that map.
        adapted: Whether it is a network for large pictures, adapted to small ones.
    """

    body: Callable[[], nn.Module]
    head: HeadSpec
    adapted: bool = False


class Ensemble(nn.Module):
    """Several networks on the same images, whose last maps are concatenated: (N, M * C, h, w)."""

    def __init__(self, nets: Iterable[nn.Module]) -> None:
        super().__init__()
        self.nets = nn.ModuleList(nets)

    def forward(self, x: Tensor) -> Tensor:
        """Return the concatenated last maps."""
        return torch.cat([net(x) for net in self.nets], 1)


class SmallTrunk(Trunk):
    """The convolutions of a network for small images, or of an ensemble of them; it returns the last map."""

    def __init__(self, name: str, size: int, members: int = 1) -> None:
        super().__init__()
        self.members = members
        body = NETWORKS[name].body
        self.net = body() if members == 1 else Ensemble(body() for _ in range(members))
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
        """Return the last map of a normalised batch, as a list of one."""
        return [self.net(x)]


def build_small_trunk(name: str, size: int, members: int = 1) -> SmallTrunk:
    """Return a network's trunk for square images, with random weights.

    Several members form a deep ensemble (Lakshminarayanan et al., "Simple and Scalable Predictive Uncertainty
    Estimation using Deep Ensembles", 2017).

    Args:
        name: The network's name, a key of `NETWORKS`.
        size: The side of the images in pixels.
        members: The number of networks, each with its own weights.

    Raises:
        ConfigError: If the images are too small for the network.
    """
    try:
        return SmallTrunk(name, size, members)
    except RuntimeError as e:
        raise ConfigError(
            f"network {name!r} does not run on images of {size} px: {str(e).splitlines()[0][:200]}"
        ) from e


def small_trunk_of(spec_name: str, size: int) -> SmallTrunk:
    """Return the trunk of a name in a bundle, such as `small/fast_cnn` or `small/fast_cnn*3`."""
    name, _, members = spec_name.removeprefix(PREFIX).partition(TIMES)
    return build_small_trunk(name, size, int(members or 1))


def small_head(name: str, trunk: SmallTrunk) -> HeadSpec:
    """Return the specification of a network's head, for the map size and the members of its trunk."""
    head = NETWORKS[name].head
    if "flatten" in head.pools:
        head = replace(head, places=trunk.places)
    return head if trunk.members == 1 else replace(head, members=trunk.members, apart=True)


def _lenet5() -> nn.Module:
    """Return LeNet-5 up to C5 (LeCun et al. 1998, section II.B), with average pooling and all connections."""
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
    """The convolutions of a timm network, with a first layer that does not shrink the picture."""

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
    """A network that trains in few epochs, with a whitening first layer and identity initialisation.

    The first layer is set once from the training images so that its outputs are uncorrelated (`whiten`); only
    its bias is trained. After Keller Jordan, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU" (2024),
    sections 3.1 to 3.3. In blocks of three convolutions, a residual connection spans the third.

    Args:
        widths: The channels of the three blocks.
        convolutions: The number of convolutions in a block, 2 or 3.
        gain: The factor of the last map.
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
        """Set the first layer's filters from normalised images (N, 3, H, W).

        The filters are the eigenvectors of the second moments of 2x2 patches, each divided by the square root
        of its eigenvalue. Each is there with both signs, as the activation after it passes one sign only.
        """
        moments, n = torch.zeros(12, 12, device=images.device), 0
        for some in torch.split(images, _WHITENED_AT_ONCE):
            # (N, 3, H, W) -> (N, 3, H - 1, W - 1, 2, 2) -> (patches, 3 * 2 * 2)
            patches = some.unfold(2, 2, 1).unfold(3, 2, 1).permute(0, 2, 3, 1, 4, 5).reshape(-1, 12).float()
            moments, n = moments + patches.T @ patches, n + len(patches)
        values, vectors = torch.linalg.eigh(moments / n)
        rows = (vectors / torch.sqrt(values + epsilon)).T.flip(0).reshape(12, 3, 2, 2)
        with torch.no_grad():
            self.whitening.weight.copy_(torch.cat([rows, -rows]))

    def train_whitening(self, learns: bool) -> None:
        """Train the first layer's bias, or freeze it."""
        for name, value in self.whitening.named_parameters():
            value.requires_grad_(learns and name == "bias")

    def forward(self, x: Tensor) -> Tensor:
        """Return the last map of a normalised batch."""
        out: Tensor = self.blocks(nn.functional.gelu(self.whitening(x))) * self.gain
        return out


class _Residual(nn.Module):
    """Layers with a residual connection."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = x + self.layers(x)
        return out


def _block(before: int, width: int, convolutions: int) -> nn.Sequential:
    third = [_Residual(_dirac(width, width), _norm(width)), nn.GELU()] if convolutions == 3 else []
    return nn.Sequential(
        *(_dirac(before, width), nn.MaxPool2d(2), _norm(width), nn.GELU()),
        *(_dirac(width, width), _norm(width), nn.GELU()),
        *third,
    )


def _dirac(before: int, width: int) -> nn.Conv2d:
    """Return a 3x3 convolution that is initialised to copy its input to its first channels."""
    conv = nn.Conv2d(before, width, 3, padding=1, bias=False)
    with torch.no_grad():
        nn.init.dirac_(conv.weight[: min(before, width)])
    return conv


def _norm(width: int) -> nn.BatchNorm2d:
    """Return a batch norm with a fixed weight, since the next layer can scale as well."""
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
