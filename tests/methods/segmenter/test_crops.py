"""Random crops: labels follow their pixels, rare types are drawn often, and what does not count does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from brightfield.methods.segmenter import crops as module
from brightfield.methods.segmenter.crops import ON_A_DEFECT, Crop, Crops, lit
from brightfield.methods.segmenter.losses import UNKNOWN
from brightfield.methods.segmenter.marks import Marks

Picture = npt.NDArray[np.uint8]
FILL = (255, 254, 253)


class Pictures:
    """Pictures in memory, as a pixel cache has them."""

    def __init__(self, pictures: Sequence[Picture]) -> None:
        self.pictures = pictures
        self.shapes = [picture.shape for picture in pictures]

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> Picture:
        return self.pictures[i]


def encoded(types: npt.NDArray[np.uint8]) -> Picture:
    """Return a picture whose pixels say their type, their row and their column."""
    rows, columns = np.indices(types.shape)
    return np.stack([types, rows, columns], axis=2).astype(np.uint8)


def marks_of(types: npt.NDArray[np.uint8]) -> Marks:
    """Return the marks of a map of types, in their box."""
    if not types.any():
        return Marks(known=True)
    rows, columns = np.flatnonzero(types.any(1)), np.flatnonzero(types.any(0))
    top, left = int(rows[0]), int(columns[0])
    return Marks(True, top, left, types[top : rows[-1] + 1, left : columns[-1] + 1])


def with_box(shape: tuple[int, int], number: int, box: tuple[slice, slice]) -> npt.NDArray[np.uint8]:
    types = np.zeros(shape, np.uint8)
    types[box] = number
    return types


def crops_of(
    maps: Sequence[npt.NDArray[np.uint8]], side: int = 32, weak: dict[int, int] | None = None
) -> Crops:
    """Return crops of pictures with these types; of the weak ones only the class's type is known."""
    weak = weak or {}
    marks = [Marks(known=False) if i in weak else marks_of(types) for i, types in enumerate(maps)]
    pictures: Any = Pictures([encoded(types) for types in maps])
    return Crops(pictures, marks, [weak.get(i, 0) for i in range(len(maps))], side, FILL)


@pytest.fixture
def unlit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the pixels' values as they are, so that they can be read."""
    monkeypatch.setattr(module, "lit", lambda pixels, _rng: np.ascontiguousarray(pixels))


MAPS = [
    with_box((48, 70), 1, np.s_[5:9, 10:60]),
    with_box((20, 90), 2, np.s_[0:20, 88:90]),  # lower than a crop, with a defect at the border
    with_box((12, 14), 1, np.s_[3:6, 3:5]),  # smaller than a crop
    np.zeros((64, 64), np.uint8),
]


def window_of(crop: Crop) -> tuple[npt.NDArray[np.bool_], Picture]:
    """Return which pixels of a crop are inside the picture, and the pixels."""
    return ~(crop.pixels == np.array(FILL)).all(2), crop.pixels


@pytest.mark.usefixtures("unlit")
def test_labels_follow_their_pixels_under_turns_and_mirrors() -> None:
    rng = np.random.default_rng(0)
    crops = crops_of(MAPS)
    ways = set()
    for _ in range(400):
        crop = crops.draw(rng)
        assert crop.pixels.shape == (32, 32, 3)
        assert (crop.pixels.dtype, crop.labels.dtype) == (np.uint8, np.uint8)
        inside, pixels = window_of(crop)
        height, width = MAPS[crop.picture].shape
        assert int(inside.sum()) == min(32, height) * min(32, width), "as much of the picture as fits"
        np.testing.assert_array_equal(crop.labels[inside], pixels[inside][:, 0])
        assert (crop.labels[~inside] == UNKNOWN).all()
        at = np.argwhere(inside)
        rows, columns = (np.zeros((32, 32), int) for _ in range(2))
        rows[inside], columns[inside] = pixels[inside][:, 1], pixels[inside][:, 2]
        (y, x), down, right = at[0], at[0] + (1, 0), at[0] + (0, 1)
        steps = tuple(
            (int(rows[tuple(to)] - rows[y, x]), int(columns[tuple(to)] - columns[y, x]))
            for to in (down, right)
        )
        ways.add(steps)
    units = [(0, 1), (1, 0), (0, -1), (-1, 0)]
    assert ways == {(a, b) for a in units for b in units if a[0] * b[0] + a[1] * b[1] == 0}, "all eight"


@pytest.mark.usefixtures("unlit")
def test_every_type_is_drawn_about_as_often_however_rare() -> None:
    rng = np.random.default_rng(1)
    common = [with_box((48, 48), 1, np.s_[10:40, 10:40])] * 30
    rare = with_box((48, 48), 2, np.s_[47:48, 0:1])  # one pixel in a corner
    crops = crops_of([*common, rare, *[np.zeros((48, 48), np.uint8)] * 9])
    drawn = [crops.draw(rng) for _ in range(3000)]
    # half of what is drawn on a defect is of either type, the rest is anywhere in 40 pictures
    expected = ON_A_DEFECT / 2 + (1 - ON_A_DEFECT) / 40
    found = sum(crop.picture == 30 for crop in drawn) / len(drawn)
    assert found == pytest.approx(expected, abs=4 * (expected * (1 - expected) / 3000) ** 0.5)
    shown = sum(2 in crop.labels for crop in drawn) / len(drawn)
    assert shown >= ON_A_DEFECT / 2 - 0.04, "the crop shows what it was drawn for"


@pytest.mark.usefixtures("unlit")
def test_crops_show_the_defect_away_from_their_border_where_that_fits() -> None:
    rng = np.random.default_rng(2)
    crops = crops_of(
        [with_box((200, 200), 1, np.s_[100:101, 120:121]), *[np.zeros((200, 200), np.uint8)] * 99]
    )
    at = [np.argwhere(crop.labels == 1) for crop in (crops.draw(rng) for _ in range(300))]
    seen = np.concatenate([places for places in at if len(places)])
    assert len(seen) >= 0.6 * 300
    assert seen.min() >= 7
    assert seen.max() <= 24
    assert len(np.unique(seen, axis=0)) > 80, "not always in the middle"


@pytest.mark.usefixtures("unlit")
def test_of_pictures_without_masks_only_the_class_is_known() -> None:
    rng = np.random.default_rng(3)
    defect = with_box((48, 48), 1, np.s_[4:20, 4:20])
    crops = crops_of([defect, defect, defect, defect, MAPS[3]], weak={1: 2, 2: 0})
    drawn = [crops.draw(rng) for _ in range(3000)]
    for crop in drawn:
        assert crop.weak == {1: 2, 2: 0}.get(crop.picture)
        if crop.weak is not None:
            assert not crop.labels.any()
    counts = Counter(crop.picture for crop in drawn)
    assert counts[1] + counts[2] == pytest.approx(3000 * ON_A_DEFECT / 2, rel=0.1), (
        "two of four with a defect"
    )
    assert counts[1] == pytest.approx(counts[2], rel=0.15)
    assert crops.anywhere(2, rng).picture == 2
    small = crops_of([MAPS[2], MAPS[3]], weak={0: 1}).anywhere(0, rng)
    inside, _ = window_of(small)
    assert (small.labels == np.where(inside, 0, UNKNOWN)).all(), "and where the picture is"


@pytest.mark.usefixtures("unlit")
def test_without_any_masked_defect_the_others_are_drawn() -> None:
    rng = np.random.default_rng(4)
    good = crops_of([MAPS[3], MAPS[3]])
    assert {good.draw(rng).picture for _ in range(50)} == {0, 1}
    weak = crops_of([MAPS[0], MAPS[3]], weak={0: 1})
    assert {weak.draw(rng).picture for _ in range(50)} == {0, 1}


def test_the_same_seed_draws_the_same_crops() -> None:
    crops = crops_of(MAPS, weak={2: 1})
    first, again, other = (np.random.default_rng(seed) for seed in (7, 7, 8))
    differ = 0
    for _ in range(20):
        a, b, c = crops.draw(first), crops.draw(again), crops.draw(other)
        assert (a.picture, a.weak) == (b.picture, b.weak)
        np.testing.assert_array_equal(a.pixels, b.pixels)
        np.testing.assert_array_equal(a.labels, b.labels)
        differ += not np.array_equal(a.pixels, c.pixels)
    assert differ > 15


def test_a_crop_at_a_place_is_as_it_is_there() -> None:
    crop = crops_of(MAPS).cut(0, (2, 40))
    np.testing.assert_array_equal(crop.pixels[:, :30], encoded(MAPS[0])[2:34, 40:70])
    assert (crop.pixels[:, 30:] == FILL).all()
    assert crop.labels[:, :30].tolist() == MAPS[0][2:34, 40:70].tolist()
    assert (crop.labels[:, 30:] == UNKNOWN).all()


def test_pixels_are_counted_by_type() -> None:
    crops = crops_of([*MAPS, MAPS[0]], weak={4: 1})
    expected = [sum(int((types == n).sum()) for types in MAPS) for n in range(4)]
    assert crops.pixel_counts(3) == expected


def test_light_changes_and_geometry_does_not() -> None:
    rng = np.random.default_rng(5)
    ramp = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 16, 0).repeat(3, 2)
    means, noisy = [], 0
    for _ in range(200):
        found = lit(ramp, rng)
        assert (found.shape, found.dtype) == (ramp.shape, np.uint8)
        assert (found[..., 0] == found[..., 1]).all(), "grey stays grey"
        assert (np.diff(found.mean((0, 2)), prepend=0) > -12).all(), (
            "what is brighter stays so, but for noise"
        )
        noisy += bool((found[0] != found[1]).any())
        means.append(found.mean())
    assert 60 < noisy < 140
    assert 60 < min(means) < 120 < max(means) < 190
