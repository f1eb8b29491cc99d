"""Conversion of CIFAR-10's binary version to PNG files in class folders."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from brightfield.disk.room import writing
from brightfield.errors import DataError

BINARY_FOLDER = "cifar-10-batches-bin"
PICKLE_FOLDER = "cifar-10-batches-py"
_SIDE = 32
_RECORD = 1 + 3 * _SIDE * _SIDE  # the class, then the red, green and blue planes
_ROOM = 10_000 * 4096  # bytes on disk for the images of one file: one 4 KiB block an image
_FILES = {"train": [f"data_batch_{i}.bin" for i in range(1, 6)], "test": ["test_batch.bin"]}


def unpack_binary(source: Path, target: Path) -> None:
    """Write the images as `train/<class>/` and `test/<class>/`; each folder appears once it is complete.

    Args:
        source: The folder with `data_batch_1.bin` to `data_batch_5.bin`, `test_batch.bin` and
            `batches.meta.txt`.
        target: The folder to write to.

    Raises:
        DataError: If a file is missing or cut short, or has a class number without a name.
        WriteError: If the target cannot be written.
    """
    classes = _read(source / "batches.meta.txt").decode("utf-8", errors="replace").split()
    for split in ("test", "train"):  # train last: a folder `train` means that both are complete
        partial = target / f".{split}.{os.getpid()}.partial"
        with writing(target / split, _ROOM * len(_FILES[split])):
            try:
                for name in classes:
                    (partial / name).mkdir(parents=True, exist_ok=True)
                for number, file in enumerate(_FILES[split]):
                    _unpack_file(source / file, partial, classes, number)
                shutil.rmtree(target / split, ignore_errors=True)
                os.replace(partial, target / split)
            finally:
                shutil.rmtree(partial, ignore_errors=True)


def _unpack_file(file: Path, folder: Path, classes: list[str], number: int) -> None:
    data = np.frombuffer(_read(file), dtype=np.uint8)
    if data.size == 0 or data.size % _RECORD:
        raise DataError(f"{file} has {data.size} bytes; expected a multiple of {_RECORD}: download it again")
    records = data.reshape(-1, _RECORD)
    if int(records[:, 0].max()) >= len(classes):
        raise DataError(
            f"{file} has the class number {records[:, 0].max()}; expected 0 to {len(classes) - 1}: "
            "download it again"
        )
    images = records[:, 1:].reshape(-1, 3, _SIDE, _SIDE).transpose(0, 2, 3, 1)  # (N, 3, H, W) -> (N, H, W, 3)
    for i, (label, image) in enumerate(zip(records[:, 0], images, strict=True)):
        path = folder / classes[int(label)] / f"{number}_{i:05d}.png"
        Image.fromarray(np.ascontiguousarray(image)).save(path)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(
            f"{file} cannot be read ({error}); download CIFAR-10's binary version again"
        ) from error
