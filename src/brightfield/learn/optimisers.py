"""Optimisers by name, for whatever is trained."""

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
    """How fast an optimiser learns.

    Attributes:
        learning_rate: Of everything, or beside Muon of the filters.
        weight_decay: Decoupled with AdamW; with Muon per step, of all but the filters; else added to the
            gradient.
        bias_rate: Of what is neither filter nor head, beside Muon.
        head_rate: Of the head, likewise.
    """

    learning_rate: float
    weight_decay: float = 0.0
    bias_rate: float = 0.0
    head_rate: float = 0.0


def build_optimisers(
    name: str, net: nn.Module, rates: Rates, precision: torch.dtype = torch.float32
) -> list[Optimizer]:
    """Return the optimisers that a name of `OPTIMISERS` stands for, of all that is to be trained.

    They step one after another. `muon` is Muon for the filters of convolutions in `net.trunk`, and SGD with
    Nesterov's momentum for all else; `sgd` is the latter for everything.

    Args:
        name: One of `OPTIMISERS`.
        net: What requires gradients in it is trained.
        rates: How fast.
        precision: Of the gradients, in which Muon multiplies.

    Raises:
        ConfigError: If the name is unknown, or Muon has no filters to train.
    """
    trained = {n: p for n, p in net.named_parameters() if p.requires_grad}
    if name == "muon":
        return _muon(trained, rates, precision)
    if name not in _OF_EVERYTHING:
        raise ConfigError(f"optimiser {name!r} is unknown; expected one of {', '.join(_OF_EVERYTHING)}, muon")
    return [_OF_EVERYTHING[name](trained.values(), rates)]


_OF_EVERYTHING: dict[str, Callable[[Iterable[nn.Parameter], Rates], Optimizer]] = {
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
            "--optimiser is muon, which trains the filters of convolutions, and this network has none to "
            "train; expected sgd, adam or adamw"
        )
    groups = [
        {"params": values, "lr": rate, "weight_decay": rates.weight_decay / rate}
        for values, rate in ((biases, rates.bias_rate), (heads, rates.head_rate))
    ]
    rest = SGD(groups, lr=rates.bias_rate, momentum=MOMENTUM_BESIDE_MUON, nesterov=True)
    return [Muon(filters, lr=rates.learning_rate, precision=precision), rest]
