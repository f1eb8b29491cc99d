"""Detection of near-duplicate images by perceptual fingerprints.

Two pictures are compared by their thumbnails, each normalised to zero mean and unit length so that brightness
and contrast do not count: the squared distance is 2 - 2 * correlation. Pictures of different parts under one
camera are similar too, so the threshold depends on the data set: it is a fixed share of the typical distance
between two of its pictures, and never more than `NEAREST_LOOK_ALIKE`. The fingerprint is the thumbnail's low
frequencies (as in pHash, but not rounded to bits). The cosine transform preserves distances, so fingerprints
are never farther apart than thumbnails: pairs whose fingerprints are too far apart are ruled out exactly, and
only the others are compared by their thumbnails.
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
_SURELY_THE_SAME = 2e-5  # the squared distance that saving a picture again as JPEG makes
_LOW = 8
_ROWS, _COLUMNS, _PAIRS = 1024, 16384, 16384  # of a block of comparisons: bounds the memory to some 150 MB
_ROUNDING = 1e-6

Floats = npt.NDArray[np.float32]
Pairs = npt.NDArray[np.int64]


@dataclass(frozen=True)
class PixelSummary:
    """A summary of an image's pixels, taken in one decoding.

    Attributes:
        path: The image file.
        height: The height of the upright image in pixels; 0 if it cannot be read.
        width: The width of the upright image in pixels; 0 if it cannot be read.
        thumbnail: The image in grey, float32 (32, 32); None if it cannot be read.
        digest: The SHA-256 of the pixels, independent of the file format; empty if it cannot be read.
        low: The smallest pixel value.
        high: The largest pixel value.
        error: The reason why the image cannot be read; None if it can.
    """

    path: Path
    height: int = 0
    width: int = 0
    thumbnail: Floats | None = None
    digest: str = ""
    low: int = 0
    high: int = 0
    error: str | None = None


def summarise(paths: Sequence[Path], progress: Progress | None = None) -> list[PixelSummary]:
    """Return the summary of each file, in order; an unreadable file has its reason in `error`."""
    tell = progress or silent
    summaries: list[PixelSummary] = []
    for done, summary in enumerate(ordered_map(_summarise, paths), start=1):
        summaries.append(summary)
        tell("compare", done, len(paths))
    return summaries


def near_duplicate_groups(images: Sequence[Path], progress: Progress | None = None) -> list[int]:
    """Return the group number of each image; equal or nearly equal pictures have the same number.

    Raises:
        ImageError: If an image cannot be read.
    """
    summaries = summarise(images, progress)
    broken = [summary.error for summary in summaries if summary.error is not None]
    if broken:
        raise ImageError(
            f"{len(broken)} image(s) cannot be read, first {broken[0]}. "
            "Run `brightfield data check` for all of them, and take them out"
        )
    return group_summaries(summaries)


def group_summaries(summaries: Sequence[PixelSummary]) -> list[int]:
    """Return the near-duplicate group of each image, numbered in order of first appearance.

    An unreadable image is a group of its own. Images of one colour are in one group only if they are equal.
    """
    readable = [(i, s.thumbnail) for i, s in enumerate(summaries) if s.thumbnail is not None]
    thumbnails = np.empty((len(readable), SIDE, SIDE), dtype=np.float32)
    for row, (_, thumbnail) in enumerate(readable):
        thumbnails[row] = thumbnail
    # near_pairs counts readable images only: back to positions among all
    pairs = np.asarray([i for i, _ in readable], dtype=np.int64)[near_pairs(thumbnails)]
    return join(len(summaries), np.concatenate([pairs, _equal_pairs(summaries)]))


def join(n: int, pairs: Pairs) -> list[int]:
    """Return the connected component of each of n items, given (M, 2) pairs of connected items.

    Components are numbered in order of first appearance.
    """
    if n == 0:
        return []
    graph = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    labels = connected_components(graph, directed=False)[1]
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return [int(i) for i in rank[inverse]]


def near_pairs(thumbnails: Floats) -> Pairs:
    """Return the pairs (i, j), i < j, of thumbnails (N, 32, 32) of nearly the same picture, (M, 2)."""
    vectors, varied = _unit(thumbnails)
    rows = np.flatnonzero(varied)
    if len(rows) < 2:
        return np.empty((0, 2), dtype=np.int64)
    vectors = vectors[rows]
    limit = _limit(vectors)
    prints = _fingerprints(vectors)
    blocks: list[Pairs] = []
    for top in range(0, len(rows), _ROWS):
        for left in range(top - top % _COLUMNS, len(rows), _COLUMNS):  # only pairs with i < j
            blocks.append(_near_in_block(vectors, prints, limit, top, left))
    pairs = np.concatenate(blocks)
    return np.asarray(rows[pairs], dtype=np.int64)


def thumbnail(pixels: Pixels) -> Floats:
    """Return an image's grey thumbnail, float32 (32, 32), antialiased so that sizes hardly matter."""
    if pixels.ndim == 3 and pixels.dtype == np.uint8:
        grey = Image.fromarray(pixels).convert("L").convert("F")
    else:
        flat = pixels if pixels.ndim == 2 else pixels.mean(axis=2)
        grey = Image.fromarray(flat.astype(np.float32))
    return np.asarray(grey.resize((SIDE, SIDE), Image.Resampling.BILINEAR), dtype=np.float32)


def nearly_equal(first: Floats, second: Floats) -> bool:
    """Return whether two thumbnails (32, 32) are of nearly the same picture; never for one of one colour."""
    (one, other), varied = _unit(np.stack([first, second]))
    return bool(varied.all() and ((one - other) ** 2).sum() <= NEAREST_LOOK_ALIKE)


def _summarise(path: Path) -> PixelSummary:
    try:
        pixels = decode(path)
    except ImageError as error:
        return PixelSummary(path, error=str(error))
    digest = hashlib.sha256(f"{pixels.dtype}{pixels.shape}".encode())
    digest.update(np.ascontiguousarray(pixels).tobytes())
    height, width = pixels.shape[:2]
    low, high = int(pixels.min()), int(pixels.max())
    return PixelSummary(path, height, width, thumbnail(pixels), digest.hexdigest(), low, high)


def _unit(thumbnails: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return thumbnails as vectors (N, 1024) of zero mean and unit length, and which have contrast."""
    flat = thumbnails.reshape(len(thumbnails), SIDE * SIDE).astype(np.float32)
    flat = flat - flat.mean(axis=1, keepdims=True)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    varied = length[:, 0] > 1e-3 * SIDE
    return flat / np.where(varied[:, None], length, 1.0), varied


def _limit(vectors: Floats) -> float:
    """Return the squared distance up to which two pictures are nearly the same in this data set."""
    sample = vectors[:: max(1, len(vectors) // 1000)]
    distances = 2.0 - 2.0 * (sample @ sample.T)[np.triu_indices(len(sample), 1)]
    typical = float(np.median(distances)) if len(distances) else 0.0
    return max(_SURELY_THE_SAME, min(NEAREST_LOOK_ALIKE, _SHARE_OF_TYPICAL * typical))


def _fingerprints(vectors: Floats) -> Floats:
    """Return the 64 lowest frequencies of each thumbnail, (N, 1024) to (N, 64)."""
    spectrum = dctn(vectors.reshape(-1, SIDE, SIDE), axes=(1, 2), norm="ortho")
    lowest = spectrum[:, :_LOW, :_LOW].reshape(len(vectors), _LOW * _LOW)
    return np.ascontiguousarray(lowest, dtype=np.float32)


def _near_in_block(vectors: Floats, prints: Floats, limit: float, top: int, left: int) -> Pairs:
    """Return the near-duplicate pairs (M, 2) in the block of comparisons that begins at (top, left)."""
    a, b = prints[top : top + _ROWS], prints[left : left + _COLUMNS]
    # |a - b|^2 <= limit, rearranged so that one matrix product is enough:
    # a.b - |b|^2 / 2 >= (|a|^2 - limit) / 2
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


def _equal_pairs(summaries: Sequence[PixelSummary]) -> Pairs:
    """Return each image paired with the first image of the same pixels, (M, 2)."""
    first: dict[str, int] = {}
    pairs = [(first.setdefault(s.digest, i), i) for i, s in enumerate(summaries) if s.digest]
    return np.asarray(pairs, dtype=np.int64).reshape(-1, 2)
