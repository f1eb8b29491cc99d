"""What every method must hold: the same verdict after save and load, and judging that changes nothing."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import autoencoder_method
import fake_method
import numpy as np
import numpy.typing as npt
import patch_methods
import pytest
import segmenter_method
from PIL import Image

import brightfield
from brightfield.data.cache import PixelCache, build_cache
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.decide.calibration import ByType, Calibrator, Conformal, Temperature
from brightfield.decide.curves import Platt
from brightfield.decide.operating_point import OperatingPoint
from brightfield.engine.spec import HeadSpec
from brightfield.errors import ImageError
from brightfield.inspector import Inspector
from brightfield.methods.base import Method, Stored
from brightfield.methods.classifier.fitted import Classifier
from brightfield.methods.combined import fitted as combined
from brightfield.methods.combined.fitted import Combined, Half
from brightfield.methods.registry import loader
from brightfield.methods.scoring import score
from brightfield.verdict import HeatmapKind, Scale

CLASSES = ("fine", "scratch", "pit")
# nothing here is a default
RULE = Preprocessing(12, 150, False, 64, 16, (0.4, 0.5, 0.6), (0.3, 0.2, 0.25))


def classifier() -> Method:
    """A classifier whose every number is drawn at random."""
    import torch

    from brightfield.learn.backbone import build_trunk
    from brightfield.learn.frozen import Freezer
    from brightfield.learn.network import build_network
    from brightfield.learn.runtime import pick_runtime

    torch.manual_seed(6)  # with some others nothing speaks for a defect anywhere, and heat is nowhere tested
    spec = HeadSpec(taps=(-3, -1), pools=("max", "mean"), hidden=(6,), members=3, dropout=0.2)
    net = build_network(build_trunk("test_resnet"), len(CLASSES), spec, pick_runtime("cpu"))
    for m in net.trunk.modules():
        if isinstance(m, torch.nn.BatchNorm2d) and m.running_var is not None:
            m.running_var.uniform_(0.5, 2)
            m.bias.data.normal_(0, 0.3)
    net.head.center.normal_()
    net.head.scale.uniform_(0.5, 2)
    return Classifier(
        Freezer(net).trunk(RULE.tile),
        net.head.fitted(),
        RULE,
        normal=0,
        views=("plain", "up left"),
        backbone=net.trunk.spec.as_dict(),
    )


def mean_part() -> Method:
    """A method that has no logits and gives no probability."""
    mean = np.random.default_rng(3).uniform(80, 180, (150, 150)).astype(np.float32)
    return fake_method.MeanPart(mean, 3.5)


def of_classifier() -> tuple[Method, Calibrator, OperatingPoint]:
    return classifier(), Temperature(2.5), OperatingPoint("recall=0.9", 0.61, 20, 8, 1, 2, review=0.3)


def on_scores() -> tuple[Method, Calibrator, OperatingPoint]:
    good = Conformal((0.2, 0.9, 1.4, 1.9))
    return mean_part(), good, OperatingPoint("fixed=1.7", 1.7, 4, 0, 0, 1, review=1.5, scale=Scale.SCORE)


def on_p_values() -> tuple[Method, Calibrator, OperatingPoint]:
    good = Conformal((0.2, 0.9, 1.4, 1.9))
    return mean_part(), good, OperatingPoint("overkill=0.4", 0.4, 4, 0, 0, 1, scale=Scale.P_VALUE)


def of_patches(name: str) -> tuple[Method, Calibrator, OperatingPoint]:
    return on_p_values_of(patch_methods.fitted_method(name, RULE, patch_methods.pictures(6, (100, 150))))


def on_p_values_of(method: Method) -> tuple[Method, Calibrator, OperatingPoint]:
    good = [judged.score for judged in method.judge(patch_methods.pictures(9, (100, 150), 1), explain=False)]
    point = OperatingPoint("overkill=0.2", 0.2, 9, 0, 0, 1, scale=Scale.P_VALUE)
    return method, Conformal(tuple(sorted(good))), point


def of_combined() -> tuple[Method, Calibrator, OperatingPoint]:
    patches = patch_methods.fitted_method("fusion", RULE, patch_methods.pictures(6, (100, 150)))
    halves = (
        Half(classifier(), RULE, combined.Scale(0.5, 2.0), 0.5),
        Half(patches, RULE, combined.Scale(100.0, 2000.0), 0.5),
    )
    method = Combined(*halves, normal=0, tells_types=True)
    return method, Temperature(2.5), OperatingPoint("recall=0.9", 0.61, 20, 8, 1, 2, review=0.3)


def of_autoencoder() -> tuple[Method, Calibrator, OperatingPoint]:
    return on_p_values_of(autoencoder_method.random_method(RULE))


def of_segmenter() -> tuple[Method, Calibrator, OperatingPoint]:
    # the review band, which begins at 0.3, begins where the log-odds are log(3 / 7): at a score of 5.3
    curve = ByType(Platt(2.5, math.log(3 / 7) - 2.5 * 5.3), 1.5)
    point = OperatingPoint("recall=0.9", 0.61, 20, 8, 1, 2, review=0.3)
    return segmenter_method.random_method(RULE), curve, point


KINDS: dict[str, Callable[[], tuple[Method, Calibrator, OperatingPoint]]] = {
    "classifier": of_classifier,
    "combined": of_combined,
    "mean part, scores": on_scores,
    "mean part, p-values": on_p_values,
    "autoencoder": of_autoencoder,
    "segmenter": of_segmenter,
    **{name: partial(of_patches, name) for name in patch_methods.KINDS},
}
PEAK_IS_SCORE = ("classifier", fake_method.NAME)
"""The methods whose map's maximum is known: 1, or the score."""
TELL_TYPES = ("classifier", combined.NAME, "segmenter")
"""The methods that tell classes apart, and so give probabilities."""


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[str]:
    with fake_method.registered() as name:
        yield name


@pytest.fixture(scope="module", params=list(KINDS))
def inspector(request: pytest.FixtureRequest) -> Inspector:
    method, calibrator, point = KINDS[request.param]()
    return Inspector(
        method=method,
        preprocessing=RULE,
        classes=CLASSES,
        normal="fine",
        calibrator=calibrator,
        operating_point=point,
        facts={
            k: None
            for k in ("training", "fingerprints", "metrics", "agreement", "weights_licence", "created_with")
        },
        reference={"scores": np.zeros(2), "labels": np.zeros(2, np.int64)},
        splits={"ab" * 32: "train", "cd" * 32: "test"},
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
    for name, (height, width) in {
        "wide": (20, 400),
        "tall": (400, 20),
        "tiny": (8, 8),
        "thin": (8, 90),
    }.items():
        part = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(part).save(folder / f"{name}.png")
    for name, level in {"black": 0, "grey": 128, "white": 255}.items():
        Image.fromarray(np.full((60, 90), level, np.uint8)).save(folder / f"{name}.png")
    Image.fromarray(np.zeros((60, 90), np.uint16)).save(folder / "deep_black.png")
    for orientation in (3, 6, 8):
        exif = Image.Exif()
        exif[0x0112] = orientation
        turned = Image.fromarray(rng.integers(0, 256, (50, 120, 3), dtype=np.uint8))
        turned.save(folder / f"turned_{orientation}.png", exif=exif)
    return sorted(folder.glob("*.png"))


def upright(path: Path) -> npt.NDArray[Any]:
    """Return a picture's pixels, turned as its EXIF orientation says."""
    with Image.open(path) as image:
        turn = {3: 2, 6: 3, 8: 1}.get(image.getexif().get(0x0112, 1), 0)
        return np.rot90(np.asarray(image), turn)


@pytest.fixture(scope="module")
def cache(pictures: list[Path], tmp_path_factory: pytest.TempPathFactory) -> PixelCache:
    return build_cache(pictures, rule=RULE, folder=tmp_path_factory.mktemp("cache"))


def same(a: Any, b: Any) -> None:
    """Assert that two verdicts say and show the same, whenever they were given, saved before or not."""
    assert replace(a, milliseconds=0, inspector=None) == replace(b, milliseconds=0, inspector=None)
    for name in ("heatmap", "mask"):
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None)
        assert x is None or np.array_equal(x, y)


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
    assert (loaded.classes, loaded.normal, loaded.splits) == (CLASSES, "fine", inspector.splits)
    for picture in pictures:
        same(inspector.inspect(picture), loaded.inspect(picture))


def test_all_at_once_is_one_by_one(inspector: Inspector, cache: PixelCache) -> None:
    every = [cache[i] for i in range(len(cache))]
    at_once = inspector.method.judge(every, explain=True)
    scores = score(inspector.method, cache)
    assert scores.defect.dtype == np.float64
    for i, picture in enumerate(every):
        (alone,) = inspector.method.judge([picture], explain=i % 2 == 0)
        assert alone.score == pytest.approx(at_once[i].score, rel=1e-4)
        assert scores.defect[i] == pytest.approx(alone.score, rel=1e-4)
        assert (alone.logits is None) == (scores.logits is None)
        if alone.logits is not None and scores.logits is not None:
            assert scores.logits[i] == pytest.approx(alone.logits, rel=1e-3, abs=1e-4)
        if alone.heat is not None:
            assert at_once[i].heat == pytest.approx(alone.heat, abs=2e-3)


def test_judging_changes_nothing(inspector: Inspector, cache: PixelCache, pictures: list[Path]) -> None:
    before = copy.deepcopy(inspector.method.stored())
    first = score(inspector.method, cache)
    threshold = inspector.operating_point.threshold / 2 if inspector.operating_point else None
    inspector.inspect(pictures[0], threshold=threshold)
    assert np.array_equal(score(inspector.method, cache).defect, first.defect)
    after = inspector.method.stored()
    assert after.networks == before.networks
    assert after.arrays.keys() == before.arrays.keys()
    assert all(np.array_equal(v, after.arrays[k]) for k, v in before.arrays.items())
    assert after.settings == before.settings
    assert json.loads(json.dumps(after.settings)) is not None


def test_what_is_stored_is_all_that_is_needed(inspector: Inspector, cache: PixelCache) -> None:
    stored = inspector.method.stored()
    again = loader(inspector.method.name)(
        Stored(dict(stored.networks), dict(stored.arrays), json.loads(json.dumps(stored.settings))),
        RULE,
        CLASSES,
        "fine",
    )
    assert np.array_equal(score(again, cache).defect, score(inspector.method, cache).defect)


def test_heat(inspector: Inspector, cache: PixelCache) -> None:
    for i in range(len(cache)):
        (found,) = inspector.method.judge([cache[i]], explain=True)
        assert found.heat is not None
        assert found.heat.dtype == np.float32
        assert found.heat.shape == cache[i].shape[:2]
        assert float(found.heat.min()) >= 0
        top = 1.0 if inspector.method.heatmap_kind is HeatmapKind.ATTRIBUTION else found.score
        if inspector.method.name in PEAK_IS_SCORE:
            assert float(found.heat.max()) == pytest.approx(top)
        else:
            assert float(found.heat.max()) >= top * (1 - 1e-6), "what has this score is hot somewhere"
        (silent,) = inspector.method.judge([cache[i]], explain=False)
        assert silent.heat is None
        assert silent.score == pytest.approx(found.score, rel=1e-5)


def test_segments(inspector: Inspector, cache: PixelCache) -> None:
    for i in range(len(cache)):
        (found,) = inspector.method.judge([cache[i]], explain=True)
        (silent,) = inspector.method.judge([cache[i]], explain=False)
        assert silent.segments is None
        if inspector.method.name != "segmenter":
            assert found.segments is None
            continue
        assert found.segments is not None
        class_map, probability = found.segments.class_map, found.segments.probability
        assert (class_map.dtype, probability.dtype) == (np.uint8, np.float32)
        assert class_map.shape == probability.shape == cache[i].shape[:2]
        assert class_map.max() <= len(found.segments.types)
        assert 0 <= probability.min() <= probability.max() <= 1
        assert found.heat is not None
        order = np.argsort(probability, axis=None)
        assert (np.diff(found.heat.ravel()[order]) >= -1e-5).all(), "heat and probability rise together"


def test_the_pixels_of_the_mask_have_types(inspector: Inspector, pictures: list[Path]) -> None:
    for picture in pictures:
        verdict = inspector.inspect(picture)
        if inspector.method.name != "segmenter":
            assert verdict.class_map is None
            continue
        assert verdict.mask is not None
        assert verdict.class_map is not None
        np.testing.assert_array_equal(verdict.class_map > 0, verdict.mask)
        seen = {verdict.types[n - 1] for n in np.unique(verdict.class_map) if n}
        assert seen == {defect.type for defect in verdict.defects} <= set(inspector.method.types)
        assert sum(defect.area for defect in verdict.defects) == verdict.mask.sum()


def test_heatmaps_have_the_pictures_pixels(inspector: Inspector, pictures: list[Path]) -> None:
    for picture in pictures:
        verdict = inspector.inspect(picture)
        assert verdict.heatmap is not None
        assert verdict.heatmap.shape == upright(picture).shape[:2]
        assert verdict.heatmap.dtype == np.float32
        assert verdict.heatmap_kind == inspector.method.heatmap_kind
        assert (verdict.mask is None) == (inspector.method.heatmap_kind is HeatmapKind.ATTRIBUTION)


def test_attribution_reaches_one_where_the_part_does_not_pass(
    inspector: Inspector, pictures: list[Path]
) -> None:
    """At the probability where the review band begins (0.3), halfway to certainty above, and below."""
    if inspector.method.heatmap_kind is not HeatmapKind.ATTRIBUTION:
        return
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


def test_evidence_keeps_its_units_with_one_at_the_threshold(
    inspector: Inspector, pictures: list[Path]
) -> None:
    if inspector.method.heatmap_kind is not HeatmapKind.EVIDENCE or inspector.operating_point is None:
        return
    # a part stops from a score of 1.5 on where the review band begins; p-values of (1 + 1) / 5 and of
    # (1 + 1) / 10 are those of one good part of four or nine, so that it stops beyond the second highest
    if inspector.operating_point.scale is Scale.PROBABILITY:
        bound = 5.3
    elif inspector.operating_point.scale is Scale.SCORE:
        bound = 1.5
    else:
        assert isinstance(inspector.calibrator, Conformal)
        bound = math.nextafter(inspector.calibrator.good[-2], math.inf)
    for picture in pictures[:3]:
        verdict = inspector.inspect(picture)
        assert verdict.heatmap is not None
        assert verdict.mask is not None
        (judged,) = inspector.method.judge([inspector.preprocessing.working(upright(picture))], explain=True)
        assert judged.heat is not None
        height, width = verdict.heatmap.shape
        large = np.asarray(Image.fromarray(judged.heat).resize((width, height), Image.Resampling.BILINEAR))
        assert np.allclose(verdict.heatmap, large / bound, rtol=1e-5)
        assert np.array_equal(verdict.mask, verdict.heatmap >= 1)
        if inspector.method.name in PEAK_IS_SCORE and judged.heat.shape == verdict.heatmap.shape:
            assert bool(verdict.mask.any()) == (verdict.decision != "OK")


def test_verdicts_say_on_which_scale(inspector: Inspector, pictures: list[Path]) -> None:
    verdict = inspector.inspect(pictures[0], explain=False)
    assert inspector.operating_point is not None
    assert verdict.method == inspector.method.name
    assert verdict.heatmap is None
    assert verdict.scale is inspector.operating_point.scale
    if inspector.method.name in TELL_TYPES:
        assert sum(verdict.probabilities.values()) == pytest.approx(1)
        assert verdict.probability == pytest.approx(1 - verdict.probabilities["fine"])
        assert verdict.p_value is None
    else:
        assert verdict.probabilities == {}
        assert verdict.probability is None
        assert verdict.p_value is not None
        assert verdict.label == ("fine" if verdict.decision == "OK" else "defect")


def test_inspect_many_is_inspect(inspector: Inspector, pictures: list[Path], tmp_path: Path) -> None:
    for explain in (False, True):
        for one, many in zip(
            (inspector.inspect(p, explain=explain) for p in pictures),
            inspector.inspect_many(pictures, explain=explain),
            strict=True,
        ):
            assert many.score == pytest.approx(one.score, rel=1e-4)
            assert (many.decision, many.label, many.image) == (one.decision, one.label, one.image)
            assert (many.heatmap is None) == (not explain)
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    asked = [(pictures[0], False), (broken, True), (pictures[1], True)]
    first, error, last = inspector.looks(asked)
    assert isinstance(error, ImageError)
    assert not isinstance(first, ImageError)
    assert not isinstance(last, ImageError)
    assert (first.verdict.heatmap is None, last.verdict.heatmap is None) == (True, False)
    with pytest.raises(ImageError, match="broken.png"):
        list(inspector.inspect_many([pictures[0], broken]))


def test_every_shape_and_shade_gets_finite_numbers(inspector: Inspector, pictures: list[Path]) -> None:
    for count in (1, 2, len(pictures)):
        for explain in (False, True):
            verdicts = list(inspector.inspect_many(pictures[:count], explain=explain))
            assert len(verdicts) == count
            for verdict in verdicts:
                assert math.isfinite(verdict.score)
                assert verdict.heatmap is None or np.isfinite(verdict.heatmap).all()
    for level in (0, 128, 255):
        for kind in (np.uint8, np.uint16):
            shade = np.full((40, 70), level if kind is np.uint8 else level * 16, kind)
            assert math.isfinite(inspector.inspect(shade).score)


def test_turned_pictures_are_judged_upright(inspector: Inspector, pictures: list[Path]) -> None:
    turned = [p for p in pictures if p.name.startswith("turned")]
    assert len(turned) == 3
    for picture in turned:
        verdict, expected = inspector.inspect(picture), inspector.inspect(upright(picture))
        same(replace(verdict, image=""), expected)
        with Image.open(picture) as image:
            as_stored = inspector.inspect(np.asarray(image))
        assert as_stored.score != verdict.score


def test_several_threads_may_share_an_inspector(
    inspector: Inspector, pictures: list[Path], tmp_path: Path
) -> None:
    inspector.save(tmp_path / "bundle")
    fresh = brightfield.load(tmp_path / "bundle")  # so that all that is made late is made by several at once
    expected = [inspector.inspect(p) for p in pictures]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(fresh.inspect, pictures * 3))
    for i, verdict in enumerate(found):
        same(verdict, expected[i % len(pictures)])


def test_bytes_arrays_and_pictures_say_the_same(inspector: Inspector, pictures: list[Path]) -> None:
    for picture in pictures:
        ways: list[Any] = [picture, str(picture), picture.read_bytes(), upright(picture)]
        looks = [inspector.look(way, explain=False) for way in ways]
        assert len({look.verdict.score for look in looks}) == 1
        assert [look.verdict.image for look in looks] == [str(picture), str(picture), "", ""]
        assert looks[0].picture.dtype == np.uint8
        assert looks[0].picture.shape == (*looks[0].pixels.shape[:2], 3)


def test_a_verdict_shows_itself(inspector: Inspector, pictures: list[Path]) -> None:
    verdict = inspector.inspect(pictures[1])
    shown = verdict._repr_html_()
    assert shown.count("data:image/png;base64,") == 2
    assert str(verdict.decision) in shown
    assert inspector.inspect(pictures[1], explain=False)._repr_html_().count("<img") == 0


def test_nothing_outside_the_region_has_an_influence(inspector: Inspector, tmp_path: Path) -> None:
    """Noise, black and white outside give the same verdict to the last bit, after save and load too."""
    mask = np.zeros((200, 300), dtype=bool)
    mask[30:170, 60:200] = np.add.outer(np.arange(140), np.arange(140)) > 60  # one corner is cut off
    limited = replace(inspector, preprocessing=replace(RULE, region=Region.of(mask, "ef" * 32)))
    limited.save(tmp_path / "bundle")
    loaded = brightfield.load(tmp_path / "bundle")
    assert loaded.preprocessing == limited.preprocessing
    rng = np.random.default_rng(1)
    picture = rng.integers(0, 256, (400, 600, 3), dtype=np.uint8)
    inside = np.kron(mask, np.ones((2, 2))) > 0
    first = loaded.inspect(picture)
    others: list[Any] = [0, 255, rng.integers(0, 256, picture.shape, dtype=np.uint8)]
    for outside in others:
        other = loaded.inspect(np.where(inside[..., None], picture, outside).astype(np.uint8))
        same(first, other)
    assert first.heatmap is not None
    assert first.heatmap.shape == inside.shape
    assert not first.heatmap[~inside].any()
    assert first.heatmap[inside].any()
    assert first.mask is None or not first.mask[~inside].any()
    assert first.region is not None
    np.testing.assert_array_equal(first.region, inside)
    changed = loaded.inspect(np.where(inside[..., None], 255 - picture, picture))
    assert changed.score != first.score
    if inspector.method.heatmap_kind is HeatmapKind.ATTRIBUTION:
        assert (float(first.heatmap.max()) >= 1) == (first.decision != "OK")


def test_warming_up_and_shapes_with_a_region(inspector: Inspector) -> None:
    mask = np.zeros((200, 300), dtype=bool)
    mask[:3] = True
    limited = replace(inspector, preprocessing=replace(RULE, region=Region.of(mask)))
    limited.prepare()
    with pytest.raises(ImageError, match="aspect ratio of the mask"):
        limited.inspect(np.zeros((100, 100), np.uint8))
