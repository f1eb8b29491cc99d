"""A region of interest: read or refused with a reason, scaled to pictures, blind to what is outside."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from brightfield.data.cache import build_cache
from brightfield.data.masks import tile_shares
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.region import Region
from brightfield.data.region_check import facts_inside
from brightfield.data.region_mask import read_region
from brightfield.data.scan import ImageFacts
from brightfield.disk.storage import file_digest
from brightfield.errors import ConfigError, ImageError

WHOLE = Preprocessing(8, None, False, 64, 0, (0.5, 0.4, 0.3), (0.2,) * 3)
FILL = [128, 102, 76]


def ellipse(size: tuple[int, int], box: tuple[int, int, int, int]) -> Image.Image:
    mask = Image.new("L", size, 0)
    ImageDraw.Draw(mask).ellipse(box, fill=255)
    return mask


@pytest.fixture
def region() -> Region:
    return Region.of(np.asarray(ellipse((60, 40), (10, 5, 39, 34))) > 0)


@pytest.mark.parametrize("white", [1, 200, 255, 65535])
def test_white_is_inside_whatever_its_value(tmp_path: Path, white: int) -> None:
    inside = np.asarray(ellipse((60, 40), (10, 5, 39, 34))) > 0
    levels = inside.astype(np.uint16 if white > 255 else np.uint8) * white
    Image.fromarray(levels.astype(np.uint16 if white > 255 else np.uint8)).save(tmp_path / "m.png")
    found = read_region(tmp_path / "m.png")
    np.testing.assert_array_equal(found.mask, inside)
    assert found.sha256 == file_digest(tmp_path / "m.png")
    assert found.share == pytest.approx(inside.mean())


def test_noise_of_jpeg_is_no_matter(tmp_path: Path) -> None:
    mask = ellipse((300, 200), (50, 20, 250, 180))
    mask.save(tmp_path / "m.jpg", quality=80)
    assert len(np.unique(np.asarray(Image.open(tmp_path / "m.jpg")))) > 2
    assert (read_region(tmp_path / "m.jpg").mask != (np.asarray(mask) > 0)).mean() < 1e-3


def test_what_is_no_mask_is_refused_with_the_reason(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    steps = np.repeat(np.array([0, 100, 255], np.uint8), 10)[None].repeat(20, 0)
    wrong = {
        "black.png": (np.zeros((20, 30), np.uint8), "is black throughout; expected white where"),
        "grey.png": (np.full((20, 30), 100, np.uint8), "its grey levels are 100; expected white"),
        "steps.png": (steps, "its grey levels are 0 and 100 and 255"),
        "two.png": (np.maximum(steps, 9), "not black and white"),
        "photo.png": (rng.integers(0, 256, (20, 30), dtype=np.uint8), "not black and white"),
    }
    for name, (levels, message) in wrong.items():
        Image.fromarray(levels).save(tmp_path / name)
        with pytest.raises(ConfigError, match=message) as caught:
            read_region(tmp_path / name)
        assert f"--roi {tmp_path / name}" in str(caught.value)
    (tmp_path / "text.png").write_text("no picture")
    for name in ("text.png", "gone.png"):
        with pytest.raises(ConfigError, match=f"{name} cannot be read as a mask"):
            read_region(tmp_path / name)


def test_a_line_that_is_lost_when_shrunk_is_refused() -> None:
    mask = np.zeros((40, 9000), dtype=bool)
    mask[20, 5] = True
    with pytest.raises(ConfigError, match="too thin an area of white"):
        Region.of(mask)


def test_white_throughout_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Image.new("L", (30, 20), 255).save(tmp_path / "m.png")
    with caplog.at_level(logging.WARNING):
        assert read_region(tmp_path / "m.png").mask.all()
    assert "looks everywhere" in caplog.text


def test_it_survives_json_bit_by_bit(region: Region) -> None:
    noise = Region.of(np.random.default_rng(1).random((37, 53)) < 0.5, "ab" * 32)
    for one in (region, noise):
        assert Region.from_dict(json.loads(json.dumps(one.as_dict()))) == one
        rule = replace(WHOLE, region=one)
        assert Preprocessing.from_dict(json.loads(json.dumps(rule.as_dict()))) == rule
    assert "region" not in WHOLE.as_dict()
    with pytest.raises(ValueError, match="cannot be read"):
        Region.from_dict({"png": "AAAA", "sha256": ""})


def test_large_masks_are_kept_small() -> None:
    mask = np.asarray(ellipse((4000, 3000), (400, 300, 3600, 2700))) > 0
    kept = Region.of(mask)
    assert (kept.height, kept.width) == (768, 1024)
    assert len(json.dumps(kept.as_dict())) < 10_000
    assert (kept.at((3000, 4000)) != mask).mean() < 2e-3


def test_it_is_scaled_to_the_picture(region: Region) -> None:
    large = region.at((400, 600))
    np.testing.assert_array_equal(large, np.kron(region.mask, np.ones((10, 10))) > 0)
    assert region.window((400, 600)) == (slice(50, 350), slice(100, 400))
    assert region.window((40, 60)) == (slice(5, 35), slice(10, 40))
    for shape in ((400, 600), (123, 185), (20, 30)):
        outside = region.at(shape).copy()
        outside[region.window(shape)] = False
        assert not outside.any()


def test_pictures_of_another_shape_are_refused(region: Region) -> None:
    region.check((81, 120))  # 1.5 and 1.48
    with pytest.raises(ImageError, match=r"100x100 px \(1.00 to 1\).*60x40 px \(1.50 to 1\)"):
        region.check((100, 100))
    small = Region.of(np.eye(3, dtype=bool)[:1].repeat(2, 0))
    with pytest.raises(ImageError, match=r"takes 6x12 px of it; expected 8 px"):
        small.check((12, 18))


def test_the_working_picture_is_the_bounding_box_with_nothing_from_outside(region: Region) -> None:
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    before = picture.copy()
    rule = replace(WHOLE, region=region)
    seen = rule.working(picture)
    np.testing.assert_array_equal(picture, before)  # the caller's picture is left alone
    inside = region.mask[5:35, 10:40]
    np.testing.assert_array_equal(seen[inside], picture[5:35, 10:40][inside])
    np.testing.assert_array_equal(np.unique(seen[~inside], axis=0), [FILL])
    np.testing.assert_array_equal(rule.region_at((30, 30)), inside)
    assert rule.blank().shape == seen.shape
    small = replace(rule, long_side=17)
    other = np.where(region.mask[..., None], picture, rng.integers(0, 256, (40, 60, 3), dtype=np.uint8))
    np.testing.assert_array_equal(small.working(picture), small.working(other))
    assert not np.array_equal(picture, other)
    assert WHOLE.region_at((4, 5)).all()


def test_white_outside_does_not_make_it_another_camera(region: Region) -> None:
    rule = replace(WHOLE, region=region)
    picture = np.where(region.mask, np.uint16(99), np.uint16(4000))
    assert (picture > 255).mean() > 0.5
    assert rule.working(picture)[15, 15].tolist() == [99, 99, 99]
    with pytest.raises(ImageError, match="another camera|lies above 255"):
        rule.working(np.where(region.mask, np.uint16(4000), np.uint16(99)))


def test_the_cache_holds_what_judging_sees(region: Region, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((40, 60), (80, 120, 3))]
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for path, picture in zip(paths, pictures, strict=True):
        Image.fromarray(picture).save(path)
    rules = [
        WHOLE,
        replace(WHOLE, region=region),
        replace(WHOLE, region=Region.of(~region.mask)),
        replace(WHOLE, region=region, mean=(0.1, 0.2, 0.3)),
        replace(WHOLE, region=region, long_side=20),
    ]
    caches = [build_cache(paths, rule=rule, folder=tmp_path / "c") for rule in rules]
    assert len({cache.index for cache in caches}) == len(rules)
    for cache, rule in zip(caches, rules, strict=True):
        for i, picture in enumerate(pictures):
            np.testing.assert_array_equal(cache[i], rule.working(picture))
    Image.new("L", (50, 50)).save(tmp_path / "square.png")
    with pytest.raises(ImageError, match=r"square\.png: it is 50x50 px"):
        build_cache([tmp_path / "square.png"], rule=rules[1], folder=tmp_path / "c")


def test_defects_count_where_they_are_seen(tmp_path: Path) -> None:
    half = np.zeros((64, 128), dtype=bool)
    half[:, 64:] = True
    rule = replace(WHOLE, region=Region.of(half))
    mask = np.zeros((64, 128), dtype=np.uint8)
    mask[10:20, 60:70] = 255
    Image.fromarray(mask).save(tmp_path / "m.png")
    assert tile_shares(tmp_path / "m.png", (64, 64), rule).tolist() == [60 / 64**2]
    Image.fromarray(mask.T).save(tmp_path / "m.png")
    with pytest.raises(ImageError, match=r"the mask .*m\.png: it is 64x128 px"):
        tile_shares(tmp_path / "m.png", (64, 64), rule)


def test_the_planner_is_told_the_size_that_is_seen(region: Region) -> None:
    facts = [ImageFacts(Path("a.png"), 600, 400, "L")]
    assert facts_inside(facts, None) == facts
    (found,) = facts_inside(facts, region)
    assert (found.width, found.height) == (300, 300)
    with pytest.raises(ImageError, match=r"a\.png: it is 300x400"):
        facts_inside([replace(facts[0], width=300)], region)
