"""The segmenter's network, in torch: a pretrained encoder and a decoder (U-Net)."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from brightfield.errors import ConfigError, said_if_missing
from brightfield.learn.backbone import TimmTrunk, Trunk, last_stages

FINEST = 2
"""The stride of the decoder's last map, at which the pixels are told apart."""

WIDTHS = {32: 96, 16: 64, 8: 48, 4: 32, 2: 24}
"""The channels of the decoder's maps by stride."""

STEM = 16
"""The channels of the finest map where the encoder has none: a convolution of the picture."""

KEPT_STRIDE = 8
"""The stride up to which a pretrained encoder keeps its weights."""

BACKGROUND = 2.0
"""The first bias of the background's logit: most pixels are good."""


class Encoder(nn.Module):
    """The maps of a backbone, the last of each stride from 2 to `deepest`: (N, 3, H, W) to (N, C, H/s, W/s).

    Of a timm network, what comes after the deepest map is cut off.
    """

    def __init__(self, trunk: Trunk, deepest: int) -> None:
        """Take over a backbone with its weights.

        Raises:
            ConfigError: If the backbone has no map of a suitable stride up to `deepest`.
        """
        super().__init__()
        found = _timm_maps(trunk.net) if isinstance(trunk, TimmTrunk) else _own_maps(trunk)
        wanted = [stride for stride in WIDTHS if stride <= deepest]
        chosen = {stride: (i, channels) for i, stride, channels in found if stride in wanted}
        if not chosen:
            strides = ", ".join(str(stride) for stride in sorted({stride for _, stride, _ in found}))
            raise ConfigError(
                f"--backbone {trunk.spec.name!r} has maps of stride {strides} only; expected one of stride "
                f"{', '.join(map(str, wanted[::-1]))}: choose another backbone, or a larger --deepest"
            )
        self.strides = tuple(sorted(chosen))
        self.indices = [chosen[stride][0] for stride in self.strides]
        self.channels = tuple(chosen[stride][1] for stride in self.strides)
        self.by_timm = isinstance(trunk, TimmTrunk)
        net: Any = trunk.net if self.by_timm else trunk
        self.net = net
        if self.by_timm:
            net.prune_intermediate_layers(self.indices, prune_norm=True, prune_head=True)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of a normalised batch, shallow to deep."""
        if not self.by_timm:
            maps: list[Tensor] = self.net.forward(x)
            return [maps[i] for i in self.indices]
        return list(
            self.net.forward_intermediates(
                x, indices=self.indices, intermediates_only=True, stop_early=True, output_fmt="NCHW"
            )
        )


def _timm_maps(net: Any) -> list[tuple[int, int, int]]:
    """Return (index, stride, channels) of every map of a timm network, shallow to deep."""
    return [(i, int(f["reduction"]), int(f["num_chs"])) for i, f in enumerate(net.feature_info)]


def _own_maps(trunk: Trunk) -> list[tuple[int, int, int]]:
    pairs = zip(trunk.spec.strides, trunk.spec.channels, strict=True)
    return [(i, stride, channels) for i, (stride, channels) in enumerate(pairs)]


class Decoder(nn.Module):
    """Joins an encoder's maps, deep to shallow, to logits at stride 2."""

    def __init__(self, strides: Sequence[int], channels: Sequence[int], classes: int) -> None:
        """Build the decoder with random weights.

        Args:
            strides: The strides of the encoder's maps, ascending, out of `WIDTHS`.
            channels: Their channels.
            classes: The defect types and the background.
        """
        super().__init__()
        deepest = strides[-1]
        self.strides = tuple(strides)
        width = WIDTHS[deepest]
        self.entrance = _block(channels[-1], width, 1)
        self.overview = nn.Conv2d(channels[-1], width, 1)
        self.spread = _block(width, width, 3)
        self.stem = None if strides[0] <= FINEST else _block(3, STEM, 3, stride=2)
        self.skips, self.joins = nn.ModuleDict(), nn.ModuleDict()
        at = deepest // 2
        given = dict(zip(strides, channels, strict=True))
        while at >= FINEST:
            skip = given.get(at, STEM if at == FINEST else 0)
            if skip:
                self.skips[str(at)] = nn.BatchNorm2d(skip)
            self.joins[str(at)] = _block(width + skip, WIDTHS[at], 3)
            width, at = WIDTHS[at], at // 2
        self.head = nn.Conv2d(width, classes, 1)
        self.aside = nn.Conv2d(WIDTHS[min(8, deepest)], classes, 1)
        with torch.no_grad():
            for last in (self.head, self.aside):
                last.bias[0] += BACKGROUND  # type: ignore[index]

    def forward(self, x: Tensor, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the logits at stride 2, (N, classes, H/2, W/2), and those at stride 8, or at the deepest."""
        deep = maps[-1]
        overview = self.overview(deep.mean((2, 3), keepdim=True))
        y = self.spread(self.entrance(deep) + overview)
        given = dict(zip(self.strides, maps, strict=True))
        if self.stem is not None:
            given[FINEST] = self.stem(x)
        aside = y
        for stride, join in self.joins.items():
            y = functional.interpolate(y, scale_factor=2.0, mode="nearest")
            if stride in self.skips:
                y = torch.cat([y, self.skips[stride](given[int(stride)])], 1)
            y = join(y)
            if stride == "8":
                aside = y
        return self.head(y), self.aside(aside)


def _block(before: int, after: int, side: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, side, stride=stride, padding=side // 2, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(inplace=True),
    )


class SegmenterNet(nn.Module):
    """An encoder and a decoder: normalised pictures (N, 3, H, W) to logits at stride 2 and at stride 8.

    Ronneberger et al., U-Net: convolutional networks for biomedical image segmentation, 2015. A pretrained
    encoder keeps its weights up to stride `KEPT_STRIDE`, its depthwise kernels, whose gradients cost most of
    a step's time, and the statistics of its normalisation.
    """

    def __init__(self, trunk: Trunk, classes: int, deepest: int, *, pretrained: bool) -> None:
        """Build the network.

        Args:
            trunk: A backbone, with its weights.
            classes: The defect types and the background.
            deepest: The stride of the deepest map that is used.
            pretrained: Whether the backbone's weights are to be kept in part; else all are trained.

        Raises:
            ConfigError: If the backbone has no suitable map.
        """
        super().__init__()
        if pretrained:
            keep_first_stages(trunk)
        self.pretrained = pretrained
        self.encoder = Encoder(trunk, deepest)
        self.decoder = Decoder(self.encoder.strides, self.encoder.channels, classes)

    def train(self, mode: bool = True) -> SegmenterNet:
        """Set the mode; a pretrained encoder's normalisation keeps its statistics."""
        super().train(mode)
        if self.pretrained:
            self.encoder.eval()
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits (N, classes, H/2, W/2) and (N, classes, H/8, W/8); sides are multiples of 32."""
        logits, aside = self.decoder(x, self.encoder(x))
        return logits, aside


def keep_first_stages(trunk: Trunk) -> None:
    """Keep a backbone's weights up to stride `KEPT_STRIDE`, and the kernels of its depthwise convolutions."""
    later = sum(stride > KEPT_STRIDE for stride in set(trunk.spec.strides))
    trained = (
        {id(p) for m in last_stages(trunk, later) for p in m.parameters(recurse=False)} if later else set()
    )
    for parameter in trunk.parameters():
        parameter.requires_grad_(id(parameter) in trained)
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d) and 1 < module.groups == module.in_channels:
            module.weight.requires_grad_(False)


class LibraryNet(nn.Module):
    """A network of segmentation_models_pytorch on a timm encoder: normalised pictures to logits.

    Its logits are at stride 1; there are no others.
    """

    def __init__(self, trunk: Trunk, classes: int, decoder: str) -> None:
        """Build the network with the backbone's weights.

        Raises:
            ConfigError: If the library has no such decoder for this backbone.
            MissingPackageError: If the library is not installed.
        """
        super().__init__()
        with said_if_missing():
            library = importlib.import_module("segmentation_models_pytorch")
        if not isinstance(trunk, TimmTrunk):
            raise ConfigError(f"--decoder {decoder} takes a timm backbone; {trunk.spec.name!r} is none")
        try:
            self.net: Any = library.create_model(
                decoder, f"tu-{trunk.spec.name}", encoder_weights=None, in_channels=3, classes=classes
            )
        except (ValueError, RuntimeError, KeyError, TypeError, AssertionError) as error:
            raise ConfigError(
                f"--decoder {decoder} cannot be built on {trunk.spec.name!r} ({str(error)[:200]}); choose "
                "another decoder or backbone"
            ) from error
        _copy_weights(trunk, self.net.encoder.model)
        with torch.no_grad():
            last = [m for m in self.net.segmentation_head.modules() if isinstance(m, nn.Conv2d)][-1]
            if last.bias is not None:
                last.bias[0] += BACKGROUND

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        """Return the logits of a batch whose sides are multiples of 32, and None."""
        return self.net(x), None


def _copy_weights(trunk: TimmTrunk, encoder: nn.Module) -> None:
    """Copy a backbone's weights into the same network as the library has it, with names like `stages_0`."""
    given = trunk.net.state_dict()
    flat = {name.replace(".", "_", 1): value for name, value in given.items()}
    own = encoder.state_dict()
    found = {name: given.get(name, flat.get(name)) for name in own}
    missing = [name for name, value in found.items() if value is None or value.shape != own[name].shape]
    if missing:
        raise ConfigError(
            f"--decoder: the encoder of {trunk.spec.name!r} is named otherwise there ({missing[0]}); choose "
            "another backbone, or --decoder compact"
        )
    encoder.load_state_dict(found)


def trained_parts(net: nn.Module) -> tuple[nn.Module, nn.Module]:
    """Return the encoder, and the decoder with what else is trained."""
    if isinstance(net, SegmenterNet):
        return net.encoder, net.decoder
    if not isinstance(net, LibraryNet):
        raise TypeError(f"a {type(net).__name__} is no network of a segmenter")
    return net.net.encoder, nn.ModuleList([net.net.decoder, net.net.segmentation_head])


class Judge(nn.Module):
    """The network as it is exported: the probability of each type (N, types, h, w) of normalised pictures."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of the types."""
        logits: Tensor = self.net(x)[0]
        return logits.softmax(1)[:, 1:]
