"""The planner: it chooses the working size, the tiles and the views, within a time budget."""

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
WHOLE = 1.5  # times the backbone's input size: up to this size pictures are used whole
SMALLEST_SHRINK = 0.5
_TIMED_PIXELS = 8 * TILE**2
_SHRINKS = (1.0, 0.84, 0.71, 0.59, SMALLEST_SHRINK)


@dataclass(frozen=True)
class RequestedSizes:
    """The sizes that the user requested; None leaves a size to the planner.

    Attributes:
        image_size: The longer side at working size in pixels.
        tile: The side of a tile in pixels.
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
        preprocessing: The preprocessing of every image.
        views: The number of views whose features are cached.
        reason: The reason, in words.
    """

    preprocessing: Preprocessing
    views: int
    reason: str


def plan(
    facts: Sequence[ImageFacts],
    freezer: Freezer,
    requested: RequestedSizes,
    *,
    views: int,
    needed_views: int = 1,
    budget: float,
    tiled: bool,
) -> Plan:
    """Choose the working size, the tiles and the views.

    Images up to 1.5 times the backbone's input size are used whole: at that input size, at which its features
    are best, or at their own if the head reads several scales. Larger images are cut into tiles of 256 px. If
    the features would take longer than `budget` seconds on this machine, there are fewer views, and then
    smaller images, down to half their size: a defect three pixels wide would not survive more.

    Args:
        facts: The facts of all images.
        freezer: The frozen network that will compute the features.
        requested: The sizes that the user requested.
        views: The number of views in the recipe.
        needed_views: The number of views in use on tiles, which are not given up.
        budget: The time for the features of these images in seconds.
        tiled: Whether tiles are allowed; without a normal class they are not, since no tile is the worst.
    """
    net = freezer.net
    _check_size(net, requested)
    sides = np.array([[f.height, f.width] for f in facts])
    base = _base(facts, net)
    large = float(np.percentile(sides.max(1), 95))
    if requested.image_size is not None or not tiled:
        return _requested_plan(base, requested, large, views, net.trunk.spec.input_size)
    if large <= WHOLE * net.trunk.spec.input_size and requested.tile is None:
        return _whole_plan(base, large, views, net)
    tile = requested.tile or TILE
    rate = _pixels_per_second(freezer, tile)
    for seen in sorted({max(needed_views, v) for v in (4, 2, 1) if v <= views}, reverse=True):
        cost = seen * _tile_pixels(sides, tile) / rate
        if cost <= budget:
            return _tiled_plan(
                base, tile, None, seen, f"images of {large:.0f} px in tiles of {tile} px, {seen} view(s)"
            )
    for shrink in _SHRINKS[1:]:
        long_side = round(large * shrink)
        scale = np.minimum(1.0, long_side / sides.max(1, keepdims=True))
        cost = needed_views * _tile_pixels((sides * scale).round().astype(int), tile) / rate
        if cost <= budget or shrink == SMALLEST_SHRINK:
            break
    why = f"images of {large:.0f} px shrunk to {long_side} px for the time budget, in tiles of {tile} px"
    return _tiled_plan(base, tile, long_side, needed_views, why)


def _check_size(net: TileNet, requested: RequestedSizes) -> None:
    spec = net.trunk.spec
    smallest = min((v for v in (requested.image_size, requested.tile) if v is not None), default=None)
    if spec.fixed_size and smallest != spec.input_size:
        size = spec.input_size
        raise ConfigError(
            f"backbone {spec.name!r} takes pictures of {size} px only; add --image-size {size} for whole "
            f"pictures at that size, --tile {size} for tiles, or choose a convolutional network"
        )


def _base(facts: Sequence[ImageFacts], net: TileNet) -> Preprocessing:
    maxima = [f.maximum for f in facts if f.maximum is not None]
    spec = net.trunk.spec
    return Preprocessing(bit_depth(maxima), None, False, spec.input_size, 0, spec.mean, spec.std)


def _requested_plan(
    base: Preprocessing, requested: RequestedSizes, large: float, views: int, usual: int
) -> Plan:
    whole = round(WHOLE * usual)
    size = requested.image_size or (usual if large <= whole else whole)
    tile = requested.tile or (size if size <= whole else TILE)
    tile = min(tile, size)
    chosen = replace(base, long_side=size, enlarge=True, tile=tile, overlap=0 if tile == size else tile // 8)
    return Plan(chosen, views, f"longer side {size} px, seen {_in_words(tile, size)}")


def _whole_plan(base: Preprocessing, large: float, views: int, net: TileNet) -> Plan:
    """Return the plan for whole pictures: at their own size if the head reads several scales."""
    usual, scales = net.trunk.spec.input_size, net.head.spec.scales
    side = usual if len(scales) == 1 else max(usual, round(large))
    chosen = replace(base, long_side=side, enlarge=large < usual * 0.75, tile=side, overlap=0)
    sizes = ", ".join(str(s) for s in sorted({scaled_side(side, scale) for scale in scales}, reverse=True))
    return Plan(chosen, views, f"images of {large:.0f} px seen whole at {sizes} px")


def _tiled_plan(base: Preprocessing, tile: int, long_side: int | None, views: int, why: str) -> Plan:
    return Plan(replace(base, long_side=long_side, tile=tile, overlap=tile // 8), views, why)


def _in_words(tile: int, size: int) -> str:
    return "whole" if tile == size else f"in tiles of {tile} px"


def _tile_pixels(sides: np.ndarray, tile: int) -> int:
    """Return the number of pixels in all tiles of images with these sides, (N, 2) heights and widths."""
    sizes, counts = np.unique(sides, axis=0, return_counts=True)
    return sum(
        len(tile_origins((int(h), int(w)), tile, tile // 8)) * int(n) * tile**2
        for (h, w), n in zip(sizes, counts, strict=True)
    )


def _pixels_per_second(freezer: Freezer, tile: int) -> float:
    """Return the trunk's measured speed on this machine, in pixels of tiles per second."""
    frozen = freezer.features(tile)
    batch = np.zeros((max(1, min(8, _TIMED_PIXELS // tile**2)), 3, tile, tile), dtype=np.float32)
    frozen.pooled(batch)
    times = []
    for _ in range(3):
        begin = time.perf_counter()
        frozen.pooled(batch)
        times.append(time.perf_counter() - begin)
    rate = batch[:, 0].size / min(times)
    log.debug("the trunk's speed is %.0f pixels a second", rate)
    return rate
