"""Training of a head on cached features, with images as bags of tiles."""

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
_STEPS = 10  # the least number of steps in an epoch
_MAX_TILES = 2048  # the most tiles in one step, which bounds the memory for large pictures
_BAG_TEMPERATURE = 1.0
_STATISTICS_ROWS = 20_000


@dataclass(frozen=True)
class HeadTrainingData:
    """The data for training a head.

    Attributes:
        bank: The cached features of all images.
        images: The images to train on, (N,), as positions in the bank.
        targets: The targets of `images`, float32 (N, K).
        normal: The index of the normal class, or None.
        tile_targets: The targets of the tiles of each of `images`, float32 (T, K); None if unknown.
        sample_weights: The weight of each of `images` in the loss, float32 (N,).
        fold_of: The fold of each of `images`, (N,); the members `members_without(fold, ...)` are trained
            without it. None trains all members on all images.
    """

    bank: FeatureBank
    images: npt.NDArray[np.intp]
    targets: npt.NDArray[np.float32]
    normal: int | None
    tile_targets: Sequence[npt.NDArray[np.float32] | None]
    sample_weights: npt.NDArray[np.float32]
    fold_of: npt.NDArray[np.intp] | None = None


def members_without(fold: int, members: int, folds: int) -> list[int]:
    """Return the head's members that are trained without a fold; each member leaves out one fold, in turn.

    Raises:
        ValueError: If there are more folds than members.
    """
    if folds > members:
        raise ValueError(f"{folds} folds for {members} members; expected at least one member for each fold")
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
    """Train a head in place, after setting the standardisation of its input.

    Returns:
        One row an epoch: `epoch`, `train_loss`.

    Raises:
        ConfigError: If `mix` is set and images are in several tiles.
    """
    tell = progress or silent
    check_mix(learning, int(np.diff(data.bank.starts).max()))
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    head.standardise(_sample_rows(data, rng))
    sampling, objective = sampling_and_objective(data.targets, learning)
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


def sampling_and_objective(targets: FloatArray, learning: Learning) -> tuple[FloatArray | None, Objective]:
    """Return the sampling weight of each image, float32 (N,) or None, and the loss function.

    Args:
        targets: The targets of the images, float32 (N, K).
        learning: The learning options of the recipe.
    """
    balanced = balance(targets.argmax(1).tolist(), targets.shape[1], learning.imbalance)
    weights, shift = torch.from_numpy(balanced.class_weights), torch.from_numpy(balanced.shift)
    return balanced.sampling, Objective(weights, shift, learning.focal, learning.label_smoothing)


def check_mix(learning: Learning, tiles: int) -> None:
    """Check that images are not to be mixed if they are in several tiles; `tiles` is the largest number.

    Raises:
        ConfigError: If `mix` is set and there are several tiles.
    """
    if learning.mix != "none" and tiles > 1:
        raise ConfigError(
            f"--mix {learning.mix} does not go with pictures in tiles (up to {tiles} here), as it is unknown "
            "which tile shows the defect; leave it out, or use whole pictures with --image-size"
        )


def batches(
    n: int, size: int, sampling: npt.NDArray[np.float32] | None, rng: np.random.Generator
) -> Iterator[npt.NDArray[np.intp]]:
    """Yield the row numbers of one epoch in batches: each row once, or drawn with replacement by weight."""
    order = rng.permutation(n) if sampling is None else rng.choice(n, n, p=sampling / sampling.sum())
    for at in range(0, n, size):
        yield order[at : at + size]


def _batch_size(data: HeadTrainingData) -> int:
    """Return the batch size in images; it is smaller for few images, so that an epoch has enough steps."""
    most = int(np.diff(data.bank.starts).max())
    return max(8, min(_BATCH, len(data.images) // _STEPS, _MAX_TILES // most))


def _sample_rows(data: HeadTrainingData, rng: np.random.Generator) -> Tensor:
    """Return the features of a random sample of training tiles in every view, float32 (R, D)."""
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
    """Return the loss of a batch, on one random view of each image.

    It is the loss of the images, plus that of the tiles whose targets are known.
    """
    starts = data.bank.starts
    images = data.images[rows]
    views = rng.integers(data.bank.values.shape[0], size=len(rows))
    bags = [data.bank.values[v, starts[i] : starts[i + 1]] for v, i in zip(views, images, strict=True)]
    features = torch.from_numpy(np.concatenate(bags)).float()  # (sum of T, D)
    targets = torch.from_numpy(data.targets[rows])  # (B, K)
    weights = _member_weights(data, rows, head.spec.members)  # (M, B)
    if mix != "none":
        mixture = draw_mixture(mix, tuple(features.shape), rng)
        features, targets = mixture.images(features), mixture.targets(targets)
        # a member trained without one of the two images is trained without their mixture
        weights = mixture.targets(weights.T).T * (weights * weights[:, mixture.partners] > 0)
    logits = head.each(features)  # (M, sum of T, K)
    counts = [len(b) for b in bags]
    if max(counts) == 1:
        return weighted_mean(objective.losses(logits, targets), weights)
    pooled = _pooled(logits, counts, data.normal)  # (M, B, K)
    loss = weighted_mean(objective.losses(pooled, targets), weights)
    by_image = torch.split(logits, counts, dim=1)  # (M, T, K) each
    tile_targets = [data.tile_targets[r] for r in rows]
    known = [(i, torch.from_numpy(t)) for i, t in enumerate(tile_targets) if t is not None]
    if known:
        tile_logits = torch.cat([by_image[i] for i, _ in known], 1)  # (M, known tiles, K)
        image_of_tile = torch.tensor([i for i, t in known for _ in t])
        tile_losses = objective.losses(tile_logits, torch.cat([t for _, t in known]))
        loss = loss + weighted_mean(tile_losses, weights[:, image_of_tile])
    return loss


def _member_weights(data: HeadTrainingData, rows: npt.NDArray[np.intp], members: int) -> Tensor:
    """Return the weight of each image for each member, (M, B); 0 if the member is trained without it."""
    weights = np.broadcast_to(data.sample_weights[rows], (members, len(rows)))
    if data.fold_of is None:
        return torch.from_numpy(weights.copy())
    folds = int(data.fold_of.max()) + 1
    left_out = np.arange(members) % folds  # the fold that each member leaves out
    return torch.from_numpy(weights * (left_out[:, None] != data.fold_of[rows][None, :]))


def _pooled(logits: Tensor, counts: Sequence[int], normal: int | None) -> Tensor:
    """Return the images' logits from those of their tiles, (M, sum of T, K) to (M, B, K)."""
    bags = [p.transpose(0, 1) for p in torch.split(logits, list(counts), dim=1)]  # each (T, M, K)
    padded = torch.nn.utils.rnn.pad_sequence(bags, batch_first=True).permute(2, 0, 1, 3)  # (M, B, T, K)
    valid = torch.arange(max(counts))[None, :] < torch.tensor(counts)[:, None]  # (B, T)
    return pool_tiles(padded, normal, _BAG_TEMPERATURE, valid)
