"""The sizes at which pictures are seen, and crops of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brightfield.data.region import Region
from brightfield.data.scan import ImageFacts
from brightfield.errors import ConfigError
from brightfield.learn.backbone import BackboneSpec
from brightfield.methods.segmenter.options import SegmenterOptions
from brightfield.methods.segmenter.sizes import Sizes, sizes_for

SPEC = BackboneSpec("any", (8,), (16,), (0.5, 0.4, 0.3), (0.2, 0.2, 0.1), 160)


def facts_of(*shapes: tuple[int, int], maximum: int | None = None) -> list[ImageFacts]:
    """Return the facts of images of these (height, width)."""
    return [ImageFacts(Path("a.png"), width, height, "L", maximum) for height, width in shapes]


def sizes_of(
    *shapes: tuple[int, int], spec: BackboneSpec = SPEC, fixed: bool = False, **options: Any
) -> Sizes:
    return sizes_for(facts_of(*shapes), spec, SegmenterOptions(**options), None, fixed=fixed)


@pytest.mark.parametrize(
    ("shape", "options", "long_side", "tile", "crop"),
    [
        ((200, 300), {}, None, 1024, 224),
        ((1200, 1600), {}, None, 1024, 224),  # just small enough
        ((1200, 1601), {}, 1600, 1024, 224),
        ((3000, 4000), {"image_size": 640}, 640, 1024, 224),
        ((20, 30), {}, None, 1024, 32),  # smaller than a piece can be
        ((64, 100), {}, None, 1024, 128),
        ((64, 100), {"image_size": 64}, 64, 1024, 64),
        ((200, 300), {"crop": 100, "tile": 70}, None, 96, 128),  # both are rounded up
        ((200, 300), {"crop": 1024}, None, 1024, 320),  # crops are no larger than pictures
        ((200, 300), {"image_size": 1000}, 1000, 1024, 224),  # none is enlarged
    ],
)
def test_sizes(
    shape: tuple[int, int], options: dict[str, Any], long_side: int | None, tile: int, crop: int
) -> None:
    found = sizes_of(shape, **options)
    rule = found.preprocessing
    assert (rule.long_side, rule.tile, found.crop) == (long_side, tile, crop)
    assert rule.overlap == min(128, tile // 4)
    assert (rule.mean, rule.std, rule.enlarge, rule.square) == (SPEC.mean, SPEC.std, False, False)


def test_the_reason_is_said() -> None:
    assert sizes_of((200, 300)).reason == "images of 300 px seen at their own size"
    assert sizes_of((200, 300), image_size=64).reason == "images of 300 px shrunk to 64 px"
    assert sizes_of((1200, 2000)).reason == "images of 2000 px shrunk to 1600 px"
    few_large = [(200, 300)] * 99 + [(3000, 3000)]
    assert sizes_of(*few_large).reason == "images of 300 px seen at their own size"


def test_bit_depth_and_region_are_taken_over() -> None:
    mask = np.zeros((20, 30), bool)
    mask[5:15, 5:15] = True
    region = Region.of(mask)
    found = sizes_for(facts_of((200, 300), maximum=4000), SPEC, SegmenterOptions(), region, fixed=False)
    assert (found.preprocessing.bits, found.preprocessing.region) == (12, region)


@pytest.mark.parametrize(
    ("options", "tile"), [({}, 160), ({"tile": 100}, 128), ({"tile": 128, "crop": 128}, 128)]
)
def test_a_network_of_one_size_sees_crops_of_that_size(options: dict[str, Any], tile: int) -> None:
    found = sizes_of((40, 50), fixed=True, **options)
    assert (found.preprocessing.tile, found.crop) == (tile, tile)


def test_what_contradicts_a_network_of_one_size_is_refused() -> None:
    only = replace(SPEC, fixed_size=True)
    assert sizes_of((40, 50), spec=only, fixed=True, tile=160, crop=160).crop == 160
    with pytest.raises(ConfigError, match="--tile is 128, .*takes pieces of 160 px only; leave --tile out"):
        sizes_of((40, 50), spec=only, fixed=True, tile=128)
    with pytest.raises(ConfigError, match="--crop is 224, .*one size only, 160 px; leave --crop out"):
        sizes_of((40, 50), spec=only, fixed=True, crop=224)
