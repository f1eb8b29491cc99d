"""Measured length, width and area of drawn shapes of known size, at any angle and place between pixels.

A pixel belongs to a shape if its centre does. Beside ours stand the smallest rectangle around the pixels'
centres, which is what contour libraries return, and around their corners. The second part measures a mask of
4000 x 3000 px with many defects, against SciPy's labels alone:

    python benchmarks/measuring.py
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt
from scipy import ndimage
from scipy.spatial import ConvexHull

from brightfield.decide.defects import find, measured
from brightfield.engine.rectangles import smallest_rectangles
from brightfield.engine.regions import areas, regions_of
from record import Row, append
from runs import begun, new_parser

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Shape = tuple[Mask, float, float, float]
"""The mask, and the length, width and area that were drawn."""


def drawn(kind: str, rng: np.random.Generator) -> Shape:
    """Return a shape of random size, angle and place."""
    length, share = rng.uniform(20, 120), rng.uniform(0.1, 0.6)
    width = {"thin bands": rng.uniform(1, 3), "disks": length}.get(kind, max(3.0, share * length))
    side, angle, shift = int(length) + 8, rng.uniform(0, np.pi), rng.uniform(-0.5, 0.5, 2)
    y, x = np.mgrid[:side, :side] - side / 2 - shift[:, None, None]
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    if kind in ("rectangles", "thin bands"):
        return (abs(along) <= length / 2) & (abs(across) <= width / 2), length, width, length * width
    inside = (2 * along / length) ** 2 + (2 * across / width) ** 2 <= 1
    return inside, length, width, np.pi / 4 * length * width


def ours(mask: Mask) -> Floats:
    """Return length and width as a verdict gives them."""
    return np.asarray(smallest_rectangles(regions_of(mask))[0])


def of_centres(mask: Mask) -> Floats:
    """Return the sides of the smallest rectangle around the centres of the pixels."""
    return around(np.argwhere(mask).astype(float))


def of_corners(mask: Mask) -> Floats:
    """Return the sides of the smallest rectangle around the corners of the pixels."""
    pixels = np.argwhere(mask)
    return around(np.concatenate([pixels + np.array([y, x]) for y in (-0.5, 0.5) for x in (-0.5, 0.5)]))


def around(points: Floats) -> Floats:
    """Return the sides, the longer first, of the smallest rectangle around points."""
    corners = points[ConvexHull(points, qhull_options="QJ").vertices]
    edges = np.roll(corners, -1, axis=0) - corners
    units = edges / np.linalg.norm(edges, axis=1)[:, None]
    turned = units[:, ::-1] * (-1, 1)
    sides = np.stack([np.ptp(corners @ u.T, axis=0) for u in (units, turned)], axis=1)
    best = sides[sides.prod(axis=1).argmin()]
    return np.sort(best)[::-1]


WAYS: dict[str, Callable[[Mask], Floats]] = {
    "brightfield": ours,
    "around centres": of_centres,
    "around corners": of_corners,
}


def errors(kind: str, count: int) -> Iterator[Row]:
    """Yield the mean and the largest error of each way, in pixels, and the error of the area, in percent."""
    rng = np.random.default_rng(0)
    shapes = [shape for shape in (drawn(kind, rng) for _ in range(count)) if regions_of(shape[0]).count == 1]
    for name, way in WAYS.items():
        off = np.array([way(mask) - (length, width) for mask, length, width, _ in shapes])
        for k, what in enumerate(("length", "width")):
            yield Row("measuring", kind, name, 0, f"{what}_mean_error", float(off[:, k].mean()), "px")
            yield Row("measuring", kind, name, 0, f"{what}_largest_error", float(abs(off[:, k]).max()), "px")
            beyond = float((abs(off[:, k]) > 1).mean())
            yield Row("measuring", kind, name, 0, f"{what}_off_by_more_than_a_pixel", beyond, "share")
    off_area = [100 * abs(areas(regions_of(mask))[0] / area - 1) for mask, _, _, area in shapes]
    yield Row("measuring", kind, "brightfield", 0, "area_median_error", statistics.median(off_area), "%")


def times(size: tuple[int, int], repeats: int) -> Iterator[Row]:
    """Yield the milliseconds of measuring all defects of a large mask, and of SciPy's labels alone."""
    rng = np.random.default_rng(0)
    small = rng.normal(size=(size[0] // 40, size[1] // 40)).astype(np.float32)
    heat = ndimage.zoom(small, 40, order=1)
    mask = heat > np.quantile(heat, 0.99)
    taken: dict[str, list[float]] = {"brightfield, everything": [], "SciPy, labels alone": []}
    for _ in range(repeats):
        for name, work in (
            ("brightfield, everything", lambda: len(measured(find(mask, heat, "defect")))),
            ("SciPy, labels alone", lambda: ndimage.label(mask, np.ones((3, 3)))[1]),
        ):
            begin = time.perf_counter()
            count = work()
            taken[name].append(1000 * (time.perf_counter() - begin))
    dataset = f"a mask of {size[1]} x {size[0]} px, {count} defects"
    for name, of in taken.items():
        yield Row("measuring", dataset, name, 0, "milliseconds_median", statistics.median(of), "ms")


def main() -> None:
    """Measure, print and record."""
    parser = new_parser(__doc__)
    parser.add_argument("--shapes", type=int, default=2000, help="how many of each kind")
    with begun(parser, "measuring") as (args, _):
        count, size, repeats = (20, (400, 600), 1) if args.smoke else (args.shapes, (3000, 4000), 9)
        rows = [
            row for kind in ("rectangles", "thin bands", "ellipses", "disks") for row in errors(kind, count)
        ]
        rows += times(size, repeats)
        append(args.output, rows)
        for row in rows:
            print(f"{row.dataset}, {row.variant}: {row.metric} {row.value:.4g} {row.unit}")


if __name__ == "__main__":
    main()
