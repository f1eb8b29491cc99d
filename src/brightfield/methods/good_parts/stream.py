"""A stream of tiles: pictures are decoded, cut and forgotten, so that memory does not grow."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.data.decode import decode
from brightfield.data.parallel import ordered_map
from brightfield.data.preprocessing import Preprocessing
from brightfield.engine import threads
from brightfield.engine.pixels import normalise
from brightfield.engine.trunk import PIXELS_AT_ONCE
from brightfield.errors import ImageError
from brightfield.methods.base import Picture
from brightfield.methods.good_parts.evidence import Place
from brightfield.progress import Progress


@dataclass(frozen=True)
class TileBatch:
    """A batch of T tiles.

    Attributes:
        x: The normalised tiles, float32 (T, 3, side, side).
        pictures: The number of each tile's picture, int64 (T,).
        places: Where each tile lies.
    """

    x: npt.NDArray[np.float32]
    pictures: npt.NDArray[np.int64]
    places: tuple[Place, ...]


def working_pictures(paths: Sequence[Path], preprocessing: Preprocessing) -> Iterator[Picture]:
    """Yield the images of files at working size, in order, decoded in parallel.

    Raises:
        ImageError: If a file cannot be read.
    """

    def prepared(path: Path) -> Picture:
        try:
            return preprocessing.working(decode(path))
        except ImageError as error:
            raise ImageError(error if str(path) in str(error) else f"{path}: {error}") from error

    return ordered_map(prepared, paths)


def tile_stream(
    pictures: Iterable[Picture], preprocessing: Preprocessing, *, first: int = 0
) -> Iterator[TileBatch]:
    """Yield the tiles of pictures, numbered from `first`, in batches that keep every core busy."""
    most = max(1, threads.count() * PIXELS_AT_ONCE // preprocessing.tile**2)
    tiles: list[Picture] = []
    numbers: list[int] = []
    places: list[Place] = []
    for i, picture in enumerate(pictures, start=first):
        cut, origins = preprocessing.tiles(picture)
        shape = (picture.shape[0], picture.shape[1])
        for tile, origin in zip(cut, origins, strict=True):
            tiles.append(tile)
            numbers.append(i)
            places.append((shape, origin))
            if len(tiles) == most:
                yield _batch(tiles, numbers, places, preprocessing)
                tiles, numbers, places = [], [], []
    if tiles:
        yield _batch(tiles, numbers, places, preprocessing)


def _batch(
    tiles: list[Picture], numbers: list[int], places: list[Place], preprocessing: Preprocessing
) -> TileBatch:
    x = normalise(np.stack(tiles), preprocessing)
    return TileBatch(x, np.array(numbers, dtype=np.int64), tuple(places))


def told(pictures: Iterator[Picture], stage: str, total: int, progress: Progress) -> Iterator[Picture]:
    """Yield pictures and report progress."""
    progress(stage, 0, total)
    for i, picture in enumerate(pictures):
        yield picture
        progress(stage, i + 1, total)
