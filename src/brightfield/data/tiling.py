"""Tiling: cutting a large picture into overlapping squares, and stitching their maps together."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


def tile_starts(length: int, tile: int, overlap: int) -> list[int]:
    """Return the first pixel of each tile along one side; neighbours overlap by at least `overlap` pixels.

    Tiles are spread evenly. A side shorter than a tile gets one tile with a negative start, which centres the
    picture in the tile.
    """
    if length <= tile:
        return [-((tile - length) // 2)]
    count = math.ceil((length - overlap) / (tile - overlap))
    return [round(i * (length - tile) / (count - 1)) for i in range(count)]


def tile_origins(shape: tuple[int, int], tile: int, overlap: int) -> list[tuple[int, int]]:
    """Return the (top, left) of every tile of an image of this (height, width), row by row."""
    rows, columns = (tile_starts(side, tile, overlap) for side in shape)
    return [(top, left) for top in rows for left in columns]


def cut_tiles(
    image: npt.NDArray[np.uint8], tile: int, overlap: int, fill: tuple[int, int, int]
) -> tuple[npt.NDArray[np.uint8], list[tuple[int, int]]]:
    """Return the tiles of an image uint8 (H, W, 3), as uint8 (T, tile, tile, 3), and their (top, left).

    Pixels outside the image get the colour `fill`.
    """
    origins = tile_origins(image.shape[:2], tile, overlap)
    tiles = np.empty((len(origins), tile, tile, 3), dtype=np.uint8)
    for out, (top, left) in zip(tiles, origins, strict=True):
        (y0, y1), (x0, x1) = _inside(top, tile, image.shape[0]), _inside(left, tile, image.shape[1])
        if (y1 - y0, x1 - x0) != (tile, tile):
            out[:] = fill
        out[y0 - top : y1 - top, x0 - left : x1 - left] = image[y0:y1, x0:x1]
    return tiles, origins


def stitch(
    maps: npt.NDArray[np.float32], origins: list[tuple[int, int]], shape: tuple[int, int]
) -> npt.NDArray[np.float32]:
    """Return one map (..., H, W), joined from the maps of tiles of one size, float32 (T, ..., h, w).

    Where tiles overlap, their mean is taken with weights that fall towards a tile's border, so that no seams
    show.
    """
    if len(origins) == 1:  # it covers the image
        top, left = origins[0]
        return maps[0, ..., -top : shape[0] - top, -left : shape[1] - left]
    height, width = maps.shape[-2:]
    tent = np.minimum(_ramp(height)[:, None], _ramp(width)[None, :])  # (h, w), largest in the middle
    total = np.zeros((*maps.shape[1:-2], *shape), dtype=np.float32)
    weight = np.zeros(shape, dtype=np.float32)
    for values, (top, left) in zip(maps, origins, strict=True):
        (y0, y1), (x0, x1) = _inside(top, height, shape[0]), _inside(left, width, shape[1])
        place = np.s_[y0 - top : y1 - top, x0 - left : x1 - left]
        total[..., y0:y1, x0:x1] += (values * tent)[..., *place]
        weight[y0:y1, x0:x1] += tent[place]
    return np.asarray(total / np.maximum(weight, 1e-6), dtype=np.float32)


def _ramp(length: int) -> npt.NDArray[np.float32]:
    """Return the weights along one side of a tile, float32 (length,): 1 at its border, growing inwards."""
    return np.minimum(np.arange(length) + 1, np.arange(length)[::-1] + 1).astype(np.float32)


def at_peak(heat: npt.NDArray[np.float32], peak: float) -> npt.NDArray[np.float32]:
    """Return a map, float32 (H, W) of values from 0, scaled so that its maximum is `peak`."""
    hottest = heat.max()
    # divided first, so that the maximum is exactly 1
    return np.asarray(heat / hottest * np.float32(peak)) if hottest > 0 else heat


def _inside(start: int, tile: int, length: int) -> tuple[int, int]:
    """Return the begin and end of a tile along one side, clipped to the image."""
    return max(start, 0), min(start + tile, length)
