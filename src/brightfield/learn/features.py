"""What is frozen is computed once: pooled features of every tile in every view, kept on disk."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from brightfield.data.cache import PixelCache
from brightfield.data.parallel import prefetch
from brightfield.data.preprocessing import Preprocessing
from brightfield.data.tiling import tile_origins
from brightfield.disk.atomic import write_atomically
from brightfield.disk.room import reserve, writing
from brightfield.engine.pixels import normalise
from brightfield.engine.views import VIEWS
from brightfield.learn.frozen import Freezer, Frozen
from brightfield.learn.network import TileNet
from brightfield.progress import Progress, silent

_BATCH_PIXELS = 32 * 256 * 256
_BLOCK = 64  # images between two notes of how far the work is


@dataclass(frozen=True)
class FeatureBank:
    """Pooled features of a list of images.

    Attributes:
        views: The names of the V views.
        values: float16 (V, T, D): views, tiles of all images in order, features.
        starts: int64 (N + 1,): the tiles of image i are `starts[i]` up to `starts[i + 1]`.
    """

    views: tuple[str, ...]
    values: npt.NDArray[np.float16]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1


def tile_counts(cache: PixelCache, preprocessing: Preprocessing) -> npt.NDArray[np.int64]:
    """Return where each image's tiles start in a list of all, int64 (N + 1,)."""
    counts = [
        len(tile_origins(shape[:2], preprocessing.tile, preprocessing.overlap)) for shape in cache.shapes
    ]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def in_tiles(cache: PixelCache, preprocessing: Preprocessing) -> bool:
    """Tell whether any cached image is seen in more than one tile."""
    return int(np.diff(tile_counts(cache, preprocessing)).max()) > 1


def extract(
    freezer: Freezer,
    cache: PixelCache,
    preprocessing: Preprocessing,
    *,
    views: Sequence[str],
    folder: Path,
    progress: Progress | None = None,
) -> FeatureBank:
    """Compute and keep the pooled features of every tile of every cached image, in each of these `VIEWS`.

    A killed extraction goes on where it stopped: how far it got is noted after every block of images. The
    room is reserved first, and written to as a file: a map of a file with holes would kill the process where
    the disk is full.

    Raises:
        WriteError: If there is no room for all of them on the disk.
    """
    tell = progress or silent
    net, frozen = freezer.net, freezer.features(preprocessing.tile)
    starts = tile_counts(cache, preprocessing)
    width = net.head.spec.width(net.trunk.spec.channels)
    shape = (len(views), int(starts[-1]), width)
    key = _key(net, cache, preprocessing, shape, views)
    note, data = folder / f"{key}.json", folder / f"{key}.f16"
    done = _done(note, data, shape)
    with writing(folder, _bytes(shape)):
        folder.mkdir(parents=True, exist_ok=True)
        with _opened(data, shape, anew=not done) as file:
            tell("features", done, len(cache))
            for first in range(done, len(cache), _BLOCK):
                last = min(first + _BLOCK, len(cache))
                batches = tile_batches(cache, preprocessing, range(first, last))
                _extract(
                    frozen, (normalise(batch, preprocessing) for batch in batches), views, file, starts, first
                )
                file.flush()
                os.fsync(file.fileno())
                write_atomically(note, json.dumps({"done": last}).encode())
                tell("features", last, len(cache))
    # nothing is written through the map, but torch warns of arrays that cannot be written
    bank = np.memmap(data, dtype=np.float16, mode="r+", shape=shape)
    return FeatureBank(tuple(views), bank, starts)


@contextmanager
def _opened(data: Path, shape: tuple[int, ...], *, anew: bool) -> Iterator[BinaryIO]:
    """Open the file of the features; one begun anew has room for all of them, or is not left there."""
    with data.open("w+b" if anew else "r+b") as file:
        if anew:
            try:
                reserve(file, _bytes(shape))
            except OSError:
                data.unlink(missing_ok=True)
                raise
        yield file


def _bytes(shape: tuple[int, ...]) -> int:
    return math.prod(shape) * np.dtype(np.float16).itemsize


def _extract(
    frozen: Frozen,
    batches: Iterable[npt.NDArray[np.float32]],
    views: Sequence[str],
    file: BinaryIO,
    starts: npt.NDArray[np.int64],
    first: int,
) -> None:
    """Write the features of normalised tiles, from the first of the image `first` on, to their places."""
    at = int(starts[first])
    for x in prefetch(batches):
        for row, view in enumerate(views):
            values = frozen.pooled(VIEWS[view](x)).astype(np.float16)
            file.seek(_bytes((row * int(starts[-1]) + at, values.shape[1])))
            file.write(values.tobytes())
        at += len(x)


def tile_batches(
    cache: PixelCache, preprocessing: Preprocessing, images: Sequence[int]
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the tiles of these images in order, in batches uint8 (B, tile, tile, 3) of a bounded size."""
    size = max(1, _BATCH_PIXELS // preprocessing.tile**2)
    waiting: list[npt.NDArray[np.uint8]] = []
    for i in images:
        waiting.extend(preprocessing.tiles(cache[i])[0])
        while len(waiting) >= size:
            yield np.stack(waiting[:size])
            waiting = waiting[size:]
    if waiting:
        yield np.stack(waiting)


def _key(
    net: TileNet,
    cache: PixelCache,
    preprocessing: Preprocessing,
    shape: tuple[int, ...],
    views: Sequence[str],
) -> str:
    spec = net.head.spec
    what = [preprocessing.as_dict(), shape, list(views), spec.taps, spec.pools, spec.scales]
    digest = hashlib.sha256(json.dumps(what).encode())
    digest.update(cache.index.stem.encode())
    digest.update(net.trunk_fingerprint().encode())
    return digest.hexdigest()[:32]


def _done(note: Path, data: Path, shape: tuple[int, ...]) -> int:
    """Return how many images an earlier run finished, 0 where nothing can be used."""
    try:
        done = int(json.loads(note.read_text(encoding="utf-8"))["done"])
        whole = data.stat().st_size == _bytes(shape)
    except (OSError, ValueError, KeyError):
        return 0
    return done if whole else 0
