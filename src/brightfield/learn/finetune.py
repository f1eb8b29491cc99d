"""Fine-tuning: the last stages of a network and its head, trained on augmented tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from brightfield.data.cache import PixelCache
from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.augment import build_augmentation
from brightfield.learn.backbone import last_stages
from brightfield.learn.epochs import Epochs, History, Row, micro_batch_count, run_epochs
from brightfield.learn.features import in_tiles, tile_batches, tile_offsets
from brightfield.learn.head import defect_log_odds, pool_tiles
from brightfield.learn.heads import batches, sampling_and_objective
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
    """The data for fine-tuning.

    Attributes:
        cache: The decoded images.
        preprocessing: The rule by which images are cut into tiles.
        images: The rows of the cache to train on, (N,).
        targets: The targets of `images`, float32 (N, K).
        held_out: The rows of the cache on which the best epoch is chosen; may be empty.
        held_out_labels: The class of each held-out image.
        normal: The index of the normal class, or None.
        tile_targets: The targets of the tiles of each of `images`, float32 (T, K); None if unknown.
        sample_weights: The weight of each of `images` in the loss, float32 (N,).
        learning: The learning options of the recipe.
    """

    cache: PixelCache
    preprocessing: Preprocessing
    images: npt.NDArray[np.intp]
    targets: npt.NDArray[np.float32]
    held_out: npt.NDArray[np.intp]
    held_out_labels: npt.NDArray[np.intp]
    normal: int | None
    tile_targets: Sequence[npt.NDArray[np.float32] | None]
    sample_weights: npt.NDArray[np.float32]
    learning: Learning


def set_training(net: TileNet, trained: Sequence[nn.Module]) -> None:
    """Put the trained modules and the head in training mode, all others in evaluation mode.

    A frozen BatchNorm layer in training mode would go on updating its running statistics.
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
    """Train the last stages and the head of a network in place; the best weights are loaded at the end.

    The state is saved to `checkpoint` after every epoch; an interrupted training resumes from there.

    Returns:
        One row an epoch: `epoch`, `train_loss`, `learning_rate`, and `validation_f1` if images are held out.
    """
    epochs = Epochs("fine-tune", settings.epochs, settings.patience)
    return run_epochs(_FineTuning(net, data, settings, seed), epochs, checkpoint, progress)


class _FineTuning:
    """The fine-tuning of a network, as `run_epochs` runs it."""

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

    def train_one_epoch(self, epoch: int) -> Row:
        settings, net, data = self.settings, self.net, self.data
        log_odds = _tile_log_odds(net, data) if in_tiles(data.cache, data.preprocessing) else None
        set_training(net, self.trained)
        sampling, objective = sampling_and_objective(data.targets, data.learning)
        losses: list[float] = []
        rate = settings.learning_rate
        for rows in batches(len(data.images), settings.batch, sampling, self.rng):
            if len(rows) == 1 < len(data.images):
                continue  # a last batch of one image has no variance for BatchNorm
            tiles = [_draw_tile(data, int(r), log_odds, self.rng) for r in rows]
            images = torch.stack(  # (B, 3, tile, tile)
                [self.augment(torch.from_numpy(tile).permute(2, 0, 1)) for tile, _ in tiles]
            )
            targets = torch.from_numpy(np.stack([t for _, t in tiles]))
            weights = torch.from_numpy(data.sample_weights[rows])
            x = normalise(images.permute(0, 2, 3, 1), data.preprocessing)
            if data.learning.mix != "none":
                mixture = draw_mixture(data.learning.mix, tuple(x.shape), self.rng)
                x, targets, weights = mixture.images(x), mixture.targets(targets), mixture.targets(weights)
            rate = float(self.optimisers[0].param_groups[0]["lr"])
            losses.append(self._step(x, targets, weights, objective))
        return {"train_loss": float(np.mean(losses)), "learning_rate": rate}

    def _step(self, x: Tensor, targets: Tensor, weights: Tensor, objective: Objective) -> float:
        """Take one optimiser step on a normalised batch and return its loss.

        The gradients of the micro-batches add up.
        """
        net = self.net
        pieces = micro_batch_count(len(x), self.settings.micro_batch or len(x))
        total = weights.sum().clamp_min(1e-12)
        losses: list[Tensor] = []
        for optimiser in self.optimisers:
            optimiser.zero_grad()
        micro_batches = (t.tensor_split(pieces) for t in (x, targets, weights))
        for some_x, some_targets, some_weights in zip(*micro_batches, strict=True):
            with net.runtime.autocast(training=True):
                features = net.pool(net.tapped(some_x))
            logits = net.head.each(features.float())  # (M, B, K)
            share = some_weights.sum() / total
            loss = weighted_mean(objective.losses(logits, some_targets), some_weights) * share
            loss.backward()
            losses.append(loss.detach())  # converting it to a float would make the CPU wait for the GPU
        for optimiser in self.optimisers:
            optimiser.step()
        self.schedule.after_step()
        return float(torch.stack(losses).sum())

    def validate(self) -> Row:
        f1 = _validation_f1(self.net, self.data) if len(self.data.held_out) else None
        self.schedule.after_epoch(f1)
        return {} if f1 is None else {"validation_f1": f1}


def _steps(images: int, batch: int) -> int:
    """Return the number of steps in an epoch; a last batch of a single image is skipped."""
    return max(1, -(-images // batch) - (images > 1 and images % batch == 1))


def _draw_tile(
    data: FineTuneData, row: int, log_odds: list[Tensor] | None, rng: np.random.Generator
) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Return a random tile of a training image and its target.

    Tiles with higher defect log-odds, and those that the mask marks, are drawn with higher probability.
    """
    image = int(data.images[row])
    tiles, _ = data.preprocessing.tiles(data.cache[image])
    if log_odds is None or len(tiles) == 1:
        return tiles[0], data.targets[row]
    targets = data.tile_targets[row]
    weights = torch.softmax(log_odds[image], 0).double().numpy() + 0.1 / len(tiles)
    if targets is not None and data.normal is not None:
        weights = weights + (1 - targets[:, data.normal])
    tile = int(rng.choice(len(tiles), p=weights / weights.sum()))
    return tiles[tile], data.targets[row] if targets is None else targets[tile]


def _tile_logits(net: TileNet, data: FineTuneData, images: npt.NDArray[np.intp]) -> list[Tensor]:
    """Return the logits (T, K) of each image's tiles, in evaluation mode."""
    net.eval()
    counts = np.diff(tile_offsets(data.cache, data.preprocessing))
    out: list[Tensor] = []
    with torch.inference_mode(), net.runtime.autocast(training=True):
        for batch in tile_batches(data.cache, data.preprocessing, images.tolist()):
            x = normalise(torch.from_numpy(batch), data.preprocessing)
            out.append(net(x).float().cpu())
    return list(torch.split(torch.cat(out), [int(counts[i]) for i in images]))


def _tile_log_odds(net: TileNet, data: FineTuneData) -> list[Tensor]:
    """Return the defect log-odds (T,) of each cached image's tiles; zeros without a normal class."""
    if data.normal is None:
        return [torch.zeros(int(n)) for n in np.diff(tile_offsets(data.cache, data.preprocessing))]
    every = np.arange(len(data.cache))
    return [defect_log_odds(z, data.normal) for z in _tile_logits(net, data, every)]


def _validation_f1(net: TileNet, data: FineTuneData) -> float:
    """Return the F1 of the defects at a probability of 0.5; without a normal class, the mean F1."""
    logits = torch.stack([pool_tiles(z, data.normal) for z in _tile_logits(net, data, data.held_out)])
    if data.normal is None:
        return float(
            f1_score(data.held_out_labels, logits.argmax(1).numpy(), average="macro", zero_division=0.0)
        )
    predicted = (defect_log_odds(logits, data.normal) > 0).numpy()
    return float(f1_score(data.held_out_labels != data.normal, predicted, zero_division=0.0))
