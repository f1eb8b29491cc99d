"""Training of the segmenter within a time budget, resumable."""

from __future__ import annotations

import copy
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.optim import Optimizer

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.pixels import normalise
from brightfield.learn.course import Bounds, Course, course_within, kept_course
from brightfield.learn.epochs import Epochs, History, Row, run_epochs
from brightfield.learn.optimisers import Rates, build_optimisers
from brightfield.learn.runtime import Runtime
from brightfield.learn.schedules import Length, build_schedule
from brightfield.methods.segmenter.crops import Crop, Crops
from brightfield.methods.segmenter.evidence import SPECK
from brightfield.methods.segmenter.losses import UNKNOWN, class_weights, image_loss, loss_of
from brightfield.methods.segmenter.network import trained_parts
from brightfield.progress import Progress

BATCH = 8
ENCODER_RATE, DECODER_RATE = 5e-4, 1e-2
WEIGHT_DECAY = 1e-2
LARGEST_GRADIENT = 5.0

MOST_WEIGHT = 10.0
"""The largest weight of a rare type's pixels; weights fall to 1 as the training goes on."""

ASIDE = 0.5
"""The weight of the loss at stride 8."""

KEPT = 0.98
"""The share of the averaged weights that each step keeps."""

WEAK_TRIES = 3
"""The crops of a picture without a mask of which the one that looks most defective is learned from."""

BOUNDS = Bounds(least=20, most=20_000)
TIMED_STEPS = 3


@dataclass(frozen=True)
class Settings:
    """How a segmenter is trained.

    Attributes:
        losses: Names of losses, which are added.
        types: The number of defect types.
        budget: The time for training in seconds, within which the number of epochs is chosen.
        epochs: The passes over the pictures; None leaves them to the budget.
        seed: The seed of the order and the crops.
    """

    losses: tuple[str, ...]
    types: int
    budget: float
    epochs: int | None
    seed: int


class Averaged(nn.Module):
    """A network and the running average of its weights, which is what is used in the end.

    Polyak and Juditsky, Acceleration of stochastic approximation by averaging, 1992.
    """

    steps: Tensor

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.live, self.average = net, copy.deepcopy(net)
        self.average.requires_grad_(False)
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def after_step(self) -> None:
        """Move the average towards the network's weights; at first quickly."""
        self.steps += 1
        steps = int(self.steps)
        kept = min(KEPT, steps / (steps + 9))
        for mean, value in zip(
            self.average.state_dict().values(), self.live.state_dict().values(), strict=True
        ):
            if mean.dtype.is_floating_point:
                mean.lerp_(value, 1 - kept)
            else:
                mean.copy_(value)


def train_segmenter(
    net: nn.Module,
    crops: Crops,
    preprocessing: Preprocessing,
    runtime: Runtime,
    settings: Settings,
    folder: Path,
    progress: Progress,
) -> tuple[nn.Module, History]:
    """Train a network on random crops; return it with its averaged weights, and the history.

    Args:
        net: The network, from normalised pictures to logits at a stride, and others at a coarser one or None.
        crops: Draws crops.
        preprocessing: The normalisation.
        runtime: The device and number formats.
        settings: How it is trained.
        folder: Where the course and the checkpoint are kept; an interrupted training resumes from there.
        progress: Called after every epoch.
    """
    torch.manual_seed(settings.seed)
    runtime.place(net)
    every = -(-len(crops.marks) // BATCH)

    def choose() -> Course:
        if settings.epochs:
            return Course(settings.epochs, every)
        seconds = _step_seconds(net, crops, preprocessing, runtime, settings)
        return course_within(settings.budget, seconds, every, BOUNDS)

    course = kept_course(folder / "segmenter.json", choose)
    training = _Training(net, crops, preprocessing, runtime, settings, course)
    history = run_epochs(training, Epochs("train", course.epochs), folder / "segmenter.pt", progress)
    return training.net.average, history


def _step_seconds(
    net: nn.Module, crops: Crops, preprocessing: Preprocessing, runtime: Runtime, settings: Settings
) -> float:
    """Return the time of one step, measured on a copy of the network so that nothing changes."""
    state = torch.get_rng_state()
    course = Course(1, TIMED_STEPS + 1)
    trial = _Training(copy.deepcopy(net), crops, preprocessing, runtime, settings, course)
    trial.step(0.0)
    begin = time.perf_counter()
    for _ in range(TIMED_STEPS):
        trial.step(0.0)
    seconds = (time.perf_counter() - begin) / TIMED_STEPS
    torch.set_rng_state(state)
    return seconds


class _Training:
    """The training of a segmenter, as `run_epochs` runs it."""

    def __init__(
        self,
        net: nn.Module,
        crops: Crops,
        preprocessing: Preprocessing,
        runtime: Runtime,
        settings: Settings,
        course: Course,
    ) -> None:
        self.rng = np.random.default_rng(settings.seed)
        self.net = Averaged(net)
        self.crops, self.preprocessing, self.runtime, self.settings = crops, preprocessing, runtime, settings
        self.course = course
        encoder, decoder = trained_parts(net)
        self.optimisers: list[Optimizer] = [
            *build_optimisers("adamw", decoder, Rates(DECODER_RATE, WEIGHT_DECAY)),
        ]
        if any(p.requires_grad for p in encoder.parameters()):
            self.optimisers += build_optimisers("adamw", encoder, Rates(ENCODER_RATE, WEIGHT_DECAY))
        self.schedule = build_schedule("one-cycle", self.optimisers, Length(course.epochs, course.steps))
        counts = crops.pixel_counts(settings.types)
        self.weights = class_weights(counts, MOST_WEIGHT).to(runtime.device)

    def train_one_epoch(self, epoch: int) -> Row:
        total = self.course.epochs * self.course.steps
        rate = float(self.optimisers[0].param_groups[0]["lr"])
        losses = [self.step((epoch * self.course.steps + i) / total) for i in range(self.course.steps)]
        return {"train_loss": float(torch.stack(losses).mean()), "learning_rate": rate}

    def step(self, done: float) -> Tensor:
        """Take one step of the optimisers, after a share of the training is done, and return the loss."""
        drawn = [self.crops.draw(self.rng) for _ in range(BATCH)]
        drawn = [c if c.weak is None else self._most_defective(c) for c in drawn]
        self.net.live.train()
        logits, aside = self._logits(np.stack([c.pixels for c in drawn]))
        labels = self._known_labels(drawn)
        weights = self.weights ** (1 - done)
        loss = loss_of(self.settings.losses, logits, self._sampled(labels, logits), weights)
        if aside is not None:
            loss = loss + ASIDE * loss_of(("weighted",), aside, pooled(labels, aside), weights)
        for row, crop in enumerate(drawn):
            if crop.weak is not None:
                loss = loss + self._image_loss(logits[row], crop) / BATCH
        for optimiser in self.optimisers:
            optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.net.live.parameters(), LARGEST_GRADIENT)
        for optimiser in self.optimisers:
            optimiser.step()
        self.schedule.after_step()
        self.net.after_step()
        return loss.detach()

    def _known_labels(self, drawn: Sequence[Crop]) -> Tensor:
        """Return the labels of crops, int64 (N, side, side); no pixel of a weak one counts."""
        labels = np.stack([c.labels for c in drawn])
        labels[[c.weak is not None for c in drawn]] = UNKNOWN
        return torch.from_numpy(labels).long().to(self.runtime.device)

    def _image_loss(self, logits: Tensor, crop: Crop) -> Tensor:
        """Return the loss of a crop without known pixels, given its logits (C, h, w)."""
        stride = crop.labels.shape[0] // logits.shape[1]
        inside = crop.labels[stride // 2 :: stride, stride // 2 :: stride] != UNKNOWN
        return image_loss(logits, int(crop.weak or 0), torch.from_numpy(inside).to(logits.device), SPECK)

    def _sampled(self, labels: Tensor, logits: Tensor) -> Tensor:
        """Return the labels at the logits' stride: of every cell the same pixel, drawn at random."""
        stride = labels.shape[1] // logits.shape[2]
        row, column = (int(self.rng.integers(stride)) for _ in range(2))
        return labels[:, row::stride, column::stride]

    def _logits(self, pixels: np.ndarray) -> tuple[Tensor, Tensor | None]:
        x = self.runtime.put(torch.from_numpy(normalise(pixels, self.preprocessing)))
        with self.runtime.autocast(training=True):
            logits, aside = self.net.live(x)
        return logits.float(), None if aside is None else aside.float()

    def _most_defective(self, crop: Crop) -> Crop:
        """Return, of a few crops of the same picture without a mask, the one that looks most defective.

        The defect is somewhere in the picture, and most likely where the network sees one already.
        """
        others = [self.crops.anywhere(crop.picture, self.rng) for _ in range(WEAK_TRIES - 1)]
        every = [crop, *others]
        self.net.live.eval()
        with torch.no_grad():
            logits, _ = self._logits(np.stack([c.pixels for c in every]))
        losses = [float(self._image_loss(logits[i], c)) for i, c in enumerate(every)]
        return every[int(np.argmin(losses))]

    def validate(self) -> Row:
        """Return nothing: the averaged weights of the last epoch are used, whatever the epochs before."""
        return {}


def pooled(labels: Tensor, logits: Tensor) -> Tensor:
    """Return the labels at a coarser stride: a cell has a type if any of its pixels has it.

    Where it shows several, it has the last of them; where no pixel counts, it does not count.
    """
    stride = labels.shape[1] // logits.shape[2]
    defects = torch.where(labels == UNKNOWN, 0, labels).float()
    largest = functional.max_pool2d(defects[:, None], stride)[:, 0].long()
    counted = functional.max_pool2d((labels != UNKNOWN).float()[:, None], stride)[:, 0] > 0
    return torch.where(counted, largest, UNKNOWN)
