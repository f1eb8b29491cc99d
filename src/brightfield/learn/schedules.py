"""Learning-rate schedules by name."""

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
    """The length of a training, and the settings of the schedule `step`.

    Attributes:
        epochs: The largest number of epochs.
        steps: The optimiser steps in an epoch.
        step_epochs: The epochs between two steps of the schedule `step`.
        step_factor: The factor of the learning rate at each step of the schedule `step`.
    """

    epochs: int
    steps: int
    step_epochs: int = 10
    step_factor: float = 0.5


class Schedule:
    """The learning-rate schedules of several optimisers, advanced together.

    Args:
        schedulers: One scheduler for each optimiser.
        per_step: Whether they advance after every optimiser step, and not after every epoch.
    """

    def __init__(self, schedulers: Sequence[LRScheduler], per_step: bool) -> None:
        self.schedulers = list(schedulers)
        self.per_step = per_step

    def after_step(self) -> None:
        """Advance the schedule after an optimiser step."""
        if self.per_step:
            for scheduler in self.schedulers:
                scheduler.step()

    def after_epoch(self, figure: float | None) -> None:
        """Advance the schedule after an epoch, given its validation figure, higher is better, or None."""
        for scheduler in () if self.per_step else self.schedulers:
            if not isinstance(scheduler, ReduceLROnPlateau):
                scheduler.step()
            elif figure is not None:
                scheduler.step(figure)

    def state(self) -> list[dict[str, Any]]:
        """Return the state, for a checkpoint."""
        return [{k: v for k, v in s.state_dict().items() if not callable(v)} for s in self.schedulers]

    def restore(self, state: Sequence[dict[str, Any]]) -> None:
        """Restore the state that `state` returned."""
        for scheduler, saved in zip(self.schedulers, state, strict=True):
            scheduler.load_state_dict(saved)


def build_schedule(name: str, optimisers: Sequence[Optimizer], length: Length) -> Schedule:
    """Return the schedule of a name in `SCHEDULES`.

    `step` multiplies the learning rates by a factor every few epochs. `plateau` halves them after two epochs
    without a better validation figure. `cosine`, `linear` and `one-cycle` (Smith, "Super-Convergence", 2018)
    fall to zero or nearly, step by step; `one-cycle` rises first, and cycles momentum inversely, except with
    Muon.

    Raises:
        ConfigError: If the name is unknown.
    """
    cycle_momentum = not any(isinstance(optimiser, Muon) for optimiser in optimisers)
    steps = length.epochs * length.steps

    def build(of: Optimizer) -> LRScheduler:
        match name:
            case "step":
                return StepLR(of, length.step_epochs, length.step_factor)
            case "plateau":
                return ReduceLROnPlateau(of, mode="max", factor=PLATEAU_FACTOR, patience=PLATEAU_PATIENCE)
            case "cosine":
                return CosineAnnealingLR(of, steps)
            case "linear":
                return LambdaLR(of, lambda step: 1.0 - step / steps)
            case "one-cycle":
                peaks = [float(group["lr"]) for group in of.param_groups]
                # one more step, since the scheduler advances after the last one too
                return OneCycleLR(of, peaks, total_steps=steps + 1, cycle_momentum=cycle_momentum)
            case _:
                raise ConfigError(f"schedule {name!r} is unknown; expected one of SCHEDULES")

    return Schedule([build(of) for of in optimisers], per_step=name in ("cosine", "linear", "one-cycle"))
