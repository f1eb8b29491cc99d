"""Training of a small network from scratch, on batches augmented in memory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from brightfield.data.cache import PixelCache
from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import DataError
from brightfield.learn.draws import Draws, augmented, cut_out, draw
from brightfield.learn.epochs import Epochs, History, Row, micro_batch_count, run_epochs
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
_CPU_MICRO_BATCH = 500
_STEPS = 25  # the least number of steps in an epoch, if there are enough images


@dataclass(frozen=True)
class ScratchData:
    """The data for training from scratch.

    Attributes:
        images: The images, uint8 (N, S, S, 3).
        labels: The classes, int64 (N,).
        preprocessing: The normalisation of the images.
        held_out: The rows on which the best epoch is chosen, and which are not trained on; may be empty.
    """

    images: Tensor
    labels: Tensor
    preprocessing: Preprocessing
    held_out: npt.NDArray[np.intp]


def gather(cache: PixelCache, preprocessing: Preprocessing) -> Tensor:
    """Return all cached images as squares of the network's input size, uint8 (N, S, S, 3)."""
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
    """Train a network in place, in one process or in a process group whose processes hold the same network.

    If images are held out, the weights of the best epoch are loaded at the end. The state is saved to
    `checkpoint`, if given, after every epoch; an interrupted training resumes from there and ends with the
    same weights, bit for bit on a CPU.

    Returns:
        One row an epoch: `epoch`, `train_loss`, `learning_rate`, and `validation_accuracy` if images are held
        out.
    """
    training = _FromScratch(net, data, settings, seed, process_group, progress or silent)
    return run_epochs(
        training, Epochs("train", settings.epochs, writes=process_group.first), checkpoint, progress
    )


class _Logits(nn.Module):
    """The logits of every member, (N, C, H, W) to (M, N, K), as a module for DistributedDataParallel."""

    def __init__(self, net: TileNet) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> Tensor:
        with self.net.runtime.autocast(training=True):
            features = self.net.pool(self.net.tapped(x))
        return self.net.head.each(features.float())


class _FromScratch:
    """The training of a network from scratch, as `run_epochs` runs it."""

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
        # on a CPU, micro-batches that fit in the cache are faster; a GPU takes whole batches
        self.micro_batch = settings.micro_batch or (_CPU_MICRO_BATCH if device == "cpu" else settings.batch)
        self.rows = np.setdiff1d(np.arange(len(data.images)), data.held_out)
        if len(self.rows) < 2 * process_group.world:
            raise DataError(
                f"{len(self.rows)} images to train on are too few for {process_group.world} processes"
            )
        self.first = self.rng.random(len(data.images)) < 0.5  # mirrored in even epochs
        # few images are trained on in smaller batches, so that an epoch has enough steps
        least = max(_SMALLEST_BATCH, process_group.world)
        self.batch = max(least, min(settings.batch, len(self.rows) // _STEPS))
        # an incomplete last batch is skipped: its step would be as large as that of a full batch, and the
        # batch norm statistics would follow its few images
        self.steps = max(1, len(self.rows) // self.batch)
        self.whitened = [module for module in net.trunk.net.modules() if isinstance(module, FastCNN)]
        for module in self.whitened:
            # a random sample, so that all classes are in it
            sample = self.rng.choice(self.rows, min(_WHITENING_IMAGES, len(self.rows)), replace=False)
            module.whiten(normalise(self.images[torch.from_numpy(sample)], data.preprocessing))
        self.logits: nn.Module
        self._set_whitening(True)
        rates = Rates(settings.learning_rate, settings.weight_decay, settings.bias_rate, settings.head_rate)
        self.optimisers = build_optimisers(settings.optimiser, net, rates, net.runtime.training)
        length = Length(settings.epochs, self.steps, settings.step_epochs, settings.step_factor)
        self.schedule = build_schedule(settings.schedule, self.optimisers, length)

    def _set_whitening(self, learns: bool) -> None:
        """Train or freeze the whitening layer's bias, the only parameter that needs that layer's gradient."""
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
            rate = float(self.optimisers[0].param_groups[0]["lr"])  # with Muon that of the filters
            for optimiser in self.optimisers:
                optimiser.zero_grad(set_to_none=True)
            batch = np.arange(step * self.batch, min((step + 1) * self.batch, len(self.rows)))
            own = np.array_split(batch, self.group.world)[self.group.rank]  # this process's share
            micro_batches = np.array_split(own, micro_batch_count(len(own), self.micro_batch))
            for part in micro_batches:
                with self._synchronised(part is micro_batches[-1]):
                    losses.append(self._backward(drawn.some(part[0], part[-1] + 1), len(batch)))
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
        """Exchange gradients between processes with the last micro-batch of a batch only."""
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
            rng=np.random.default_rng([self.seed, epoch + 1]),  # [seed, 0] would equal the order's generator
            device=self.images.device,
        )

    def _backward(self, drawn: Draws, batch: int) -> Tensor:
        """Add the gradients of a micro-batch of a batch of `batch` images, and return its summed loss."""
        settings = self.settings
        x = normalise(augmented(self.images, drawn), self.data.preprocessing)
        x = cut_out(x, drawn.hole, settings.cutout)
        logits: Tensor = self.logits(x)  # (M, B, K)
        labels = self.labels[drawn.rows]
        # the members' losses are summed, so that each is trained as it would be alone
        loss = nn.functional.cross_entropy(
            logits.flatten(0, 1),
            labels.repeat(len(logits)),
            label_smoothing=settings.label_smoothing,
            reduction="sum",
        )
        # DistributedDataParallel averages gradients over processes, where their sum is needed
        share = self.group.world / (batch if settings.optimiser != "muon" else 1)
        (loss * share).backward()  # type: ignore[no-untyped-call]
        return loss.detach() / len(logits)  # converting it to a float would make the CPU wait for the GPU

    def validate(self) -> Row:
        held_out = self.data.held_out
        # batch norm statistics differ between processes, but all must use the same figure
        figure = self.group.broadcast_from_first(self._accuracy(held_out)) if len(held_out) else None
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
