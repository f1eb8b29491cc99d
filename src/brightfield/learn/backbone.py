"""Backbones: timm and torchvision networks as trunks, which return feature maps."""

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
    """The specification of a backbone and of its input.

    Attributes:
        name: A timm name, or `torchvision/NAME`.
        channels: The channels of each map that the trunk returns, shallow to deep.
        strides: The stride of each map in input pixels, shallow to deep.
        mean: The mean that is subtracted from each colour channel, in [0, 1].
        std: The standard deviation by which the difference is divided.
        input_size: The side in pixels of the pictures that the weights were trained on.
        fixed_size: Whether the network takes no other size.
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
    """A backbone without its classifier: normalised pictures (N, 3, H, W) to maps (N, C, H/s, W/s)."""

    net: nn.Module
    spec: BackboneSpec
    stage_ends: tuple[str, ...]
    """The last module of each stage, shallow to deep; a stage is all layers of one stride."""


class TimmTrunk(Trunk):
    """A timm network; its maps are the last of each stride from 4 on, and that of its final convolution.

    If the network exposes the map of every block, as EfficientNets and MobileNets do, the maps are those of
    every block from stride 4 on, whose pooled features separate defects better.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        net, fixed = _create(name)
        self.net = net
        if not hasattr(net, "forward_intermediates"):
            raise ConfigError(f"backbone {name!r} has no intermediate maps; choose another timm name")
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
        was_training = self.net.training
        self.net.eval()
        with torch.no_grad():
            outputs = self._maps(torch.zeros(1, 3, size, size))
        self.net.train(was_training)
        return outputs

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps of a normalised batch."""
        final, maps = self._maps(x)
        return [*maps, final] if self.has_final else maps


def _create(name: str) -> tuple[Any, bool]:
    """Return a timm network without its classifier, and whether it takes pictures of one size only."""
    import timm

    settings = timm.get_pretrained_cfg(name)
    if settings is None or not settings.fixed_input_size:
        return timm.create_model(name, pretrained=False, num_classes=0), False
    # transformers take one size by default; the option that allows any size depends on the family
    any_size_options: list[dict[str, Any]] = [
        {"dynamic_img_size": True, "dynamic_img_pad": True},
        {"strict_img_size": False},
    ]
    for options in any_size_options:
        try:
            return timm.create_model(name, pretrained=False, num_classes=0, **options), False
        except TypeError:
            continue
    return timm.create_model(name, pretrained=False, num_classes=0), True


class TorchvisionTrunk(Trunk):
    """A torchvision network; its maps are the last of each stride from 4 on."""

    def __init__(self, name: str) -> None:
        super().__init__()
        from torchvision.models import get_model
        from torchvision.models.feature_extraction import create_feature_extractor

        size = 224
        net = get_model(name, weights=None)
        nodes = _last_of_each_stride(net, size)
        # the only map in a plain vision transformer is its patch embedding, before any attention
        if not nodes or name.startswith("vit_"):
            raise ConfigError(
                f"torchvision's {name!r} has no feature maps; choose a convolutional network, "
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
    """Return (module name, channels, stride) of the last module of each stride, by a forward pass."""
    seen: dict[int, tuple[str, int, int]] = {}

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            # the input is square, so unequal sides mean that the map is stored as (N, H, W, C)
            if isinstance(output, Tensor) and output.ndim == 4 and 1 < output.shape[2] == output.shape[3]:
                stride = round(size / output.shape[2])
                if stride >= 4:
                    seen[stride] = (name, int(output.shape[1]), stride)

        return hook

    candidates = [
        (n, m) for n, m in net.named_modules() if 0 < n.count(".") + 1 <= 2 and "classifier" not in n
    ]
    handles = [m.register_forward_hook(watch(n)) for n, m in candidates]
    was_training = net.training
    net.eval()
    try:
        with torch.no_grad():
            net(torch.zeros(1, 3, size, size))
    finally:
        for handle in handles:
            handle.remove()
        net.train(was_training)
    return [seen[s] for s in sorted(seen)]


def _triple(values: Any) -> tuple[float, float, float]:
    a, b, c = (float(v) for v in values)
    return (a, b, c)


def known_backbones() -> list[str]:
    """Return all names that `build_trunk` accepts, timm's first."""
    import timm

    return [*timm.list_models(), *(f"torchvision/{n}" for n in torchvision_classifiers())]


def torchvision_classifiers() -> list[str]:
    """Return the names of torchvision's classifiers, without detectors and other kinds of model."""
    from torchvision import models

    return [str(n) for n in models.list_models(module=models)]


def build_trunk(name: str, others: Iterable[str] = ()) -> Trunk:
    """Return a backbone's trunk, given its timm or torchvision name, with random weights.

    Args:
        name: The backbone's name.
        others: Further names that the message may suggest.

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
    """Return the modules with parameters of the last `stages` stages, in the order of a forward pass.

    A stage is all layers of one stride. If the trunk has no more than `stages`, these are all its modules.
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
