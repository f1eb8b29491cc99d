"""An inspector of a network that was trained in a loop of one's own."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import brightfield
from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.split import split
from brightfield.errors import ConfigError, DataError
from brightfield.pipeline.own_network import inspector_of

MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.25, 0.3)
RULE = Preprocessing(8, 96, False, 96, 0, MEAN, STD)


@pytest.fixture(scope="module")
def data(spots: Path) -> Dataset:
    return split(load(spots), test=0.25, calibration=0.4, seed=0)


@pytest.fixture
def network() -> tuple[nn.Module, nn.Linear]:
    """Brightness and its spread, more or less, of which the second tells pictures with a bright square."""
    torch.manual_seed(0)
    trunk = nn.Sequential(
        nn.Conv2d(3, 8, 5, 2, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3, 2, 1), nn.ReLU()
    )
    for parameter in trunk.parameters():
        nn.init.normal_(parameter, std=0.3)
    return trunk, nn.Linear(12, 2)


def by_hand(trunk: nn.Module, head: nn.Linear, picture: Path) -> np.ndarray:
    """Return the logits of a picture of 96x64 px in the middle of a square, without our code."""
    grey = np.asarray(Image.open(picture).convert("RGB"), dtype=np.float32) / 255
    square = np.tile(np.float32([round(255 * m) / 255 for m in MEAN]), (96, 96, 1))
    square[16:80] = grey
    x = torch.from_numpy((square - np.float32(MEAN)) / np.float32(STD)).permute(2, 0, 1)[None].float()
    with torch.no_grad():
        return head(trunk.eval()(x).mean((2, 3)))[0].double().numpy()


def test_it_judges_as_the_network_does(
    data: Dataset, network: tuple[nn.Module, nn.Linear], tmp_path: Path
) -> None:
    trunk, head = network
    inspector = inspector_of(trunk, head, data, RULE)
    sample = data.split("test").samples[0]
    logits = by_hand(trunk, head, sample.path)
    verdict = inspector.inspect(sample.path)
    assert verdict.score == pytest.approx(logits[1] - logits[0], abs=1e-3)
    assert verdict.heatmap is not None
    assert verdict.heatmap.shape == (64, 96)
    assert inspector.facts["agreement"]["largest_difference"] < 1e-3
    inspector.save(tmp_path / "own")
    again = brightfield.load(tmp_path / "own").inspect(sample.path)
    assert (again.score, again.probability, again.decision) == pytest.approx(
        (verdict.score, verdict.probability, verdict.decision)
    )


def test_the_calibration_split_alone_calibrates_it(
    data: Dataset, network: tuple[nn.Module, nn.Linear]
) -> None:
    inspector = inspector_of(*network, data, RULE, policy="recall=0.9")
    held = data.split("calibration")
    assert len(inspector.reference["scores"]) == len(held)
    assert inspector.operating_point is not None
    assert inspector.operating_point.n_calibration == len(held)
    assert inspector.operating_point.policy == "recall=0.9"
    made = brightfield.evaluate(inspector, data)
    assert made.metrics["n"] == len(data.split("test"))


def test_the_network_is_left_as_it_is(data: Dataset, network: tuple[nn.Module, nn.Linear]) -> None:
    trunk, head = network
    trunk.train()
    before = copy.deepcopy(trunk.state_dict())
    inspector = inspector_of(trunk, head, data, RULE)
    assert trunk.training
    assert all(torch.equal(value, before[name]) for name, value in trunk.state_dict().items())
    sample = data.samples[0].path
    said = inspector.inspect(sample).score
    nn.init.zeros_(head.weight)
    assert inspector.inspect(sample).score == said, "what is trained afterwards changes nothing"


def test_classes_without_a_normal_one_are_named(data: Dataset, network: tuple[nn.Module, nn.Linear]) -> None:
    plain = replace(data, normal=None)
    verdict = inspector_of(*network, plain, RULE).inspect(plain.samples[0].path)
    assert verdict.decision is None
    assert verdict.label in plain.classes


def test_what_does_not_fit_is_refused(data: Dataset, network: tuple[nn.Module, nn.Linear]) -> None:
    trunk, head = network
    with pytest.raises(ConfigError, match="gives 3 logits, and the data set has 2 classes .OK, Defect"):
        inspector_of(trunk, nn.Linear(12, 3), data, RULE)
    with pytest.raises(ConfigError, match=r"a tensor \(1, 12, 24, 24\).*expected maps \(1, 5, h, w\)"):
        inspector_of(trunk, nn.Linear(5, 2), data, RULE)
    flat = nn.Sequential(trunk, nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with pytest.raises(ConfigError, match=r"a tensor \(1, 12\).*leave out pooling"):
        inspector_of(flat, head, data, RULE)
    trained = data.subset(replace(s, split="train") for s in data.samples)
    with pytest.raises(DataError, match="calibration split shows no images"):
        inspector_of(trunk, head, trained, RULE)
