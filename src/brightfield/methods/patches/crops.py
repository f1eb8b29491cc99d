"""Small pictures of the good patches in a memory bank, so that a verdict can show the closest good part."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from brightfield.data.decode import decode, to_rgb8
from brightfield.data.preprocessing import Preprocessing
from brightfield.methods.base import Picture
from brightfield.methods.good_parts.stream import told, working_pictures
from brightfield.progress import Progress, silent

Integers = npt.NDArray[np.integer]

SHARE = 1 / 7
"""The side of a crop as a share of a tile's side."""

LEAST, MOST = 16, 64
"""The least and the greatest side of a crop in pixels."""

QUALITY = 80
"""The quality of the crops' JPEG files."""


@dataclass(frozen=True, eq=False)
class Crops:
    """The surroundings of each patch of a memory bank, in the good part that it comes from.

    Attributes:
        images: The names of the pictures.
        sources: The picture of each crop, as a position in `images`, int32 (P,).
        files: The crops as JPEG files, one after the other, uint8 (B,).
        ends: Where each crop's file ends, int64 (P,).
        of_patch: The crop of each patch, int32 (K,); patches of one place have the same.
    """

    images: tuple[str, ...] = field(repr=False)
    sources: npt.NDArray[np.int32] = field(repr=False)
    files: npt.NDArray[np.uint8] = field(repr=False)
    ends: npt.NDArray[np.int64] = field(repr=False)
    of_patch: npt.NDArray[np.int32] = field(repr=False)

    def __post_init__(self) -> None:
        sizes = np.diff(self.ends, prepend=0)
        whole = len(self.sources) == len(self.ends) and (sizes > 0).all() and sizes.sum() == len(self.files)
        for rows, count in ((self.sources, len(self.images)), (self.of_patch, len(self.ends))):
            whole = whole and bool(len(rows)) and int(rows.min()) >= 0 and int(rows.max()) < count
        if not whole:
            raise ValueError(f"the crops of {len(self.of_patch)} patches are not whole")

    def __len__(self) -> int:
        return len(self.of_patch)

    def image(self, patch: int) -> str:
        """Return the name of the picture that a patch of the bank comes from."""
        return self.images[int(self.sources[self.of_patch[patch]])]

    def picture(self, patch: int) -> Picture:
        """Return the surroundings of a patch of the bank, uint8 (h, w, 3)."""
        return to_rgb8(decode(self._file(int(self.of_patch[patch]))))

    def _file(self, crop: int) -> bytes:
        begin = int(self.ends[crop - 1]) if crop else 0
        return self.files[begin : int(self.ends[crop])].tobytes()

    def taken(self, patches: Integers) -> Crops:
        """Return the crops of some of the patches, at least one, in this order."""
        kept, of_patch = np.unique(self.of_patch[patches], return_inverse=True)
        return joined_files(
            [self.images[i] for i in self.sources[kept]], [self._file(int(i)) for i in kept], of_patch
        )

    def followed_by(self, others: Crops) -> Crops:
        """Return the crops of these patches, and then those of others."""
        crops = [
            (of.images[of.sources[i]], of._file(i)) for of in (self, others) for i in range(len(of.ends))
        ]
        of_patch = np.concatenate([self.of_patch, others.of_patch + len(self.ends)])
        return joined_files([image for image, _ in crops], [file for _, file in crops], of_patch)


def joined_files(images: Sequence[str], files: Sequence[bytes], of_patch: Integers) -> Crops:
    """Return the crops with these files, given the picture of each and the crop of each patch."""
    names = tuple(dict.fromkeys(images))
    number = {name: i for i, name in enumerate(names)}
    return Crops(
        images=names,
        sources=np.array([number[image] for image in images], dtype=np.int32),
        files=np.frombuffer(b"".join(files), dtype=np.uint8),
        ends=np.cumsum([len(file) for file in files], dtype=np.int64),
        of_patch=of_patch.reshape(-1).astype(np.int32),
    )


def read_crops(
    tags: npt.NDArray[np.int64],
    named: Sequence[tuple[str, Path]],
    preprocessing: Preprocessing,
    progress: Progress = silent,
) -> Crops:
    """Return the crops of patches, cut from their pictures, which are decoded again.

    Args:
        tags: Where each patch comes from, int64 (K, 3), as `tags_of` returns it, K at least 1.
        named: The name and the file of each picture.
        preprocessing: The preprocessing of the pictures.
        progress: Called after every picture.

    Raises:
        ImageError: If a file cannot be read.
    """
    places, of_patch = np.unique(tags, axis=0, return_inverse=True)  # sorted by picture
    numbers = np.unique(places[:, 0])
    pictures = told(
        working_pictures([named[i][1] for i in numbers], preprocessing), "crops", len(numbers), progress
    )
    files = list(_files(places, zip(numbers, pictures, strict=True), crop_side(preprocessing.tile)))
    return joined_files([named[i][0] for i in places[:, 0]], files, of_patch)


def _files(
    places: npt.NDArray[np.int64], pictures: Iterable[tuple[np.int64, Picture]], side: int
) -> Iterable[bytes]:
    for number, picture in pictures:
        for _, row, column in places[places[:, 0] == number]:
            top, left = (
                start(at, side, length) for at, length in zip((row, column), picture.shape[:2], strict=True)
            )
            yield _as_jpeg(picture[top : top + side, left : left + side])


def _as_jpeg(picture: Picture) -> bytes:
    grey = bool((picture == picture[:, :, :1]).all())
    buffer = io.BytesIO()
    shown = picture[:, :, 0] if grey else picture
    Image.fromarray(np.ascontiguousarray(shown)).save(buffer, "JPEG", quality=QUALITY, optimize=True)
    return buffer.getvalue()


def crop_side(tile: int) -> int:
    """Return the side in pixels of the crops from tiles of this side."""
    return min(MOST, max(LEAST, round(SHARE * tile)))


def start(at: int, side: int, length: int) -> int:
    """Return where a window of `side` pixels around a pixel begins, in a picture `length` pixels long."""
    return int(min(max(at - side // 2, 0), max(length - side, 0)))
