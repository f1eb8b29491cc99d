"""Preprocessing: from a decoded image to a network's input, with the same steps in training and in use."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.decode import Pixels, check_size, to_rgb8
from brightfield.data.geometry import Resize, resize, resized_shape
from brightfield.data.region import Region, Seen, seen_in
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
        region: The region of interest; None looks at the whole picture.
        square: Whether images are squeezed to a square of `long_side`.
    """

    bits: int
    long_side: int | None
    enlarge: bool
    tile: int
    overlap: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    region: Region | None = None
    square: bool = False

    @property
    def resize(self) -> Resize:
        """The rule for the working size of images."""
        return Resize(self.long_side, enlarge=self.enlarge, square=self.square)

    @property
    def fill(self) -> tuple[int, int, int]:
        """The padding colour, uint8 RGB: the mean, which normalisation turns into zero or nearly."""
        r, g, b = (round(255 * m) for m in self.mean)
        return (r, g, b)

    def working(self, image: Pixels) -> npt.NDArray[np.uint8]:
        """Return a decoded image at its working size, uint8 (h, w, 3).

        With a region of interest that is the region's bounding box, and what is outside the region has the
        padding colour. It is painted before resizing, so that no pixel outside has an influence.

        Raises:
            ImageError: If the image is too small to show a part, has another aspect ratio than the region, or
                most of its 16-bit values are above the white level, so that it must come from another camera.
        """
        check_size(image.shape[1], image.shape[0])
        if image.dtype == np.uint16 and self._overexposed(image):
            raise ImageError(
                f"most of this 16-bit image (values up to {image.max()}) lies above {2**self.bits - 1}, "
                f"white in the {self.bits}-bit images of the training; take pictures as for the training, or "
                "train on pictures like this one"
            )
        return self.shrunk(image)

    def shrunk(self, image: Pixels) -> npt.NDArray[np.uint8]:
        """Return what `working` does, without its checks of the image itself.

        Raises:
            ImageError: If the image has another aspect ratio than the region of interest.
        """
        return resize(self._visible(image), self.resize)

    def _overexposed(self, image: Pixels) -> bool:
        seen = self.seen(image)
        pixels = image if seen.region is None else image[seen.region]
        return float(np.mean(pixels > 2**self.bits - 1)) > MOST_WHITE

    def _visible(self, image: Pixels) -> npt.NDArray[np.uint8]:
        """Return what the method may see of an image, uint8 RGB, in the image's own pixels."""
        seen = self.seen(image)
        rgb = to_rgb8(seen.cut(image), self.bits)
        if seen.inside is None:
            return rgb
        painted = rgb.copy()  # it may be a view of the caller's picture
        painted[~seen.inside] = self.fill
        return painted

    def visible_mask(self, mask: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
        """Return what is left of an image's mask of defects, bool (H, W), in the part that is looked at."""
        seen = self.seen(mask)
        return seen.cut(mask) if seen.inside is None else seen.cut(mask) & seen.inside

    def seen(self, image: npt.NDArray[Any]) -> Seen:
        """Return which part of an image, (H, W, ...), is looked at.

        Raises:
            ImageError: If its aspect ratio is another than the region's, or the region in it is too small.
        """
        return seen_in((image.shape[0], image.shape[1]), self.region)

    def region_at(self, shape: tuple[int, int]) -> npt.NDArray[np.bool_]:
        """Return which pixels of an image at working size (h, w) are looked at, bool (h, w), read-only."""
        if self.region is None:
            return np.broadcast_to(np.True_, shape)
        return self.region.cropped.at(shape)

    def blank(self) -> npt.NDArray[np.uint8]:
        """Return a black image at a usual working size, uint8 (h, w, 3)."""
        size = (64, 64) if self.region is None else (self.region.cropped.height, self.region.cropped.width)
        return np.zeros((*resized_shape(*size, self.resize), 3), np.uint8)

    def tiles(self, working: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], list[tuple[int, int]]]:
        """Return the tiles of an image at working size, uint8 (T, tile, tile, 3), and their (top, left)."""
        return cut_tiles(working, self.tile, self.overlap, self.fill)

    def as_dict(self) -> dict[str, Any]:
        """Return plain values for a manifest."""
        values = asdict(replace(self, region=None))
        del values["region"]  # without a region, manifests are as before there were regions
        if not self.square:
            del values["square"]
        return values if self.region is None else {**values, "region": self.region.as_dict()}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Preprocessing:
        """Return the preprocessing that `as_dict` described."""
        region = None if values.get("region") is None else Region.from_dict(values["region"])
        known = {"mean": tuple(values["mean"]), "std": tuple(values["std"]), "region": region}
        return cls(**{**values, **known})
