"""Shots as a line takes them: the part a little moved, the light a little off, the lens out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from brightfield.data.decode import Pixels
from brightfield.errors import ConfigError

MOST_PIXELS = 200.0


@dataclass(frozen=True)
class Disturbance:
    """How far shots of one part may differ, at the most.

    Attributes:
        shift: Pixels that the part is moved by in each direction.
        light: Share by which it is brighter or darker.
        focus: Pixels of a Gaussian blur's standard deviation.
    """

    shift: float = 2.0
    light: float = 0.1
    focus: float = 1.0

    def __post_init__(self) -> None:
        for name, value, top, unit in (
            ("shift", self.shift, MOST_PIXELS, "pixels"),
            ("light", self.light, 0.9, "a share"),
            ("focus", self.focus, MOST_PIXELS, "pixels"),
        ):
            if not 0.0 <= value <= top:
                raise ConfigError(f"--{name} is {value:g}; expected {unit} from 0 to {top:g}")

    def causes(self) -> dict[str, Shot]:
        """Return each cause alone, as far as it goes; none that is 0."""
        found = {
            "moved": Shot(move=(self.shift, self.shift)),
            "darker": Shot(gain=1 - self.light),
            "brighter": Shot(gain=1 + self.light),
            "out of focus": Shot(blur=self.focus),
        }
        return {name: shot for name, shot in found.items() if shot != Shot()}

    def draw(self, rng: np.random.Generator) -> Shot:
        """Return a shot with all causes together, each uniform up to its end."""
        down, right = rng.uniform(-self.shift, self.shift, 2)
        gain = 1 + rng.uniform(-self.light, self.light)
        return Shot((float(down), float(right)), float(gain), float(rng.uniform(0, self.focus)))


@dataclass(frozen=True)
class Shot:
    """How one shot differs from the picture.

    Attributes:
        move: Pixels down and to the right; what comes in repeats the rim.
        gain: Times the light.
        blur: Standard deviation of a Gaussian blur in pixels.
    """

    move: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    blur: float = 0.0

    def of(self, pixels: Pixels) -> Pixels:
        """Return the picture, (H, W) or (H, W, 3), as this shot would have shown it."""
        values = pixels.astype(np.float32)
        rest = (0.0,) * (pixels.ndim - 2)
        if self.blur:
            values = ndimage.gaussian_filter(values, (self.blur, self.blur, *rest), mode="nearest")
        if any(self.move):
            values = ndimage.shift(values, (*self.move, *rest), order=1, mode="nearest")
        top = np.iinfo(pixels.dtype).max
        seen: Pixels = np.clip(np.rint(values * self.gain), 0, top).astype(pixels.dtype)
        return seen
