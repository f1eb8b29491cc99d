"""A picture made ready for a method: decoded, at working size, and what is measured of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.decode import Pixels, decode
from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.rules import Rules
from brightfield.engine.measurement import Measurement, measure
from brightfield.errors import ImageError
from brightfield.methods.base import Picture

ImageLike = str | Path | bytes | Image.Image | npt.NDArray[Any]


@dataclass(frozen=True)
class Prepared:
    """A picture to judge.

    Attributes:
        name: Its name as the caller gave it; empty if it is no file.
        pixels: The decoded picture.
        working: The same at working size.
        explain: Whether its heatmap is wanted.
        inside: bool (h, w), which pixels at working size are looked at; None for all.
    """

    name: str
    pixels: Pixels
    working: Picture
    explain: bool
    inside: npt.NDArray[np.bool_] | None = None

    def measured(self, embedding: npt.NDArray[np.float32] | None) -> Measurement:
        """Return the measurement of the picture, given what the method says of it."""
        size = (self.pixels.shape[0], self.pixels.shape[1])
        return measure(self.working, self.inside, size, embedding)


def prepared(
    image: ImageLike, preprocessing: Preprocessing, *, explain: bool, rules: Rules | None = None
) -> Prepared:
    """Return a picture made ready.

    Raises:
        ImageError: If it cannot be read, or does not fit the preprocessing or the rules.
    """
    name = str(image) if isinstance(image, str | Path) else ""
    pixels = decode(image)
    try:
        working = preprocessing.working(pixels)
        if rules is not None:
            rules.check_shape((pixels.shape[0], pixels.shape[1]))
    except ImageError as error:
        raise ImageError(f"{name or 'the image'}: {error}") from error
    return Prepared(name, pixels, working, explain, looked_at(preprocessing, working))


def looked_at(preprocessing: Preprocessing, working: Picture) -> npt.NDArray[np.bool_] | None:
    """Return which pixels of a picture at working size are looked at, bool (h, w); None for all."""
    region = preprocessing.region
    return None if region is None else region.cropped.at((working.shape[0], working.shape[1]))
