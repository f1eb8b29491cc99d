"""Optimisers by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer

from brightfield.errors import ConfigError
from brightfield.learn.muon import Muon

MOMENTUM = 0.9
MOMENTUM_BESIDE_MUON = 0.85


@dataclass(frozen=True)
class Rates:
    """The learning rates and the weight decay of an optimiser.

    Attributes:
        learning_rate: The learning rate of all parameters; with Muon that of the filters.
        weight_decay: The weight decay; decoupled with AdamW, per step and not of filters with Muon, added to
            the gradient with the others.
        bias_rate: With Muon, the learning rate of the trunk's parameters that are not filters.
        head_rate: With Muon, the learning rate of the head.
    """

    learning_rate: float
    weight_decay: float = 0.0
    bias_rate: float = 0.0
    head_rate: float = 0.0


def build_optimisers(
    name: str, net: nn.Module, rates: Rates, precision: torch.dtype = torch.float32
) -> list[Optimizer]:
    """Return the optimisers of a name in `OPTIMISERS`, to be stepped one after the other.

    `muon` is Muon for the convolution filters of `net.trunk`, and SGD with Nesterov momentum for all other
    parameters. The other names are one optimiser for all parameters; `sgd` has Nesterov momentum.

    Args:
        name: One of `OPTIMISERS`.
        net: The network; its parameters that require gradients are trained.
        rates: The learning rates and the weight decay.
        precision: The number format of Muon's matrix products.

    Raises:
        ConfigError: If the name is unknown, or Muon has no filters to train.
    """
    trained = {n: p for n, p in net.named_parameters() if p.requires_grad}
    if name == "muon":
        return _muon(trained, rates, precision)
    if name not in _PLAIN:
        raise ConfigError(f"optimiser {name!r} is unknown; expected one of {', '.join(_PLAIN)}, muon")
    return [_PLAIN[name](trained.values(), rates)]


_PLAIN: dict[str, Callable[[Iterable[nn.Parameter], Rates], Optimizer]] = {
    "sgd": lambda every, rates: SGD(
        every, lr=rates.learning_rate, momentum=MOMENTUM, nesterov=True, weight_decay=rates.weight_decay
    ),
    "adam": lambda every, rates: Adam(every, lr=rates.learning_rate, weight_decay=rates.weight_decay),
    "adamw": lambda every, rates: AdamW(
        every, lr=rates.learning_rate, weight_decay=rates.weight_decay, fused=True
    ),
}


def _muon(trained: dict[str, nn.Parameter], rates: Rates, precision: torch.dtype) -> list[Optimizer]:
    filters = [p for n, p in trained.items() if p.ndim == 4 and n.startswith("trunk.")]
    biases = [p for n, p in trained.items() if p.ndim != 4 and n.startswith("trunk.")]
    heads = [p for n, p in trained.items() if not n.startswith("trunk.")]
    if not filters:
        raise ConfigError(
            "--optimiser is muon, which trains convolution filters, and this network has none to train; "
            "expected sgd, adam or adamw"
        )
    groups = [
        {"params": values, "lr": rate, "weight_decay": rates.weight_decay / rate}
        for values, rate in ((biases, rates.bias_rate), (heads, rates.head_rate))
    ]
    rest = SGD(groups, lr=rates.bias_rate, momentum=MOMENTUM_BESIDE_MUON, nesterov=True)
    return [Muon(filters, lr=rates.learning_rate, precision=precision), rest]
