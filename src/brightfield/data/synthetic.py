"""Synthetic pictures of parts: milled steel plates with rendered defects of known size."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import irfft2, rfft2
from scipy.ndimage import fourier_gaussian, gaussian_filter
from scipy.special import expit

from brightfield.data.dataset import Dataset
from brightfield.data.load import load
from brightfield.errors import ConfigError

Rng = np.random.Generator
Plane = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

NORMAL = "OK"
SMALLEST_SIDE = 48
SMALLEST_DEFECT = 3
_MARGIN = 0.035  # the least distance of a defect from an edge, as a share of the shorter side
_STEEL = np.array([0.93, 0.97, 1.02])
_RUST = np.array([0.62, 0.42, 0.24])


@dataclass(frozen=True)
class _Scene:
    """One part before a defect is drawn on it.

    Attributes:
        distance: The signed distance to the outline in pixels, negative inside, float64 (H, W).
        brightness: The brightness of the surface, about 0 to 1, float64 (H, W).
    """

    distance: Plane
    brightness: Plane


def make_parts(
    folder: str | Path,
    *,
    n_ok: int,
    n_defect: int,
    size: tuple[int, int] = (240, 360),
    defect_px: float = 24.0,
    kinds: Sequence[str] = ("scratch", "pit", "stain"),
    seed: int = 0,
) -> Dataset:
    """Render parts into a folder and return them as a data set.

    The files are `<class>/NNNN.png`, `masks/<class>/NNNN.png` and `manifest.csv`. The classes are OK and the
    kinds of defect, which alternate.

    Args:
        folder: The folder to write to; it is made if it is missing.
        n_ok: The number of good parts.
        n_defect: The number of parts with one defect each.
        size: The height and width of the images in pixels.
        defect_px: The longest extent of every defect in pixels.
        kinds: The kinds of defect: `scratch`, `pit`, `stain`.
        seed: The seed of the random draws.

    Raises:
        ConfigError: If a kind is unknown, a number is negative, or the defect does not fit the part.
    """
    _check_arguments(size, defect_px, kinds if n_defect else ())
    if min(n_ok, n_defect) < 0 or n_ok + n_defect == 0 or (n_defect and not kinds):
        raise ConfigError(
            f"{n_ok} OK and {n_defect} defective parts of {len(kinds)} kinds; expected at least one part, no "
            "negative numbers, and a kind for defective parts"
        )
    folder = Path(folder)
    labels = [NORMAL] * n_ok + [kinds[i % len(kinds)] for i in range(n_defect)]
    rows: list[tuple[str, str, str]] = []
    children = np.random.SeedSequence(seed).spawn(len(labels))
    for i, (label, child) in enumerate(zip(labels, children, strict=True)):
        kind = None if label == NORMAL else label
        image, mask = render_part(np.random.default_rng(child), size=size, kind=kind, defect_px=defect_px)
        name = f"{label}/{i:04d}.png"
        _save(folder / name, image)
        if kind is not None:
            _save(folder / "masks" / name, mask.astype(np.uint8) * 255)
        rows.append((name, label, f"masks/{name}" if kind else ""))
    with (folder / "manifest.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "label", "mask"), *rows])
    return load(folder, normal=NORMAL if n_ok else None)


def render_part(
    rng: Rng,
    *,
    size: tuple[int, int] = (240, 360),
    kind: str | None = None,
    defect_px: float = 24.0,
) -> tuple[npt.NDArray[np.uint8], Mask]:
    """Return one rendered picture of a part, and the mask of its defect.

    The part's position, its illumination, which falls off to one side, and its brushed texture vary.

    Args:
        rng: The random generator.
        size: The height and width in pixels.
        kind: The kind of defect, `scratch`, `pit` or `stain`; None for a good part.
        defect_px: The longest extent of the defect in pixels.

    Returns:
        The picture, uint8 (H, W, 3), and the mask, bool (H, W).

    Raises:
        ConfigError: If the kind is unknown or the defect does not fit the part.
    """
    _check_arguments(size, defect_px, () if kind is None else (kind,))
    scene = _scene(rng, size)
    colour = scene.brightness[..., None] * _STEEL
    mask = np.zeros(size, dtype=bool)
    if kind is not None:
        colour, mask = _with_defect(rng, scene, colour, kind, defect_px)
    captured = gaussian_filter(colour, sigma=(0.5, 0.5, 0)) + rng.normal(0, 0.012, (*size, 1))
    return np.rint(np.clip(captured, 0, 1) * 255).astype(np.uint8), mask


def _check_arguments(size: tuple[int, int], defect_px: float, kinds: Sequence[str]) -> None:
    unknown = [kind for kind in kinds if kind not in _DRAWN]
    if unknown:
        raise ConfigError(
            f"unknown kinds of defect: {', '.join(unknown)}; expected some of {', '.join(_DRAWN)}"
        )
    if min(size) < SMALLEST_SIDE:
        raise ConfigError(f"size is {size[0]}x{size[1]}; expected at least {SMALLEST_SIDE} pixels a side")
    largest = 0.2 * min(size)
    if kinds and not SMALLEST_DEFECT <= defect_px <= largest:
        raise ConfigError(
            f"defect_px is {defect_px:g}; expected {SMALLEST_DEFECT} to {largest:g} "
            f"on parts of {size[0]}x{size[1]}"
        )


def _save(path: Path, array: npt.NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


def _scene(rng: Rng, size: tuple[int, int]) -> _Scene:
    """Return a rounded plate with a bore, a slot and four holes on a dark conveyor belt."""
    short = min(size)
    x, y = _axes(rng, size)
    distance = _plate(x, y, size)
    belt = 0.10 + 0.03 * gaussian_filter(rng.normal(size=size), 1.5)
    shadow = 1 - 0.55 * np.exp(-np.maximum(distance, 0) / (0.03 * short))
    edge = np.exp(-((distance / (0.010 * short) + 1.2) ** 2))  # the chamfer, just inside the outline
    slope_y, slope_x = np.gradient(gaussian_filter(distance, 1.0))
    glint = edge * (0.32 * (-slope_x - slope_y) / np.sqrt(2) + 0.06)
    metal = 0.58 + _brushing(rng, size) + glint
    inside = np.clip(0.5 - distance, 0, 1)
    return _Scene(distance, (belt * shadow * (1 - inside) + metal * inside) * _light(rng, size))


def _axes(rng: Rng, size: tuple[int, int]) -> tuple[Plane, Plane]:
    """Return each pixel's (x, y) relative to the part's centre, after a slight random shift and rotation."""
    height, width = size
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float64)
    shift_y, shift_x = rng.uniform(-0.012, 0.012, 2) * min(size)
    turn = np.deg2rad(rng.uniform(-1.5, 1.5))
    v, u = rows - (height - 1) / 2 - shift_y, columns - (width - 1) / 2 - shift_x
    return u * np.cos(turn) + v * np.sin(turn), v * np.cos(turn) - u * np.sin(turn)


def _plate(x: Plane, y: Plane, size: tuple[int, int]) -> Plane:
    """Return the signed distance to the outline, that of a rounded box minus its holes, in pixels."""
    height, width = size
    short = min(size)
    outer = _rounded_box(x, y, 0.43 * width, 0.41 * height, 0.10 * short)
    bore = np.hypot(x + 0.14 * width, y) - 0.13 * short
    slot = _rounded_box(x - 0.20 * width, y, 0.11 * width, 0.045 * short, 0.045 * short)
    hole_x, hole_y = 0.43 * width - 0.10 * short, 0.41 * height - 0.10 * short
    holes = np.hypot(np.abs(x) - hole_x, np.abs(y) - hole_y) - 0.035 * short
    return np.maximum(outer, -np.minimum(np.minimum(bore, slot), holes))


def _rounded_box(x: Plane, y: Plane, half_width: float, half_height: float, radius: float) -> Plane:
    """Return the signed distance to a box with rounded corners, in pixels, negative inside."""
    over_x, over_y = np.abs(x) - half_width + radius, np.abs(y) - half_height + radius
    outside = np.hypot(np.maximum(over_x, 0), np.maximum(over_y, 0))
    return outside + np.minimum(np.maximum(over_x, over_y), 0) - radius


def _brushing(rng: Rng, size: tuple[int, int]) -> Plane:
    """Return a brushed texture: fine and broad streaks along the rows, and large-scale unevenness."""
    fine = _soft_noise(rng, size, (0.0, 0.06 * size[1]))
    broad = _soft_noise(rng, size, (2.0, 0.2 * size[1]))
    slow = _soft_noise(rng, size, (0.08 * min(size), 0.08 * min(size)))
    return np.asarray(0.045 * fine + 0.02 * broad + 0.012 * slow, dtype=np.float64)


def _soft_noise(rng: Rng, size: tuple[int, int], sigma: tuple[float, float]) -> Plane:
    """Return blurred noise of zero mean and unit variance; in Fourier space a wide blur takes no longer."""
    waves = fourier_gaussian(rfft2(rng.normal(size=size)), sigma, n=size[1])
    plane = irfft2(waves, s=size)
    return np.asarray((plane - plane.mean()) / max(float(plane.std()), 1e-12), dtype=np.float64)


def _light(rng: Rng, size: tuple[int, int]) -> Plane:
    """Return the illumination: a linear fall-off to one side, and darker corners."""
    rows, columns = np.mgrid[-1 : 1 : size[0] * 1j, -1 : 1 : size[1] * 1j]
    angle, slope = rng.uniform(0.3, 1.2), rng.uniform(0.05, 0.13)
    level = rng.uniform(0.95, 1.06)
    tilt = 1 - slope * (np.cos(angle) * columns + np.sin(angle) * rows)
    return np.asarray(level * tilt * (1 - 0.07 * (rows**2 + columns**2)), dtype=np.float64)


def _with_defect(rng: Rng, scene: _Scene, colour: Plane, kind: str, defect_px: float) -> tuple[Plane, Mask]:
    """Return the picture with a defect at a random position on the metal, away from edges, and its mask."""
    shape = scene.distance.shape
    room = -scene.distance - defect_px / 2 - _MARGIN * min(shape)
    if room.max() <= 0:
        raise ConfigError(f"a defect of {defect_px:g} pixels does not fit a part of {shape[0]}x{shape[1]}")
    rows, columns = np.nonzero(room > 0)
    chosen = int(rng.integers(len(rows)))
    angle = rng.uniform(0, np.pi)
    v, u = np.mgrid[0 : shape[0], 0 : shape[1]].astype(np.float64)
    v, u = v - rows[chosen], u - columns[chosen]
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    return _DRAWN[kind](rng, colour, along, across, defect_px)


def _scratch(rng: Rng, colour: Plane, along: Plane, across: Plane, px: float) -> tuple[Plane, Mask]:
    """Draw a bent groove, bright on one flank and dark on the other, thinner at its ends."""
    half = px / 2
    bend = rng.uniform(-0.25, 0.25) * half
    place = np.clip(along / half, -1, 1)
    off = across - bend * (place**2 - 0.5)
    width = np.maximum(0.7, 0.045 * px) * (1 - 0.5 * place**2)
    reach = np.abs(along) <= half
    bright = np.exp(-(((off - 0.5 * width) / width) ** 2))
    dark = np.exp(-(((off + 0.7 * width) / width) ** 2))
    change = np.where(reach, 0.42 * bright - 0.30 * dark, 0.0)
    mask = reach & (np.abs(off) <= np.maximum(1.4 * width, 0.75))
    return colour + change[..., None], mask


def _pit(rng: Rng, colour: Plane, along: Plane, across: Plane, px: float) -> tuple[Plane, Mask]:
    """Draw a dark crater with an irregular outline and a bright rim on one side."""
    radius = px / 2
    distance = np.hypot(along, across)
    uneven = _outline(rng, along, across, 0.16)
    inside = expit((radius * uneven * 0.92 - distance) / max(0.35, 0.04 * px))
    rim = np.exp(-(((distance - radius * uneven) / max(0.7, 0.08 * px)) ** 2)) * np.maximum(along, 0)
    lit = 0.28 * rim / np.maximum(distance, 1.0)
    mottled = 1 - 0.72 * inside * (1 - 0.25 * (distance / radius).clip(0, 1))
    return colour * mottled[..., None] + lit[..., None], distance <= radius * uneven


def _stain(rng: Rng, colour: Plane, along: Plane, across: Plane, px: float) -> tuple[Plane, Mask]:
    """Draw a brownish stain, darker towards its border, as a dried drop is."""
    radius = px / 2
    distance = np.hypot(along, across * rng.uniform(1.1, 1.5))
    border = radius * _outline(rng, along, across, 0.22)
    soft = expit((border * 0.94 - distance) / max(0.5, 0.05 * px))
    ring = np.exp(-(((distance - 0.86 * border) / max(0.8, 0.10 * px)) ** 2))
    strength = (0.42 * soft + 0.22 * ring)[..., None]
    return colour * (1 - strength) + colour * _RUST * strength, distance <= border


def _outline(rng: Rng, along: Plane, across: Plane, depth: float) -> Plane:
    """Return an irregular outline, as radii from 1 - depth to 1 in each direction; 1 along the axis."""
    angle = np.arctan2(across, along)
    weights = rng.uniform(0.3, 1.0, 3)
    phases = rng.uniform(0, 2 * np.pi, 3)
    waves = sum(
        (w * (1 - np.cos(2 * k * angle)) * (1 + np.cos(angle + p)) / 4)
        for w, k, p in zip(weights, (1, 2, 3), phases, strict=True)
    )
    return np.asarray(1 - depth * waves / weights.sum(), dtype=np.float64)


_Draw = Callable[[Rng, Plane, Plane, Plane, float], tuple[Plane, Mask]]
_DRAWN: dict[str, _Draw] = {"scratch": _scratch, "pit": _pit, "stain": _stain}
