"""Backbones: any timm or torchvision network as a trunk of feature maps."""

from __future__ import annotations

import inspect
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from brightfield.errors import ConfigError

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class BackboneSpec:
    """What is needed to build a backbone again and to feed it.

    Attributes:
        name: A timm name, or `torchvision/NAME`.
        channels: Channels of each map the trunk returns, shallow to deep.
        strides: Input pixels per map pixel, likewise.
        mean: Mean of each colour channel of the input in [0, 1] that is subtracted.
        std: What the difference is divided by.
        input_size: The side in pixels the weights were trained at.
        fixed_size: Whether the network takes no other.
    """

    name: str
    channels: tuple[int, ...]
    strides: tuple[int, ...]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    input_size: int
    fixed_size: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return asdict(self)


class Trunk(nn.Module):
    """A backbone without its classifier: (N, 3, H, W) normalised float to a list of (N, C, H/s, W/s) maps."""

    net: nn.Module
    spec: BackboneSpec
    stage_ends: tuple[str, ...]
    """The module each stage ends with, one a stride, shallow to deep."""


class TimmTrunk(Trunk):
    """A timm network, read at the end of each stride from 4 on, and at its last convolution.

    Where the network gives the map of every block, as EfficientNets and MobileNets do, it is read at every
    block from stride 4 on: the pooled maps between two strides say more than the last one of each alone.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        net, fixed = _create(name)
        self.net = net
        if not hasattr(net, "forward_intermediates"):
            raise ConfigError(f"backbone {name!r} gives no intermediate maps; choose another timm name")
        cfg = net.pretrained_cfg
        size = int(cfg["input_size"][-1])
        reductions = [int(info["reduction"]) for info in net.feature_info]
        last = sorted({r: i for i, r in enumerate(reductions) if r >= 4}.values())
        every = "extra_blocks" in inspect.signature(net.forward_intermediates).parameters
        self.options: dict[str, Any] = {"output_fmt": "NCHW"} | ({"extra_blocks": True} if every else {})
        self.indices: list[int] | None = None if every else last
        final, maps = self._dry_run(size)
        if every:
            self.indices = [i for i, m in enumerate(maps) if size / int(m.shape[2]) >= 4]
            maps = [maps[i] for i in self.indices]
        self.has_final = (
            final.ndim == 4 and final.shape[1] != maps[-1].shape[1] and final.shape[2:] == maps[-1].shape[2:]
        )
        shapes = [m.shape for m in maps] + ([final.shape] if self.has_final else [])
        self.stage_ends = tuple(str(net.feature_info[i]["module"]) for i in last)
        self.spec = BackboneSpec(
            name=name,
            channels=tuple(int(s[1]) for s in shapes),
            strides=tuple(round(size / int(s[2])) for s in shapes),
            mean=_triple(cfg.get("mean", IMAGENET_MEAN)),
            std=_triple(cfg.get("std", IMAGENET_STD)),
            input_size=size,
            fixed_size=fixed,
        )

    def _maps(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        net: Any = self.net
        final, maps = net.forward_intermediates(x, indices=self.indices, **self.options)
        return final, list(maps)

    def _dry_run(self, size: int) -> tuple[Tensor, list[Tensor]]:
        was = self.net.training
        self.net.eval()
        with torch.no_grad():
            found = self._maps(torch.zeros(1, 3, size, size))
        self.net.train(was)
        return found

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of a normalised batch."""
        final, maps = self._maps(x)
        return [*maps, final] if self.has_final else maps


def _create(name: str) -> tuple[Any, bool]:
    """Return a timm network without its classifier, and whether it takes one size of picture only."""
    import timm

    settings = timm.get_pretrained_cfg(name)
    if settings is None or not settings.fixed_input_size:
        return timm.create_model(name, pretrained=False, num_classes=0), False
    # transformers are made for one size unless told otherwise, each family in its own words
    ways: list[dict[str, Any]] = [
        {"dynamic_img_size": True, "dynamic_img_pad": True},
        {"strict_img_size": False},
    ]
    for words in ways:
        try:
            return timm.create_model(name, pretrained=False, num_classes=0, **words), False
        except TypeError:
            continue
    return timm.create_model(name, pretrained=False, num_classes=0), True


class TorchvisionTrunk(Trunk):
    """A torchvision network, read at the last module of each stride from 4 on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from torchvision.models import get_model
        from torchvision.models.feature_extraction import create_feature_extractor

        size = 224
        net = get_model(name, weights=None)
        nodes = _last_of_each_stride(net, size)
        # the one map of a plain transformer is that of its patches, before anything looked at them
        if not nodes or name.startswith("vit_"):
            raise ConfigError(
                f"torchvision's {name!r} gives no feature maps; choose a convolutional network, "
                "or one of timm's transformers"
            )
        self.net = create_feature_extractor(net, return_nodes=[n for n, _, _ in nodes])
        self.stage_ends = tuple(n for n, _, _ in nodes)
        self.spec = BackboneSpec(
            name=f"torchvision/{name}",
            channels=tuple(c for _, c, _ in nodes),
            strides=tuple(s for _, _, s in nodes),
            mean=IMAGENET_MEAN,
            std=IMAGENET_STD,
            input_size=size,
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of a normalised batch."""
        return list(self.net(x).values())


def _last_of_each_stride(net: nn.Module, size: int) -> list[tuple[str, int, int]]:
    """Return (module name, channels, stride) of the last module of each stride, found by one dry run."""
    seen: dict[int, tuple[str, int, int]] = {}

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            # the picture is square: sides that differ are a side and channels, which some keep last
            if isinstance(output, Tensor) and output.ndim == 4 and 1 < output.shape[2] == output.shape[3]:
                stride = round(size / output.shape[2])
                if stride >= 4:
                    seen[stride] = (name, int(output.shape[1]), stride)

        return hook

    candidates = [
        (n, m) for n, m in net.named_modules() if 0 < n.count(".") + 1 <= 2 and "classifier" not in n
    ]
    handles = [m.register_forward_hook(watch(n)) for n, m in candidates]
    was = net.training
    net.eval()
    try:
        with torch.no_grad():
            net(torch.zeros(1, 3, size, size))
    finally:
        for handle in handles:
            handle.remove()
        net.train(was)
    return [seen[s] for s in sorted(seen)]


def _triple(values: Any) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return (a, b, c)


def known_backbones() -> list[str]:
    """Return every name `build_trunk` takes, timm's first."""
    import timm

    return [*timm.list_models(), *(f"torchvision/{n}" for n in torchvision_classifiers())]


def torchvision_classifiers() -> list[str]:
    """Return torchvision's classifiers: its detectors and the like have no trunk of their own."""
    from torchvision import models

    return [str(n) for n in models.list_models(module=models)]


def build_trunk(name: str, others: Iterable[str] = ()) -> Trunk:
    """Build a backbone by its timm or torchvision name, with random weights.

    Args:
        name: Of the backbone.
        others: Names that the message may suggest too.

    Raises:
        ConfigError: If neither library knows the name; the message suggests close ones.
    """
    import difflib

    import timm

    if name.startswith("torchvision/"):
        bare = name.removeprefix("torchvision/")
        if bare in torchvision_classifiers():
            return TorchvisionTrunk(bare)
    elif timm.is_model(name):
        return TimmTrunk(name)
    elif name in torchvision_classifiers():
        return TorchvisionTrunk(name)
    close = difflib.get_close_matches(name, [*others, *known_backbones()], n=3, cutoff=0.5)
    hint = f"; did you mean {', '.join(dict.fromkeys(close))}?" if close else ""
    raise ConfigError(f"--backbone {name!r} is neither a timm nor a torchvision name{hint}")


def last_stages(trunk: Trunk, stages: int) -> list[nn.Module]:
    """Return the modules with parameters that run after all but the last `stages` stages, found by a dry run.

    A stage is what works at one stride; as many as there are, or more, means the whole network.
    """
    order: list[tuple[str, nn.Module]] = []
    handles = [
        module.register_forward_pre_hook(lambda m, _, name=name: order.append((name, m)))
        for name, module in trunk.net.named_modules()
        if any(True for _ in module.parameters(recurse=False))
    ]
    modes = [(m, m.training) for m in trunk.modules()]
    try:
        with torch.no_grad():
            size = trunk.spec.input_size
            device = next(trunk.parameters()).device
            trunk.eval()(torch.zeros(1, 3, size, size, device=device))
    finally:
        for handle in handles:
            handle.remove()
        for module, mode in modes:
            module.training = mode
    if stages >= len(trunk.stage_ends):
        return [m for _, m in order]
    end = trunk.stage_ends[-1 - stages]
    inside = [i for i, (name, _) in enumerate(order) if name == end or name.startswith(end + ".")]
    return [m for _, m in order[max(inside, default=-1) + 1 :]]
