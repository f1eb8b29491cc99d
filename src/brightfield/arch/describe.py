"""Analysis of a network by its name."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

import torch
from torch import nn

from brightfield.arch.graph import Architecture, analyse
from brightfield.engine.small_names import SMALL_SIDE
from brightfield.errors import ConfigError
from brightfield.learn.backbone import torchvision_classifiers
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.small import NETWORKS, build_small_trunk, small_head

Shape = tuple[int, int, int]


def describe(name: str, shape: Shape, classes: int = 10) -> Architecture:
    """Return the analysis of a network, given its name and the shape (C, H, W) of the images.

    For images of up to 64 px the names in `NETWORKS` mean our networks for small images; all other names are
    those of timm or torchvision.

    Raises:
        ConfigError: If the name is unknown, or the network does not take such images.
    """
    torch.manual_seed(0)
    net = build(name, classes, shape)
    _activate_residual_branches(net)
    try:
        architecture = analyse(net, shape, name)
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as e:  # networks differ in this
        size = "x".join(str(s) for s in shape)
        reason = str(e).strip().splitlines()[0][:200] if str(e).strip() else type(e).__name__
        raise ConfigError(f"network {name!r} does not run on images of {size}: {reason}") from e
    layers = tuple(replace(layer, name=_PREFIX.sub("", layer.name)) for layer in architecture.layers)
    variant = "for small pictures" if _is_own(name, shape) and NETWORKS[name].adapted else None
    return replace(architecture, layers=layers, variant=variant)


_PREFIX = re.compile(r"^(trunk|net|\.)+(?=[^.])|^(trunk|net)$")
"""The names of our own modules before the names that a library or a paper gave to layers."""


def _activate_residual_branches(net: nn.Module) -> None:
    """Set batch norm weights that start at zero to one, so that gradients flow through residual branches."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine and not module.weight.any():
            nn.init.ones_(module.weight)


def build(name: str, classes: int, shape: Shape) -> nn.Module:
    """Return a network with random weights, (N, C, H, W) to logits (N, K).

    Raises:
        ConfigError: If the name is unknown, or the network does not take such images.
    """
    return (_small_network if _is_own(name, shape) else _library_network)(name, shape, classes)


def _is_own(name: str, shape: Shape) -> bool:
    """Return whether a name means one of our networks for small images."""
    return name in NETWORKS and (max(shape[1:]) <= SMALL_SIDE or not _in_libraries(name))


def _small_network(name: str, shape: Shape, classes: int) -> nn.Module:
    channels, height, width = shape
    if channels != 3 or height != width:
        raise ConfigError(
            f"network {name!r} takes square pictures with 3 channels, grey ones converted to them; found "
            f"{'x'.join(str(s) for s in shape)}, expected such as 3x64x64"
        )
    trunk = build_small_trunk(name, height)
    return build_network(trunk, classes, small_head(name, trunk), pick_runtime("cpu"))


def _in_libraries(name: str) -> bool:
    import timm

    return timm.is_model(name) or name.removeprefix("torchvision/") in torchvision_classifiers()


def _library_network(name: str, shape: Shape, classes: int) -> nn.Module:
    import timm
    from torchvision.models import get_model

    net: nn.Module
    if timm.is_model(name):
        net = timm.create_model(name, pretrained=False, num_classes=classes, in_chans=shape[0])
        return net
    if _in_libraries(name):
        net = get_model(name.removeprefix("torchvision/"), weights=None, num_classes=classes)
        return net
    known = [*NETWORKS, *timm.list_models(), *torchvision_classifiers()]
    close = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(dict.fromkeys(close))}? " if close else ""
    raise ConfigError(
        f"network {name!r} is unknown; {hint}known are {', '.join(NETWORKS)}, "
        "and every classifier of timm and torchvision"
    )
