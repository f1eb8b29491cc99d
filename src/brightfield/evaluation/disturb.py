"""Disturbed copies of a picture: moved, brighter or darker, out of focus."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from brightfield.data.decode import Pixels
from brightfield.errors import ConfigError

MOST_PIXELS = 200.0


@dataclass(frozen=True)
class Disturbance:
    """The largest disturbance of a picture.

    Attributes:
        shift: Largest translation in each direction, in pixels of the original picture.
        light: Largest relative change of brightness, in [0, 0.9].
        focus: Largest standard deviation of a Gaussian blur, in pixels.
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
        """Return the largest disturbance of each cause alone, by name, without those that are 0."""
        shots = {
            "moved": Shot(move=(self.shift, self.shift)),
            "darker": Shot(gain=1 - self.light),
            "brighter": Shot(gain=1 + self.light),
            "out of focus": Shot(blur=self.focus),
        }
        return {name: shot for name, shot in shots.items() if shot != Shot()}

    def draw(self, rng: np.random.Generator) -> Shot:
        """Return a random shot with all causes, each drawn uniformly up to its largest value."""
        down, right = rng.uniform(-self.shift, self.shift, 2)
        gain = 1 + rng.uniform(-self.light, self.light)
        return Shot((float(down), float(right)), float(gain), float(rng.uniform(0, self.focus)))


@dataclass(frozen=True)
class Shot:
    """One disturbance of a picture.

    Attributes:
        move: Translation down and to the right, in pixels; new pixels repeat the border.
        gain: Factor of brightness.
        blur: Standard deviation of a Gaussian blur, in pixels.
    """

    move: tuple[float, float] = (0.0, 0.0)
    gain: float = 1.0
    blur: float = 0.0

    def of(self, pixels: Pixels) -> Pixels:
        """Return the disturbed copy of a picture, (H, W) or (H, W, 3), with the same dtype."""
        values = pixels.astype(np.float32)
        channels = (0.0,) * (pixels.ndim - 2)  # no blur or move across channels
        if self.blur:
            values = ndimage.gaussian_filter(values, (self.blur, self.blur, *channels), mode="nearest")
        if any(self.move):
            values = ndimage.shift(values, (*self.move, *channels), order=1, mode="nearest")
        top = np.iinfo(pixels.dtype).max
        disturbed: Pixels = np.clip(np.rint(values * self.gain), 0, top).astype(pixels.dtype)
        return disturbed
