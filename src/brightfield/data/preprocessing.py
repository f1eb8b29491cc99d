"""Preprocessing: from a decoded image to a network's input, with the same steps in training and in use."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.decode import Pixels, check_size, to_rgb8
from brightfield.data.geometry import Resize, resize
from brightfield.data.tiling import cut_tiles
from brightfield.errors import ImageError

MOST_WHITE = 0.5


@dataclass(frozen=True)
class Preprocessing:
    """The preprocessing of every image, fixed when the inspector is trained.

    Attributes:
        bits: The bit depth of 16-bit images: white is 2**bits - 1.
        long_side: The longer side at working size in pixels; None keeps each image's size.
        enlarge: Whether smaller images are enlarged.
        tile: The side in pixels of the square tiles that the network sees.
        overlap: The least overlap of neighbouring tiles in pixels.
        mean: The mean that is subtracted from each colour channel, in [0, 1].
        std: The standard deviation by which the difference is divided.
    """

    bits: int
    long_side: int | None
    enlarge: bool
    tile: int
    overlap: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    @property
    def resize(self) -> Resize:
        """The rule for the working size of images."""
        return Resize(self.long_side, enlarge=self.enlarge)

    @property
    def fill(self) -> tuple[int, int, int]:
        """The padding colour, uint8 RGB: the mean, which normalisation turns into zero or nearly."""
        r, g, b = (round(255 * m) for m in self.mean)
        return (r, g, b)

    def working(self, image: Pixels) -> npt.NDArray[np.uint8]:
        """Return a decoded image at its working size, uint8 (h, w, 3).

        Raises:
            ImageError: If the image is too small to show a part, or most of its 16-bit values are above the
                white level, so that it must come from another camera.
        """
        check_size(image.shape[1], image.shape[0])
        if image.dtype == np.uint16 and float(np.mean(image > 2**self.bits - 1)) > MOST_WHITE:
            raise ImageError(
                f"most of this 16-bit image (values up to {image.max()}) lies above {2**self.bits - 1}, "
                f"white in the {self.bits}-bit images of the training; take pictures as for the training, or "
                "train on pictures like this one"
            )
        return resize(to_rgb8(image, self.bits), self.resize)

    def tiles(self, working: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], list[tuple[int, int]]]:
        """Return the tiles of an image at working size, uint8 (T, tile, tile, 3), and their (top, left)."""
        return cut_tiles(working, self.tile, self.overlap, self.fill)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Return the preprocessing that `as_dict` described."""
        return cls(**{**values, "mean": tuple(values["mean"]), "std": tuple(values["std"])})
