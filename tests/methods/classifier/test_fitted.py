"""The classifier: what its tiles say together, and where."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.backbone import build_trunk
from brightfield.learn.head import HeadSpec
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.methods.classifier import Classifier

RULE = Preprocessing(8, 128, False, 64, 0, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
SIDE_BY_SIDE = [(0, 0), (0, 64)]
WIDE = (64, 128)


def classifier(normal: int | None) -> Classifier:
    torch.manual_seed(0)
    spec = replace(HeadSpec(), taps=(-1,), pools=("mean",))
    net = build_network(build_trunk("test_resnet"), 3, spec, pick_runtime("cpu"))
    return Classifier(net, RULE, normal, ("plain",))


def test_a_tile_is_as_hot_as_it_is_likely_whatever_its_activation() -> None:
    cams = torch.zeros(2, 64, 64)
    cams[0, 10, 10], cams[0, 20, 20] = 900.0, 450.0  # large, but it hardly speaks for a defect
    cams[1, 30, 30] = 0.01
    logits = torch.tensor([[2.0, 0.0, -torch.inf], [0.0, 1.0, -torch.inf]]).double()
    p = [1 / (1 + np.exp(2.0)), 1 / (1 + np.exp(-1.0))]
    heat = classifier(0)._heat(cams, logits, SIDE_BY_SIDE, WIDE)
    assert heat.shape == WIDE
    assert heat[30, 64 + 30] == 1
    assert heat[10, 10] == pytest.approx(p[0] / p[1])
    assert heat[20, 20] == pytest.approx(p[0] / p[1] / 2)
    assert np.count_nonzero(heat) == 3
    alike = classifier(None)._heat(cams, logits, SIDE_BY_SIDE, WIDE)
    assert (alike[10, 10], alike[30, 94]) == (1, 1)


def test_what_decided_but_has_no_place_leaves_the_rest_as_it_is() -> None:
    cams = torch.zeros(2, 64, 64)
    cams[0, 10, 10] = 5.0
    logits = torch.tensor([[0.0, -4.0, -torch.inf], [0.0, 40.0, -torch.inf]]).double()
    heat = classifier(0)._heat(cams, logits, SIDE_BY_SIDE, WIDE)
    assert heat.max() == pytest.approx(1 / (1 + np.exp(4.0)))
    assert not classifier(0)._heat(cams * 0, logits, SIDE_BY_SIDE, WIDE).any()


def test_without_a_normal_class_every_tile_shows_the_class_that_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    judge = classifier(None)
    each = torch.tensor([[0.0, 3.0, 0.0], [4.0, 1.0, 0.0], [0.0, 2.0, 1.0]])  # the mean names the second
    asked: list[int] = []

    def cam(maps: list[torch.Tensor], named: int) -> torch.Tensor:
        asked.append(named)
        return torch.ones(len(maps[0]), 64, 64)

    monkeypatch.setattr(
        judge, "_look", lambda tiles, views: (each[: len(tiles)], [torch.zeros(len(tiles), 1)])
    )
    monkeypatch.setattr(judge, "_cam", cam)
    found = judge.judge(np.zeros((64, 192, 3), np.uint8), explain=True)
    assert found.logits.argmax() == 1
    assert asked == [1]
