"""The planner keeps what small defects need, as far as the time allows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from brightfield.data.scan import ImageFacts
from brightfield.errors import ConfigError
from brightfield.learn import plan as module
from brightfield.learn.frozen import Freezer
from brightfield.learn.plan import Plan, RequestedSizes, plan


def facts(height: int, width: int, n: int = 100, **more: Any) -> list[ImageFacts]:
    return [ImageFacts(Path(f"{i}.png"), width, height, "L", **more) for i in range(n)]


def freezer(fixed: bool = False, size: int = 224, scales: tuple[float, ...] = (1.0,)) -> Freezer:
    spec = SimpleNamespace(
        name="somenet", input_size=size, mean=(0.5,) * 3, std=(0.5,) * 3, fixed_size=fixed, strides=(32,)
    )
    head = SimpleNamespace(spec=SimpleNamespace(scales=scales))
    net = SimpleNamespace(trunk=SimpleNamespace(spec=spec), head=head)
    return cast(Freezer, SimpleNamespace(net=net))


@pytest.fixture(autouse=True)
def _rate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_pixels_per_second", lambda freezer, tile: 1e6)


def chosen(
    which: list[ImageFacts], requested: RequestedSizes | None = None, budget: float = 1e9, **more: Any
) -> Plan:
    settings = {"views": 4, "tiled": True, **more, "budget": budget}
    return plan(which, settings.pop("of", None) or freezer(), requested or RequestedSizes(), **settings)


@pytest.mark.parametrize(("side", "enlarged"), [(300, False), (200, False), (64, True)])
def test_small_images_are_seen_whole(side: int, enlarged: bool) -> None:
    found = chosen(facts(side // 2, side), budget=1e-9)
    p = found.preprocessing
    assert p.tile == p.long_side, "cut into tiles"
    assert (p.enlarge, p.overlap, found.views) == (enlarged, 0, 4)
    assert len(p.tiles(p.working(np.zeros((side // 2, side), np.uint8)))[0]) == 1


@pytest.mark.parametrize(("side", "sizes"), [(300, "300, 160, 128"), (200, "224, 128, 96")])
def test_small_images_keep_their_own_size_where_smaller_ones_are_seen_too(side: int, sizes: str) -> None:
    found = chosen(facts(side // 2, side), of=freezer(scales=(1.0, 0.53, 0.43)))
    assert found.preprocessing.tile == found.preprocessing.long_side == max(side, 224)
    assert found.reason == f"images of {side} px seen whole at {sizes} px"


def test_large_images_are_tiled_at_their_own_size() -> None:
    p = chosen(facts(600, 900)).preprocessing
    assert (p.long_side, p.tile, p.overlap) == (None, 256, 32)


def test_the_budget_takes_views_first_then_size_and_never_half() -> None:
    # 900x600 in tiles of 256 with 32 shared: 4 by 3, that is 786,432 px an image, 79 s a view at this rate
    cost = 12 * 256**2 * 100 / 1e6
    big = facts(600, 900)
    seen = [
        (f.views, f.preprocessing.long_side) for f in (chosen(big, budget=b * cost) for b in (4, 3.9, 1.9, 1))
    ]
    assert seen == [(4, None), (2, None), (1, None), (1, None)]
    squeezed = chosen(big, budget=0.9 * cost)
    assert squeezed.views == 1
    assert squeezed.preprocessing.long_side is not None
    assert 450 <= squeezed.preprocessing.long_side < 900
    assert chosen(big, budget=1e-9).preprocessing.long_side == 450


@pytest.mark.parametrize(("views", "needed"), [(4, 2), (4, 4), (5, 5)])
def test_views_of_use_are_not_given_up(views: int, needed: int) -> None:
    cost, big = 12 * 256**2 * 100 / 1e6, facts(600, 900)
    assert chosen(big, views=views, needed_views=needed, budget=needed * cost).views == needed
    squeezed = chosen(big, views=views, needed_views=needed, budget=0.9 * needed * cost)
    alone = chosen(big, budget=0.9 * cost)
    assert squeezed.views == needed
    assert squeezed.preprocessing.long_side == alone.preprocessing.long_side


def test_wishes_overrule() -> None:
    big = facts(600, 900)
    p = chosen(big, RequestedSizes(image_size=512), budget=1e-9).preprocessing
    assert (p.long_side, p.tile, p.overlap, p.enlarge) == (512, 256, 32, True)
    p = chosen(big, RequestedSizes(image_size=224)).preprocessing
    assert (p.long_side, p.tile, p.overlap) == (224, 224, 0)
    p = chosen(big, RequestedSizes(tile=128)).preprocessing
    assert (p.long_side, p.tile, p.overlap) == (None, 128, 16)
    p = chosen(big, RequestedSizes(image_size=512, tile=128)).preprocessing
    assert (p.long_side, p.tile, p.overlap) == (512, 128, 16)
    p = chosen(facts(300, 300), RequestedSizes(tile=128)).preprocessing
    assert p.tile == 128


def test_without_a_normal_class_pictures_are_seen_whole() -> None:
    found = chosen(facts(600, 900), tiled=False)
    assert found.preprocessing.tile == found.preprocessing.long_side
    assert "asked" not in found.reason
    assert chosen(facts(32, 32), tiled=False).preprocessing.tile == 224


@pytest.mark.parametrize(("maximum", "bits"), [(None, 8), (4095, 12), (60000, 16)])
def test_white_is_what_the_camera_can_write(maximum: int | None, bits: int) -> None:
    assert chosen(facts(300, 300, maximum=maximum)).preprocessing.bits == bits


@pytest.mark.parametrize("wish", [{"image_size": 31}, {"image_size": 20000}, {"tile": 63}, {"tile": -1}])
def test_sizes_out_of_range(wish: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=str(next(iter(wish.values())))):
        RequestedSizes(**wish)


def test_a_network_of_one_size_says_how_to_be_used() -> None:
    with pytest.raises(ConfigError, match="somenet.*224.*--image-size 224.*--tile 224"):
        chosen(facts(600, 900), of=freezer(fixed=True))
    assert chosen(facts(600, 900), RequestedSizes(tile=224), of=freezer(fixed=True)).preprocessing.tile == 224
    assert (
        chosen(facts(600, 900), RequestedSizes(image_size=224), of=freezer(fixed=True)).preprocessing.tile
        == 224
    )
