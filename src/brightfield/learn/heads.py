"""Training a head on kept features, bags of tiles and all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from brightfield.errors import ConfigError
from brightfield.learn.epochs import History
from brightfield.learn.features import FeatureBank
from brightfield.learn.head import HeadEnsemble, pool_tiles
from brightfield.learn.learning import Learning
from brightfield.learn.losses import Objective, weighted_mean
from brightfield.learn.mixing import draw_mixture
from brightfield.learn.optimisers import Rates, build_optimisers
from brightfield.learn.recipes import TrainHead
from brightfield.learn.schedules import Length, build_schedule
from brightfield.learn.targets import FloatArray, balance
from brightfield.learn.tracking import record_figures
from brightfield.progress import Progress, silent

_BATCH = 128
_STEPS = 10  # an epoch at the least
_MAX_TILES = 2048  # in one step, so that large pictures fit in memory
_BAG_TEMPERATURE = 1.0
_STATISTICS_ROWS = 20_000


@dataclass(frozen=True)
class HeadTrainingData:
    """What a head learns from.

    Attributes:
        bank: Kept features of all images.
        images: Which of them to train on, (N,).
        targets: float32 (N, K), aligned with `images`.
        normal: The index of the normal class, or None.
        tile_targets: For each of `images`, float32 (T, K) where a mask tells its tiles apart, else None.
        counted: What each of `images` counts, float32 (N,).
        fold_of: The fold of each of `images`, (N,), which the members of `members_without` are not shown;
            None shows everything to all.
    """

    bank: FeatureBank
    images: npt.NDArray[np.intp]
    targets: npt.NDArray[np.float32]
    normal: int | None
    tile_targets: Sequence[npt.NDArray[np.float32] | None]
    counted: npt.NDArray[np.float32]
    fold_of: npt.NDArray[np.intp] | None = None


def members_without(fold: int, members: int, folds: int) -> list[int]:
    """Return the head's members that are not shown a fold: every one leaves out one fold, in turn.

    Raises:
        ValueError: If there are more folds than members.
    """
    if folds > members:
        raise ValueError(f"{folds} folds for {members} members; expected one member a fold at least")
    return [m for m in range(members) if m % folds == fold]


def train_head(
    head: HeadEnsemble,
    data: HeadTrainingData,
    settings: TrainHead,
    learning: Learning,
    *,
    seed: int,
    progress: Progress | None = None,
) -> History:
    """Train a head, in place; its standardisation is fixed first.

    Returns:
        One row an epoch: `epoch`, `train_loss`.

    Raises:
        ConfigError: If images are to be mixed that cannot be.
    """
    tell = progress or silent
    check_mix(learning, int(np.diff(data.bank.starts).max()))
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head.standardise(_some_rows(data, rng))
    sampling, objective = aims(data.targets, learning)
    size = _batch_size(data)
    per_epoch = -(-len(data.images) // size)
    rates = Rates(settings.learning_rate, settings.weight_decay)
    (optimiser,) = build_optimisers(settings.optimiser, head, rates)
    length = Length(settings.epochs, per_epoch, settings.step_epochs, settings.step_factor)
    schedule = build_schedule(settings.schedule, [optimiser], length)
    history: History = []
    head.train()
    for epoch in range(settings.epochs):
        losses: list[float] = []
        for rows in batches(len(data.images), size, sampling, rng):
            loss = _loss(head, data, rows, objective, learning.mix, rng)
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.after_step()
            losses.append(float(loss.detach()))
        schedule.after_epoch(None)
        row = {"train_loss": float(np.mean(losses))}
        history.append({"epoch": epoch + 1, **row})
        record_figures("head", row, epoch + 1)
        tell("head", epoch + 1, settings.epochs)
    head.eval()
    return history


def aims(targets: FloatArray, learning: Learning) -> tuple[FloatArray | None, Objective]:
    """Return by which weight each image is drawn, (N,) or None, and what each answer costs.

    Args:
        targets: Of the images, float32 (N, K).
        learning: As the recipe has it.
    """
    even = balance(targets.argmax(1).tolist(), targets.shape[1], learning.imbalance)
    weights, shift = torch.from_numpy(even.class_weights), torch.from_numpy(even.shift)
    return even.sampling, Objective(weights, shift, learning.focal, learning.label_smoothing)


def check_mix(learning: Learning, tiles: int) -> None:
    """Refuse to mix images that are in several tiles, as many as `tiles` at the most.

    Raises:
        ConfigError: If it is asked for.
    """
    if learning.mix != "none" and tiles > 1:
        raise ConfigError(
            f"--mix {learning.mix} does not go with pictures in tiles ({tiles} of one here): which tile "
            "shows the defect is not known; leave it out, or see the pictures whole with --image-size"
        )


def batches(
    n: int, size: int, sampling: npt.NDArray[np.float32] | None, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield one epoch of row numbers in batches: every row once, or drawn with replacement by weight."""
    order = rng.permutation(n) if sampling is None else rng.choice(n, n, p=sampling / sampling.sum())
    for at in range(0, n, size):
        yield order[at : at + size]


def _batch_size(data: HeadTrainingData) -> int:
    """Return the images in a step: few where there are few, so that there are steps enough in an epoch."""
    most = int(np.diff(data.bank.starts).max())
    return max(8, min(_BATCH, len(data.images) // _STEPS, _MAX_TILES // most))


def _some_rows(data: HeadTrainingData, rng: np.random.Generator) -> Tensor:
    """Return features of up to 20,000 training tiles, every view alike, float32 (R, D)."""
    starts = data.bank.starts
    tiles = np.concatenate([np.arange(starts[i], starts[i + 1]) for i in data.images])
    views = data.bank.values.shape[0]
    if len(tiles) * views > _STATISTICS_ROWS:
        tiles = np.sort(rng.choice(tiles, max(1, _STATISTICS_ROWS // views), replace=False))
    return torch.from_numpy(data.bank.values[:, tiles].reshape(-1, data.bank.values.shape[2])).float()


def _loss(
    head: HeadEnsemble,
    data: HeadTrainingData,
    rows: npt.NDArray[np.intp],
    objective: Objective,
    mix: str,
    rng: np.random.Generator,
) -> Tensor:
    """Return the images' loss on one random view of each, and the tiles' where masks tell them apart."""
    starts = data.bank.starts
    images = data.images[rows]
    views = rng.integers(data.bank.values.shape[0], size=len(rows))
    bags = [data.bank.values[v, starts[i] : starts[i + 1]] for v, i in zip(views, images, strict=True)]
    features = torch.from_numpy(np.concatenate(bags)).float()
    targets = torch.from_numpy(data.targets[rows])
    counted = _counted(data, rows, head.spec.members)
    if mix != "none":
        drawn = draw_mixture(mix, tuple(features.shape), rng)
        features, targets = drawn.images(features), drawn.targets(targets)
        # a member that is not to see one of the two is not to see the mixture
        counted = drawn.targets(counted.T).T * (counted * counted[:, drawn.partners] > 0)
    logits = head.each(features)  # (M, sum of T, K)
    counts = [len(b) for b in bags]
    if max(counts) == 1:
        return weighted_mean(objective.costs(logits, targets), counted)
    pooled = _pooled(logits, counts, data.normal)
    loss = weighted_mean(objective.costs(pooled, targets), counted)
    known = [data.tile_targets[r] for r in rows]
    pieces = torch.split(logits, counts, dim=1)
    told = [(i, torch.from_numpy(t)) for i, t in enumerate(known) if t is not None]
    if told:
        of_tiles = torch.cat([pieces[i] for i, _ in told], 1)
        whose = torch.tensor([i for i, t in told for _ in t])
        costs = objective.costs(of_tiles, torch.cat([t for _, t in told]))
        loss = loss + weighted_mean(costs, counted[:, whose])
    return loss


def _counted(data: HeadTrainingData, rows: npt.NDArray[np.intp], members: int) -> Tensor:
    """Return what each of the images counts for each member, (M, B); 0 where it is not shown the image."""
    counted = np.broadcast_to(data.counted[rows], (members, len(rows)))
    if data.fold_of is None:
        return torch.from_numpy(counted.copy())
    folds = int(data.fold_of.max()) + 1
    left_out = np.arange(members) % folds
    return torch.from_numpy(counted * (left_out[:, None] != data.fold_of[rows][None, :]))


def _pooled(logits: Tensor, counts: Sequence[int], normal: int | None) -> Tensor:
    """Pool each image's tiles, (M, sum of T, K) to (M, B, K)."""
    bags = [p.transpose(0, 1) for p in torch.split(logits, list(counts), dim=1)]  # each (T, M, K)
    padded = torch.nn.utils.rnn.pad_sequence(bags, batch_first=True).permute(2, 0, 1, 3)  # (M, B, T, K)
    there = torch.arange(max(counts))[None, :] < torch.tensor(counts)[:, None]
    return pool_tiles(padded, normal, _BAG_TEMPERATURE, there)
