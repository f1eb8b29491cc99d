"""A head learns what can be learnt, the same way every time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch

from brightfield.errors import ConfigError
from brightfield.learn.features import FeatureBank
from brightfield.learn.head import HeadEnsemble, HeadSpec, defect_log_odds, pool_tiles
from brightfield.learn.heads import HeadTrainingData, History, members_without, train_head
from brightfield.learn.learning import Learning
from brightfield.learn.recipes import TrainHead

SETTINGS = TrainHead(epochs=60, learning_rate=1e-2)
SPEC = HeadSpec(hidden=(16,), members=2, dropout=0.1)


def head_data(tiles: int, told: bool = False, normal: int | None = 0) -> HeadTrainingData:
    """Return 120 images; of a defective one, one tile's first feature is raised."""
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    values = rng.normal(size=(2, 120 * tiles, 6))
    worst = np.arange(120) * tiles + rng.integers(tiles, size=120)
    values[:, worst[labels == 1], 0] += 8
    targets = np.eye(2, dtype=np.float32)[labels]
    of_tiles: list[npt.NDArray[np.float32] | None] = [None] * 120
    if told:
        every = np.tile(np.array([1, 0], np.float32), (120 * tiles, 1))
        every[worst[labels == 1]] = (0, 1)
        of_tiles = list(every.reshape(120, tiles, 2))
    bank = FeatureBank(
        ("plain", "half turn"), values.astype(np.float16), np.arange(121, dtype=np.int64) * tiles
    )
    return HeadTrainingData(bank, np.arange(120), targets, normal, of_tiles, np.ones(120, np.float32))


def trained(which: HeadTrainingData, seed: int = 0, **learning: object) -> tuple[HeadEnsemble, History]:
    torch.manual_seed(5)
    head = HeadEnsemble(6, 2, SPEC)
    history = train_head(head, which, SETTINGS, Learning(**learning), seed=seed)  # type: ignore[arg-type]
    assert not head.training
    return head, history


@pytest.mark.parametrize("told", [False, True])
@pytest.mark.parametrize("tiles", [1, 5])
def test_an_easy_problem_is_learnt(tiles: int, told: bool) -> None:
    which = head_data(tiles, told)
    head, history = trained(which)
    with torch.no_grad():
        logits = head(torch.from_numpy(which.bank.values[0].copy()).float()).reshape(120, tiles, 2)
    odds = defect_log_odds(pool_tiles(logits, 0), 0).numpy()
    right = (odds > np.median(odds)) == (np.arange(120) % 2 == 1)
    assert right.mean() > 0.95
    assert [row["epoch"] for row in history] == list(range(1, 61))
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_the_seed_decides() -> None:
    which = head_data(3)
    one, again, other = trained(which), trained(which), trained(which, seed=1)
    same = [torch.equal(a, b) for a, b in zip(one[0].parameters(), again[0].parameters(), strict=True)]
    assert all(same)
    assert one[1] == again[1]
    assert other[1] != one[1]


def test_standardised_by_the_images_it_trains_on() -> None:
    whole = head_data(1)
    which = replace(
        whole, images=np.arange(60), targets=whole.targets[:60], sample_weights=whole.sample_weights[:60]
    )
    head, _ = trained(which)
    seen = which.bank.values[:, :60].reshape(-1, 6).astype(np.float64)
    assert np.allclose(head.center.numpy(), seen.mean(0), atol=1e-4)
    assert np.allclose(head.scale.numpy(), seen.std(0), atol=1e-3)


def test_without_a_normal_class() -> None:
    head, history = trained(head_data(1, normal=None))
    assert history[-1]["train_loss"] < 0.3
    assert head.spec == SPEC


def test_a_member_learns_nothing_from_the_fold_it_leaves_out() -> None:
    folds = np.arange(120) // 2 % 2
    for tiles, told in ((1, False), (3, True)):
        which = replace(head_data(tiles, told), fold_of=folds)
        turned = which.targets.copy()
        turned[folds == 1] = turned[folds == 1][:, ::-1]
        of_tiles = [
            t if t is None or folds[i] == 0 else t[:, ::-1].copy() for i, t in enumerate(which.tile_targets)
        ]
        honest, lied_to = trained(which)[0], trained(replace(which, targets=turned, tile_targets=of_tiles))[0]
        for a, b in zip(honest.weights, lied_to.weights, strict=True):
            # the second of the two members leaves out the second fold, whose labels are turned round
            assert torch.equal(a[1], b[1])
            assert not torch.equal(a[0], b[0])


def test_an_image_that_counts_nothing_teaches_nothing() -> None:
    which = head_data(3, told=True)
    counted = np.where(np.arange(120) < 60, 1, 0).astype(np.float32)
    turned = which.targets.copy()
    turned[60:] = turned[60:, ::-1]
    of_tiles = [t if t is None or i < 60 else t[:, ::-1].copy() for i, t in enumerate(which.tile_targets)]
    lied_to = replace(which, targets=turned, tile_targets=of_tiles, sample_weights=counted)
    one, other = trained(replace(which, sample_weights=counted))[0], trained(lied_to)[0]
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    "learning",
    [
        *({"imbalance": how} for how in ("sampling", "loss", "adjustment")),
        *({"focal": 2.0}, {"label_smoothing": 0.2}, {"mix": "mixup"}),
    ],
)
def test_every_way_of_learning_learns_and_differs(learning: dict[str, object]) -> None:
    which = head_data(1)
    rare = np.r_[np.arange(0, 120, 2), np.arange(1, 40, 2)]  # a quarter defective
    which = replace(
        which, images=rare, targets=which.targets[rare], sample_weights=which.sample_weights[rare]
    )
    head, history = trained(which, **learning)
    with torch.no_grad():
        odds = defect_log_odds(head(torch.from_numpy(which.bank.values[0].copy()).float()), 0).numpy()
    assert ((odds > np.median(odds)) == (np.arange(120) % 2 == 1)).mean() > 0.95
    assert history != trained(which)[1]


def test_mixtures_leave_out_the_fold_of_either_image() -> None:
    folds = np.arange(120) // 2 % 2
    which = replace(head_data(1), fold_of=folds)
    turned = which.targets.copy()
    turned[folds == 1] = turned[folds == 1][:, ::-1]
    one, other = trained(which, mix="mixup")[0], trained(replace(which, targets=turned), mix="mixup")[0]
    assert all(torch.equal(a[1], b[1]) for a, b in zip(one.weights, other.weights, strict=True))


def test_pictures_in_tiles_are_not_mixed() -> None:
    with pytest.raises(ConfigError, match=r"tiles \(up to 3 here\).*--image-size"):
        trained(head_data(3), mix="mixup")


def test_members_are_shared_out_over_the_folds() -> None:
    assert [members_without(f, 5, 3) for f in range(3)] == [[0, 3], [1, 4], [2]]
    with pytest.raises(ValueError, match="3 folds for 2 members"):
        members_without(0, 2, 3)
