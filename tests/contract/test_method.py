"""What every method must hold: the same verdict after save and load, and scoring that changes nothing."""

from __future__ import annotations

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from PIL import Image

import brightfield
from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.calibration import Temperature
from brightfield.decide.operating_point import OperatingPoint
from brightfield.inspector import Inspector
from brightfield.learn.backbone import build_trunk
from brightfield.learn.head import HeadSpec
from brightfield.learn.network import build_network
from brightfield.learn.runtime import pick_runtime
from brightfield.methods.base import Method
from brightfield.methods.classifier import Classifier

CLASSES = ("fine", "scratch", "pit")
# nothing here is a default
RULE = Preprocessing(12, 150, False, 64, 16, (0.4, 0.5, 0.6), (0.3, 0.2, 0.25))


def classifier() -> Method:
    """A classifier whose every number is drawn at random."""
    import torch

    torch.manual_seed(6)  # with some others nothing speaks for a defect anywhere, and heat is nowhere tested
    spec = HeadSpec(taps=(-3, -1), pools=("max", "mean"), hidden=(6,), members=3, dropout=0.2)
    net = build_network(build_trunk("test_resnet"), len(CLASSES), spec, pick_runtime())
    for m in net.trunk.modules():
        if isinstance(m, torch.nn.BatchNorm2d) and m.running_var is not None:
            m.running_var.uniform_(0.5, 2)
            m.bias.data.normal_(0, 0.3)
    net.head.center.normal_()
    net.head.scale.uniform_(0.5, 2)
    return Classifier(net, RULE, 0, ("plain", "up left"))


METHODS = {"classifier": classifier}


@pytest.fixture(scope="module", params=sorted(METHODS))
def inspector(request: pytest.FixtureRequest) -> Inspector:
    return Inspector(
        method=METHODS[request.param](),
        preprocessing=RULE,
        classes=CLASSES,
        normal="fine",
        calibrator=Temperature(2.5),
        operating_point=OperatingPoint("recall=0.9", 0.61, 20, 8, 1, 2, review=0.3),
        facts={k: None for k in ("training", "fingerprints", "metrics", "weights_licence", "created_with")},
        reference={"logits": np.zeros((2, 3))},
        parts={"ab" * 32: "train", "cd" * 32: "test"},
    )


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    shapes: list[tuple[int, ...]] = [(64, 64), (90, 200, 3), (40, 130), (300, 100, 3), (20, 20)]
    for i, shape in enumerate(shapes):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(folder / f"{i}.png")
    deep = rng.integers(0, 4096, (70, 80)).astype(np.uint16)
    Image.fromarray(deep).save(folder / "deep.png")
    return sorted(folder.glob("*.png"))


@pytest.fixture(scope="module")
def cache(pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> PixelCache:
    return build_cache(pictures, resize=RULE.resize, bits=RULE.bits, folder=tmp_path_factory.mktemp("cache"))


@pytest.mark.parametrize("ending", ["", ".bfz"])
def test_saved_and_loaded_gives_the_same_verdict(
    inspector: Inspector, pictures: list[Path], tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"bundle{ending}"
    inspector.save(path)
    loaded = brightfield.load(path)
    assert loaded.operating_point == inspector.operating_point
    assert loaded.preprocessing == inspector.preprocessing
    assert loaded.calibrator == inspector.calibrator
    assert (loaded.classes, loaded.normal, loaded.parts) == (CLASSES, "fine", inspector.splits)
    for picture in pictures:
        before, after = inspector.inspect(picture), loaded.inspect(picture)
        assert replace(before, milliseconds=0) == replace(after, milliseconds=0)
        assert before.heatmap is not None
        assert after.heatmap is not None
        assert np.array_equal(before.heatmap, after.heatmap)


def test_score_equals_judge(inspector: Inspector, cache: PixelCache) -> None:
    scores = inspector.method.score(cache)
    assert scores.shape == (len(cache), len(CLASSES))
    assert scores.dtype == np.float64
    one_by_one = [inspector.method.judge(cache[i], explain=i % 2 == 0).logits for i in range(len(cache))]
    assert np.allclose(
        scores, one_by_one, atol=0.02 * float(np.abs(scores).max())
    )  # a GPU's bfloat16 has 8 bits
    assert (
        np.argsort(scores[:, 1] - scores[:, 0]).tolist()
        == np.argsort([z[1] - z[0] for z in one_by_one]).tolist()
    )


def test_scoring_changes_nothing(inspector: Inspector, cache: PixelCache, pictures: list[Path]) -> None:
    state = {k: v.copy() for k, v in inspector.method.state().items()}
    settings = copy.deepcopy(inspector.method.settings())
    first = inspector.method.score(cache)
    inspector.inspect(pictures[0], threshold=0.2)
    assert np.array_equal(inspector.method.score(cache), first)
    again = inspector.method.state()
    assert again.keys() == state.keys()
    assert all(np.array_equal(v, again[k]) and v.shape == again[k].shape for k, v in state.items())
    assert inspector.method.settings() == settings
    assert json.loads(json.dumps(settings)) is not None


def test_heat(inspector: Inspector, cache: PixelCache) -> None:
    for i in range(len(cache)):
        found = inspector.method.judge(cache[i], explain=True)
        assert found.heat is not None
        assert found.heat.dtype == np.float32
        assert found.heat.shape == cache[i].shape[:2]
        assert float(found.heat.min()) >= 0
        assert float(found.heat.max()) == 1
        silent = inspector.method.judge(cache[i], explain=False)
        assert silent.heat is None
        assert np.array_equal(silent.logits, found.logits)


def test_heatmaps_have_the_pictures_pixels(inspector: Inspector, pictures: list[Path]) -> None:
    for picture in pictures:
        verdict = inspector.inspect(picture)
        assert verdict.heatmap is not None
        with Image.open(picture) as image:
            assert verdict.heatmap.shape == (image.height, image.width)
        assert verdict.heatmap.dtype == np.float32
        assert verdict.heatmap_kind == inspector.method.heatmap_kind


def test_a_heatmap_reaches_one_where_the_part_does_not_pass(
    inspector: Inspector, pictures: list[Path]
) -> None:
    """At the probability where the review band begins (0.3), halfway to certainty above, and below."""
    for picture in pictures:
        verdict = inspector.inspect(picture)
        assert verdict.heatmap is not None
        assert verdict.probability is not None
        p = verdict.probability
        expected = p / 0.3 if p < 0.3 else 1 + (p - 0.3) / 0.7
        assert float(verdict.heatmap.max()) == pytest.approx(expected, rel=1e-6)
        bounds = [(p, 1.0), (p / 2, 1 + (p / 2) / (1 - p / 2)), ((1 + p) / 2, 2 * p / (1 + p))]
        bounds += [(math.nextafter(p, 2), 1.0), (1.0, p), (0.0, 1 + p)]
        for bound, peak in bounds:
            other = inspector.inspect(picture, threshold=bound).heatmap
            assert other is not None
            assert float(other.max()) == pytest.approx(peak, rel=1e-6)
            assert (other.max() >= 1) == (p >= bound), "at the threshold itself a part is rejected"
            assert np.allclose(other * expected, verdict.heatmap * peak, atol=1e-5), "only the scale differs"


def test_verdicts_say_which_method(inspector: Inspector, pictures: list[Path]) -> None:
    verdict = inspector.inspect(pictures[0], explain=False)
    assert verdict.method == inspector.method.name
    assert verdict.heatmap is None
    assert sum(verdict.probabilities.values()) == pytest.approx(1)
    assert verdict.probability == pytest.approx(1 - verdict.probabilities["fine"])
    assert cast(Any, verdict).label in CLASSES
