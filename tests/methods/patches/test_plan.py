"""Sizes, tiles and maps from the pictures and the backbone."""

from __future__ import annotations

from pathlib import Path

import pytest

from brightfield.data.scan import ImageFacts
from brightfield.errors import ConfigError
from brightfield.learn.backbone import BackboneSpec, build_trunk
from brightfield.methods.good_parts.sizes import LARGEST_WHOLE, SHRUNK
from brightfield.methods.patches.plan import (
    SIDE,
    Plan,
    Wanted,
    make_plan,
    maps_by_stride,
)

LITE0 = (4, 8, 16, 16, 32, 32, 32)


def spec_of(strides: tuple[int, ...], fixed: bool = False, size: int = 224) -> BackboneSpec:
    return BackboneSpec("made", (8,) * len(strides), strides, (0.5,) * 3, (0.2,) * 3, size, fixed)


def plan_for(
    width: int,
    height: int,
    *,
    spec: BackboneSpec | None = None,
    image_size: int | None = None,
    tile: int | None = None,
    maximum: int | None = None,
) -> Plan:
    facts = [ImageFacts(Path("x"), width, height, "L", maximum)] * 5
    wanted = Wanted(("bank", "flow"), "fine", 0.02, image_size, tile)
    return make_plan(facts, spec or spec_of(LITE0), wanted, None)


@pytest.mark.parametrize(
    ("strides", "expected"),
    [
        (LITE0, (1, 3, 4)),
        ((4, 8, 16, 32), (1, 2, 3)),
        ((16, 16, 16), (2, 2, 0)),
        ((14,), (0, 0, 0)),
        ((4, 8), (1, 1, 1)),
    ],
)
def test_maps_by_their_stride(strides: tuple[int, ...], expected: tuple[int, int, int]) -> None:
    assert maps_by_stride(spec_of(strides)) == expected


def test_the_default_backbone_has_the_maps_that_are_looked_for() -> None:
    spec = build_trunk("tf_efficientnet_lite0").spec
    assert tuple(spec.strides[i] for i in maps_by_stride(spec)) == (8, 16, 32)


@pytest.mark.parametrize(
    ("width", "height", "side"),
    [(100, 80, 224), (447, 447, 224), (1600, 100, 224), (448, 448, SIDE), (1600, 1200, SIDE)],
)
def test_pictures_of_usual_sizes_are_seen_whole_in_a_square(width: int, height: int, side: int) -> None:
    rule = plan_for(width, height).preprocessing
    assert (rule.long_side, rule.tile, rule.overlap) == (side, side, 0)
    assert rule.square
    assert rule.enlarge
    bank, flow = plan_for(width, height).members
    assert (bank.name, bank.scale, bank.maps) == ("bank", 1.0, (1, 3))
    # the flow sees what the backbone was trained on, 224 px, and counts by its share of the pixels
    assert (flow.name, flow.scale, flow.maps) == ("flow", 224 / side, (3, 4))
    assert (bank.weight, flow.weight) == (1.0, (224 / side) ** 2)


def test_large_pictures_are_cut() -> None:
    plan = plan_for(4000, 3000)
    rule = plan.preprocessing
    assert rule.long_side == round(4000 * SHRUNK) > rule.tile
    assert plan_for(LARGEST_WHOLE + 1, 900).preprocessing.long_side != rule.tile
    assert rule.overlap == rule.tile // 8
    assert not rule.square
    assert "tiles" in plan.reason
    assert "4000 px" in plan.reason


def test_sizes_that_are_asked_for() -> None:
    whole = plan_for(4000, 3000, image_size=320).preprocessing
    assert (whole.long_side, whole.tile, whole.square) == (320, 320, True)
    own = plan_for(4000, 3000, tile=256).preprocessing
    assert (own.long_side, own.tile, own.overlap, own.square) == (None, 256, 32, False)
    both = plan_for(4000, 3000, tile=256, image_size=1000).preprocessing
    assert (both.long_side, both.tile, both.square) == (1000, 256, False)


def test_a_tile_larger_than_the_pictures_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--tile is 4000 and images have 360 px"):
        plan_for(360, 240, tile=4000)
    with pytest.raises(ConfigError, match=r"--tile is 600 and images have 500 px"):
        plan_for(4000, 3000, tile=600, image_size=500)
    assert plan_for(360, 240, tile=360).preprocessing.tile == 360


def test_a_network_of_one_size_gets_it() -> None:
    plan = plan_for(1000, 800, spec=spec_of((16, 16), fixed=True))
    assert plan.preprocessing.tile == 224
    assert {member.scale for member in plan.members} == {1.0}
    assert [member.maps for member in plan.members] == [(1,), (1, 0)]


def test_white_of_deep_pictures() -> None:
    assert plan_for(300, 300, maximum=4000).preprocessing.bits == 12
    assert plan_for(300, 300).preprocessing.bits == 8
