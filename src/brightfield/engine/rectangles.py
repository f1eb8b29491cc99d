"""Length and width of regions: the sides of the smallest rectangle around each, at any angle."""

from __future__ import annotations

import numpy as np

from brightfield.engine.regions import Bools, Floats, Ints, Runs

_LATTICE = np.array([(1, 0), (0, 1), *((p, q) for p in (1, 2, 3) for q in (-3, -2, -1, 1, 2, 3))])
_LATTICE = _LATTICE[np.gcd(_LATTICE[:, 0], _LATTICE[:, 1]) == 1]  # (K, 2): steps from pixel to pixel
_SPACING = 1 / np.hypot(_LATTICE[:, 0], _LATTICE[:, 1])  # of the lines of pixels in these directions, (K,)
_DIRECTIONS = _LATTICE * _SPACING[:, None]

_AT_ONCE = 1 << 20  # pairs of an edge and a corner that are looked at together, which bounds the memory


def smallest_rectangles(runs: Runs) -> Floats:
    """Return the length and the width of each region in pixels, float64 (count, 2); 0 if it is empty.

    They are the sides of the rectangle with the smallest area around the region. One of its sides lies along
    an edge of the convex hull (Freeman and Shapira 1975). The hull is that of the centres of the pixels, so a
    margin is added: what a drawn shape is longer on average than the centres inside it. Upright that is one
    pixel, so that 10 x 4 pixels measure 10 by 4.
    """
    corners, region = hulls(runs)
    begins = np.flatnonzero(np.diff(region, prepend=-1))
    sizes = np.diff(np.append(begins, len(region)))
    pairs = np.cumsum(sizes**2)
    sides = np.zeros((runs.count, 2))
    first = 0
    while first < len(sizes):
        done = pairs[first - 1] if first else 0
        last = max(first + 1, int(np.searchsorted(pairs, done + _AT_ONCE, side="right")))
        block = slice(begins[first], begins[last - 1] + sizes[last - 1])
        sides[region[begins[first:last]]] = _measured(corners[block], sizes[first:last])
        first = last
    return sides


def _measured(corners: Ints, sizes: Ints) -> Floats:
    """Return the length and width of regions, float64 (R, 2), given hulls of so many corners one by one."""
    begins = np.cumsum(sizes) - sizes
    ahead = np.arange(1, len(corners) + 1)
    ahead[begins + sizes - 1] = begins
    edges = corners[ahead] - corners  # (E, 2): from each corner to the next
    edges[(edges == 0).all(axis=1)] = (1, 0)  # of a single pixel
    edges = edges // np.gcd(edges[:, 0], edges[:, 1])[:, None]
    spacing = 1 / np.hypot(edges[:, 0], edges[:, 1])  # of the lines of pixels along each edge, (E,)
    per_edge = np.repeat(sizes, sizes)
    starts = np.cumsum(per_edge) - per_edge
    edge = np.repeat(np.arange(len(edges)), per_edge)  # (P,): every edge with every corner of its hull
    corner = np.arange(len(edge)) + np.repeat(np.repeat(begins, sizes) - starts, per_edge)
    along = (edges[edge] * corners[corner]).sum(axis=1)
    across = edges[edge, 0] * corners[corner, 1] - edges[edge, 1] * corners[corner, 0]
    length, width = (
        (np.maximum.reduceat(x, starts) - np.minimum.reduceat(x, starts)) * spacing for x in (along, across)
    )
    area = (length + spacing) * (width + spacing)
    by_hull_and_area = np.lexsort((area, np.repeat(np.arange(len(sizes)), sizes)))
    best = by_hull_and_area[begins]
    length, width, spacing = length[best], width[best], spacing[best]
    direction = edges[best] * spacing[:, None]
    turned = direction[:, ::-1] * np.array([-1, 1])
    sides = (length + _margin(turned, width + spacing), width + _margin(direction, length + spacing))
    return np.asarray(np.sort(np.stack(sides, axis=1), axis=1)[:, ::-1])


def _margin(direction: Floats, reach: Floats) -> Floats:
    """Return by how much a shape between two parallel sides is wider than the pixel centres in it, (R,).

    Lines of centres that run nearly along a side leave gaps between them. What lies between the outermost
    centres and the two sides is on average the mean gap, each gap counted by its size. Where no such line is
    near, centres are scattered: as many to a unit of width as the side has pixels.

    Args:
        direction: The unit vector (row, column) along the sides, (R, 2).
        reach: The length of the sides in pixels, (R,).
    """
    cosine = np.abs(direction @ _DIRECTIONS.T)  # (R, K)
    sine = np.abs(np.outer(direction[:, 0], _DIRECTIONS[:, 1]) - np.outer(direction[:, 1], _DIRECTIONS[:, 0]))
    gap = (_SPACING * cosine - reach[:, None] * sine).clip(min=0)
    return np.asarray(np.maximum((gap**2 / _SPACING).max(axis=1), 1 / reach).clip(max=1))


def hulls(runs: Runs) -> tuple[Ints, Ints]:
    """Return the corners of the convex hull of each region's pixel centres.

    Returns:
        The (row, column) of the corners, int64 (C, 2), in turn around each hull, and the region that each
        belongs to, int64 (C,), in ascending order.
    """
    row, left, right, region = _outline(runs)
    # two chains a region: its left side (even) and its right side (odd), each from top to bottom
    points = np.concatenate([np.stack([row, left], axis=1), np.stack([row, right], axis=1)])
    chain = np.concatenate([2 * region, 2 * region + 1])
    order = np.argsort(chain, kind="stable")
    points, chain = _without_dents(points[order], chain[order])
    # down the left side and up the right one
    around = np.lexsort((np.where(chain % 2, -points[:, 0], points[:, 0]), chain))
    points, region = points[around], chain[around] // 2
    return _without_repeats(points, region)


def _outline(runs: Runs) -> tuple[Ints, Ints, Ints, Ints]:
    """Return, for each row of each region, the row, the first and the last column, and the region."""
    order = np.lexsort((runs.row, runs.region))
    row, region = runs.row[order], runs.region[order]
    begins = np.flatnonzero(_differs(row) | _differs(region))
    if not len(begins):
        return row, row, row, row
    left = np.minimum.reduceat(runs.start[order], begins)
    right = np.maximum.reduceat(runs.end[order], begins) - 1
    return row[begins], left, right, region[begins]


def _without_dents(points: Ints, chain: Ints) -> tuple[Ints, Ints]:
    """Return the points of chains that are corners of the convex hull, and their chains; in any order.

    A point that does not stick out from the line between its two neighbours is no corner, whatever becomes of
    these. So all such points are dropped at once, again and again, until a chain has none left.

    Args:
        points: (row, column), int64 (N, 2), with ascending rows within a chain.
        chain: The chain of each point, int64 (N,), ascending; even ones are left sides, odd ones right sides.
    """
    done: list[tuple[Ints, Ints]] = [(points[:0], chain[:0])]
    while len(points):
        to, on = points[1:-1] - points[:-2], points[2:] - points[:-2]
        turn = to[:, 0] * on[:, 1] - to[:, 1] * on[:, 0]  # above 0 on the left of the line
        inner = chain[:-2] == chain[2:]
        dent = np.zeros(len(points), dtype=np.bool_)
        dent[1:-1] = inner & (np.where(chain[1:-1] % 2, -turn, turn) <= 0)
        changed = np.zeros(int(chain[-1]) + 1, dtype=np.bool_)
        changed[chain[dent]] = True
        settled = ~changed[chain]
        done.append((points[settled], chain[settled]))
        left = ~settled & ~dent
        points, chain = points[left], chain[left]
    return np.concatenate([p for p, _ in done]), np.concatenate([c for _, c in done])


def _without_repeats(points: Ints, region: Ints) -> tuple[Ints, Ints]:
    """Return the corners around hulls without those that equal the one before, or the first one."""
    new = _differs(points[:, 0]) | _differs(points[:, 1]) | _differs(region)
    points, region = points[new], region[new]
    begins = np.flatnonzero(_differs(region))
    last = np.append(begins[1:], len(region)) - 1 if len(begins) else begins
    again = (last > begins) & (points[begins] == points[last]).all(axis=1)
    kept = np.ones(len(points), dtype=np.bool_)
    kept[last[again]] = False
    return points[kept], region[kept]


def _differs(values: Ints) -> Bools:
    """Return whether each value differs from the one before, bool (N,); the first one does."""
    return np.append(np.True_, np.diff(values) != 0)[: len(values)]
