"""The pixel cache: every image is decoded once, into a memory-mapped file that serves all epochs."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.decode import decode, to_rgb8
from brightfield.data.geometry import resize
from brightfield.data.parallel import ordered_map
from brightfield.data.preprocessing import Preprocessing
from brightfield.disk.atomic import write_atomically
from brightfield.disk.room import writing
from brightfield.errors import DataError, ImageError
from brightfield.progress import Progress, silent

_SCHEMA = 1
_TEMPORARY = ".partial"
_ABANDONED_AFTER_S = 3600

Shape = tuple[int, int, int]


class PixelCache:
    """The decoded images of a list of files, in order.

    Grey images are stored with one channel and returned with three, which saves two thirds of the space.

    Attributes:
        index: The JSON file with the stored shapes; the pixels are in a file beside it.
        shapes: The (height, width, 3) of each image, in order.
    """

    def __init__(self, index: Path) -> None:
        described = json.loads(index.read_text(encoding="utf-8"))
        self.index = index
        self._stored: list[Shape] = [(h, w, c) for h, w, c in described["shapes"]]
        self.shapes: list[Shape] = [(h, w, 3) for h, w, _ in self._stored]
        sizes = [h * w * c for h, w, c in self._stored]
        self._starts = np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])
        self._pixels = np.memmap(_pixels_of(index), dtype=np.uint8, mode="r", shape=(int(self._starts[-1]),))

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, i: int) -> npt.NDArray[np.uint8]:
        """Return image i, uint8 (H, W, 3), as a read-only view."""
        if not 0 <= i < len(self):
            raise IndexError(f"image {i} of {len(self)}")
        flat = self._pixels[self._starts[i] : self._starts[i + 1]]
        return np.broadcast_to(np.asarray(flat).reshape(self._stored[i]), self.shapes[i])

    def batch(
        self, indices: Sequence[int], out: npt.NDArray[np.uint8] | None = None
    ) -> npt.NDArray[np.uint8]:
        """Return several images of one size, uint8 (B, H, W, 3).

        Args:
            indices: The images, by their positions in the list.
            out: The array to write to, uint8 (B, H, W, 3); a new one if None. Reusing one array for all
                batches is faster: clearing new memory pages takes longer than the copying.

        Raises:
            DataError: If the images differ in size, or `out` has another shape or type.
        """
        shapes = {self.shapes[i] for i in indices}
        if len(shapes) != 1:
            found = ", ".join(f"{w}x{h}" for h, w, _ in sorted(shapes)) or "none"
            raise DataError(f"a batch needs images of one size; found {found}")
        shape = (len(indices), *shapes.pop())
        if out is None:
            out = np.empty(shape, dtype=np.uint8)
        if out.shape != shape or out.dtype != np.uint8:
            raise DataError(f"out is {out.dtype} {out.shape}; expected uint8 {shape}")
        for row, i in enumerate(indices):
            self._write(i, out[row])
        return out

    def _write(self, i: int, out: npt.NDArray[np.uint8]) -> None:
        if self._stored[i][2] == 3:
            out[...] = self[i]
            return
        for channel in range(3):  # four times as fast as broadcasting over the last axis
            out[..., channel] = self[i][..., 0]

    def __reduce__(self) -> tuple[type[PixelCache], tuple[Path]]:
        """Pickle the path only; the other process maps the same file."""
        return PixelCache, (self.index,)


def build_cache(
    paths: Sequence[Path], *, rule: Preprocessing, folder: Path, progress: Progress | None = None
) -> PixelCache:
    """Return the cache of these files at working size; it is built if it does not exist yet.

    A cache is identified by the path, size and modification time of each file, the resizing rule, the bit
    depth and the region of interest. The index is written last, and every file is written under a temporary
    name, so an interrupted build is never read: the next call builds again.

    Args:
        paths: The image files, in the order of the cache.
        rule: The preprocessing; tiles and normalisation come later, and make no difference here.
        folder: The folder of the caches, which is made if it is missing.
        progress: Called after every image.

    Raises:
        ImageError: If a file cannot be read, or does not fit the region of interest; the message names it.
        DataError: If there are no files.
        WriteError: If the folder cannot be written, or there is no room on the disk.
    """
    if not paths:
        raise DataError("no images to decode; expected at least one")
    index = folder / f"{_key(paths, rule)}.json"
    if not _is_whole(index):
        with writing(folder):
            folder.mkdir(parents=True, exist_ok=True)
        _build(paths, rule, index, progress or silent)
    return PixelCache(index)


def _key(paths: Sequence[Path], rule: Preprocessing) -> str:
    facts_of_rule: list[Any] = [_SCHEMA, rule.long_side, rule.enlarge, rule.square, rule.bits]
    if rule.region is not None:
        facts_of_rule += [rule.region.as_dict()["png"], rule.fill]
    digest = hashlib.sha256(json.dumps(facts_of_rule).encode())
    for path in paths:
        try:
            facts = path.stat()
        except OSError as error:
            raise ImageError(f"{path} does not exist or may not be read ({error}); check the path") from error
        # a name that is not UTF-8 comes as surrogate escapes
        digest.update(
            f"{path.resolve()}\0{facts.st_size}\0{facts.st_mtime_ns}\0".encode(errors="surrogateescape")
        )
    return digest.hexdigest()[:32]


def _pixels_of(index: Path) -> Path:
    return index.with_suffix(".u8")


def _is_whole(index: Path) -> bool:
    """Return whether the index exists and the file of pixels has the size that it states."""
    try:
        described: dict[str, Any] = json.loads(index.read_text(encoding="utf-8"))
        expected = sum(h * w * c for h, w, c in described["shapes"])
        return bool(_pixels_of(index).stat().st_size == expected)
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _build(paths: Sequence[Path], rule: Preprocessing, index: Path, tell: Progress) -> None:
    def prepared(path: Path) -> npt.NDArray[np.uint8]:
        return _prepared(path, rule)

    index.unlink(missing_ok=True)
    pixels = _pixels_of(index)
    partial = pixels.with_name(f"{pixels.name}.{os.getpid()}{_TEMPORARY}")
    shapes: list[Shape] = []

    def needed() -> int:
        """Return the bytes that all images need, estimated from those decoded so far."""
        return sum(h * w * c for h, w, c in shapes) * len(paths) // max(1, len(shapes))

    with writing(index.parent, needed):
        try:
            with partial.open("wb") as file:
                for array in ordered_map(prepared, paths):
                    shapes.append((array.shape[0], array.shape[1], array.shape[2]))
                    file.write(array.tobytes())
                    tell("decode", len(shapes), len(paths))
                # some file systems report a full disk only here; reading a missing page kills the process
                file.flush()
                os.fsync(file.fileno())
            os.replace(partial, pixels)
            write_atomically(index, json.dumps({"schema": _SCHEMA, "shapes": shapes}).encode())
        finally:
            partial.unlink(missing_ok=True)
    _sweep(index)


def _prepared(path: Path, rule: Preprocessing) -> npt.NDArray[np.uint8]:
    """Return one file's pixels at the working size, uint8 (H, W, 3), or (H, W, 1) for a grey file.

    With a region of interest all have three channels, as the padding colour around it may be no grey.
    """
    array = decode(path)
    if array.ndim == 2 and rule.region is None:
        return resize(to_rgb8(array, rule.bits)[..., 0], rule.resize)[..., None]
    try:
        return rule.shrunk(array)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from error


def _sweep(index: Path) -> None:
    """Remove the files that interrupted builds of this cache left: those not written to for an hour."""
    for left in index.parent.glob(f"{index.stem}*{_TEMPORARY}"):
        if time.time() - left.stat().st_mtime > _ABANDONED_AFTER_S:
            left.unlink(missing_ok=True)
