"""Outlines of a mask: closed lines halfway between marked and unmarked pixels, with few corners."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Points = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

TOLERANCE = 0.35
"""How far in pixels a corner that is left out may lie from the line. The lines pass every pixel's centre at a
distance of at least 0.353, a quarter of a diagonal, so that up to there they enclose the same pixels."""

_STEPS = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])
"""The directions right, down, left and up, as steps of row and column."""


def contours(mask: Bools, tolerance: float = TOLERANCE) -> list[Points]:
    """Return the outlines of what is marked in a mask, bool (H, W), and of its holes.

    What lies inside an odd number of them is marked. None touches itself; marked pixels that touch at a
    corner only are outlined one by one.

    Args:
        mask: The mask.
        tolerance: How far, in pixels, a corner that is left out may lie from the line.

    Returns:
        For each outline the x and y of its corners, float64 (N, 2), N at least 3. The pixel in column c
        covers x from c to c + 1.
    """
    start, direction, following = _edges(mask)
    middle = (start + 0.5 * _STEPS[direction])[:, ::-1]  # (E, 2), x and y
    return [_simplified(middle[ring], tolerance) for ring in _rings(following)]


def _edges(mask: Bools) -> tuple[Ints, Ints, Ints]:
    """Return the sides of marked pixels beside unmarked ones, with what is marked on their right.

    Returns:
        The (row, column) of the corner where each begins, (E, 2); its direction, an index of `_STEPS`, (E,);
        and which side follows it, (E,).
    """
    framed = np.pad(mask, 1)
    inside = framed[1:-1, 1:-1]
    beside = (framed[:-2, 1:-1], framed[1:-1, 2:], framed[2:, 1:-1], framed[1:-1, :-2])
    corners = ((0, 0), (0, 1), (1, 1), (1, 0))  # where the upper, right, lower and left side begin
    found = [np.argwhere(inside & ~other) + corner for other, corner in zip(beside, corners, strict=True)]
    start = np.concatenate(found)
    direction = np.repeat(np.arange(4), [len(one) for one in found])
    width = mask.shape[1] + 1
    key = (start @ (width, 1)) * 4 + direction
    order = np.argsort(key)
    end = (start + _STEPS[direction]) @ (width, 1)
    following = np.full(len(start), -1)
    for turn in (1, 0, 3):  # to the right first: around one pixel where two touch at a corner, so that no
        # line meets itself
        wanted = end * 4 + (direction + turn) % 4
        place = np.minimum(np.searchsorted(key, wanted, sorter=order), max(0, len(key) - 1))
        there = (key[order[place]] == wanted) & (following < 0) if len(key) else following < 0
        following[there] = order[place[there]]
    return start, direction, following


def _rings(following: Ints) -> Iterator[list[int]]:
    """Yield the sides of each closed line, in order."""
    after = following.tolist()
    used = [False] * len(after)
    for first in range(len(after)):
        ring: list[int] = []
        side = first
        while not used[side]:
            used[side] = True
            ring.append(side)
            side = after[side]
        if ring:
            yield ring


def _simplified(points: Points, tolerance: float) -> Points:
    """Return a closed line with fewer corners, at least three of them.

    Douglas and Peucker, Algorithms for the reduction of the number of points, 1973: a piece becomes a
    straight line unless a corner is too far from it; there it is cut. The line is first cut in two where it
    is farthest from its first corner.
    """
    closed = np.concatenate([points, points[:1]])
    far = int(np.hypot(*(points - points[0]).T).argmax())
    kept = np.zeros(len(closed), dtype=np.bool_)
    kept[[0, far, -1]] = True
    pieces = [(0, far), (far, len(points))]
    while pieces:
        begin, end = pieces.pop()
        if end - begin < 2:
            continue
        distance = _distances(closed[begin + 1 : end], closed[begin], closed[end])
        worst = int(distance.argmax())
        if distance[worst] > tolerance:
            cut = begin + 1 + worst
            kept[cut] = True
            pieces += [(begin, cut), (cut, end)]
    if (
        kept[:-1].sum() < 3
    ):  # a line that is thinner than the tolerance keeps its farthest corner on either side
        distance = _distances(points, points[0], points[far])
        kept[int(distance.argmax())] = True
    return closed[:-1][kept[:-1]]


def _distances(points: Points, begin: Points, end: Points) -> npt.NDArray[np.float64]:
    """Return the distance of points (N, 2) from the line between two points, (N,)."""
    along = end - begin
    length = float(np.hypot(*along))
    share = np.clip((points - begin) @ along / max(length**2, 1e-12), 0.0, 1.0)
    x, y = (points - begin - share[:, None] * along).T
    distance: npt.NDArray[np.float64] = np.hypot(x, y)
    return distance


def without_holes(rings: Sequence[Points]) -> list[Points]:
    """Return the outlines of `contours` with each hole joined to the one around it, by a line there and back.

    Many programs know no holes and would fill them. So joined, every program fills the same pixels.
    """
    around = [ring for ring in rings if _area(ring) > 0]
    sizes = [_area(ring) for ring in around]
    order = np.argsort(sizes)
    for hole in (ring for ring in rings if _area(ring) < 0):
        owner = next((i for i in order.tolist() if _encloses(around[i], hole[0])), None)
        if owner is not None:
            around[owner] = _joined(around[owner], hole)
    return around


def _area(ring: Points) -> float:
    """Return the area that a closed line encloses; negative for a hole."""
    x, y = ring.T
    return float(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2


def _encloses(ring: Points, point: Points) -> bool:
    """Return whether a point lies inside a closed line: whether a line from it to the right is cut oddly."""
    begin, end = ring, np.roll(ring, -1, axis=0)
    crossed = (begin[:, 1] <= point[1]) != (end[:, 1] <= point[1])
    (x0, y0), (x1, y1) = begin[crossed].T, end[crossed].T
    x = x0 + (point[1] - y0) * ((x1 - x0) / (y1 - y0))
    return bool(np.count_nonzero(x > point[0]) % 2)


def _joined(ring: Points, hole: Points) -> Points:
    """Return a closed line that goes around, then to the hole at the shortest way, around it, and back."""
    distance = np.hypot(*(ring[:, None] - hole[None]).transpose(2, 0, 1))  # (N, M)
    i, j = (int(v) for v in np.unravel_index(int(distance.argmin()), distance.shape))
    return np.concatenate([ring[: i + 1], np.roll(hole, -j, axis=0), hole[[j]], ring[i:]])
