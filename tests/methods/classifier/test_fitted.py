"""The classifier: what its tiles say together, and where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from brightfield.data.preprocessing import Preprocessing
from brightfield.engine.spec import HeadSpec
from brightfield.engine.trunk import ANY_SIDE, Trunk
from brightfield.errors import BundleError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.frozen import Freezer
from brightfield.learn.network import TileNet, build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.methods.base import Stored
from brightfield.methods.classifier.fitted import Classifier, _Activations, load_classifier

RULE = Preprocessing(8, 128, False, 64, 0, (0.5, 0.4, 0.3), (0.2, 0.3, 0.4))
SIDE_BY_SIDE = [(0, 0), (0, 64)]
WIDE = (64, 128)
CLASSES = ("fine", "pit", "rust")


@pytest.fixture(scope="module")
def net() -> TileNet:
    torch.manual_seed(0)
    spec = HeadSpec(taps=(-1,), pools=("mean",), hidden=(4,), members=3)
    return build_network(build_trunk("test_resnet"), 3, spec, pick_runtime("cpu", "float32")).eval()


@pytest.fixture(scope="module")
def trunk(net: TileNet) -> Trunk:
    return Freezer(net).trunk(RULE.tile)


Make = Callable[..., Classifier]


@pytest.fixture(scope="module")
def made(net: TileNet, trunk: Trunk) -> Make:
    """Return a function that gives the classifier with this normal class, in these views."""

    def make(normal: int | None, *views: str) -> Classifier:
        return Classifier(
            trunk,
            net.head.fitted(),
            RULE,
            normal=normal,
            views=views or ("plain",),
            backbone=net.trunk.spec.as_dict(),
        )

    return make


def by_torch(net: TileNet, tiles: np.ndarray) -> np.ndarray:
    """Return the logits of uint8 tiles (T, H, W, 3), by torch."""
    x = (tiles / 255 - np.array(RULE.mean)) / np.array(RULE.std)
    with torch.no_grad():
        logits: np.ndarray = net(torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2)).numpy()
    return logits


PICTURE = np.random.default_rng(0).integers(0, 256, (64, 128, 3), dtype=np.uint8)
TILES = np.stack([PICTURE[:, :64], PICTURE[:, 64:]])


@pytest.mark.parametrize("normal", [0, 2, None])
def test_a_picture_is_judged_as_torch_judges_its_tiles(net: TileNet, made: Make, normal: int | None) -> None:
    each = by_torch(net, TILES)
    (found,) = made(normal).judge([PICTURE], explain=False)
    if normal is None:
        expected = each.mean(0)
        score = np.sort(expected)[-1] - np.sort(expected)[-2]
    else:
        others = [k for k in range(3) if k != normal]
        odds = np.log(np.exp(each[:, others]).sum(1)) - each[:, normal]
        expected, score = each[odds.argmax()], odds.max()
    assert found.logits == pytest.approx(expected, abs=1e-4)
    assert found.score == pytest.approx(score, abs=1e-4)
    assert found.heat is None


def test_views_are_averaged_before_the_worst_tile_is_taken(net: TileNet, made: Make) -> None:
    each = (by_torch(net, TILES) + by_torch(net, TILES[:, :, ::-1].copy())) / 2
    (found,) = made(1, "plain", "mirror").judge([PICTURE], explain=False)
    odds = np.log(np.exp(each[:, [0, 2]]).sum(1)) - each[:, 1]
    assert found.logits == pytest.approx(each[odds.argmax()], abs=1e-4)


def test_pictures_of_different_sizes_go_together(made: Make) -> None:
    judge = made(0, "plain", "upside down")
    pictures = [PICTURE, PICTURE[:, :64], PICTURE[:40, :50]]
    together = judge.judge(pictures, explain=True)
    for picture, one in zip(pictures, together, strict=True):
        (alone,) = judge.judge([picture], explain=True)
        assert one.score == pytest.approx(alone.score, abs=1e-4)
        assert one.heat is not None
        assert alone.heat is not None
        assert one.heat.shape == picture.shape[:2]
        assert np.allclose(one.heat, alone.heat, atol=1e-3)


def test_some_views_judge_alone(net: TileNet, made: Make) -> None:
    judge = made(0, "plain", "mirror")
    x = (PICTURE[None, :, :64] / 255 - np.array(RULE.mean)) / np.array(RULE.std)
    with torch.no_grad():
        maps = net.tapped(torch.tensor(x, dtype=torch.float32).permute(0, 3, 1, 2))
        expected = net.head(net.pool(maps)).numpy()[0]
    one = judge.of_views(["plain"])
    assert one.judge([PICTURE[:, :64]], explain=False)[0].logits == pytest.approx(expected, abs=1e-4)
    assert (judge.views, judge.head.spec.members) == (("plain", "mirror"), 3), "it changed"


def test_a_tile_is_as_hot_as_it_is_likely_whatever_its_activation(made: Make) -> None:
    cams = np.zeros((2, 64, 64), np.float32)
    cams[0, 10, 10], cams[0, 20, 20] = 900.0, 450.0  # large, but it hardly speaks for a defect
    cams[1, 30, 30] = 0.01
    logits = np.array([[2.0, 0.0, -np.inf], [0.0, 1.0, -np.inf]], np.float32)
    p = [1 / (1 + np.exp(2.0)), 1 / (1 + np.exp(-1.0))]
    heat = made(0)._heat(cams, logits, SIDE_BY_SIDE, WIDE)
    assert heat.shape == WIDE
    assert heat[30, 64 + 30] == 1
    assert heat[10, 10] == pytest.approx(p[0] / p[1])
    assert heat[20, 20] == pytest.approx(p[0] / p[1] / 2)
    assert np.count_nonzero(heat) == 3
    alike = made(None)._heat(cams, logits, SIDE_BY_SIDE, WIDE)
    assert (alike[10, 10], alike[30, 94]) == (1, 1)


def test_what_decided_but_has_no_place_leaves_the_rest_as_it_is(made: Make) -> None:
    cams = np.zeros((2, 64, 64), np.float32)
    cams[0, 10, 10] = 5.0
    logits = np.array([[0.0, -4.0, -np.inf], [0.0, 40.0, -np.inf]], np.float32)
    heat = made(0)._heat(cams, logits, SIDE_BY_SIDE, WIDE)
    assert heat.max() == pytest.approx(1 / (1 + np.exp(4.0)))
    assert not made(0)._heat(cams * 0, logits, SIDE_BY_SIDE, WIDE).any()


def test_without_a_normal_class_every_tile_shows_the_class_that_is_named(
    made: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = made(None)
    # the mean of the first picture's three tiles names the second class, the other picture is the first
    each = np.array([[0.0, 3, 0], [4, 1, 0], [0, 2, 1], [9, 0, 0]], np.float32)
    asked: list[int] = []

    def cam(seen: _Activations, named: np.ndarray) -> np.ndarray:
        asked.extend(int(k) for k in named)
        return np.ones((len(seen), 64, 64), np.float32)

    def look(tiles: np.ndarray, explain: bool) -> tuple[np.ndarray, np.ndarray, _Activations]:
        return each[: len(tiles)], each[: len(tiles)], _Activations([], [np.zeros((len(tiles), 1))])

    monkeypatch.setattr(judge, "_forward", look)
    monkeypatch.setattr(judge, "_cam", cam)
    first, second = judge.judge(
        [np.zeros((64, 192, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)], explain=True
    )
    assert first.logits is not None
    assert second.logits is not None
    assert (first.logits.argmax(), second.logits.argmax()) == (1, 0)
    assert asked == [1, 1, 1, 0]
    assert first.embedding is not None
    assert first.embedding == pytest.approx(each[:3].mean(0))  # that of a picture is the mean of its tiles'


def test_a_network_for_each_size_keeps_its_size_when_stored(net: TileNet, trunk: Trunk, made: Make) -> None:
    judge = made(0)
    assert list(judge.stored().networks) == ["network"]
    judge.trunk = Trunk({64: trunk.networks[ANY_SIDE]}, trunk.scales)
    stored = judge.stored()
    assert list(stored.networks) == ["network-64"]
    assert json.loads(json.dumps(stored.settings)) == stored.settings, "not JSON's own types"
    again = load_classifier(stored, RULE, CLASSES, "fine")
    assert list(again.trunk.networks) == [64]
    assert np.array_equal(
        again.judge([PICTURE], explain=False)[0].logits, judge.judge([PICTURE], explain=False)[0].logits
    )


@pytest.mark.parametrize(
    ("classes", "changed", "said"),
    [
        (("fine", "pit"), {}, "the head knows 3 classes, not 2"),
        (CLASSES, {"views": ["plain", "sideways"]}, "sideways"),
        (CLASSES, {"views": []}, "the views are"),
        (CLASSES, {"head": {"members": 3}}, "KeyError"),
        (CLASSES, {"weights.0": None}, "weights.0"),
        (CLASSES, {"biases.1": np.zeros((3, 1, 4), np.float32)}, "a layer is"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    made: Make, classes: tuple[str, ...], changed: dict[str, object], said: str
) -> None:
    stored = made(0).stored()
    settings = {**stored.settings, **{k: v for k, v in changed.items() if k in stored.settings}}
    arrays = {**stored.arrays, **{k: v for k, v in changed.items() if k in stored.arrays}}
    whole = Stored(stored.networks, {k: v for k, v in arrays.items() if v is not None}, settings)
    with pytest.raises(BundleError, match=f"do not fit its settings.*{said}.*another version"):
        load_classifier(whole, RULE, classes, "fine")


def test_a_network_that_cannot_run_is_refused(made: Make) -> None:
    stored = replace(made(0).stored(), networks={"network": b"broken"})
    with pytest.raises(BundleError, match="cannot run the network"):
        load_classifier(stored, RULE, CLASSES, "fine")
