"""Tuning the last stages: what is frozen stays, the best is kept, the killed goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.learn import finetune
from brightfield.learn.backbone import build_trunk
from brightfield.learn.finetune import FineTuneData, fine_tune, set_training
from brightfield.learn.head import HeadSpec
from brightfield.learn.learning import Learning
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.recipes import FineTune
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.schedules import Length, Schedule, build_schedule

RULE = Preprocessing(8, None, False, 64, 8, (0.5,) * 3, (0.25,) * 3)
PLAIN = FineTune(epochs=3, batch=8, patience=None)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> PixelCache:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    paths = []
    for i in range(25):  # three batches of 8, and one image over
        grey = rng.normal(90, 20, (64, 64 if i < 20 else 110)).clip(0, 255)
        if i % 2:
            grey[20:40, 20:40] = 240
        paths.append(folder / f"{i:02d}.png")
        Image.fromarray(grey.astype(np.uint8)).save(paths[-1])
    return build_cache(paths, rule=RULE, folder=folder / "cache")


def tuning_data(
    cache: PixelCache, held: int = 6, images: int = 19, imbalance: str = "none", mix: str = "none"
) -> FineTuneData:
    labels = np.arange(25) % 2
    targets = np.eye(2, dtype=np.float32)[labels]
    rows = np.arange(25)[held : held + images]
    return FineTuneData(
        *(cache, RULE, rows, targets[rows], np.arange(held), labels[:held], 0, [None] * images),
        sample_weights=np.ones(images, np.float32),
        learning=Learning(imbalance=imbalance, mix=mix),
    )


def network() -> TileNet:
    torch.manual_seed(2)
    trunk = build_trunk("test_resnet")
    return build_network(trunk, 2, HeadSpec(dropout=0.2), pick_runtime("cpu", "float32"))


def weights(net: TileNet) -> dict[str, torch.Tensor]:
    return {k: v.clone() for k, v in net.trunk.net.state_dict().items()}


def test_what_is_frozen_does_not_move_by_a_bit(cache: PixelCache, tmp_path: Path) -> None:
    net = network()
    before = weights(net)
    history = fine_tune(net, tuning_data(cache), PLAIN, seed=0, checkpoint=tmp_path / "c.pt")
    after = weights(net)
    moved = {k for k in before if not torch.equal(before[k], after[k])}
    assert moved
    assert {k.split(".")[0] for k in moved} == {"layer4"}
    assert "layer4.0.bn1.running_mean" in moved, "a trained BatchNorm must follow its convolution"
    assert [row["epoch"] for row in history] == [1, 2, 3]
    assert all("validation_f1" in row and row["learning_rate"] == 3e-4 for row in history)


@pytest.mark.parametrize(("images", "steps"), [(8, 1), (9, 1), (10, 2), (16, 2), (17, 2), (18, 3)])
def test_a_schedule_ends_with_the_last_step(
    cache: PixelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int, steps: int
) -> None:
    taken: list[int] = []  # a rest of one image is no step
    monkeypatch.setattr(Schedule, "after_step", lambda _: taken.append(1))
    lengths: list[Length] = []

    def noted(name: str, optimisers: list[torch.optim.Optimizer], length: Length) -> Schedule:
        lengths.append(length)
        return build_schedule(name, optimisers, length)

    monkeypatch.setattr(finetune, "build_schedule", noted)
    once = replace(PLAIN, epochs=1, schedule="linear")
    fine_tune(network(), tuning_data(cache, images=images), once, seed=0, checkpoint=tmp_path / "c.pt")
    assert len(taken) == lengths[0].steps == steps


def test_modes() -> None:
    net = network()
    last = [m for m in net.trunk.net.layer4.modules() if list(m.parameters(recurse=False))]  # type: ignore[union-attr]
    set_training(net, last)
    for name, module in net.trunk.net.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.training == name.startswith("layer4")
    assert net.head.training


@pytest.mark.parametrize(
    ("mix", "optimiser", "schedule"),
    [
        ("none", "adam", "plateau"),
        ("mixup", "adam", "plateau"),
        ("cutmix", "sgd", "cosine"),
        ("none", "muon", "one-cycle"),
    ],
)
def test_a_killed_training_ends_with_the_same_weights(
    cache: PixelCache, tmp_path: Path, mix: str, optimiser: str, schedule: str
) -> None:
    settings = replace(PLAIN, optimiser=optimiser, schedule=schedule)
    told = tuning_data(cache, imbalance="sampling", mix=mix)
    whole, killed = network(), network()
    expected = fine_tune(whole, told, settings, seed=0, checkpoint=tmp_path / "a.pt")

    def die(stage: str, done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    path = tmp_path / "b.pt"
    with pytest.raises(KeyboardInterrupt):
        fine_tune(killed, told, settings, seed=0, checkpoint=path, progress=die)
    torch.manual_seed(99)  # another process starts from another state
    resumed = network()
    torch.rand(7)
    found = fine_tune(resumed, told, settings, seed=0, checkpoint=path)
    assert found == expected
    other = resumed.state_dict()
    assert all(torch.equal(v, other[k]) for k, v in whole.state_dict().items())


def script_f1(monkeypatch: pytest.MonkeyPatch, values: list[float]) -> list[dict[str, torch.Tensor]]:
    """Let validation say these; return the weights it was asked about."""
    asked: list[dict[str, torch.Tensor]] = []

    def f1(net: TileNet, _: FineTuneData) -> float:
        asked.append({k: v.clone() for k, v in net.state_dict().items()})
        return values[len(asked) - 1]

    monkeypatch.setattr(finetune, "_validation_f1", f1)
    return asked


def test_the_best_weights_are_restored_not_the_last(
    cache: PixelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = script_f1(monkeypatch, [0.2, 0.8, 0.8, 0.5])
    net = network()
    fine_tune(net, tuning_data(cache), replace(PLAIN, epochs=4), seed=0, checkpoint=tmp_path / "c.pt")
    found = net.state_dict()
    assert all(torch.equal(v, found[k]) for k, v in asked[1].items())
    assert not all(torch.equal(v, found[k]) for k, v in asked[3].items())


def test_it_stops_when_patience_ends_and_halves_its_rate_before(
    cache: PixelCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script_f1(monkeypatch, [0.5, 0.9] + [0.6] * 20)
    settings = replace(PLAIN, epochs=20, patience=5)
    small = tuning_data(cache, images=8)
    history = fine_tune(network(), small, settings, seed=0, checkpoint=tmp_path / "c.pt")
    assert len(history) == 7  # five epochs after the second
    # three bad epochs, the patience of 2 exceeded, halve it for the next
    assert [row["learning_rate"] for row in history] == [3e-4] * 5 + [1.5e-4] * 2
    again = fine_tune(network(), small, settings, seed=0, checkpoint=tmp_path / "c.pt")
    assert again == history, "a finished training trained on"


def test_without_held_out_images_the_last_weights_stay(cache: PixelCache, tmp_path: Path) -> None:
    net = network()
    history = fine_tune(
        net, tuning_data(cache, held=0, images=9), PLAIN, seed=0, checkpoint=tmp_path / "c.pt"
    )
    assert len(history) == 3
    assert "validation_f1" not in history[0]


def test_a_rest_of_one_image_does_not_stop_batchnorm(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    paths = [tmp_path / f"{i}.png" for i in range(9)]
    for path in paths:
        Image.fromarray(rng.integers(0, 255, (32, 32), dtype=np.uint8)).save(path)
    tiny = replace(RULE, tile=32, overlap=0)  # one pixel is left at stride 32
    small = build_cache(paths, rule=tiny, folder=tmp_path / "cache")
    targets = np.eye(2, dtype=np.float32)[np.arange(9) % 2]
    nothing = np.arange(0)
    told = FineTuneData(
        small,
        tiny,
        np.arange(9),
        targets,
        nothing,
        nothing,
        0,
        [None] * 9,
        np.ones(9, np.float32),
        Learning(),
    )
    history = fine_tune(network(), told, replace(PLAIN, epochs=1), seed=0, checkpoint=tmp_path / "c.pt")
    assert np.isfinite(history[0]["train_loss"])


def test_ways_of_learning_differ(cache: PixelCache, tmp_path: Path) -> None:
    kinds = [tuning_data(cache, mix=mix) for mix in ("none", "mixup", "cutmix")]
    kinds.append(replace(kinds[0], sample_weights=np.linspace(0.1, 1, 19, dtype=np.float32)))
    losses = []
    for i, told in enumerate(kinds):
        once = replace(PLAIN, epochs=1)
        history = fine_tune(network(), told, once, seed=0, checkpoint=tmp_path / f"{i}.pt")
        losses.append(history[0]["train_loss"])
    assert len(set(losses)) == 4


def test_gradients_add_up_to_those_of_the_batch(cache: PixelCache, tmp_path: Path) -> None:
    made = []
    for few in (None, 3):  # a batch of 8 in parts of 3, 3 and 2
        net = network()
        net.head.spec = replace(net.head.spec, dropout=0.0)
        for parent in list(net.trunk.modules()):  # without norms, whose statistics are a part's own
            for name, child in list(parent.named_children()):
                if isinstance(child, nn.BatchNorm2d):
                    setattr(parent, name, nn.Identity())
        told = replace(tuning_data(cache, held=0), sample_weights=np.linspace(0.1, 1, 19, dtype=np.float32))
        settings = replace(PLAIN, epochs=1, micro_batch=few, learning_rate=1e-4)
        rows = fine_tune(net, told, settings, seed=0, checkpoint=tmp_path / f"{few}.pt")
        made.append((rows[0]["train_loss"], net.state_dict()))
    assert made[0][0] == pytest.approx(made[1][0], rel=1e-4)
    before = network().state_dict()
    trained = [name for name in made[0][1] if name.startswith(("head.", "trunk.net.layer4"))]
    assert len(trained) > 5
    for name in trained:
        moved, apart = ((made[0][1][name] - other[name]).abs().max() for other in (before, made[1][1]))
        assert apart <= 0.02 * moved, name


def test_no_part_of_a_batch_is_a_single_image(cache: PixelCache, tmp_path: Path) -> None:
    net = network().eval()
    seen: list[int] = []
    net.trunk.register_forward_hook(
        lambda _m, given, _out: seen.append(len(given[0])) if net.head.training else None
    )
    settings = replace(PLAIN, epochs=1, batch=7, micro_batch=2)
    fine_tune(net, tuning_data(cache, held=0, images=21), settings, seed=0, checkpoint=tmp_path / "c.pt")
    assert seen == [3, 2, 2] * 3
