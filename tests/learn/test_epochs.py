"""The loop of epochs: which weights win, when it stops, and that a killed training ends the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from brightfield.learn.epochs import Epochs, Row, run_epochs
from brightfield.learn.schedules import Schedule


class Walk:
    """A network of one weight that walks at random, judged by figures that are given."""

    def __init__(self, figures: list[float], killed_in: int | None = None) -> None:
        self.rng = np.random.default_rng(5)
        self.net = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.net.weight)
        self.optimisers: list[torch.optim.Optimizer] = []
        self.schedule = Schedule([], per_step=False)
        self.figures = figures
        self.killed_in = killed_in
        self.seen: list[float] = []

    def train_one_epoch(self, epoch: int) -> Row:
        with torch.no_grad():
            self.net.weight += float(self.rng.normal())
        if epoch == self.killed_in:
            raise KeyboardInterrupt
        self.epoch = epoch
        self.seen.append(self.net.weight.item())
        return {"train_loss": 1.0}

    def validate(self) -> Row:
        return {"validation_f1": self.figures[self.epoch]} if self.figures else {}

    @property
    def taken(self) -> float:
        return self.net.weight.item()


def test_the_first_of_the_best_epochs_wins(tmp_path: Path) -> None:
    walk = Walk([0.2, 0.8, 0.8, 0.5])
    history = run_epochs(walk, Epochs("train", 4), tmp_path / "state.pt")
    assert walk.taken == walk.seen[1]
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert [row["validation_f1"] for row in history] == [0.2, 0.8, 0.8, 0.5]


def test_without_validation_the_last_weights_stay(tmp_path: Path) -> None:
    walk = Walk([])
    run_epochs(walk, Epochs("train", 3, patience=1), tmp_path / "state.pt")
    assert len(walk.seen) == 3
    assert walk.taken == walk.seen[-1]


def test_patience_counts_epochs_that_were_no_better(tmp_path: Path) -> None:
    walk = Walk([0.5, 0.9, 0.6, 0.9, 0.7, 1.0])
    history = run_epochs(walk, Epochs("train", 6, patience=3), tmp_path / "state.pt")
    assert len(history) == 5
    assert walk.taken == walk.seen[1]


@pytest.mark.parametrize("killed_in", [0, 1, 3])
def test_a_killed_training_ends_the_same(tmp_path: Path, killed_in: int) -> None:
    figures = [0.5, 0.9, 0.6, 0.7, 0.8]
    whole = Walk(figures)
    expected = run_epochs(whole, Epochs("train", 5, patience=2), tmp_path / "whole.pt")
    with pytest.raises(KeyboardInterrupt):
        run_epochs(Walk(figures, killed_in), Epochs("train", 5, patience=2), tmp_path / "state.pt")
    again = Walk(figures)
    assert run_epochs(again, Epochs("train", 5, patience=2), tmp_path / "state.pt") == expected
    assert again.taken == whole.taken
    assert len(again.seen) == len(expected) - killed_in


def test_one_of_several_processes_writes(tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    state = tmp_path / "state.pt"
    run_epochs(Walk([]), Epochs("train", 2, writes=False), state, lambda *said: told.append(said))
    assert not state.exists()
    assert told == [("train", 1, 2), ("train", 2, 2)]
