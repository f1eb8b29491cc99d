"""The closest good part at the hottest place of a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from brightfield.data.preprocessing import Preprocessing
from brightfield.methods.patches.closest import Neighbours, closest_part
from brightfield.methods.patches.crops import Crops, read_crops

SIDE = 112
RULE = Preprocessing(8, SIDE, True, SIDE, 0, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2), square=True)
EVERYWHERE = np.ones((SIDE, SIDE), dtype=bool)


@pytest.fixture(scope="module")
def crops(tmp_path_factory: pytest.TempPathFactory) -> Crops:
    """Crops of 16 patches, one of each of 16 pictures."""
    folder = tmp_path_factory.mktemp("good")
    named: list[tuple[str, Path]] = []
    for i in range(16):
        named.append((f"OK/{i}.png", folder / f"{i}.png"))
        Image.fromarray(np.full((SIDE, SIDE), 10 * i, np.uint8)).save(named[-1][1])
    return read_crops(np.array([[i, 56, 56] for i in range(16)]), named, RULE)


def neighbours(crops: Crops, evidence: float = 3.0, inside: np.ndarray | None = None) -> Neighbours:
    """Return a map of 4 x 4 cells, whose i-th cell is closest to the i-th patch."""
    every = np.full((4, 4), evidence, dtype=np.float32)
    there = np.ones((4, 4), dtype=bool) if inside is None else inside
    return Neighbours(crops, np.arange(16).reshape(4, 4), every, there)


def heat_at(row: int, column: int, shape: tuple[int, int] = (SIDE, SIDE)) -> np.ndarray:
    heat = np.zeros(shape, dtype=np.float32)
    heat[row, column] = 1
    return heat


def test_the_cell_at_the_hottest_place_answers(crops: Crops) -> None:
    # cells are 28 px: row 30 is in the second, column 100 in the fourth
    found = closest_part(heat_at(30, 100), [((0, 0), [neighbours(crops)])], SIDE, EVERYWHERE)
    assert found is not None
    assert (found.image, found.distance) == ("OK/7.png", 3.0)
    assert found.box == (22, 92, 16, 16)
    assert np.abs(found.crop.astype(int) - 70).max() <= 1


def test_of_overlapping_tiles_the_one_around_the_place_answers(crops: Crops) -> None:
    # both tiles hold column 100; it is 44 px from the middle of the first, and 12 px from that of the second
    tiles = [((0, 0), [neighbours(crops)]), ((0, 56), [neighbours(crops)])]
    found = closest_part(heat_at(60, 100, (SIDE, 168)), tiles, SIDE, np.ones((SIDE, 168), dtype=bool))
    assert found is not None
    assert found.image == "OK/9.png"  # row 60 is in the third row of cells, column 100 - 56 in the second


def test_of_two_banks_the_one_with_more_evidence_answers(crops: Crops) -> None:
    banks = [neighbours(crops, 1.0), neighbours(crops, 5.0)]
    found = closest_part(heat_at(0, 0), [((0, 0), banks)], SIDE, EVERYWHERE)
    assert found is not None
    assert found.distance == 5.0


def test_cells_that_do_not_count_and_places_not_looked_at_are_left_out(crops: Crops) -> None:
    inside = np.ones((4, 4), dtype=bool)
    inside[0] = False
    found = closest_part(heat_at(5, 5), [((0, 0), [neighbours(crops, inside=inside)])], SIDE, EVERYWHERE)
    assert found is not None
    assert found.image == "OK/4.png"
    nowhere = closest_part(heat_at(5, 5), [((0, 0), [neighbours(crops)])], SIDE, ~EVERYWHERE)
    assert nowhere is None


def test_nothing_unusual_and_no_bank(crops: Crops) -> None:
    calm = np.zeros((SIDE, SIDE), dtype=np.float32)
    assert closest_part(calm, [((0, 0), [neighbours(crops)])], SIDE, EVERYWHERE) is None
    assert closest_part(heat_at(5, 5), [((0, 0), [])], SIDE, EVERYWHERE) is None


def test_a_picture_narrower_than_a_crop(crops: Crops) -> None:
    shape = (SIDE, 10)
    found = closest_part(
        heat_at(40, 5, shape), [((0, -51), [neighbours(crops)])], SIDE, np.ones(shape, dtype=bool)
    )
    assert found is not None
    assert found.box == (32, 0, 16, 10)
    assert found.crop.shape == (16, 10, 3)
