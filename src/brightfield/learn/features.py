"""The cache of frozen features: pooled features of every tile in every view, computed once, on disk."""

from __future__ import annotations

import hashlib
import json
import logging
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
from brightfield.engine.trunk import BATCH_PIXELS
from brightfield.engine.views import VIEWS
from brightfield.errors import WriteError
from brightfield.learn.frozen import Freezer, Frozen
from brightfield.learn.kept_features import KeptFeatures, open_kept, prune
from brightfield.learn.network import TileNet
from brightfield.progress import Progress, silent
from brightfield.version import __version__

log = logging.getLogger(__name__)

_BLOCK = 64  # images between two notes of the progress on disk


@dataclass(frozen=True)
class FeatureBank:
    """The pooled features of N images.

    Attributes:
        views: The names of the V views.
        values: The features, float16 (V, T, D): views, tiles of all images in order, features.
        starts: int64 (N + 1,); the tiles of image i are `starts[i]` up to `starts[i + 1]`.
        found: The number of images whose features were kept from an earlier training.
    """

    views: tuple[str, ...]
    values: npt.NDArray[np.float16]
    starts: npt.NDArray[np.int64]
    found: int = 0

    def __len__(self) -> int:
        return len(self.starts) - 1


def tile_offsets(cache: PixelCache, preprocessing: Preprocessing) -> npt.NDArray[np.int64]:
    """Return the position of each image's first tile among the tiles of all images, int64 (N + 1,)."""
    counts = [
        len(tile_origins(shape[:2], preprocessing.tile, preprocessing.overlap)) for shape in cache.shapes
    ]
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def in_tiles(cache: PixelCache, preprocessing: Preprocessing) -> bool:
    """Return whether any cached image is cut into more than one tile."""
    return int(np.diff(tile_offsets(cache, preprocessing)).max()) > 1


@dataclass(frozen=True)
class Keeping:
    """Where features are kept from one training to the next.

    Attributes:
        folder: The folder, as `kept_features` has it.
        digests: The SHA-256 of each cached image's file; empty for one that is not to be kept.
    """

    folder: Path
    digests: Sequence[str]


def extract(
    freezer: Freezer,
    cache: PixelCache,
    preprocessing: Preprocessing,
    *,
    views: Sequence[str],
    folder: Path,
    keeping: Keeping | None = None,
    progress: Progress | None = None,
) -> FeatureBank:
    """Return the pooled features of every tile of every cached image, in each view.

    They are computed where they are not on disk yet. Progress is noted after every block of images, so an
    interrupted extraction resumes. The disk space is allocated first: writing through a memory map to a
    sparse file kills the process when the disk is full.

    Args:
        freezer: The network, frozen.
        cache: The decoded images.
        preprocessing: The rule by which images are cut into tiles.
        views: The names of the views.
        folder: The folder for the features.
        keeping: Where features are kept, which are then taken from there; None keeps none.
        progress: Called after every block of images.

    Raises:
        WriteError: If the disk has too little space.
    """
    tell, net = progress or silent, freezer.net
    frozen = freezer.features(preprocessing.tile)
    starts = tile_offsets(cache, preprocessing)
    shape = (len(views), int(starts[-1]), net.head.spec.width(net.trunk.spec.channels))
    key = _key(net, cache, preprocessing, shape, views)
    note, data = folder / f"{key}.json", folder / f"{key}.f16"
    done = _done(note, data, shape)
    kept = None if keeping is None else open_kept(keeping.folder, _kept_key(net, preprocessing, views))
    digests = [""] * len(cache) if keeping is None else keeping.digests
    found = 0  # images whose features are there already
    with writing(folder, _bytes(shape)):
        folder.mkdir(parents=True, exist_ok=True)
        with _opened(data, shape, anew=not done) as file:
            into = _Into(file, shape, starts)
            tell("features", done, len(cache))
            for first in range(done, len(cache), _BLOCK):
                last = min(first + _BLOCK, len(cache))
                missing = [i for i in range(first, last) if not _copied(kept, digests[i], i, into)]
                found += last - first - len(missing)
                batches = tile_batches(cache, preprocessing, missing)
                _extract(frozen, (normalise(batch, preprocessing) for batch in batches), views, into, missing)
                _keep(kept, digests, missing, into)
                file.flush()
                os.fsync(file.fileno())
                write_atomically(note, json.dumps({"done": last}).encode())
                tell("features", last, len(cache))
    if kept is not None:
        kept.used(digests)
        prune(kept.folder, kept.most)
    # never written to, but torch warns about read-only arrays
    bank = np.memmap(data, dtype=np.float16, mode="r+", shape=shape)
    return FeatureBank(tuple(views), bank, starts, found)


@dataclass(frozen=True)
class _Into:
    """The open file of features (V, T, D), and the position of each image's first tile, (N + 1,)."""

    file: BinaryIO
    shape: tuple[int, ...]
    starts: npt.NDArray[np.int64]

    def write(self, row: int, tile: int, values: npt.NDArray[np.float16]) -> None:
        """Write the features (B, D) of tiles that follow one another, in the view `row`."""
        # the file is (V, T, D): skip `row` views and the tiles before this one
        self.file.seek(_bytes((row * self.shape[1] + tile, self.shape[2])))
        self.file.write(np.ascontiguousarray(values).tobytes())

    def read(self, image: int) -> npt.NDArray[np.float16]:
        """Return the features (V, T, D) of an image that were written."""
        first, last = int(self.starts[image]), int(self.starts[image + 1])
        size = (last - first, self.shape[2])
        views = []
        for row in range(self.shape[0]):
            self.file.seek(_bytes((row * self.shape[1] + first, self.shape[2])))
            views.append(np.frombuffer(self.file.read(_bytes(size)), dtype=np.float16).reshape(size))
        return np.stack(views)


def _copied(kept: KeptFeatures | None, digest: str, image: int, into: _Into) -> bool:
    """Write an image's features if they are kept, and return whether they are."""
    values = None if kept is None else kept.read(digest)
    first, last = int(into.starts[image]), int(into.starts[image + 1])
    if values is None or values.shape != (into.shape[0], last - first, into.shape[2]):
        return False
    for row, view in enumerate(values):
        into.write(row, first, view)
    return True


def _keep(kept: KeptFeatures | None, digests: Sequence[str], images: Sequence[int], into: _Into) -> None:
    """Keep the features of some images that were written."""
    if kept is None:
        return
    try:
        kept.keep([digests[i] for i in images], [into.read(i) for i in images])
    except WriteError as error:  # the training itself does without
        log.warning("features are not kept for the next training: %s", error)


@contextmanager
def _opened(data: Path, shape: tuple[int, ...], *, anew: bool) -> Iterator[BinaryIO]:
    """Open the file of features; with `anew`, allocate its disk space, or remove the file if that fails."""
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
    into: _Into,
    images: Sequence[int],
) -> None:
    """Write the features of batches of normalised tiles, which are those of some images in order."""
    spans = [np.arange(into.starts[i], into.starts[i + 1]) for i in images]
    tiles = np.concatenate(spans) if spans else np.arange(0)  # where each tile's features belong, (B,)
    at = 0
    for x in prefetch(batches):  # (B, 3, tile, tile)
        places = tiles[at : at + len(x)]
        runs = np.split(np.arange(len(places)), np.flatnonzero(np.diff(places) > 1) + 1)
        for row, view in enumerate(views):
            values = frozen.pooled(VIEWS[view](x)).astype(np.float16)  # (B, D)
            for run in runs:
                into.write(row, int(places[run[0]]), values[run])
        at += len(x)


def tile_batches(
    cache: PixelCache, preprocessing: Preprocessing, images: Sequence[int]
) -> Iterator[npt.NDArray[np.uint8]]:
    """Yield the tiles of images in order, in batches uint8 (B, tile, tile, 3)."""
    size = max(1, BATCH_PIXELS // preprocessing.tile**2)
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
    inputs = [preprocessing.as_dict(), shape, list(views), spec.taps, spec.pools, spec.scales]
    digest = hashlib.sha256(json.dumps(inputs).encode())
    digest.update(cache.index.stem.encode())
    digest.update(net.trunk_fingerprint().encode())
    return digest.hexdigest()[:32]


def _kept_key(net: TileNet, preprocessing: Preprocessing, views: Sequence[str]) -> str:
    """Return a name for all that an image's features depend on beside its file."""
    spec = net.head.spec
    inputs = [preprocessing.as_dict(), list(views), spec.taps, spec.pools, spec.scales]
    digest = hashlib.sha256(json.dumps([*inputs, net.runtime.device, __version__]).encode())
    digest.update(net.trunk_fingerprint().encode())
    return digest.hexdigest()[:32]


def _done(note: Path, data: Path, shape: tuple[int, ...]) -> int:
    """Return how many images an earlier extraction finished; 0 if there is none that can be resumed."""
    try:
        done = int(json.loads(note.read_text(encoding="utf-8"))["done"])
        whole = data.stat().st_size == _bytes(shape)
    except (OSError, ValueError, KeyError):
        return 0
    return done if whole else 0
