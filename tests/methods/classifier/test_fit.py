"""What a classifier is told of each tile, and what it says of images it was not shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.policy import parse_policy
from brightfield.errors import DataError, WeightsError
from brightfield.learn.heads import members_without
from brightfield.learn.processes import ALONE
from brightfield.learn.recipes import RECIPES, FineTune, How, Recipe, TrainHead
from brightfield.learn.targets import class_targets
from brightfield.methods.base import Fitted, Job
from brightfield.methods.classifier.fit import _hold_out, fit, tile_targets
from brightfield.methods.classifier.fitted import Classifier
from brightfield.methods.classifier.options import ClassifierOptions

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
    cache = build_cache([s.path for s in samples], rule=RULE, folder=tmp_path / "cache")
    return Dataset("d", tuple(samples), ("OK", "pit", "rust"), "OK"), cache


def test_tiles_are_told_apart_only_where_it_is_known(parts: tuple[Dataset, PixelCache]) -> None:
    dataset, cache = parts
    found = tile_targets(dataset, cache, RULE, class_targets(dataset))
    assert found[0] is not None
    assert found[0].tolist() == [[1, 0, 0], [1, 0, 0]]
    assert found[1] is not None
    assert found[1].tolist() == [[1, 0, 0], [0, 1, 0]], "a sliver is no defect, the rest is"
    assert found[2] is None, "a defective part whose mask is empty has no good tiles"
    assert found[3] is None
    for other in (replace(dataset, normal=None), dataset.subset(s for s in dataset.samples if not s.mask)):
        assert tile_targets(other, cache, RULE, class_targets(other)) == [None] * len(other)


def recipe_of(how: How, members: int = 3) -> Recipe:
    recipe = RECIPES["fast"]
    return replace(recipe, backbone="test_resnet", how=how, head=replace(recipe.head, members=members))


def fitted_of(dataset: Dataset, folder: Path, how: How, folds: np.ndarray | None = None) -> Fitted:
    """Fit a classifier on all images, or calibrate on those marked so, and look at it in tiles of 64 px."""
    data = dataset.subset(s if s.split else replace(s, split="train") for s in dataset.samples)
    job = Job(
        data=data,
        policy=parse_policy("f1"),
        seed=0,
        folder=folder,
        duplicates=np.arange(len(data.split("train"))),
        folds=folds,
        process_group=ALONE,
    )
    return fit(job, ClassifierOptions(weights="none", tile=64), recipe_of(how))


@pytest.fixture
def tiled(tmp_path: Path) -> Dataset:
    """Twelve pictures of two or more tiles, half of them with a bright square."""
    rng = np.random.default_rng(0)
    samples = []
    for i in range(12):
        grey = rng.normal(90, 14, (64, 128))
        if i % 2:
            grey[20:40, 80:100] += 110
        path = tmp_path / f"{i:02d}.png"
        Image.fromarray(grey.clip(0, 255).astype(np.uint8)).save(path)
        samples.append(Sample(path.name, path, "pit" if i % 2 else "OK"))
    return Dataset("d", tuple(samples), ("OK", "pit"), "OK")


def of_members(judge: Classifier, members: list[int]) -> Classifier:
    """Return a classifier with some of the head's members only."""
    return Classifier(
        judge.trunk,
        judge.head.only(members),
        judge.preprocessing,
        normal=judge.normal,
        views=judge.views,
        backbone=judge.backbone,
    )


def test_an_image_is_judged_out_of_fold_by_members_that_were_not_shown_it(
    tiled: Dataset, tmp_path: Path
) -> None:
    folds = np.array([0, 0, 1, 1] * 3)
    fitted = fitted_of(tiled, tmp_path / "work", TrainHead(folds=2, epochs=2), folds)
    apart, judge = fitted.out_of_fold, fitted.method
    assert apart is not None
    assert apart.logits is not None
    assert isinstance(judge, Classifier)
    judges = [of_members(judge, list(members_without(f, 3, 2))) for f in (0, 1)]
    for i in range(12):
        # judged anew from its pixels; what was kept is rounded to float16
        (found,) = judges[folds[i]].judge([fitted.cache[i]], explain=False)
        assert found.logits is not None
        assert np.allclose(found.logits, apart.logits[i], atol=0.05 * max(1.0, np.abs(found.logits).max()))
        assert found.score == pytest.approx(apart.defect[i], abs=0.1)
        (whole,) = judge.judge([fitted.cache[i]], explain=False)
        assert not np.allclose(found.logits, whole.logits)


@pytest.mark.parametrize(
    "how", [TrainHead(epochs=2), FineTune(epochs=1, batch=4, validation=0.0, schedule="cosine")]
)
def test_what_learned_judges_as_what_is_stored(tiled: Dataset, tmp_path: Path, how: How) -> None:
    held = tiled.subset(
        replace(s, split="calibration" if i % 3 == 0 else "train") for i, s in enumerate(tiled.samples)
    )
    fitted = fitted_of(held, tmp_path / "work", how)
    assert fitted.out_of_fold is None
    assert len(fitted.cache) == 4, "not those that calibrate"
    pictures = [fitted.cache[i] for i in range(4)]
    found = fitted.method.judge(pictures, explain=False)
    learned = fitted.learned(pictures)
    assert learned.logits is not None
    assert np.allclose([j.logits for j in found], learned.logits, atol=1e-3)
    assert np.allclose([j.score for j in found], learned.defect, atol=1e-3)
    assert len({round(j.score, 3) for j in found}) == 4, "every picture is judged alike"


def test_the_facts_say_how_it_was_fitted(tiled: Dataset, tmp_path: Path) -> None:
    fitted = fitted_of(tiled, tmp_path / "work", TrainHead(folds=2, epochs=2), np.arange(12) // 2 % 2)
    assert fitted.facts["recipe"]["how"]["way"] == "train-head"
    assert "in tiles of 64 px" in fitted.facts["plan"]
    assert fitted.facts["views"]["names"] == list(fitted.method.views)  # type: ignore[attr-defined]
    assert fitted.facts["precision"] in ("float32", "bfloat16")
    assert (fitted.preprocessing.long_side, fitted.preprocessing.tile) == (None, 64)
    assert [row["epoch"] for row in fitted.history] == [1, 2]
    assert fitted.weights_sha256 is None
    assert "random" in fitted.weights_licence


def test_an_image_that_cannot_be_read_is_refused_before_anything_is_learned(
    tiled: Dataset, tmp_path: Path
) -> None:
    tiled.samples[3].path.write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"1 training image\(s\) cannot be read, first .*03\.png.*data check"):
        fitted_of(tiled, tmp_path / "work", TrainHead(epochs=2))
    assert not list((tmp_path / "work").glob("*"))


@pytest.mark.parametrize("how", [TrainHead(), FineTune()])
def test_a_network_that_cannot_be_exported_is_refused_before_it_is_trained(
    tiled: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: How
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise WeightsError("this backbone cannot be run")

    monkeypatch.setattr("brightfield.learn.frozen.export_trunk", refuse)
    for name in ("extract", "fine_tune"):
        monkeypatch.setattr(f"brightfield.methods.classifier.fit.{name}", None)
    with pytest.raises(WeightsError, match="cannot be run"):
        fitted_of(tiled, tmp_path / "work", how)
