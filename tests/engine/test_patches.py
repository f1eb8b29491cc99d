"""Patch embeddings against torch, and which cells of a tile lie in its picture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import avg_pool2d, interpolate

from brightfield.engine.patches import Embedding, averaged, cells_inside

RNG = np.random.default_rng(0)
MAPS = [RNG.normal(size=(2, c, h, w)).astype(np.float32) for c, h, w in ((5, 12, 16), (7, 6, 8), (3, 5, 4))]
WEIGHTS = tuple(RNG.normal(size=(c, 9)).astype(np.float32) for c in (5, 7, 3))
OFFSET = RNG.normal(size=9).astype(np.float32)


def naive(maps: list[np.ndarray]) -> np.ndarray:
    """Return the patch vectors as the paper has them: average, enlarge, join, then one linear map."""
    size = maps[0].shape[2:]
    joined = torch.cat(
        [
            interpolate(
                avg_pool2d(torch.from_numpy(m), 3, stride=1, padding=1, count_include_pad=False),
                size,
                mode="bilinear",
                align_corners=False,
            )
            for m in maps
        ],
        1,
    )
    matrix = torch.from_numpy(np.concatenate(WEIGHTS[: len(maps)]))
    return (joined.permute(0, 2, 3, 1) @ matrix).numpy() - OFFSET


@pytest.mark.parametrize("count", [1, 2, 3])
def test_it_is_averaging_enlarging_and_a_linear_map(count: int) -> None:
    embedding = Embedding(WEIGHTS[:count], OFFSET)
    assert embedding.width == 9
    found = embedding(MAPS[:count])
    assert found.shape == (2, 12, 16, 9)
    assert found.dtype == np.float32
    assert np.allclose(found, naive(MAPS[:count]), atol=1e-4)


def test_a_map_of_one_cell() -> None:
    tiny = [m[:, :, :1, :1] for m in MAPS[:2]]
    assert np.allclose(Embedding(WEIGHTS[:2], OFFSET)(tiny), naive(tiny), atol=1e-4)
    assert averaged(np.full((1, 1, 1, 2), 3, np.float32), 2, 3).tolist() == np.full((1, 2, 3, 2), 3).tolist()


def test_a_position_is_appended() -> None:
    plain, placed = Embedding(WEIGHTS, OFFSET), Embedding(WEIGHTS, OFFSET, 24.0)
    assert placed.width == 11
    found = placed(MAPS)
    assert np.array_equal(found[..., :9], plain(MAPS))
    # 12 rows of 2 each, 16 columns of 1.5 each, at the middle of the cells
    assert np.allclose(found[..., 9], (np.arange(12) * 2 + 1)[None, :, None])
    assert np.allclose(found[..., 10], (np.arange(16) * 1.5 + 0.75)[None, None, :])


def test_cells_inside() -> None:
    # a tile of 64 px has 4 cells of 16 px a side, whose centres are at 8, 24, 40 and 56
    assert cells_inside((64, 64), (0, 0), 64, (4, 4)).all()
    # a picture of 30x64 in the middle: its rows 0 to 29 are the tile's 17 to 46
    rows = cells_inside((30, 64), (-17, 0), 64, (4, 4))
    assert rows.tolist() == [[False] * 4, [True] * 4, [True] * 4, [False] * 4]
    # a tile that reaches 20 px beyond the right border, where the picture ends at its pixel 44
    columns = cells_inside((64, 100), (0, 56), 64, (4, 4))
    assert columns.tolist() == [[True, True, True, False]] * 4
    assert not columns.flags.writeable


def test_a_picture_between_the_centres_of_cells_has_the_cells_of_its_middle() -> None:
    # the picture's 8 rows are the tile's 28 to 35, between the centres at 24 and 40
    found = cells_inside((8, 64), (-28, 0), 64, (4, 4))
    assert found.any()
    assert not found[[0, 3]].any()
    tiny = cells_inside((8, 8), (-28, -28), 64, (2, 2))
    assert tiny.tolist() == [[True, True], [True, True]]
