"""One plain loop that trains a small network from scratch, on whole batches augmented in memory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from brightfield.data.cache import PixelCache
from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import DataError
from brightfield.learn.draws import Draws, cut_out, draw, gathered
from brightfield.learn.epochs import Epochs, History, Row, pieces_of, run_epochs
from brightfield.learn.network import TileNet, normalise
from brightfield.learn.optimisers import Rates, build_optimisers
from brightfield.learn.processes import ALONE, Processes
from brightfield.learn.recipes import FromScratch
from brightfield.learn.schedules import Length, build_schedule
from brightfield.learn.small import FastCNN
from brightfield.progress import Progress, silent

_WHITENING_IMAGES = 5000
_SCORED_AT_ONCE = 500
_SMALLEST_BATCH = 16
_ON_A_CPU = 500  # images whose gradients are computed at once
_STEPS = 25  # an epoch at the least, as far as the images reach


@dataclass(frozen=True)
class ScratchData:
    """What a network learns from.

    Attributes:
        images: uint8 (N, S, S, 3).
        labels: int64 (N,).
        preprocessing: How they are normalised.
        held_out: Rows that choose the best epoch and are not trained on; empty for none.
    """

    images: Tensor
    labels: Tensor
    preprocessing: Preprocessing
    held_out: npt.NDArray[np.intp]


def gather(cache: PixelCache, preprocessing: Preprocessing) -> Tensor:
    """Return every cached image as the square that the network sees, uint8 (N, S, S, 3)."""
    side = preprocessing.tile
    out = np.empty((len(cache), side, side, 3), dtype=np.uint8)
    for i in range(len(cache)):
        out[i] = preprocessing.tiles(cache[i])[0][0]
    return torch.from_numpy(out)


def train_from_scratch(
    net: TileNet,
    data: ScratchData,
    settings: FromScratch,
    *,
    seed: int,
    checkpoint: Path | None,
    process_group: Processes = ALONE,
    progress: Progress | None = None,
) -> History:
    """Train a network in place, alone or as one of several processes with the same network.

    Where images are held out, the weights of the best epoch are restored.

    After every epoch its whole state goes to `checkpoint`, if one is named, from which a killed training
    continues and ends with the same weights, bit for bit on a CPU.

    Returns:
        One row an epoch: `epoch`, `train_loss`, `learning_rate`, and `validation_accuracy` where images are
        held out.
    """
    training = _FromScratch(net, data, settings, seed, process_group, progress or silent)
    return run_epochs(
        training, Epochs("train", settings.epochs, writes=process_group.first), checkpoint, progress
    )


class _Logits(nn.Module):
    """Every member's logits of a batch, (N, C, H, W) to (M, N, K), as one module that can be distributed."""

    def __init__(self, net: TileNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        with self.net.runtime.autocast(training=True):
            features = self.net.pool(self.net.tapped(x))
        return self.net.head.each(features.float())


class _FromScratch:
    """A network that is trained from scratch."""

    def __init__(
        self,
        net: TileNet,
        data: ScratchData,
        settings: FromScratch,
        seed: int,
        process_group: Processes,
        tell: Progress,
    ) -> None:
        torch.manual_seed(seed)
        self.seed, self.group, self.tell = seed, process_group, tell
        self.rng = np.random.default_rng(seed)
        self.net, self.data, self.settings = net, data, settings
        device = net.runtime.device
        self.images, self.labels = data.images.to(device), data.labels.to(device)
        # a piece of a batch fits a processor's cache; a GPU takes the batch whole
        suiting = _ON_A_CPU if device == "cpu" else settings.batch
        self.micro_batch = settings.micro_batch or suiting
        self.rows = np.setdiff1d(np.arange(len(data.images)), data.held_out)
        if len(self.rows) < 2 * process_group.world:
            raise DataError(
                f"{len(self.rows)} images to train on are too few for {process_group.world} processes"
            )
        self.first = self.rng.random(len(data.images)) < 0.5  # mirrored in even epochs
        # few images come in small batches, so that there are steps enough to learn from
        least = max(_SMALLEST_BATCH, process_group.world)
        self.batch = max(least, min(settings.batch, len(self.rows) // _STEPS))
        # a rest waits for another epoch: a step on a few images would be as long as one on many, and the
        # norms would remember those few
        self.steps = max(1, len(self.rows) // self.batch)
        self.whitened = [module for module in net.trunk.net.modules() if isinstance(module, FastCNN)]
        for module in self.whitened:
            # of all classes, whatever order the images come in
            few = self.rng.choice(self.rows, min(_WHITENING_IMAGES, len(self.rows)), replace=False)
            module.whiten(normalise(self.images[torch.from_numpy(few)], data.preprocessing))
        self.logits: nn.Module
        self._set_whitening(True)
        rates = Rates(settings.learning_rate, settings.weight_decay, settings.bias_rate, settings.head_rate)
        self.optimisers = build_optimisers(settings.optimiser, net, rates, net.runtime.training)
        length = Length(settings.epochs, self.steps, settings.step_epochs, settings.step_factor)
        self.schedule = build_schedule(settings.schedule, self.optimisers, length)

    def judged(self) -> TileNet:
        return self.net

    def _set_whitening(self, learns: bool) -> None:
        """Train the whitening layer's bias, or leave it: it alone needs the gradient of that layer's map."""
        self.whitening_learns = learns
        for module in self.whitened:
            module.train_whitening(learns)
        logits = _Logits(self.net)
        self.logits = logits if self.group.world == 1 else DistributedDataParallel(logits)

    def train_one_epoch(self, epoch: int) -> Row:
        settings, net = self.settings, self.net
        if self.whitened and self.whitening_learns and epoch >= settings.whitening_epochs:
            self._set_whitening(False)
        net.train()
        drawn = self._draw(epoch)
        losses: list[Tensor] = []
        for step in range(self.steps):
            rate = float(self.optimisers[0].param_groups[0]["lr"])  # the filters' or everything's
            for optimiser in self.optimisers:
                optimiser.zero_grad(set_to_none=True)
            places = np.arange(step * self.batch, min((step + 1) * self.batch, len(self.rows)))
            mine = np.array_split(places, self.group.world)[self.group.rank]
            pieces = np.array_split(mine, pieces_of(len(mine), self.micro_batch))
            for piece in pieces:
                with self._synchronised(piece is pieces[-1]):
                    losses.append(self._backward(drawn.some(piece[0], piece[-1] + 1), len(places)))
            for optimiser in self.optimisers:
                optimiser.step()
            self.schedule.after_step()
            self.tell("batches", epoch * self.steps + step + 1, self.steps * settings.epochs)
        seen = min(len(self.rows), self.steps * self.batch)
        return {
            "train_loss": float(torch.stack(losses).sum()) / seen * self.group.world,
            "learning_rate": rate,
        }

    def _synchronised(self, last: bool) -> contextlib.AbstractContextManager[None]:
        """Let gradients travel between processes with those of a batch's last piece, all together."""
        if last or not isinstance(self.logits, DistributedDataParallel):
            return contextlib.nullcontext()
        return self.logits.no_sync()

    def _draw(self, epoch: int) -> Draws:
        """Draw an epoch's order and augmentation, which are the same in every process."""
        return draw(
            self.rng.permutation(self.rows),
            self.settings,
            self.images.shape[1],
            epoch=epoch,
            first=self.first,
            rng=np.random.default_rng([self.seed, epoch + 1]),  # with 0 it would be that of the order
            device=self.images.device,
        )

    def _backward(self, drawn: Draws, batch: int) -> Tensor:
        settings = self.settings
        x = normalise(gathered(self.images, drawn), self.data.preprocessing)
        x = cut_out(x, drawn.hole, settings.cutout)
        logits: Tensor = self.logits(x)  # (M, B, K)
        labels = self.labels[drawn.rows]
        # every member learns as it would alone: their losses add up
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1),
            labels.repeat(len(logits)),
            label_smoothing=settings.label_smoothing,
            reduction="sum",
        )
        # processes average their gradients, where one process adds them up
        share = self.group.world / (batch if settings.optimiser != "muon" else 1)
        (loss * share).backward()  # type: ignore[no-untyped-call]
        return loss.detach() / len(logits)  # a number would make a GPU wait for it

    def validate(self) -> Row:
        held_out = self.data.held_out
        # each process judges with its own statistics of the norms: one figure must count in all
        figure = self.group.told_by_the_first(self._accuracy(held_out)) if len(held_out) else None
        self.schedule.after_epoch(figure)
        return {} if figure is None else {"validation_accuracy": figure}

    def _accuracy(self, rows: npt.NDArray[np.intp]) -> float:
        self.net.eval()
        right = 0
        with torch.inference_mode(), self.net.runtime.autocast(training=True):
            for at in range(0, len(rows), _SCORED_AT_ONCE):
                few = torch.from_numpy(rows[at : at + _SCORED_AT_ONCE])
                x = normalise(self.images[few], self.data.preprocessing)
                right += int((self.net(x).argmax(1) == self.labels[few]).sum())
        return right / len(rows)

    def finish(self, weights: dict[str, Tensor]) -> None:
        self.net.load_state_dict(weights)
        self.net.eval()

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimisers": [o.state_dict() for o in self.optimisers],
            "schedule": self.schedule.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.schedule.restore(state["schedule"])
