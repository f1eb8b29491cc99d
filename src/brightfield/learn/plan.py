"""Choosing the working size: as large as the images are and the time allows, large ones in tiles."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from brightfield.data.decode import bit_depth
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.scan import ImageFacts
from brightfield.data.tiling import tile_origins
from brightfield.engine.trunk import scaled_side
from brightfield.errors import ConfigError
from brightfield.learn.frozen import Freezer
from brightfield.learn.network import TileNet

log = logging.getLogger(__name__)

TILE = 256
WHOLE = 1.5  # times the backbone's own size: pictures up to it are seen whole
SMALLEST_SHRINK = 0.5
_TIMED_PIXELS = 8 * TILE**2
_SHRINKS = (1.0, 0.84, 0.71, 0.59, SMALLEST_SHRINK)


@dataclass(frozen=True)
class Wishes:
    """What the user asked for; None leaves it to the planner.

    Attributes:
        image_size: The longer side in pixels at working size.
        tile: The side of a tile.
    """

    image_size: int | None = None
    tile: int | None = None

    def __post_init__(self) -> None:
        for name, value, least in (("--image-size", self.image_size, 32), ("--tile", self.tile, 64)):
            if value is not None and not least <= value <= 16384:
                raise ConfigError(f"{name} is {value}; expected {least} to 16384 pixels")


@dataclass(frozen=True)
class Plan:
    """The planner's choice.

    Attributes:
        preprocessing: What happens to every image.
        views: Flipped copies whose features are kept.
        reason: Why, in words.
    """

    preprocessing: Preprocessing
    views: int
    reason: str


def plan(
    facts: Sequence[ImageFacts], freezer: Freezer, wishes: Wishes, *, views: int, budget: float, tiled: bool
) -> Plan:
    """Choose the working size, the tiles and the views.

    Images up to half as large again as the backbone's weights were trained at are seen whole, at that size,
    at which its features are best. Larger ones are cut into tiles of 256 px; where the features would take
    longer than `budget` seconds on this machine, first views are given up, then size, to half at the least,
    since what is three pixels wide does not survive more.

    Args:
        facts: Of all images.
        freezer: Of the network that will see them.
        wishes: What the user asked for.
        views: As many as the recipe wants.
        budget: Seconds for the features of these images.
        tiled: Whether there is a normal class, without which no tile can be the worst.
    """
    net = freezer.net
    _check_size(net, wishes)
    sides = np.array([[f.height, f.width] for f in facts])
    base = _base(facts, net)
    large = float(np.percentile(sides.max(1), 95))
    if wishes.image_size is not None or not tiled:
        return _asked(base, wishes, large, views, net.trunk.spec.input_size)
    if large <= WHOLE * net.trunk.spec.input_size and wishes.tile is None:
        return _whole(base, large, views, net)
    tile = wishes.tile or TILE
    rate = _pixels_per_second(freezer, tile)
    for seen in [v for v in (4, 2, 1) if v <= views] or [1]:
        cost = seen * _tile_pixels(sides, tile) / rate
        if cost <= budget:
            return _tiles(
                base, tile, None, seen, f"images of {large:.0f} px in tiles of {tile} px, {seen} view(s)"
            )
    for shrink in _SHRINKS[1:]:
        long_side = round(large * shrink)
        scale = np.minimum(1.0, long_side / sides.max(1, keepdims=True))
        cost = _tile_pixels((sides * scale).round().astype(int), tile) / rate
        if cost <= budget or shrink == SMALLEST_SHRINK:
            break
    why = f"images of {large:.0f} px shrunk to {long_side} px for the time at hand, in tiles of {tile} px"
    return _tiles(base, tile, long_side, 1, why)


def _check_size(net: TileNet, wishes: Wishes) -> None:
    spec = net.trunk.spec
    asked = min((v for v in (wishes.image_size, wishes.tile) if v is not None), default=None)
    if spec.fixed_size and asked != spec.input_size:
        size = spec.input_size
        raise ConfigError(
            f"backbone {spec.name!r} takes pictures of {size} px only; add --image-size {size} to see every "
            f"part whole at that size, --tile {size} to see it in tiles, or choose a convolutional network"
        )


def _base(facts: Sequence[ImageFacts], net: TileNet) -> Preprocessing:
    maxima = [f.maximum for f in facts if f.maximum is not None]
    spec = net.trunk.spec
    return Preprocessing(bit_depth(maxima), None, False, spec.input_size, 0, spec.mean, spec.std)


def _asked(base: Preprocessing, wishes: Wishes, large: float, views: int, usual: int) -> Plan:
    whole = round(WHOLE * usual)
    size = wishes.image_size or (usual if large <= whole else whole)
    tile = wishes.tile or (size if size <= whole else TILE)
    tile = min(tile, size)
    chosen = replace(base, long_side=size, enlarge=True, tile=tile, overlap=0 if tile == size else tile // 8)
    return Plan(chosen, views, f"longer side {size} px, seen {_in_words(tile, size)}")


def _whole(base: Preprocessing, large: float, views: int, net: TileNet) -> Plan:
    """Return the plan for pictures seen whole, at their own size if the network sees them smaller too."""
    usual, scales = net.trunk.spec.input_size, net.head.spec.scales
    side = usual if len(scales) == 1 else max(usual, round(large))
    chosen = replace(base, long_side=side, enlarge=large < usual * 0.75, tile=side, overlap=0)
    sizes = ", ".join(str(s) for s in sorted({scaled_side(side, scale) for scale in scales}, reverse=True))
    return Plan(chosen, views, f"images of {large:.0f} px seen whole at {sizes} px")


def _tiles(base: Preprocessing, tile: int, long_side: int | None, views: int, why: str) -> Plan:
    return Plan(replace(base, long_side=long_side, tile=tile, overlap=tile // 8), views, why)


def _in_words(tile: int, size: int) -> str:
    return "whole" if tile == size else f"in tiles of {tile} px"


def _tile_pixels(sides: np.ndarray, tile: int) -> int:
    """Return the pixels of all tiles of images of these (height, width)."""
    sizes, counts = np.unique(sides, axis=0, return_counts=True)
    return sum(
        len(tile_origins((int(h), int(w)), tile, tile // 8)) * int(n) * tile**2
        for (h, w), n in zip(sizes, counts, strict=True)
    )


def _pixels_per_second(freezer: Freezer, tile: int) -> float:
    """Return how many pixels of tiles the trunk takes in a second on this machine."""
    frozen = freezer.features(tile)
    batch = np.zeros((max(1, min(8, _TIMED_PIXELS // tile**2)), 3, tile, tile), dtype=np.float32)
    frozen.pooled(batch)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        frozen.pooled(batch)
        times.append(time.perf_counter() - begin)
    rate = batch[:, 0].size / min(times)
    log.debug("the trunk takes %.0f pixels a second", rate)
    return rate
