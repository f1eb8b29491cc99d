"""Random crops of training pictures with their marked pixels, which favour defects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.methods.segmenter.losses import UNKNOWN
from brightfield.methods.segmenter.marks import Marks

ON_A_DEFECT = 0.7
"""The share of crops that show a defect; the others are cut anywhere."""

OFF_CENTRE = 0.25
"""How close to the crop's border the defect's pixel may lie, as a share of its side."""

GAMMA, CONTRAST, BRIGHTNESS, NOISE = 0.35, 0.25, 0.08, 0.03
"""The largest changes: of the logarithm of gamma and of contrast, of brightness and of noise in [0, 1]."""

LIT = 256
"""The levels of a picture's pixels."""


@dataclass(frozen=True)
class Crop:
    """A crop.

    Attributes:
        pixels: uint8 (side, side, 3).
        labels: uint8 (side, side): 0 good, the type from 1 on, `UNKNOWN` outside the picture. Of a picture of
            which only the class is known it is 0 inside.
        weak: The type, or 0, of a picture of which only the class is known; None if pixels are known.
        picture: The picture's number.
    """

    pixels: npt.NDArray[np.uint8]
    labels: npt.NDArray[np.uint8]
    weak: int | None
    picture: int


class Crops:
    """Draws random crops of training pictures.

    Every type is drawn as often as any other, however rare it is. A picture of which only the class is known
    is drawn as often as one with a mask.
    """

    def __init__(
        self,
        cache: PixelCache,
        marks: Sequence[Marks],
        weak_types: Sequence[int],
        side: int,
        fill: tuple[int, int, int],
    ) -> None:
        """Take the pictures.

        Args:
            cache: The pictures at working size.
            marks: The marked pixels of each.
            weak_types: For each picture the type that its class says, from 1 on; 0 if it says none.
            side: The side of crops in pixels.
            fill: The colour outside pictures.
        """
        self.cache, self.marks, self.weak_types, self.side, self.fill = cache, marks, weak_types, side, fill
        self.known = [i for i, m in enumerate(marks) if m.known]
        self.weak = [i for i, m in enumerate(marks) if not m.known]
        masked = sum(m.types is not None for m in marks)
        self.weak_share = len(self.weak) / max(1, len(self.weak) + masked)
        self.by_type: dict[int, list[int]] = {}
        for i, m in enumerate(marks):
            if m.types is not None:
                for number in np.unique(m.types[m.types > 0]).tolist():
                    self.by_type.setdefault(int(number), []).append(i)

    def pixel_counts(self, types: int) -> list[float]:
        """Return the number of pixels of the background and each of `types` types."""
        counts = [0.0] * (types + 1)
        for i, m in enumerate(self.marks):
            if not m.known:
                continue
            height, width = self.cache.shapes[i][:2]
            inside = [0] if m.types is None else np.bincount(m.types.ravel(), minlength=types + 1).tolist()
            for number in range(1, len(inside)):
                counts[number] += inside[number]
            counts[0] += height * width - sum(inside[1:])
        return counts

    def draw(self, rng: np.random.Generator) -> Crop:
        """Return a random crop, turned, mirrored and differently lit."""
        if rng.random() < ON_A_DEFECT:
            if self.weak and rng.random() < self.weak_share:
                return self.anywhere(self.weak[int(rng.integers(len(self.weak)))], rng)
            if self.by_type:
                number = list(self.by_type)[int(rng.integers(len(self.by_type)))]
                i = self.by_type[number][int(rng.integers(len(self.by_type[number])))]
                return self._varied(self.cut(i, self._around(i, number, rng)), rng)
        return self.anywhere(self.known[int(rng.integers(len(self.known)))], rng)

    def anywhere(self, i: int, rng: np.random.Generator) -> Crop:
        """Return a random crop of picture i, turned, mirrored and differently lit."""
        return self._varied(self.cut(i, self._anywhere(i, rng)), rng)

    def cut(self, i: int, corner: tuple[int, int]) -> Crop:
        """Return the crop of picture i whose first pixel is at `corner` (row, column), as it is."""
        picture = self.cache[i]
        height, width = picture.shape[:2]
        pixels = np.empty((self.side, self.side, 3), np.uint8)
        pixels[:] = self.fill
        labels = np.full((self.side, self.side), UNKNOWN, np.uint8)
        (y0, y1), (x0, x1) = (
            (max(start, 0), min(start + self.side, length))
            for start, length in zip(corner, (height, width), strict=True)
        )
        place = np.s_[y0 - corner[0] : y1 - corner[0], x0 - corner[1] : x1 - corner[1]]
        pixels[place] = picture[y0:y1, x0:x1]
        labels[place] = 0
        self.marks[i].onto(labels, corner)
        return Crop(pixels, labels, None if self.marks[i].known else self.weak_types[i], i)

    def _anywhere(self, i: int, rng: np.random.Generator) -> tuple[int, int]:
        height, width = self.cache.shapes[i][:2]
        return self._start(height, rng), self._start(width, rng)

    def _start(self, length: int, rng: np.random.Generator) -> int:
        low, high = sorted((0, length - self.side))
        return int(rng.integers(low, high + 1))

    def _around(self, i: int, number: int, rng: np.random.Generator) -> tuple[int, int]:
        """Return the corner of a crop around a random pixel of a type, inside the picture where that fits."""
        m = self.marks[i]
        if m.types is None:
            return self._anywhere(i, rng)
        rows, columns = np.nonzero(m.types == number)
        j = int(rng.integers(len(rows)))
        corner = []
        for at, length in zip((rows[j] + m.top, columns[j] + m.left), self.cache.shapes[i][:2], strict=True):
            margin = round(OFF_CENTRE * self.side)
            start = int(at) - int(rng.integers(margin, self.side - margin + 1))
            low, high = sorted((0, length - self.side))
            corner.append(min(max(start, low), high))
        return corner[0], corner[1]

    def _varied(self, crop: Crop, rng: np.random.Generator) -> Crop:
        turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))
        pixels, labels = np.rot90(crop.pixels, turns), np.rot90(crop.labels, turns)
        if mirrored:
            pixels, labels = pixels[:, ::-1], labels[:, ::-1]
        return Crop(lit(pixels, rng), np.ascontiguousarray(labels), crop.weak, crop.picture)


def lit(pixels: npt.NDArray[np.uint8], rng: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Return a picture, uint8 (H, W, 3), differently lit: gamma, contrast, brightness, and often noise."""
    levels = np.linspace(0, 1, LIT) ** np.exp(rng.uniform(-GAMMA, GAMMA))
    mean = float(levels[pixels[::4, ::4, 1]].mean())
    factor = np.exp(rng.uniform(-CONTRAST, CONTRAST))
    levels = (levels - mean) * factor + mean + rng.uniform(-BRIGHTNESS, BRIGHTNESS)
    table = np.rint(levels.clip(0, 1) * (LIT - 1))
    out = np.take(table.astype(np.uint8), pixels)
    if rng.random() < 0.5:
        return out
    # the same noise in all channels, as most cameras of lines are grey
    noise = rng.normal(0, rng.uniform(0, NOISE) * LIT, pixels.shape[:2])
    return (out + noise[..., None]).clip(0, LIT - 1).astype(np.uint8)
