"""Tiles cover the picture, and their maps come together again."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from brightfield.data.tiling import at_peak, cut_tiles, stitch, tile_origins, tile_starts

SIZES = [
    (1, 64, 8),
    (63, 64, 8),
    (64, 64, 8),
    (65, 64, 8),
    (120, 64, 8),
    (121, 64, 8),
    (1130, 256, 32),
    (2000, 96, 12),
]


@pytest.mark.parametrize(("length", "tile", "overlap"), SIZES)
def test_tiles_cover_a_side_and_overlap(length: int, tile: int, overlap: int) -> None:
    starts = tile_starts(length, tile, overlap)
    covered = np.zeros(length, dtype=int)
    for s in starts:
        covered[max(s, 0) : s + tile] += 1
    assert covered.min() >= 1
    if length <= tile:
        assert len(starts) == 1
        assert abs((-starts[0]) - (starts[0] + tile - length)) <= 1, "not in the middle"
        return
    assert starts[0] == 0
    assert starts[-1] == length - tile
    assert all(b - a <= tile - overlap for a, b in itertools.pairwise(starts))
    fewest = -(-(length - overlap) // (tile - overlap))
    assert len(starts) == fewest


@pytest.mark.parametrize("shape", [(40, 50), (64, 64), (70, 200), (333, 129)])
def test_cut_and_stitched_again(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
    tiles, origins = cut_tiles(picture, 64, 8, (1, 2, 3))
    assert tiles.shape == (len(origins), 64, 64, 3)
    assert origins == tile_origins(shape, 64, 8)
    back = stitch(tiles[..., 0].astype(np.float32), origins, shape)
    assert back.dtype == np.float32
    assert np.allclose(back, picture[..., 0], atol=1e-3)
    assert np.allclose(stitch(np.full((len(tiles), 64, 64), 3, np.float32), origins, shape), 3)
    ramp = np.add.outer(np.arange(shape[0]), 2 * np.arange(shape[1])).astype(np.float32)
    pieces = np.zeros((len(tiles), 64, 64), np.float32)
    for piece, (top, left) in zip(pieces, origins, strict=True):
        rows, columns = np.mgrid[top : top + 64, left : left + 64]
        piece[:] = rows + 2 * columns
    assert np.allclose(stitch(pieces, origins, shape), ramp, atol=1e-2)


@pytest.mark.parametrize("shape", [(30, 50), (41, 83)])
def test_maps_of_several_channels_and_of_rectangles(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    whole = rng.random((2, 3, *shape)).astype(np.float32)
    height, width = 30, 24
    tops, lefts = sorted({0, shape[0] - height}), [*range(0, shape[1] - width, 20), shape[1] - width]
    origins = [(top, left) for top in tops for left in lefts]
    pieces = np.stack([whole[..., y : y + height, x : x + width] for y, x in origins])
    found = stitch(pieces, origins, shape)
    assert (found.shape, found.dtype) == (whole.shape, np.float32)
    assert np.allclose(found, whole, atol=1e-6)
    for channel in np.ndindex(2, 3):
        assert np.array_equal(stitch(pieces[:, *channel], origins, shape), found[channel])


def test_pieces_may_reach_beyond_the_picture() -> None:
    whole = np.random.default_rng(2).random((2, 40, 64)).astype(np.float32)
    pieces = np.zeros((2, 2, 48, 40), np.float32)
    pieces[0, :, :40] = whole[:, :, :40]
    pieces[1, :, :40, :32] = whole[:, :, 32:]
    assert np.allclose(stitch(pieces, [(0, 0), (0, 32)], (40, 64)), whole, atol=1e-6)
    assert np.array_equal(stitch(pieces[:1], [(0, 0)], (40, 37)), whole[:, :, :37])


def test_what_lies_outside_has_the_fill() -> None:
    picture = np.full((10, 64, 3), 200, dtype=np.uint8)
    tiles, origins = cut_tiles(picture, 64, 8, (1, 2, 3))
    assert origins == [(-27, 0)]
    assert (tiles[0, :27] == (1, 2, 3)).all()
    assert (tiles[0, 27:37] == 200).all()
    assert (tiles[0, 37:] == (1, 2, 3)).all()


def test_seams_fade() -> None:
    tiles = np.stack([np.zeros((64, 64), np.float32), np.ones((64, 64), np.float32)])
    seam = stitch(tiles, [(0, 0), (0, 48)], (64, 112))[32]
    assert (np.diff(seam) >= 0).all()
    assert np.abs(np.diff(seam)).max() < 0.15


def test_the_greatest_value_is_put_at_a_peak() -> None:
    heat = np.array([[0.0, 0.3], [0.1, 0.05]], np.float32)
    assert np.allclose(at_peak(heat, 1.5), [[0, 1.5], [0.5, 0.25]])
    assert at_peak(heat, 1.0).max() == 1
    assert not at_peak(heat * 0, 1.5).any()
