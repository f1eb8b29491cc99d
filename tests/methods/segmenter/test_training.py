"""Training of the segmenter: how long, what of, and that an interrupted one ends alike."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor, nn

from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.backbone import build_trunk
from brightfield.learn.course import Course
from brightfield.learn.runtime import Runtime, pick_runtime
from brightfield.methods.segmenter import training
from brightfield.methods.segmenter.crops import Crop, Crops
from brightfield.methods.segmenter.losses import UNKNOWN
from brightfield.methods.segmenter.marks import Marks
from brightfield.methods.segmenter.network import SegmenterNet
from brightfield.methods.segmenter.options import LOSSES
from brightfield.methods.segmenter.training import BATCH, KEPT, Averaged, Settings, pooled, train_segmenter
from brightfield.progress import Progress, silent

RULE = Preprocessing(8, None, False, 64, 16, (0.5,) * 3, (0.25,) * 3)
SETTINGS = Settings(("weighted", "dice"), types=2, budget=60.0, epochs=3, seed=4)


class Pictures:
    """Pictures in memory, as a pixel cache has them."""

    def __init__(self, pictures: npt.NDArray[np.uint8]) -> None:
        self.pictures = pictures
        self.shapes = [picture.shape for picture in pictures]

    def __getitem__(self, i: int) -> npt.NDArray[np.uint8]:
        return np.asarray(self.pictures[i])


def crops_of(count: int = 12, weak: int = 0) -> Crops:
    """Return crops of grey noise, with a bright square, a dark one, or none, in turn.

    Of the defective ones among the last `weak` pictures only the class is known.
    """
    rng = np.random.default_rng(0)
    pictures = rng.normal(120, 8, (count, 48, 48, 1)).clip(0, 255).astype(np.uint8).repeat(3, 3)
    marks, types = [], []
    for i, picture in enumerate(pictures):
        number = i % 3
        top, left = (int(v) for v in rng.integers(0, 38, 2))
        if number:
            picture[top : top + 10, left : left + 10] = (0, 240, 20)[number]
        known = number == 0 or i < count - weak
        box = np.full((10, 10), number, np.uint8) if known and number else None
        marks.append(Marks(known, top, left, box))
        types.append(number)
    cache: Any = Pictures(pictures)
    return Crops(cache, marks, types, 32, RULE.fill)


def net_of() -> SegmenterNet:
    torch.manual_seed(1)
    return SegmenterNet(build_trunk("test_efficientnet"), 3, 8, pretrained=False)


def train(
    folder: Path, settings: Settings = SETTINGS, crops: Crops | None = None, progress: Progress = silent
) -> tuple[nn.Module, list[dict[str, float]]]:
    folder.mkdir(exist_ok=True)
    return train_segmenter(
        net_of(), crops or crops_of(), RULE, pick_runtime("cpu"), settings, folder, progress
    )


class Weights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.zeros(2))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))
        self.count: Tensor


def test_weights_are_averaged_quickly_at_first() -> None:
    net = Weights()
    averaged = Averaged(net)
    expected = torch.zeros(2)
    for step in range(1, 600):
        with torch.no_grad():
            net.value += torch.tensor([1.0, -0.5]) / step
            net.count += 1
        averaged.after_step()
        kept = min(0.98, step / (step + 9))
        expected = kept * expected + (1 - kept) * net.value.detach()
        assert torch.allclose(averaged.average.value, expected, atol=1e-5)  # type: ignore[arg-type]
        if step == 1:
            assert averaged.average.value.tolist() == pytest.approx([0.9, -0.45])  # type: ignore[union-attr]
    assert KEPT == 0.98
    assert int(averaged.average.count) == 599  # type: ignore[arg-type]
    assert int(averaged.steps) == 599
    assert not any(p.requires_grad for p in averaged.average.parameters())


def test_the_average_is_kept_over_an_interruption() -> None:
    first, again = Averaged(Weights()), Averaged(Weights())
    for _ in range(5):
        with torch.no_grad():
            first.live.value += 1  # type: ignore[operator]
        first.after_step()
    again.load_state_dict(first.state_dict())
    assert int(again.steps) == 5
    for averaged in (first, again):
        averaged.after_step()
    assert torch.equal(first.average.value, again.average.value)  # type: ignore[arg-type]


def test_a_cell_has_a_type_if_any_of_its_pixels_has_it() -> None:
    labels = torch.zeros(1, 4, 8, dtype=torch.int64)
    labels[0, 0, 1] = 1  # one pixel of the first cell
    labels[0, 3, 4:6] = torch.tensor([1, 2])  # two types in the third
    labels[0, 2:, 4:] = torch.where(labels[0, 2:, 4:] == 0, UNKNOWN, labels[0, 2:, 4:])
    labels[0, :2, 6:] = UNKNOWN  # nothing counts
    labels[0, 0, 4] = UNKNOWN  # of this cell, some do
    found = pooled(labels, torch.zeros(1, 3, 2, 4))
    assert found.tolist() == [[[1, 0, 0, UNKNOWN], [0, 0, 2, UNKNOWN]]]


def test_it_learns_which_pixels_show_which_type(tmp_path: Path) -> None:
    net, history = train(tmp_path, replace(SETTINGS, epochs=40))
    assert [row["epoch"] for row in history] == list(range(1, 41))
    assert history[-1]["train_loss"] < 0.5 * history[0]["train_loss"]
    crops = crops_of()
    correct = shown = 0
    for i in range(12):
        crop = crops.cut(i, (8, 8))
        x = (torch.from_numpy(crop.pixels).permute(2, 0, 1)[None] / 255 - 0.5) / 0.25
        with torch.no_grad():
            found = net.eval()(x)[0].argmax(1)[0].numpy()
        true = crop.labels[1::2, 1::2]
        correct += int(((found == true) & (true > 0)).sum())
        shown += int(((found > 0) | (true > 0)).sum())
    assert correct / shown > 0.6


def stopped_after(epochs: int) -> Progress:
    def progress(_stage: str, done: int, _total: int) -> None:
        if done == epochs:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("weak", [0, 5])
def test_an_interrupted_training_ends_alike(tmp_path: Path, weak: int) -> None:
    crops = crops_of(weak=weak)
    whole, history = train(tmp_path / "a", crops=crops)
    with pytest.raises(KeyboardInterrupt):
        train(tmp_path / "b", crops=crops, progress=stopped_after(2))
    # its course was chosen before, whatever the budget is now
    resumed, again = train(tmp_path / "b", replace(SETTINGS, epochs=None, budget=1e-9), crops)
    assert again == history
    state = resumed.state_dict()
    assert all(torch.equal(state[name], value) for name, value in whole.state_dict().items())
    other, _ = train(tmp_path / "c", replace(SETTINGS, seed=5), crops)
    assert any(not torch.equal(state[name], value) for name, value in other.state_dict().items())


def test_the_first_steps_tell_the_epochs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(1000))
    monkeypatch.setattr(training.time, "perf_counter", lambda: float(next(clock)))
    told: list[tuple[str, int, int]] = []
    _, history = train(
        tmp_path, replace(SETTINGS, epochs=None, budget=7.0), progress=lambda *said: told.append(said)
    )
    # three timed steps took 1 s: 21 steps fit into 7 s, in ten epochs of two, the least there are
    assert len(history) == 10
    assert told[-1] == ("train", 10, 10)


def test_measuring_the_time_of_a_step_changes_nothing() -> None:
    net, crops = net_of(), crops_of(weak=5)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    state = torch.get_rng_state()
    assert training._step_seconds(net, crops, RULE, pick_runtime("cpu"), SETTINGS) > 0
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(before[name], value) for name, value in net.state_dict().items())


@pytest.mark.parametrize("name", LOSSES)
def test_every_loss_can_train(tmp_path: Path, name: str) -> None:
    net, history = train(tmp_path, replace(SETTINGS, losses=(name,), epochs=2), crops_of(weak=5))
    assert all(np.isfinite(row["train_loss"]) for row in history)
    assert all(bool(p.isfinite().all()) for p in net.parameters())


def test_of_weak_crops_no_pixel_counts() -> None:
    taught = training._Training(net_of(), crops_of(), RULE, pick_runtime("cpu"), SETTINGS, Course(1, 1))
    pixels, labels = np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8)
    labels[:2] = 1
    found = taught._known_labels([Crop(pixels, labels, None, 0), Crop(pixels, labels * 0, 2, 1)])
    assert found.dtype == torch.int64
    assert torch.equal(found[0], torch.from_numpy(labels).long())
    assert bool((found[1] == UNKNOWN).all())


def test_it_trains_in_another_number_format(tmp_path: Path) -> None:
    runtime = Runtime("cpu", torch.float32, torch.bfloat16)
    net, history = train_segmenter(
        net_of(), crops_of(weak=5), RULE, runtime, replace(SETTINGS, epochs=2), tmp_path, silent
    )
    assert all(np.isfinite(row["train_loss"]) for row in history)
    assert {p.dtype for p in net.parameters()} == {torch.float32}


class Brightness(nn.Module):
    """Says that what is bright is defective."""

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        bright = x.mean(1, keepdim=True)
        return torch.cat([-bright, bright, -bright], 1), None


def test_of_pictures_without_masks_the_crop_that_looks_most_defective_teaches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crops = crops_of(weak=5)
    taught = training._Training(net_of(), crops, RULE, pick_runtime("cpu"), SETTINGS, Course(1, 1))
    taught.net.live = Brightness()
    grey = np.full((32, 32, 3), 100, np.uint8)
    labels = np.zeros((32, 32), np.uint8)
    labels[16:] = UNKNOWN  # outside the picture
    drawn = [Crop(grey + np.uint8(add), labels, 1, 10) for add in (0, 50, 20)]
    drawn[0].pixels[16:] = 255  # is not looked at
    others = iter(drawn[1:])
    monkeypatch.setattr(crops, "anywhere", lambda i, _rng: next(others) if i == 10 else None)
    assert taught._most_defective(drawn[0]) is drawn[1]


def test_labels_at_a_stride_are_those_of_one_pixel_of_each_cell() -> None:
    """It is the same in all cells, and another in each step."""
    taught = training._Training(net_of(), crops_of(), RULE, pick_runtime("cpu"), SETTINGS, Course(1, 1))
    labels = torch.arange(64).reshape(1, 8, 8)
    seen = {tuple(taught._sampled(labels, torch.zeros(1, 3, 4, 4)).flatten().tolist()) for _ in range(60)}
    expected = {
        tuple(labels[0, row::2, column::2].flatten().tolist()) for row in range(2) for column in range(2)
    }
    assert seen == expected


def test_epochs_are_passes_over_the_pictures(tmp_path: Path) -> None:
    train(tmp_path, replace(SETTINGS, epochs=1))
    assert (tmp_path / "segmenter.json").read_text() == f'{{"epochs": 1, "steps": {-(-12 // BATCH)}}}'
