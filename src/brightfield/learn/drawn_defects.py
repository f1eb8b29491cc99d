"""Defects drawn on pictures of good parts, to compare detectors where no real defect is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]
Rng = np.random.Generator


def with_defect(rng: Rng, picture: Picture, other: Picture) -> tuple[Picture, Mask]:
    """Return a picture with one drawn defect, and the defect's mask.

    The kinds are a pasted piece of another good part (CutPaste, Li et al. 2021), a narrow pasted piece, a
    stain, darker or brighter with a soft outline, and a crack. They tell whether a detector sees small
    changes of structure; they do not tell what real defects look like.

    Args:
        rng: The random generator.
        picture: A good part, uint8 (h, w, 3).
        other: Another good part, of any size, from which pieces are taken.

    Returns:
        uint8 (h, w, 3) and bool (h, w).
    """
    draw = KINDS[int(rng.integers(len(KINDS)))]
    return draw(rng, picture, other)


def _pasted(rng: Rng, picture: Picture, other: Picture) -> tuple[Picture, Mask]:
    return _paste(rng, picture, other, area=(0.003, 0.03), aspect=(0.4, 2.5))


def _scar(rng: Rng, picture: Picture, other: Picture) -> tuple[Picture, Mask]:
    return _paste(rng, picture, other, area=(0.0008, 0.004), aspect=(5, 14))


def _paste(
    rng: Rng, picture: Picture, other: Picture, area: tuple[float, float], aspect: tuple[float, float]
) -> tuple[Picture, Mask]:
    """Paste a turned rectangle of another picture, with changed brightness, at a random place."""
    height, width = picture.shape[:2]
    size = height * width * np.exp(rng.uniform(*np.log(area)))
    ratio = np.exp(rng.uniform(*np.log(aspect)))
    tall, wide = (max(2, round(v)) for v in (np.sqrt(size / ratio), np.sqrt(size * ratio)))
    tall, wide = min(tall, other.shape[0]), min(wide, other.shape[1])
    top = int(rng.integers(other.shape[0] - tall + 1))
    left = int(rng.integers(other.shape[1] - wide + 1))
    piece = other[top : top + tall, left : left + wide].astype(np.float32)
    piece = (piece * rng.uniform(0.75, 1.25) + rng.uniform(-20, 20)).clip(0, 255).astype(np.uint8)
    angle = float(rng.uniform(0, 180))
    turned = Image.fromarray(piece).rotate(angle, expand=True, resample=Image.Resampling.BILINEAR)
    covered = Image.new("L", (wide, tall), 255).rotate(angle, expand=True)
    y = int(rng.integers(0, max(1, height - turned.height)))
    x = int(rng.integers(0, max(1, width - turned.width)))
    out = Image.fromarray(picture)
    out.paste(turned, (x, y), covered)
    mask = Image.new("L", (width, height))
    mask.paste(covered, (x, y))
    return np.array(out), np.array(mask) > 127


def _stain(rng: Rng, picture: Picture, _other: Picture) -> tuple[Picture, Mask]:
    """Darken or brighten a blob with a soft outline."""
    height, width = picture.shape[:2]
    side = min(height, width)
    noise = gaussian_filter(rng.standard_normal((height, width)), side * float(rng.uniform(0.01, 0.04)))
    rows, columns = np.mgrid[:height, :width]
    radius = side * float(np.exp(rng.uniform(np.log(0.03), np.log(0.15))))
    y, x = rng.uniform(0.1, 0.9) * height, rng.uniform(0.1, 0.9) * width
    distance = np.sqrt((rows - y) ** 2 + (columns - x) ** 2) / radius
    shape = 1.0 - distance + 0.6 * noise / max(float(noise.std()), 1e-9)
    weight = np.clip(shape * 2, 0, 1)
    change = float(rng.uniform(0.12, 0.4)) * (1 if rng.random() < 0.3 else -1)
    out = picture * (1 + change * weight[..., None])
    return out.clip(0, 255).astype(np.uint8), weight > 0.3


def _crack(rng: Rng, picture: Picture, _other: Picture) -> tuple[Picture, Mask]:
    """Draw a thin, crooked line, darker or brighter."""
    height, width = picture.shape[:2]
    side = min(height, width)
    at = np.array([rng.uniform(0.1, 0.9) * width, rng.uniform(0.1, 0.9) * height])
    heading = rng.uniform(0, 2 * np.pi)
    points = [tuple(at)]
    for _ in range(int(rng.integers(4, 14))):
        heading += rng.normal(0, 0.5)
        at = at + side * rng.uniform(0.01, 0.03) * np.array([np.cos(heading), np.sin(heading)])
        points.append(tuple(at))
    line = Image.new("L", (width, height))
    ImageDraw.Draw(line).line(points, fill=255, width=int(rng.integers(1, max(2, round(side / 120)) + 1)))
    weight = gaussian_filter(np.array(line, dtype=np.float32) / 255, 0.7)
    change = float(rng.uniform(0.25, 0.7)) * (1 if rng.random() < 0.3 else -1)
    out = picture * (1 + change * weight[..., None])
    return out.clip(0, 255).astype(np.uint8), weight > 0.3


KINDS: tuple[Callable[[Rng, Picture, Picture], tuple[Picture, Mask]], ...] = (_pasted, _scar, _stain, _crack)
"""The kinds of drawn defects."""
