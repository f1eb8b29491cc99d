"""The loop over epochs: history, best weights, early stopping, checkpoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn
from torch.optim import Optimizer

from brightfield.learn.checkpoint import load_checkpoint, save_checkpoint
from brightfield.learn.schedules import Schedule
from brightfield.learn.tracking import record_figures
from brightfield.progress import Progress, silent

Row = dict[str, float]
History = list[Row]


class Training(Protocol):
    """A training that runs epoch by epoch, with a state that can be saved between epochs.

    Attributes:
        rng: The random generator; further draws may come from torch's global generator only.
    """

    rng: np.random.Generator

    @property
    def net(self) -> nn.Module:
        """Return the network that is trained."""

    @property
    def optimisers(self) -> Sequence[Optimizer]:
        """Return the optimisers of its weights."""

    @property
    def schedule(self) -> Schedule:
        """Return the learning-rate schedule of the optimisers."""

    def train_one_epoch(self, epoch: int) -> Row:
        """Train for one epoch, numbered from 0, and return its figures by name."""

    def validate(self) -> Row:
        """Return one validation figure by name, the higher the better; empty without held-out images."""


@dataclass(frozen=True)
class Epochs:
    """The settings of the loop over epochs.

    Attributes:
        stage: The name of the training in the progress and the tracked figures.
        most: The largest number of epochs.
        patience: The epochs without a better validation figure before early stopping; None for no stopping.
        writes: Whether this process writes checkpoints and figures; in a process group, only one does.
    """

    stage: str
    most: int
    patience: int | None = None
    writes: bool = True


def micro_batch_count(batch: int, micro_batch: int) -> int:
    """Return the number of micro-batches of a batch, such that none is a single image.

    A single image has no variance for BatchNorm.
    """
    return max(1, min(-(-batch // micro_batch), batch // 2))


def run_epochs(
    training: Training, epochs: Epochs, checkpoint: Path | None, progress: Progress | None = None
) -> History:
    """Run a training to its end and return its history, one row an epoch.

    The weights of the epoch with the best validation figure are loaded at the end; without such a figure the
    last ones stay. The state is saved to `checkpoint`, if given, after every epoch; an interrupted training
    resumes from there and ends with the same weights.
    """
    tell = progress or silent
    history: History = []
    best: dict[str, Tensor] | None = None
    best_figure, stale = -np.inf, 0
    saved = None if checkpoint is None else load_checkpoint(checkpoint, training.rng)
    if saved is not None:
        _restore(training, saved["training"])
        history, best = saved["history"], saved["best"]
        best_figure, stale = saved["best_figure"], saved["stale"]
    while len(history) < epochs.most and (epochs.patience is None or stale < epochs.patience):
        epoch = len(history)
        row = training.train_one_epoch(epoch)
        for figure in (measured := training.validate()).values():
            stale = 0 if figure > best_figure else stale + 1
            if figure > best_figure:
                # a state dict holds the live weights and not copies
                best = {k: v.detach().clone() for k, v in training.net.state_dict().items()}
                best_figure = figure
        history.append({"epoch": epoch + 1, **row, **measured})
        if epochs.writes and checkpoint is not None:
            state = {
                "training": _state(training),
                "history": history,
                "best": best,
                "best_figure": best_figure,
                "stale": stale,
            }
            save_checkpoint(checkpoint, state, training.rng)
        if epochs.writes:
            record_figures(epochs.stage, {**row, **measured}, epoch + 1)
        tell(epochs.stage, epoch + 1, epochs.most)
    if best is not None:
        training.net.load_state_dict(best)
    training.net.eval()
    return history


def _state(training: Training) -> dict[str, Any]:
    """Return the state of a training, for a checkpoint."""
    return {
        "net": training.net.state_dict(),
        "optimisers": [optimiser.state_dict() for optimiser in training.optimisers],
        "schedule": training.schedule.state(),
    }


def _restore(training: Training, state: dict[str, Any]) -> None:
    """Restore the state that `_state` returned."""
    training.net.load_state_dict(state["net"])
    for optimiser, kept in zip(training.optimisers, state["optimisers"], strict=True):
        optimiser.load_state_dict(kept)
    training.schedule.restore(state["schedule"])
