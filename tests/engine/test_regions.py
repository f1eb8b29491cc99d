"""Connected regions, their measures, and their rectangles, beside SciPy and shapes of known size."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from brightfield.engine.rectangles import hulls, smallest_rectangles
from brightfield.engine.regions import areas, boxes, centres, largest_by_region, parts_of, regions_of

Mask = npt.NDArray[np.bool_]


def numbered(mask: Mask) -> npt.NDArray[np.int64]:
    """Return the region of each pixel from 1 on, 0 elsewhere."""
    runs = regions_of(mask)
    out = np.zeros(mask.shape, np.int64)
    out[mask] = np.repeat(runs.region, runs.length) + 1
    return out


def masks() -> list[Mask]:
    rng = np.random.default_rng(0)
    drawn = [rng.random(rng.integers(1, 40, 2)) < rng.random() for _ in range(150)]
    rows, columns = np.mgrid[:90, :90] - 45
    spiral = (np.hypot(rows, columns) + np.arctan2(rows, columns) * 3 / np.pi) % 6 < 2
    comb = np.zeros((30, 61), bool)
    comb[:, ::2] = True
    comb[-1] = True
    return [*drawn, spiral, comb, comb[::-1], np.ones((5, 7), bool), np.zeros((4, 4), bool)]


def test_regions_are_those_of_scipy() -> None:
    for mask in masks():
        expected, count = ndimage.label(mask, np.ones((3, 3)))
        assert np.array_equal(numbered(mask), expected)
        assert regions_of(mask).count == count


def test_measures_are_those_of_scipy() -> None:
    rng = np.random.default_rng(1)
    for mask in masks():
        runs, (labels, count) = regions_of(mask), ndimage.label(mask, np.ones((3, 3)))
        index = np.arange(1, count + 1)
        values = rng.normal(size=mask.shape).astype(np.float32)
        assert areas(runs).tolist() == ndimage.sum(mask, labels, index).tolist()
        assert np.allclose(centres(runs), np.reshape(ndimage.center_of_mass(mask, labels, index), (-1, 2)))
        assert (
            largest_by_region(runs, values[mask]).tolist() == ndimage.maximum(values, labels, index).tolist()
        )
        slices = ndimage.find_objects(labels)
        assert boxes(runs).tolist() == [
            [r.start, c.start, r.stop - r.start, c.stop - c.start] for r, c in slices
        ]


def test_what_is_left_of_a_region_keeps_its_number() -> None:
    mask = np.zeros((6, 9), bool)
    mask[0:2, 0:9] = True
    mask[4, 2:5] = True
    inside = np.zeros_like(mask)
    inside[:, 1:3] = True
    inside[:, 6:8] = True
    left = parts_of(regions_of(mask), mask & inside)
    assert left.count == 2
    assert areas(left).tolist() == [8, 1]
    assert boxes(left).tolist() == [[0, 1, 2, 7], [4, 2, 1, 1]]
    gone = parts_of(regions_of(mask), mask & (np.arange(6) > 2)[:, None])
    assert areas(gone).tolist() == [0, 3]
    assert smallest_rectangles(gone).tolist() == [[0, 0], [3, 1]]


def rectangle(length: float, width: float, degrees: float, offset: npt.NDArray[np.float64]) -> Mask:
    """Return the pixels whose centres lie in a rectangle."""
    side = int(length) + 8
    y, x = np.mgrid[:side, :side] - side / 2 - offset[:, None, None]
    angle = np.deg2rad(degrees)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    return np.asarray((abs(along) <= length / 2) & (abs(across) <= width / 2))


@pytest.mark.parametrize(("length", "width"), [(40, 4), (60.5, 6.3), (90, 20), (33, 32)])
def test_rectangles_at_every_angle_are_measured_within_a_pixel(length: float, width: float) -> None:
    rng = np.random.default_rng(2)
    errors = []
    for degrees in np.arange(0, 180, 2.5):
        runs = regions_of(rectangle(length, width, degrees, rng.uniform(-0.5, 0.5, 2)))
        assert runs.count == 1
        errors.append(smallest_rectangles(runs)[0] - (length, width))
    assert np.abs(errors).max() < 1
    assert np.abs(np.mean(errors, axis=0)).max() < 0.25  # and neither too long nor too short on average


def test_disks_and_ellipses_are_measured_within_a_pixel() -> None:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:100, :100] - 50.0
    for _ in range(60):
        radius, (dy, dx) = rng.uniform(1.5, 40), rng.uniform(-0.5, 0.5, 2)
        disk = regions_of(np.hypot(y - dy, x - dx) <= radius)
        assert np.abs(smallest_rectangles(disk)[0] - 2 * radius).max() < 1
    for _ in range(60):
        short, angle = rng.uniform(8, 20), rng.uniform(0, np.pi)
        along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
        ellipse = regions_of((along / (2 * short)) ** 2 + (across / short) ** 2 <= 1)
        assert (
            np.abs(smallest_rectangles(ellipse)[0] - (4 * short, 2 * short)).max() < 1.3
        )  # its tips are thin


def test_lines_of_one_pixel_are_as_long_as_drawn() -> None:
    rng = np.random.default_rng(4)
    for _ in range(200):
        ends = rng.integers(0, 80, (2, 2))
        picture = Image.new("1", (80, 80))
        ImageDraw.Draw(picture).line([(int(x), int(y)) for x, y in ends], 1)
        length, width = smallest_rectangles(regions_of(np.asarray(picture)))[0]
        between_centres = float(np.hypot(*(ends[1] - ends[0])))
        assert length == pytest.approx(between_centres + 1, abs=0.05)
        assert 0.6 < width <= 1


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (2, 2), (10, 4)])
def test_upright_rectangles_are_exact(shape: tuple[int, int]) -> None:
    mask = np.zeros((20, 20), bool)
    mask[3 : 3 + shape[0], 5 : 5 + shape[1]] = True
    runs = regions_of(mask)
    assert smallest_rectangles(runs)[0].tolist() == pytest.approx(sorted(shape, reverse=True))
    assert centres(runs)[0].tolist() == [3 + (shape[0] - 1) / 2, 5 + (shape[1] - 1) / 2]


def test_a_rectangle_of_many_regions_is_that_of_each_alone() -> None:
    rng = np.random.default_rng(5)
    mask = ndimage.binary_dilation(rng.random((200, 300)) < 0.004, iterations=3) & (
        rng.random((200, 300)) < 0.9
    )
    labels, count = ndimage.label(mask, np.ones((3, 3)))
    together = smallest_rectangles(regions_of(mask))
    assert len(together) == count > 20
    for i in range(count):
        assert smallest_rectangles(regions_of(labels == i + 1))[0].tolist() == together[i].tolist()


def test_hulls_are_those_of_scipy() -> None:
    from scipy.spatial import ConvexHull

    rng = np.random.default_rng(6)
    for _ in range(50):
        mask = ndimage.binary_dilation(rng.random((30, 30)) < 0.01, iterations=2)
        labels, _ = ndimage.label(mask, np.ones((3, 3)))
        corners, region = hulls(regions_of(mask))
        for i in np.unique(region):
            expected = ConvexHull(np.argwhere(labels == i + 1))
            assert {tuple(p) for p in corners[region == i]} == {
                tuple(p) for p in expected.points[expected.vertices]
            }
