"""Training of the autoencoder within a time budget, resumable."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.optim import Optimizer

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.pixels import normalise
from brightfield.learn.course import Bounds, Course, course_within, kept_course
from brightfield.learn.epochs import Epochs, History, Row, run_epochs
from brightfield.learn.optimisers import Rates, build_optimisers
from brightfield.learn.runtime import Runtime
from brightfield.learn.schedules import Length, build_schedule
from brightfield.methods.autoencoder.network import Autoencoder, Residual
from brightfield.progress import Progress

Tiles = npt.NDArray[np.uint8]

BATCH = 8
PEAK_RATE = 2e-3
WEIGHT_DECAY = 1e-4

TIMED_STEPS = 3
"""The steps whose time tells how many the budget allows; one more before them is not timed."""

BOUNDS = Bounds(least=20, most=6000)
"""Fewer steps teach nothing, whatever the budget; more improve nothing."""

FOR_THE_COLOUR = 100
"""The most tiles, or nearly, whose mean colour the untrained network gives."""


@dataclass(frozen=True)
class Data:
    """The tiles of a training.

    Attributes:
        tiles: The tiles to learn from, uint8 (T, side, side, 3).
        held_out: The tiles by which the best epoch is chosen, uint8 (V, side, side, 3).
        preprocessing: The normalisation.
        flips: The axes of a batch (N, C, H, W) that are turned over at random.
    """

    tiles: Tiles
    held_out: Tiles
    preprocessing: Preprocessing
    flips: Sequence[int]


def train_autoencoder(
    data: Data,
    runtime: Runtime,
    *,
    budget: float,
    epochs: int | None,
    seed: int,
    folder: Path,
    progress: Progress,
) -> tuple[Autoencoder, History]:
    """Train an autoencoder on tiles of good parts; return it with the best weights, and its history.

    Args:
        data: The tiles.
        runtime: The device and number formats.
        budget: The time for training in seconds, within which the number of epochs is chosen.
        epochs: The passes over all tiles; None leaves them to the budget.
        seed: The seed of the weights and the order.
        folder: Where the course and the checkpoint are kept; an interrupted training resumes from there.
        progress: Called after every epoch.
    """
    torch.manual_seed(seed)
    net = Autoencoder(data.preprocessing.tile)
    some = data.tiles[:: max(1, len(data.tiles) // FOR_THE_COLOUR)]
    net.begin_with(torch.from_numpy(normalise(some, data.preprocessing)).mean((0, 2, 3)))
    every = -(-len(data.tiles) // BATCH)

    def choose() -> Course:
        if epochs:
            return Course(epochs, every)
        return course_within(budget, _step_seconds(net, data, runtime), every, BOUNDS)

    course = kept_course(folder / "autoencoder.json", choose)
    training = _Training(net, data, runtime, course, seed)
    history = run_epochs(training, Epochs("train", course.epochs), folder / "autoencoder.pt", progress)
    return net, history


def _step_seconds(net: Autoencoder, data: Data, runtime: Runtime) -> float:
    """Return the time of one step, measured on a copy of the network so that nothing changes."""
    state = torch.get_rng_state()
    trial = _Training(copy.deepcopy(net), data, runtime, Course(1, TIMED_STEPS + 1), 0)
    trial.step()
    begin = time.perf_counter()
    for _ in range(TIMED_STEPS):
        trial.step()
    seconds = (time.perf_counter() - begin) / TIMED_STEPS
    torch.set_rng_state(state)
    return seconds


class _Training:
    """The training of an autoencoder, as `run_epochs` runs it."""

    def __init__(self, net: Autoencoder, data: Data, runtime: Runtime, course: Course, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.net, self.data, self.runtime, self.course = net, data, runtime, course
        runtime.place(net)
        self.residual = Residual().to(runtime.device)
        self.optimisers: list[Optimizer] = build_optimisers("adamw", net, Rates(PEAK_RATE, WEIGHT_DECAY))
        self.schedule = build_schedule("one-cycle", self.optimisers, Length(course.epochs, course.steps))
        self._order: npt.NDArray[np.intp] = np.empty(0, dtype=np.intp)

    def train_one_epoch(self, _epoch: int) -> Row:
        # every epoch begins a new order, so that a checkpoint needs none of the last one
        self._order = self._order[:0]
        self.net.train()
        rate = float(self.optimisers[0].param_groups[0]["lr"])
        losses = [self.step() for _ in range(self.course.steps)]
        return {"train_loss": float(torch.stack(losses).mean()), "learning_rate": rate}

    def step(self) -> Tensor:
        """Take one step of the optimiser and return the loss."""
        x = self._batch(self.data.tiles[self._next()])
        turned = [axis for axis in self.data.flips if self.rng.random() < 0.5]
        loss = self._residual(x.flip(turned)).mean()
        self.optimisers[0].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.optimisers[0].step()
        self.schedule.after_step()
        return loss.detach()

    def _next(self) -> npt.NDArray[np.intp]:
        """Return the rows of the next batch, from one random order of all tiles after the other."""
        if not len(self._order):
            self._order = self.rng.permutation(len(self.data.tiles))
        rows, self._order = self._order[:BATCH], self._order[BATCH:]
        return rows

    def _batch(self, tiles: Tiles) -> Tensor:
        return self.runtime.put(torch.from_numpy(normalise(tiles, self.data.preprocessing)))

    def _residual(self, x: Tensor) -> Tensor:
        with self.runtime.autocast(training=True):
            reconstructed = self.net(x)
        out: Tensor = self.residual(x, reconstructed.float())
        return out

    def validate(self) -> Row:
        """Return how like their reconstruction the held-out tiles are: 1 less their mean residual."""
        self.net.eval()
        held_out, sums = self.data.held_out, 0.0
        with torch.inference_mode():
            for at in range(0, len(held_out), BATCH):
                x = self._batch(held_out[at : at + BATCH])
                sums += float(self._residual(x).mean()) * len(x)
        return {"validation_likeness": 1 - sums / len(held_out)}
