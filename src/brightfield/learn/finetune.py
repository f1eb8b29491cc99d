"""One plain loop: the upper stages of a network trained on augmented tiles, epoch by epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from brightfield.data.cache import PixelCache
from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.augment import build_augmentation
from brightfield.learn.backbone import last_stages
from brightfield.learn.epochs import Epochs, History, Row, pieces_of, run_epochs
from brightfield.learn.features import in_tiles, tile_batches, tile_counts
from brightfield.learn.head import defect_log_odds, pool_tiles
from brightfield.learn.heads import aims, batches
from brightfield.learn.learning import Learning
from brightfield.learn.losses import Objective, weighted_mean
from brightfield.learn.mixing import draw_mixture
from brightfield.learn.network import TileNet, normalise
from brightfield.learn.optimisers import Rates, build_optimisers
from brightfield.learn.recipes import FineTune
from brightfield.learn.schedules import Length, build_schedule
from brightfield.progress import Progress


@dataclass(frozen=True)
class FineTuneData:
    """What a network is tuned on.

    Attributes:
        cache: The images.
        preprocessing: How they become tiles.
        images: Rows of the cache to train on, (N,).
        targets: float32 (N, K), aligned with `images`.
        held_out: Rows of the cache that choose the best epoch; empty for none.
        held_out_labels: Their classes.
        normal: The index of the normal class, or None.
        tile_targets: For each of `images`, float32 (T, K) where a mask tells its tiles apart, else None.
        counted: What each of `images` counts, float32 (N,).
        learning: See `Recipe`.
    """

    cache: PixelCache
    preprocessing: Preprocessing
    images: npt.NDArray[np.intp]
    targets: npt.NDArray[np.float32]
    held_out: npt.NDArray[np.intp]
    held_out_labels: npt.NDArray[np.intp]
    normal: int | None
    tile_targets: Sequence[npt.NDArray[np.float32] | None]
    counted: npt.NDArray[np.float32]
    learning: Learning


def set_training(net: TileNet, trained: Sequence[nn.Module]) -> None:
    """Put the trained modules and the head in training mode, all else in evaluation mode.

    A frozen BatchNorm in training mode would go on moving its statistics away from its frozen weights.
    """
    net.eval()
    for module in (*trained, *net.head.modules()):
        module.training = True


def fine_tune(
    net: TileNet,
    data: FineTuneData,
    settings: FineTune,
    *,
    seed: int,
    checkpoint: Path,
    progress: Progress | None = None,
) -> History:
    """Train the last stages and the head of a network, in place; its best weights are restored at the end.

    After every epoch its whole state goes to `checkpoint`, from which a killed training continues.

    Returns:
        One row an epoch: `epoch`, `train_loss`, `learning_rate`, and `validation_f1` if images are held out.
    """
    epochs = Epochs("fine-tune", settings.epochs, settings.patience)
    return run_epochs(_Tuning(net, data, settings, seed), epochs, checkpoint, progress)


class _Tuning:
    """A network that is tuned."""

    def __init__(self, net: TileNet, data: FineTuneData, settings: FineTune, seed: int) -> None:
        torch.manual_seed(seed)
        self.rng = np.random.default_rng(seed)
        self.net, self.data, self.settings = net, data, settings
        self.augment = build_augmentation(data.preprocessing.fill)
        net.requires_grad_(False)
        self.trained = last_stages(net.trunk, settings.stages)
        for module in (*self.trained, net.head):
            module.requires_grad_(True)
        rates = Rates(settings.learning_rate, settings.weight_decay, settings.bias_rate, settings.head_rate)
        self.optimisers = build_optimisers(settings.optimiser, net, rates, net.runtime.training)
        length = Length(
            settings.epochs,
            _steps(len(data.images), settings.batch),
            settings.step_epochs,
            settings.step_factor,
        )
        self.schedule = build_schedule(settings.schedule, self.optimisers, length)

    def judged(self) -> TileNet:
        return self.net

    def finish(self, weights: dict[str, Tensor]) -> None:
        self.net.load_state_dict(weights)

    def train_one_epoch(self, epoch: int) -> Row:
        settings, net, data = self.settings, self.net, self.data
        hardest = _hardest_tiles(net, data) if in_tiles(data.cache, data.preprocessing) else None
        set_training(net, self.trained)
        sampling, objective = aims(data.targets, data.learning)
        losses: list[float] = []
        rate = settings.learning_rate
        for rows in batches(len(data.images), settings.batch, sampling, self.rng):
            if len(rows) == 1 < len(data.images):
                continue  # a rest of one, whose variance no BatchNorm can take
            picked = [_pick(data, int(r), hardest, self.rng) for r in rows]
            images = torch.stack(
                [self.augment(torch.from_numpy(tile).permute(2, 0, 1)) for tile, _ in picked]
            )
            targets = torch.from_numpy(np.stack([t for _, t in picked]))
            counted = torch.from_numpy(data.counted[rows])
            x = normalise(images.permute(0, 2, 3, 1), data.preprocessing)
            if data.learning.mix != "none":
                drawn = draw_mixture(data.learning.mix, tuple(x.shape), self.rng)
                x, targets, counted = drawn.images(x), drawn.targets(targets), drawn.targets(counted)
            rate = float(self.optimisers[0].param_groups[0]["lr"])
            losses.append(self._learn(x, targets, counted, objective))
        return {"train_loss": float(np.mean(losses)), "learning_rate": rate}

    def _learn(self, x: Tensor, targets: Tensor, counted: Tensor, objective: Objective) -> float:
        """Take a step on a normalised batch, the gradients of its pieces added up, and return the loss."""
        net = self.net
        pieces = pieces_of(len(x), self.settings.micro_batch or len(x))
        every = counted.sum().clamp_min(1e-12)
        losses: list[Tensor] = []
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        split = (t.tensor_split(pieces) for t in (x, targets, counted))
        for some, asked, weights in zip(*split, strict=True):
            with net.runtime.autocast(training=True):
                features = net.pool(net.tapped(some))
            logits = net.head.each(features.float())
            share = weights.sum() / every
            loss = weighted_mean(objective.costs(logits, asked), weights) * share
            loss.backward()
            losses.append(loss.detach())  # a number would make a GPU wait for it
        for optimiser in self.optimisers:
            optimiser.step()
        self.schedule.after_step()
        return float(torch.stack(losses).sum())

    def validate(self) -> Row:
        f1 = _validation_f1(self.judged(), self.data) if len(self.data.held_out) else None
        self.schedule.after_epoch(f1)
        return {} if f1 is None else {"validation_f1": f1}

    def state(self) -> dict[str, Any]:
        return {
            "net": self.net.state_dict(),
            "optimisers": [optimiser.state_dict() for optimiser in self.optimisers],
            "schedule": self.schedule.state(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.net.load_state_dict(state["net"])
        for optimiser, kept in zip(self.optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
        self.schedule.restore(state["schedule"])


def _steps(images: int, batch: int) -> int:
    """Return the steps of an epoch, of which a rest of a single image is none."""
    return max(1, -(-images // batch) - (images > 1 and images % batch == 1))


def _pick(
    data: FineTuneData, row: int, hardest: list[Tensor] | None, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return one tile of a training image with its target; of several, likelier one that looks defective."""
    image = int(data.images[row])
    tiles, _ = data.preprocessing.tiles(data.cache[image])
    if hardest is None or len(tiles) == 1:
        return tiles[0], data.targets[row]
    known = data.tile_targets[row]
    chance = torch.softmax(hardest[image], 0).double().numpy() + 0.1 / len(tiles)
    if known is not None and data.normal is not None:
        chance = chance + (1 - known[:, data.normal])
    tile = int(rng.choice(len(tiles), p=chance / chance.sum()))
    return tiles[tile], data.targets[row] if known is None else known[tile]


def _tile_logits(net: TileNet, data: FineTuneData, images: npt.NDArray[np.intp]) -> list[Tensor]:
    """Return the logits (T, K) of each image's tiles, in evaluation mode."""
    net.eval()
    counts = np.diff(tile_counts(data.cache, data.preprocessing))
    out: list[Tensor] = []
    with torch.inference_mode(), net.runtime.autocast(training=True):
        for batch in tile_batches(data.cache, data.preprocessing, images.tolist()):
            x = normalise(torch.from_numpy(batch), data.preprocessing)
            out.append(net(x).float().cpu())
    return list(torch.split(torch.cat(out), [int(counts[i]) for i in images]))


def _hardest_tiles(net: TileNet, data: FineTuneData) -> list[Tensor]:
    """Return each image's tiles' defect log-odds, by row of the cache."""
    if data.normal is None:
        return [torch.zeros(int(n)) for n in np.diff(tile_counts(data.cache, data.preprocessing))]
    every = np.arange(len(data.cache))
    return [defect_log_odds(z, data.normal) for z in _tile_logits(net, data, every)]


def _validation_f1(net: TileNet, data: FineTuneData) -> float:
    """Return F1 of the defects at probability 0.5, or without a normal class the mean over classes."""
    logits = torch.stack([pool_tiles(z, data.normal) for z in _tile_logits(net, data, data.held_out)])
    if data.normal is None:
        return float(
            f1_score(data.held_out_labels, logits.argmax(1).numpy(), average="macro", zero_division=0.0)
        )
    called = (defect_log_odds(logits, data.normal) > 0).numpy()
    return float(f1_score(data.held_out_labels != data.normal, called, zero_division=0.0))
