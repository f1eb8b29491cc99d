"""A network by its name, taken apart."""

from __future__ import annotations

import difflib
import re
from dataclasses import replace

import torch
from torch import nn

from brightfield.arch.graph import Architecture, take_apart
from brightfield.engine.small_names import SMALL_SIDE
from brightfield.errors import ConfigError
from brightfield.learn.backbone import torchvision_classifiers
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.small import NETWORKS, build_small_trunk, small_head

Shape = tuple[int, int, int]


def describe(name: str, shape: Shape, classes: int = 10) -> Architecture:
    """Take a network apart by name, for images of a shape (C, H, W).

    For images up to 64 px the names of `NETWORKS` mean the networks made for small ones; everything else is
    taken as timm or torchvision has it.

    Raises:
        ConfigError: If nothing is called so, or the network cannot take such images.
    """
    torch.manual_seed(0)
    net = build(name, classes, shape)
    _open(net)
    try:
        found = take_apart(net, shape, name)
    except (AssertionError, IndexError, RuntimeError, TypeError, ValueError) as e:  # each network has its way
        size = "x".join(str(s) for s in shape)
        reason = str(e).strip().splitlines()[0][:200] if str(e).strip() else type(e).__name__
        raise ConfigError(f"network {name!r} does not run on images of {size}: {reason}") from e
    layers = tuple(replace(layer, name=_OWN.sub("", layer.name)) for layer in found.layers)
    variant = "for small pictures" if _is_own(name, shape) and NETWORKS[name].adapted else None
    return replace(found, layers=layers, variant=variant)


_OWN = re.compile(r"^(trunk|net|\.)+(?=[^.])|^(trunk|net)$")
"""What our own modules put before the names that a library, or a paper, gave."""


def _open(net: nn.Module) -> None:
    """Open the branches that begin closed, by a norm that multiplies by zero, so that gradients show them."""
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d) and module.affine and not module.weight.any():
            nn.init.ones_(module.weight)


def build(name: str, classes: int, shape: Shape) -> nn.Module:
    """Build a network by name, with random weights: (N, C, H, W) to logits (N, K).

    Raises:
        ConfigError: If nothing is called so, or the network cannot take such images.
    """
    return (_small if _is_own(name, shape) else _of_libraries)(name, shape, classes)


def _is_own(name: str, shape: Shape) -> bool:
    return name in NETWORKS and (max(shape[1:]) <= SMALL_SIDE or not _in_libraries(name))


def _small(name: str, shape: Shape, classes: int) -> nn.Module:
    channels, height, width = shape
    if channels != 3 or height != width:
        raise ConfigError(
            f"network {name!r} sees every picture as a square of 3 channels, grey ones too; got "
            f"{'x'.join(str(s) for s in shape)}"
        )
    trunk = build_small_trunk(name, height)
    return build_network(trunk, classes, small_head(name, trunk), pick_runtime("cpu"))


def _in_libraries(name: str) -> bool:
    import timm

    return timm.is_model(name) or name.removeprefix("torchvision/") in torchvision_classifiers()


def _of_libraries(name: str, shape: Shape, classes: int) -> nn.Module:
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
