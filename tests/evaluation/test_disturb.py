"""Shots differ as they are told to, and by no more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from brightfield.errors import ConfigError
from brightfield.evaluation.disturb import Disturbance, Shot


def picture(kind: type = np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(20, 180, (20, 30), dtype=np.uint8).astype(kind)


def test_a_shot_without_a_difference_is_the_picture() -> None:
    for pixels in (picture(), picture(np.uint16) * 200, np.stack([picture()] * 3, -1)):
        seen = Shot().of(pixels)
        assert seen.dtype == pixels.dtype
        assert np.array_equal(seen, pixels)


def test_moved() -> None:
    pixels = picture()
    seen = Shot(move=(2.0, -3.0)).of(pixels)
    assert np.array_equal(seen[2:, :-3], pixels[:-2, 3:])
    assert np.array_equal(seen[0, :-3], pixels[0, 3:]), "what comes in repeats the rim"
    colour = np.stack([pixels, pixels // 2, pixels // 3], -1)
    assert np.array_equal(Shot(move=(2.0, -3.0)).of(colour)[2:, :-3], colour[:-2, 3:])


def test_light_is_cut_off_at_white() -> None:
    pixels = np.array([[100, 250]], np.uint8)
    assert Shot(gain=1.1).of(pixels).tolist() == [[110, 255]]
    assert Shot(gain=0.5).of(np.array([[60000]], np.uint16)).tolist() == [[30000]]


def test_out_of_focus() -> None:
    pixels = picture()
    expected = gaussian_filter(pixels.astype(np.float64), 1.5, mode="nearest")
    assert np.abs(Shot(blur=1.5).of(pixels) - expected).max() <= 0.51


def test_what_is_drawn_stays_within_its_ends() -> None:
    far, rng = Disturbance(3, 0.2, 1.5), np.random.default_rng(0)
    drawn = [far.draw(rng) for _ in range(300)]
    assert 2.5 < max(abs(v) for s in drawn for v in s.move) <= 3
    assert 0.8 <= min(s.gain for s in drawn) < 0.85
    assert 1.15 < max(s.gain for s in drawn) <= 1.2
    assert 0 <= min(s.blur for s in drawn) < 0.1
    assert 1.4 < max(s.blur for s in drawn) <= 1.5


def test_causes_are_those_that_are_asked_for() -> None:
    assert list(Disturbance().causes()) == ["moved", "darker", "brighter", "out of focus"]
    assert Disturbance(0, 0.3, 0).causes() == {"darker": Shot(gain=0.7), "brighter": Shot(gain=1.3)}


@pytest.mark.parametrize(
    ("values", "said"), [((-1, 0, 0), "--shift is -1"), ((0, 1, 0), "--light"), ((0, 0, 999), "--focus")]
)
def test_what_is_refused(values: tuple[float, float, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Disturbance(*values)
