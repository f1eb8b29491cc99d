"""Training from scratch: augmentation by hand, learning, and resuming bit for bit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import DataError
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.processes import Processes
from brightfield.learn.recipes import SCRATCH_RECIPES, FromScratch, How
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.scratch import ScratchData, train_from_scratch
from brightfield.learn.small import build_small_trunk, small_head

RULE = Preprocessing(8, 32, True, 32, 0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))
FAST = SCRATCH_RECIPES["fast"].how
TUTORIAL = SCRATCH_RECIPES["tutorial"].how


def network(name: str, precision: str = "float32") -> TileNet:
    torch.manual_seed(3)
    trunk = build_small_trunk(name, 32)
    return build_network(trunk, 2, small_head(name, trunk), pick_runtime("cpu", precision))


def data(n: int = 96, held: int = 0) -> ScratchData:
    """Noise with a bright square on the left or on the right, nothing a mirror would keep."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 120, (n, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(n) % 2
    for image, label in zip(images, labels, strict=True):
        image[10:20, 4:14, :] = (250, 20, 20) if label else (20, 20, 250)
    return ScratchData(torch.from_numpy(images), torch.from_numpy(labels), RULE, np.arange(held))


def short(settings: How, **more: object) -> FromScratch:
    assert isinstance(settings, FromScratch)
    return replace(settings, **{"epochs": 3, "batch": 32, "micro_batch": 16, **more})  # type: ignore[arg-type]


IN_EITHER_FORMAT = pytest.mark.parametrize(
    ("name", "settings", "precision"),
    [
        ("fast_cnn", FAST, "float32"),
        ("lenet5", FAST, "bfloat16"),  # a small one, as some processors only emulate the format
        pytest.param("fast_cnn", FAST, "bfloat16", marks=pytest.mark.slow),
        ("tutorial_cnn", TUTORIAL, "float32"),
        ("lenet5", replace(TUTORIAL, optimiser="sgd", learning_rate=0.05, schedule="plateau"), "float32"),
        ("lenet5", replace(FAST, schedule="one-cycle"), "float32"),
    ],
)


@IN_EITHER_FORMAT
def test_it_learns(name: str, settings: How, precision: str, tmp_path: Path) -> None:
    net, of = network(name, precision), data(held=16)
    history = train_from_scratch(net, of, short(settings, epochs=4), seed=0, checkpoint=tmp_path / "c.pt")
    assert [row["epoch"] for row in history] == [1, 2, 3, 4]
    assert history[-1]["train_loss"] < history[0]["train_loss"]
    assert max(row["validation_accuracy"] for row in history) > 0.9
    assert not net.training


def test_gradients_add_up_to_those_of_the_batch(tmp_path: Path) -> None:
    # without norms, whose statistics are a part's own
    made = []
    for few in (32, 6):  # of batches of 16: whole, and in parts of 6, 5 and 5
        net = network("lenet5")
        settings = short(FAST, micro_batch=few, epochs=1, cutout=4)
        train_from_scratch(net, data(), settings, seed=0, checkpoint=tmp_path / f"{few}.pt")
        made.append(net.state_dict())
    before = network("lenet5").state_dict()
    moved = max(float((v - before[k]).abs().max()) for k, v in made[0].items())
    apart = max(float((v - made[1][k]).abs().max()) for k, v in made[0].items())
    assert moved > 0.05
    assert apart < 0.02 * moved, (apart, moved)


def test_networks_abreast_learn_as_each_would_alone(tmp_path: Path) -> None:
    torch.manual_seed(3)
    trunk = build_small_trunk("lenet5", 32, members=2)
    pair = build_network(trunk, 2, small_head("lenet5", trunk), pick_runtime("cpu", "float32"))
    alone = [network("lenet5"), network("lenet5")]
    for i, net in enumerate(alone):
        net.trunk.net.load_state_dict(pair.trunk.net.nets[i].state_dict())  # type: ignore[union-attr,index]
        net.head.load_state_dict(
            {k: v[[i]] if v.ndim == 3 else v.view(2, -1)[i] for k, v in pair.head.state_dict().items()}
        )
    told = [
        train_from_scratch(net, data(held=16), short(FAST, epochs=2), seed=0, checkpoint=None)
        for net in (pair, *alone)
    ]
    for i, net in enumerate(alone):
        theirs = pair.trunk.net.nets[i].state_dict()  # type: ignore[union-attr,index]
        for name, value in net.trunk.net.state_dict().items():
            assert torch.allclose(theirs[name], value, atol=1e-4), name
    losses = [rows[-1]["train_loss"] for rows in told]
    assert losses[0] == pytest.approx((losses[1] + losses[2]) / 2, rel=1e-3)
    x = torch.randn(5, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(pair(x), (alone[0](x) + alone[1](x)) / 2, atol=1e-3)


class KilledError(Exception):
    pass


@IN_EITHER_FORMAT
def test_killed_at_any_step_it_ends_with_the_same_weights(
    name: str, settings: How, precision: str, tmp_path: Path
) -> None:
    def run(place: Path, kill_at: int | None = None) -> TileNet:
        net = network(name, precision)

        def progress(stage: str, done: int, total: int) -> None:
            if stage == "batches" and done == kill_at:
                raise KilledError

        given = short(settings, whitening_epochs=1, batch=16, micro_batch=8)
        train_from_scratch(net, data(56, held=8), given, seed=1, checkpoint=place, progress=progress)
        return net

    whole = run(tmp_path / "whole.pt").state_dict()
    for kill_at in (1, 3, 4, 8):
        with pytest.raises(KilledError):
            run(tmp_path / f"{kill_at}.pt", kill_at)
        torch.rand(kill_at)  # what happens meanwhile makes no difference
        resumed = run(tmp_path / f"{kill_at}.pt").state_dict()
        assert all(torch.equal(v, resumed[k]) for k, v in whole.items())


def test_whitening_sees_every_class(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("brightfield.learn.scratch._WHITENING_IMAGES", 20)
    seen: list[torch.Tensor] = []
    net = network("fast_cnn")
    monkeypatch.setattr(net.trunk.net, "whiten", seen.append)
    of = data()
    sorted_by_class = replace(
        of, images=of.images[of.labels.argsort(stable=True)], labels=of.labels.sort().values
    )
    train_from_scratch(net, sorted_by_class, short(FAST, epochs=1), seed=0, checkpoint=tmp_path / "c.pt")
    (images,) = seen
    reds = images[:, 0, 15, 9] > 0
    assert len(images) == 20
    assert 3 < int(reds.sum()) < 17


def test_the_whitening_bias_learns_in_the_first_epochs_only() -> None:
    net, biases = network("fast_cnn"), []
    layer = net.trunk.net.whitening  # type: ignore[union-attr]

    def progress(stage: str, _done: int, _total: int) -> None:
        if stage == "train":
            biases.append(layer.bias.detach().clone())  # type: ignore[union-attr]

    for _ in range(2):  # and again when the same network is trained anew
        settings = short(FAST, epochs=4, whitening_epochs=2, batch=16)
        train_from_scratch(net, data(32), settings, seed=0, checkpoint=None, progress=progress)
        one, two, three, four = biases[-4:]
        assert not torch.equal(one, two)
        assert torch.equal(two, three)
        assert torch.equal(three, four)


def test_a_share_of_each_step_for_every_process() -> None:
    with pytest.raises(DataError, match="7 images to train on are too few for 4 processes"):
        train_from_scratch(
            network("lenet5"), data(n=7), short(FAST), seed=0, checkpoint=None, process_group=Processes(0, 4)
        )


def test_no_step_is_taken_on_a_rest(tmp_path: Path) -> None:
    net = network("fast_cnn")
    sizes: list[int] = []
    net.trunk.register_forward_hook(lambda _m, inputs, _o: sizes.append(len(inputs[0])))
    settings = short(FAST, micro_batch=100, epochs=2)
    train_from_scratch(net, data(n=83), settings, seed=0, checkpoint=tmp_path / "c.pt")
    assert sizes == [16] * 10  # five batches an epoch, and three images of 83 wait


@pytest.mark.parametrize(
    ("asked", "suiting", "sizes"),
    [(None, 500, [16] * 5), (None, 8, [8] * 10), (6, 500, [6, 5, 5] * 5), (2, 500, [2] * 40)],
)
def test_a_batch_goes_in_parts_that_suit_a_cpu_unless_asked_for(
    asked: int | None, suiting: int, sizes: list[int], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("brightfield.learn.scratch._CPU_MICRO_BATCH", suiting)
    net, seen = network("lenet5"), []
    net.trunk.register_forward_hook(lambda _m, given, _o: seen.append(len(given[0])))
    settings = short(FAST, micro_batch=asked, epochs=1)
    train_from_scratch(net, data(n=80), settings, seed=0, checkpoint=tmp_path / "c.pt")
    assert seen == sizes
