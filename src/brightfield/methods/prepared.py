"""A picture made ready for a method: decoded, at working size, and what is measured of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.decode import Pixels, decode
from brightfield.data.opening import file_content
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
        content: The bytes of its file; None unless they were to be kept, or if it is no file.
        sha256: The SHA-256 of these bytes.
    """

    name: str
    pixels: Pixels
    working: Picture
    explain: bool
    inside: npt.NDArray[np.bool_] | None = None
    content: bytes | None = None
    sha256: str | None = None

    def measured(self, embedding: npt.NDArray[np.float32] | None) -> Measurement:
        """Return the measurement of the picture, given what the method says of it."""
        size = (self.pixels.shape[0], self.pixels.shape[1])
        return measure(self.working, self.inside, size, embedding)


def prepared(
    image: ImageLike,
    preprocessing: Preprocessing,
    *,
    explain: bool,
    rules: Rules | None = None,
    keep_content: bool = False,
) -> Prepared:
    """Return a picture made ready.

    Args:
        image: The picture.
        preprocessing: The preprocessing of every image.
        explain: Whether its heatmap is wanted.
        rules: Limits on measured defects.
        keep_content: Whether the bytes of its file are kept. Then they are read once: those that are judged.

    Raises:
        ImageError: If it cannot be read, or does not fit the preprocessing or the rules.
    """
    name = str(image) if isinstance(image, str | Path) else ""
    content = image if isinstance(image, bytes) else None
    if keep_content and isinstance(image, str | Path):
        content = file_content(Path(image))
    pixels = decode(image if content is None else content, name)
    try:
        working = preprocessing.working(pixels)
        if rules is not None:
            rules.check_shape((pixels.shape[0], pixels.shape[1]))
    except ImageError as error:
        raise ImageError(f"{name or 'the image'}: {error}") from error
    ready = Prepared(name, pixels, working, explain, looked_at(preprocessing, working))
    if content is None or not keep_content:
        return ready
    return replace(ready, content=content, sha256=hashlib.sha256(content).hexdigest())


def looked_at(preprocessing: Preprocessing, working: Picture) -> npt.NDArray[np.bool_] | None:
    """Return which pixels of a picture at working size are looked at, bool (h, w); None for all."""
    region = preprocessing.region
    return None if region is None else region.cropped.at((working.shape[0], working.shape[1]))
