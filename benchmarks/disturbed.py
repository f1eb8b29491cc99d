"""Disturbances of a camera or a lamp at severity 3 of 5, on uint8 pictures (H, W, 3).

Brightness, blur, noise, contrast and JPEG are those of Hendrycks and Dietterich, Benchmarking neural network
robustness to common corruptions and perturbations, 2019, severity 3.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy import ndimage

Rgb = npt.NDArray[np.uint8]
Disturb = Callable[[Rgb, int], Rgb]
"""From a picture and its number, which seeds what is random, to the disturbed picture."""


def _in_levels(values: npt.NDArray[np.floating]) -> Rgb:
    return np.asarray(np.clip(np.rint(values), 0, 255), dtype=np.uint8)


def brighter(picture: Rgb, _seed: int) -> Rgb:
    """Return the picture with 0.3 of white added."""
    return _in_levels(picture + 0.3 * 255.0)


def darker(picture: Rgb, _seed: int) -> Rgb:
    """Return the picture under seven tenths of the light."""
    return _in_levels(picture * 0.7)


def blurred(picture: Rgb, _seed: int) -> Rgb:
    """Return the picture blurred by a Gaussian of 3 px."""
    return _in_levels(ndimage.gaussian_filter(picture.astype(np.float64), (3, 3, 0), mode="nearest"))


def noisy(picture: Rgb, seed: int) -> Rgb:
    """Return the picture with noise of 0.18 of white in each channel."""
    noise = np.random.default_rng(seed).normal(0, 0.18 * 255, picture.shape)
    return _in_levels(picture + noise)


def low_contrast(picture: Rgb, _seed: int) -> Rgb:
    """Return the picture at a fifth of its contrast, around its mean."""
    mean = picture.mean(axis=(0, 1), keepdims=True)
    return _in_levels((picture - mean) * 0.2 + mean)


def compressed(picture: Rgb, _seed: int) -> Rgb:
    """Return the picture as JPEG of quality 15."""
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=15)
    with Image.open(buffer) as image:
        return np.asarray(image.convert("RGB"))


def shifted(picture: Rgb, _seed: int) -> Rgb:
    """Return the picture moved right and down by a tenth of its sides; new pixels repeat the border."""
    height, width = picture.shape[:2]
    down, right = round(height / 10), round(width / 10)
    padded = np.pad(picture, ((down, 0), (right, 0), (0, 0)), mode="edge")
    return padded[:height, :width]


def dimmed(share: float) -> Disturb:
    """Return what leaves a share of the light: a step of a lamp that ages."""
    return lambda picture, _seed: _in_levels(picture * share)


def with_texture(textures: list[Rgb]) -> Disturb:
    """Return what lays a texture of other parts over a picture, at three tenths."""

    def lay(picture: Rgb, seed: int) -> Rgb:
        height, width = picture.shape[:2]
        texture = Image.fromarray(textures[seed % len(textures)]).resize((width, height))
        return _in_levels(0.7 * picture + 0.3 * np.asarray(texture, dtype=np.float64))

    return lay


STEPS: dict[str, Disturb] = {
    "brighter": brighter,
    "darker": darker,
    "blur": blurred,
    "noise": noisy,
    "contrast": low_contrast,
    "JPEG": compressed,
    "shift": shifted,
}
"""The disturbances that need nothing else, by name."""

RAMP = (0.96, 0.92, 0.88, 0.84, 0.8, 0.76, 0.72)
"""The shares of light of a lamp that ages."""
