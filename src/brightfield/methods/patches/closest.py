"""The closest good part at the most unusual place of a picture."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.methods.patches.crops import Crops, start
from brightfield.verdict import Closest

FloatArray = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Neighbours:
    """What a memory bank found in one tile.

    Attributes:
        crops: The crops of the bank's patches.
        rows: The bank's nearest patch to each cell, int (h, w).
        evidence: The evidence of each cell, float32 (h, w).
        inside: Which cells count, bool (h, w), at least one.
    """

    crops: Crops
    rows: npt.NDArray[np.intp]
    evidence: FloatArray
    inside: npt.NDArray[np.bool_]


def closest_part(
    heat: FloatArray,
    tiles: Sequence[tuple[tuple[int, int], Sequence[Neighbours]]],
    side: int,
    region: npt.NDArray[np.bool_],
) -> Closest | None:
    """Return the good part that comes closest where a picture's heat is greatest.

    Of several banks the one that finds the place most unusual answers.

    Args:
        heat: The evidence map, float32 (H, W), at working size.
        tiles: The (top, left) of each tile, and what the banks found in it.
        side: The side of a tile in pixels.
        region: Which pixels are looked at, bool (H, W).

    Returns:
        None where nothing is unusual, or no bank has crops.
    """
    hot = np.where(region, heat, 0)
    if hot.max() <= 0:
        return None
    row, column = (int(i) for i in np.unravel_index(int(hot.argmax()), hot.shape))
    found: list[tuple[float, str, npt.NDArray[np.uint8]]] = []
    for neighbours, cell in _cells(tiles, (row, column), side):
        patch = int(neighbours.rows[cell])
        evidence = max(0.0, float(neighbours.evidence[cell]))
        found.append((evidence, neighbours.crops.image(patch), neighbours.crops.picture(patch)))
    if not found:
        return None
    distance, image, crop = max(found, key=lambda one: one[0])
    crop = crop[: heat.shape[0], : heat.shape[1]]  # a picture smaller than a crop is shown whole
    height, width = crop.shape[:2]
    top, left = start(row, height, heat.shape[0]), start(column, width, heat.shape[1])
    return Closest(image, crop, distance, (top, left, height, width))


def _cells(
    tiles: Iterable[tuple[tuple[int, int], Sequence[Neighbours]]], place: tuple[int, int], side: int
) -> list[tuple[Neighbours, tuple[int, int]]]:
    """Return the cell of each bank that is nearest to a place, in the tile whose middle is nearest to it."""

    def off_middle(tile: tuple[tuple[int, int], Sequence[Neighbours]]) -> int:
        return max(abs(2 * (at - begin) + 1 - side) for at, begin in zip(place, tile[0], strict=True))

    origin, banks = min(tiles, key=off_middle)
    return [(bank, _nearest_cell(bank.inside, origin, place, side)) for bank in banks]


def _nearest_cell(
    inside: npt.NDArray[np.bool_], origin: tuple[int, int], place: tuple[int, int], side: int
) -> tuple[int, int]:
    rows, columns = (
        (begin + (np.arange(cells) + 0.5) * side / cells - at - 0.5) ** 2
        for cells, begin, at in zip(inside.shape, origin, place, strict=True)
    )
    away = np.where(inside, rows[:, None] + columns[None, :], np.inf)
    row, column = np.unravel_index(int(away.argmin()), away.shape)
    return int(row), int(column)
