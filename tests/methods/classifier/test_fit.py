"""What a classifier is told of each tile, and what it refuses to learn from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.preprocessing import Preprocessing
from brightfield.errors import DataError
from brightfield.learn.backbone import build_trunk
from brightfield.learn.heads import members_without
from brightfield.learn.network import build_network
from brightfield.learn.recipes import RECIPES, TrainHead
from brightfield.learn.runtime import pick_runtime
from brightfield.learn.targets import class_targets
from brightfield.methods.classifier.fit import _hold_out, fit_classifier, tile_targets

RULE = Preprocessing(8, None, False, 64, 0, (0.5,) * 3, (0.25,) * 3)


def test_near_duplicates_do_not_choose_the_epoch_they_trained() -> None:
    samples = tuple(Sample(f"{i}", Path(f"{i}"), "OK" if i % 2 else "pit") for i in range(80))
    alike = np.arange(80) // 8
    kept, held = _hold_out(Dataset("d", samples, ("OK", "pit"), "OK"), 0.25, 0, alike)
    assert len(kept) + len(held) == 80
    assert len(held)
    assert not set(alike[kept]) & set(alike[held])


@pytest.fixture
def parts(tmp_path: Path) -> tuple[Dataset, PixelCache]:
    """Four pictures of two tiles each: good, masked at the right, masked by nothing, and without a mask."""
    mask = np.zeros((64, 128), np.uint8)
    mask[:, 100:] = 255
    mask[0, 0] = 255  # a sliver in the left tile
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(mask * 0).save(tmp_path / "black.png")
    rows = [("OK", None), ("pit", "mask.png"), ("pit", "black.png"), ("rust", None)]
    samples = []
    for i, (label, name) in enumerate(rows):
        Image.fromarray(np.full((64, 128), 50 * i, np.uint8)).save(tmp_path / f"{i}.png")
        samples.append(
            Sample(f"{i}.png", tmp_path / f"{i}.png", label, None if name is None else tmp_path / name)
        )
    cache = build_cache([s.path for s in samples], resize=RULE.resize, bits=8, folder=tmp_path / "cache")
    return Dataset("d", tuple(samples), ("OK", "pit", "rust"), "OK"), cache


def test_tiles_are_told_apart_only_where_it_is_known(parts: tuple[Dataset, PixelCache]) -> None:
    dataset, cache = parts
    found = tile_targets(dataset, cache, RULE, class_targets(dataset), 0)
    assert found[0] is not None
    assert found[0].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert found[1] is not None
    assert found[1].tolist() == [[1, 0, 0], [0, 1, 0]], "a sliver is no defect, the rest is"
    assert found[2] is None, "a defective part whose mask is empty has no good tiles"
    assert found[3] is None
    assert tile_targets(dataset, cache, RULE, class_targets(dataset), None) == [None] * 4


@pytest.mark.parametrize(("kept", "said"), [((0,), "one class only .OK"), ((0, 1), "no image of rust")])
def test_missing_classes_are_refused(
    parts: tuple[Dataset, PixelCache], tmp_path: Path, kept: tuple[int, ...], said: str
) -> None:
    dataset, cache = parts
    few = dataset.subset(dataset.samples[i] for i in kept)
    spec = RECIPES["fast"].head.on((4, 8, 16, 32))
    net = build_network(build_trunk("test_resnet"), 3, replace(spec, members=1), pick_runtime())
    with pytest.raises(DataError, match=f"{said}.*--resplit"):
        fit_classifier(net, few, cache, RULE, RECIPES["fast"], views=("plain",), seed=0, workspace=tmp_path)


def test_an_image_is_judged_out_of_fold_by_members_that_were_not_shown_it(
    parts: tuple[Dataset, PixelCache], tmp_path: Path
) -> None:
    dataset, cache = parts
    recipe = replace(RECIPES["fast"], how=TrainHead(epochs=2))
    spec = replace(recipe.head.on((4, 8, 16, 32)), members=3)
    net = build_network(build_trunk("test_resnet"), 3, spec, pick_runtime("cpu"))
    folds = np.array([0, 1, 0, 1])
    fitted = fit_classifier(
        net, dataset, cache, RULE, recipe, views=("plain",), seed=0, workspace=tmp_path, fold_of=folds
    )
    apart = fitted.out_of_fold
    assert apart is not None
    assert apart.folds == 2
    judges = [fitted.classifier.of_members(members_without(f, 3, 2)) for f in (0, 1)]
    for i in range(4):
        # judged anew from its pixels; what was kept is rounded to float16
        found = judges[folds[i]].judge(cache[i], explain=False).logits
        assert np.allclose(found, apart.logits[i], atol=0.05 * max(1.0, np.abs(found).max()))
        assert not np.allclose(found, fitted.classifier.judge(cache[i], explain=False).logits)
