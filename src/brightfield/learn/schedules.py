"""Schedules of the learning rate by name, for whatever is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    LambdaLR,
    LRScheduler,
    OneCycleLR,
    ReduceLROnPlateau,
    StepLR,
)

from brightfield.errors import ConfigError
from brightfield.learn.muon import Muon

PLATEAU_FACTOR, PLATEAU_PATIENCE = 0.5, 2


@dataclass(frozen=True)
class Length:
    """How long a training lasts.

    Attributes:
        epochs: At the most.
        steps: Of the optimiser, an epoch.
        step_epochs: Epochs between two steps of the schedule `step`.
        step_factor: By which each multiplies the rate.
    """

    epochs: int
    steps: int
    step_epochs: int = 10
    step_factor: float = 0.5


class Schedule:
    """Sets the learning rates of optimisers, which begin at their peaks or as the schedule has it."""

    def __init__(self, each: Sequence[LRScheduler], of_steps: bool) -> None:
        self.each = list(each)
        self.of_steps = of_steps

    def after_step(self) -> None:
        """Take note of a step of the optimisers."""
        if self.of_steps:
            for one in self.each:
                one.step()

    def after_epoch(self, figure: float | None) -> None:
        """Take note of an epoch and its validation figure, the higher the better; None without one."""
        for one in () if self.of_steps else self.each:
            if not isinstance(one, ReduceLROnPlateau):
                one.step()
            elif figure is not None:
                one.step(figure)

    def state(self) -> list[dict[str, Any]]:
        """Return all that changes from step to step, for a checkpoint."""
        return [{k: v for k, v in one.state_dict().items() if not callable(v)} for one in self.each]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """Take what `state` returned."""
        for one, kept in zip(self.each, state, strict=True):
            one.load_state_dict(kept)


def build_schedule(name: str, optimisers: Sequence[Optimizer], length: Length) -> Schedule:
    """Return the schedule that a name of `SCHEDULES` stands for.

    `step` multiplies the rates every few epochs, `plateau` halves them where the validation figure stalls
    for two. `cosine`, `one-cycle` (Smith, "Super-Convergence", 2018) and `linear` go down to zero or nearly,
    step by step; the second climbs first, and lets momentum go the other way, except beside Muon.

    Raises:
        ConfigError: If the name is unknown.
    """
    turns = not any(isinstance(optimiser, Muon) for optimiser in optimisers)
    every = length.epochs * length.steps

    def build(of: Optimizer) -> LRScheduler:
        match name:
            case "step":
                return StepLR(of, length.step_epochs, length.step_factor)
            case "plateau":
                return ReduceLROnPlateau(of, mode="max", factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE)
            case "cosine":
                return CosineAnnealingLR(of, every)
            case "linear":
                return LambdaLR(of, lambda step: 1.0 - step / every)
            case "one-cycle":
                peaks = [float(group["lr"]) for group in of.param_groups]
                # one step more than are taken, as it is told of the last one too
                return OneCycleLR(of, peaks, total_steps=every + 1, cycle_momentum=turns)
            case _:
                raise ConfigError(f"schedule {name!r} is unknown; see SCHEDULES for what is known")

    return Schedule([build(of) for of in optimisers], of_steps=name in ("cosine", "linear", "one-cycle"))
