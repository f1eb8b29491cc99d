from __future__ import annotations

import hashlib

import numpy as np
import pytest
from scipy import ndimage

from brightfield.engine.measurement import compressed, in_cells, measure


def grey(levels: np.ndarray) -> np.ndarray:
    return np.repeat(np.asarray(levels, np.uint8)[..., None], 3, axis=2)


def test_levels_of_a_picture_worked_out_by_hand() -> None:
    # left half black, right half at 102 of 255: the mean is 0.2 and so is the standard deviation
    levels = np.zeros((40, 40))
    levels[:, 20:] = 102
    found = measure(grey(levels), None, (400, 300), None)
    assert found.brightness == pytest.approx(0.2, abs=1e-6)
    assert found.contrast == pytest.approx(0.2, abs=1e-6)
    assert (found.height, found.width) == (400, 300)
    # one edge in 39 steps across, seen from 4 of the 36 pairs that are 4 apart
    assert found.sharpness == pytest.approx(np.sqrt((1 / 39) / (4 / 36)), rel=1e-5)
    assert found.column == pytest.approx(19.5 / 40)
    assert found.row == pytest.approx(0.5)


def test_edges_say_where_the_part_is() -> None:
    levels = np.full((50, 100), 200)
    levels[10:20, 70:80] = 50
    here = measure(grey(levels), None, (50, 100), None)
    moved = measure(grey(np.roll(levels, (20, -40), axis=(0, 1))), None, (50, 100), None)
    assert moved.row - here.row == pytest.approx(20 / 50, abs=0.01)
    assert moved.column - here.column == pytest.approx(-40 / 100, abs=0.01)


def test_sharpness_knows_blur_and_noise_but_neither_light_nor_contrast() -> None:
    rng = np.random.default_rng(0)
    fine = np.kron(rng.integers(60, 120, (16, 16)), np.ones((8, 8)))

    def sharpness(levels: np.ndarray) -> float:
        return measure(grey(levels.round()), None, (128, 128), None).sharpness

    soft = ndimage.uniform_filter(fine, 4)
    assert sharpness(soft) < 0.8 * sharpness(fine) < sharpness(fine + rng.normal(0, 20, fine.shape))
    assert sharpness(2 * fine) == pytest.approx(sharpness(fine), rel=1e-3)
    assert sharpness(fine + 60) == pytest.approx(sharpness(fine), rel=1e-3)
    noise = rng.integers(0, 256, (128, 128))
    assert sharpness(noise) == pytest.approx(1.0, abs=0.02)
    assert measure(grey(np.full((20, 20), 9)), None, (20, 20), None).sharpness == 0.0


def test_outside_the_region_nothing_is_measured() -> None:
    rng = np.random.default_rng(1)
    inside = np.zeros((60, 60), np.bool_)
    inside[20:40, 10:50] = True
    part = rng.integers(0, 256, (60, 60))
    one, other = (np.where(inside, part, rng.integers(0, 256, (60, 60))) for _ in range(2))
    first, second = (measure(grey(levels), inside, (60, 60), np.zeros(3)) for levels in (one, other))
    assert first.brightness == pytest.approx(second.brightness)
    assert first.contrast == pytest.approx(second.contrast)
    assert first.sharpness == pytest.approx(second.sharpness)
    assert first.brightness == pytest.approx(part[inside].mean() / 255, rel=1e-5)


def test_a_picture_without_an_embedding_stands_for_itself() -> None:
    levels = np.zeros((80, 80))
    levels[:40, :40] = 255
    found = measure(grey(levels), None, (80, 80), None).embedding
    assert found is not None
    assert found.shape == (32,)
    assert found[:16].reshape(4, 4) == pytest.approx(np.kron([[1, 0], [0, 0]], np.ones((2, 2))))


@pytest.mark.parametrize("shape", [(4, 4), (7, 13), (2, 3)])
def test_cells_are_means(shape: tuple[int, int]) -> None:
    values = np.random.default_rng(2).random(shape).astype(np.float32)
    rows, columns = (np.arange(5) * side // 4 for side in shape)
    for i, found in enumerate(in_cells(values)):
        down, across = (
            slice(s[k], max(s[k + 1], s[k] + 1)) for s, k in zip((rows, columns), divmod(i, 4), strict=True)
        )
        assert found == pytest.approx(values[down, across].mean(), rel=1e-5)


def test_compressed_vectors_keep_their_distances() -> None:
    rng = np.random.default_rng(3)
    many = rng.normal(size=(40, 3000)).astype(np.float32)
    short = compressed(many)
    assert short.shape == (40, 32)
    before = np.linalg.norm(many[:, None] - many, axis=2)[np.triu_indices(40, 1)]
    after = np.linalg.norm(short[:, None] - short, axis=2)[np.triu_indices(40, 1)]
    ratios = after / before
    # each sign is +-1 / sqrt(D), so lengths shrink by sqrt(32 / D); the spread of 32 squares is an eighth
    assert ratios.mean() == pytest.approx(np.sqrt(32 / 3000), rel=0.05)
    assert ratios.std() / ratios.mean() < 0.2


def test_the_signs_are_those_of_a_published_hash() -> None:
    stream = hashlib.shake_256(b"brightfield: random projection").digest(64 * 32 // 8)
    first_row = [1 if stream[i // 8] >> (7 - i % 8) & 1 else -1 for i in range(64)]
    vector = np.random.default_rng(4).normal(size=(1, 64)).astype(np.float32)
    assert compressed(vector)[0, 0] == pytest.approx(vector[0] @ first_row / 8, rel=1e-4)


def test_short_vectors_stay() -> None:
    vectors = np.random.default_rng(5).random((3, 32)).astype(np.float32)
    assert compressed(vectors) is vectors
