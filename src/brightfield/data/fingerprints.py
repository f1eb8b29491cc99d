"""Which images are nearly the same picture: perceptual fingerprints, and a check on small grey pixels.

Two pictures are compared by their thumbnails, each of zero mean and unit length so that brightness and
contrast do not count: the squared distance is 2 - 2 * correlation. Parts under one camera look alike, so how
near is too near depends on the data set: a fixed share of the typical distance between two of its pictures,
and never more than `NEAREST_LOOK_ALIKE`. The fingerprint is the thumbnail's low frequencies (as in pHash, but
not rounded to bits). As the cosine transform keeps lengths, fingerprints are never farther apart than
thumbnails: what they rule out is ruled out for good, and only what is left is compared in full.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from brightfield.data.decode import Pixels, decode
from brightfield.data.parallel import ordered_map
from brightfield.errors import ImageError
from brightfield.progress import Progress, silent

SIDE = 32
NEAREST_LOOK_ALIKE = 0.004
_SHARE_OF_TYPICAL = 0.005
_SURELY_THE_SAME = 2e-5  # what saving a picture again as JPEG does to it
_LOW = 8
_ROWS, _COLUMNS, _PAIRS = 1024, 16384, 16384  # of a block: bounds the memory to some 150 MB
_ROUNDING = 1e-6

Floats = npt.NDArray[np.float32]
Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Look:
    """What one decoding tells of an image's pixels.

    Attributes:
        path: The file.
        height: Of the upright image, in pixels; 0 where it cannot be read.
        width: As the height.
        thumbnail: float32 (32, 32) grey; None where it cannot be read.
        digest: The SHA-256 of its pixels, whatever the file format; empty where it cannot be read.
        low: The smallest value.
        high: The largest value.
        error: Why it cannot be read; None where it can.
    """

    path: Path
    height: int = 0
    width: int = 0
    thumbnail: Floats | None = None
    digest: str = ""
    low: int = 0
    high: int = 0
    error: str | None = None


def look(paths: Sequence[Path], progress: Progress | None = None) -> list[Look]:
    """Return the look of each file, in order, each decoded once; an unreadable one says so in `error`."""
    tell = progress or silent
    looks: list[Look] = []
    for done, one in enumerate(ordered_map(_look, paths), start=1):
        looks.append(one)
        tell("compare", done, len(paths))
    return looks


def near_duplicate_groups(images: Sequence[Path], progress: Progress | None = None) -> list[int]:
    """Return a number for each image; images with the same number are the same or nearly the same picture.

    Raises:
        ImageError: If one cannot be read.
    """
    looks = look(images, progress)
    broken = [one.error for one in looks if one.error is not None]
    if broken:
        raise ImageError(
            f"{len(broken)} image(s) cannot be read, first {broken[0]}. "
            "Run `brightfield data check` for all of them, and take them out"
        )
    return group_looks(looks)


def group_looks(looks: Sequence[Look]) -> list[int]:
    """Return the near-duplicate group of each look, numbered in order of first appearance.

    A look without pixels is a group of its own, and so is an image of one colour unless another equals it.
    """
    seen = [(i, one.thumbnail) for i, one in enumerate(looks) if one.thumbnail is not None]
    thumbnails = np.empty((len(seen), SIDE, SIDE), dtype=np.float32)
    for row, (_, thumbnail) in enumerate(seen):
        thumbnails[row] = thumbnail
    pairs = np.asarray([i for i, _ in seen], dtype=np.int64)[near_pairs(thumbnails)]
    return join(len(looks), np.concatenate([pairs, _equal_pairs(looks)]))


def join(n: int, pairs: Pairs) -> list[int]:
    """Return the connected groups of n things, numbered in order of first appearance, given (M, 2) pairs."""
    if n == 0:
        return []
    graph = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return [int(i) for i in rank[inverse]]


def near_pairs(thumbnails: Floats) -> Pairs:
    """Return the pairs (i, j), i < j, of thumbnails (N, 32, 32) that show nearly the same picture, (M, 2)."""
    vectors, varied = _unit(thumbnails)
    rows = np.flatnonzero(varied)
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.int64)
    vectors = vectors[rows]
    limit = _limit(vectors)
    prints = _fingerprints(vectors)
    found: list[Pairs] = []
    for top in range(0, len(rows), _ROWS):
        for left in range(top - top % _COLUMNS, len(rows), _COLUMNS):
            found.append(_near_in_block(vectors, prints, limit, top, left))
    pairs = np.concatenate(found)
    return np.asarray(rows[pairs], dtype=np.int64)


def thumbnail(pixels: Pixels) -> Floats:
    """Return a grey (32, 32), antialiased, so that the same picture at another size gives nearly the same."""
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        grey = Image.fromarray(pixels).convert("L").convert("F")
    else:
        flat = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
        grey = Image.fromarray(flat.astype(np.float32))
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float32)


def nearly_equal(first: Floats, second: Floats) -> bool:
    """Tell whether two thumbnails, (32, 32), show nearly the same picture; one of one colour is like none."""
    (one, other), varied = _unit(np.stack([first, second]))
    return bool(varied.all() and ((one - other) ** 2).sum() <= NEAREST_LOOK_ALIKE)


def _look(path: Path) -> Look:
    try:
        pixels = decode(path)
    except ImageError as error:
        return Look(path, error=str(error))
    digest = hashlib.sha256(f"{pixels.dtype}{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    height, width = pixels.shape[:2]
    low, high = int(pixels.min()), int(pixels.max())
    return Look(path, height, width, thumbnail(pixels), digest.hexdigest(), low, high)


def _unit(thumbnails: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return (N, 1024) of zero mean and unit length, and which had any contrast at all."""
    flat = thumbnails.reshape(len(thumbnails), SIDE * SIDE).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    varied = length[:, 0] > 1e-3 * SIDE
    return flat / np.where(varied[:, None], length, 1.0), varied


def _limit(vectors: Floats) -> float:
    """Return the squared distance up to which two pictures are nearly the same in this data set."""
    some = vectors[:: max(1, len(vectors) // 1000)]
    distances = 2.0 - 2.0 * (some @ some.T)[np.triu_indices(len(some), 1)]
    typical = float(np.median(distances)) if len(distances) else 0.0
    return max(_SURELY_THE_SAME, min(NEAREST_LOOK_ALIKE, _SHARE_OF_TYPICAL * typical))


def _fingerprints(vectors: Floats) -> Floats:
    """Return the 64 lowest frequencies of each thumbnail, (N, 64)."""
    waves = dctn(vectors.reshape(-1, SIDE, SIDE), axes=(1, 2), norm="ortho")
    return np.ascontiguousarray(waves[:, :_LOW, :_LOW].reshape(len(vectors), _LOW * _LOW), dtype=np.float32)


def _near_in_block(vectors: Floats, prints: Floats, limit: float, top: int, left: int) -> Pairs:
    """Return the near pairs between some rows and some columns, (M, 2)."""
    a, b = prints[top : top + _ROWS], prints[left : left + _COLUMNS]
    # |a - b|^2 <= limit, written so that one matrix product and one comparison do
    bound = ((a * a).sum(axis=1)[:, None] - limit - _ROUNDING) / 2
    i, j = np.nonzero(a @ b.T - (b * b).sum(axis=1)[None, :] / 2 >= bound)
    i, j = i + top, j + left
    i, j = i[i < j], j[i < j]
    kept = [np.empty((0, 2), dtype=np.int64)]
    for start in range(0, len(i), _PAIRS):
        p, q = i[start : start + _PAIRS], j[start : start + _PAIRS]
        near = ((vectors[p] - vectors[q]) ** 2).sum(axis=1) <= limit
        kept.append(np.stack([p[near], q[near]], axis=1))
    return np.concatenate(kept)


def _equal_pairs(looks: Sequence[Look]) -> Pairs:
    """Return each look with the first of the same pixels, (M, 2)."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(one.digest, i), i) for i, one in enumerate(looks) if one.digest]
    return np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
