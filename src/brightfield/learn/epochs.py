"""The loop of epochs, whatever an epoch trains: the history, the best weights, the state on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from torch import Tensor, nn

from brightfield.learn.checkpoint import load_checkpoint, save_checkpoint
from brightfield.learn.tracking import record_figures
from brightfield.progress import Progress, silent

Row = dict[str, float]
History = list[Row]


class Training(Protocol):
    """Something that is trained epoch by epoch, and whose state can be kept between two of them.

    Attributes:
        rng: All that it draws at random between two epochs comes from here or from torch's generator.
    """

    rng: np.random.Generator

    def train_one_epoch(self, epoch: int) -> Row:
        """Train for the epoch of that number, from 0, and return its figures."""

    def validate(self) -> Row:
        """Return one figure that is better the higher it is, by its name; none without a validation split."""

    def judged(self) -> nn.Module:
        """Return the network that `validate` judges."""

    def finish(self, weights: dict[str, Tensor]) -> None:
        """Take the weights that were chosen."""

    def state(self) -> dict[str, Any]:
        """Return all that changes from epoch to epoch."""

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `state` returned."""


@dataclass(frozen=True)
class Epochs:
    """How long a training lasts.

    Attributes:
        stage: What progress and records call it.
        most: Epochs at the most.
        patience: Epochs without a better validation figure before it stops; None never stops early.
        writes: Whether this process keeps the checkpoint and the records, which one of several does.
    """

    stage: str
    most: int
    patience: int | None = None
    writes: bool = True


def pieces_of(batch: int, micro_batch: int) -> int:
    """Return into how many pieces a batch goes, none a single image, which has no variance for BatchNorm."""
    return max(1, min(-(-batch // micro_batch), batch // 2))


def run_epochs(
    training: Training, epochs: Epochs, checkpoint: Path | None, progress: Progress | None = None
) -> History:
    """Train to the end and return one row an epoch; the weights of the best one are taken at the end.

    Without a validation figure those are the last. After every epoch the whole state goes to `checkpoint`,
    if one is named, from which a killed training continues and ends with the same weights.
    """
    tell = progress or silent
    history: History = []
    best: dict[str, Tensor] | None = None
    best_figure, stale = -np.inf, 0
    kept = None if checkpoint is None else load_checkpoint(checkpoint, training.rng)
    if kept is not None:
        training.restore(kept["training"])
        history, best = kept["history"], kept["best"]
        best_figure, stale = kept["best_figure"], kept["stale"]
    while len(history) < epochs.most and (epochs.patience is None or stale < epochs.patience):
        epoch = len(history)
        row = training.train_one_epoch(epoch)
        for figure in (measured := training.validate()).values():
            stale = 0 if figure > best_figure else stale + 1
            if figure > best_figure:
                # on a CPU the values of a state dict are the live weights: copy them
                best = {k: v.detach().clone() for k, v in training.judged().state_dict().items()}
                best_figure = figure
        history.append({"epoch": epoch + 1, **row, **measured})
        if epochs.writes and checkpoint is not None:
            state = {
                "training": training.state(),
                "history": history,
                "best": best,
                "best_figure": best_figure,
                "stale": stale,
            }
            save_checkpoint(checkpoint, state, training.rng)
        if epochs.writes:
            record_figures(epochs.stage, {**row, **measured}, epoch + 1)
        tell(epochs.stage, epoch + 1, epochs.most)
    training.finish(best if best is not None else training.judged().state_dict())
    return history
