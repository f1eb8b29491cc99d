"""Checks of output paths, made before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from brightfield.disk.names import nearest_existing
from brightfield.errors import ConfigError


def check_bundle_place(path: Path, *, force: bool) -> None:
    """Check that a bundle can be written at a path.

    Raises:
        ConfigError: If an inspector is at the path and `force` is false, or the folder is not writable.
        BundleError: If something that is not a bundle is at the path.
    """
    from brightfield.bundle import check_replaceable  # imported here, as --help does not need it

    check_replaceable(path)
    if path.exists() and not force and not (path.is_dir() and not any(path.iterdir())):
        raise ConfigError(
            f"{path} already holds an inspector; add --force to replace it, or choose another -o"
        )
    _check_writable(path.absolute().parent)


def check_folder(path: Path) -> None:
    """Check that results can be written to a folder.

    Raises:
        ConfigError: If the path is a file, or the folder is not writable.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file; expected a folder, or a path that does not exist yet")
    _check_writable(path.absolute())


def check_apart(folder: Path, *, data: str | None = None, bundles: Iterable[Path | None] = ()) -> None:
    """Check that a folder for results is separate from inspectors and from the images of a data set.

    Args:
        folder: The folder for results.
        data: The data set, as the command line names it. The folder must not be the data set's own, nor one
            below it that holds images.
        bundles: Inspectors that are read or written; None for one that is not given.

    Raises:
        ConfigError: If the folder is not separate.
    """
    place = Path(os.path.realpath(folder))
    for bundle in bundles:
        if bundle is not None and place.is_relative_to(os.path.realpath(bundle)):
            raise ConfigError(
                f"{folder} is inside the inspector's bundle; choose another folder for the results"
            )
    root = None if data is None else Path(os.path.realpath(data))
    if root is None or not root.is_dir() or not place.is_relative_to(root):
        return
    if place == root or (place.is_dir() and _holds_images(place)):
        raise ConfigError(f"{folder} holds the images to judge; choose another folder for the results")


def _holds_images(folder: Path) -> bool:
    from brightfield.data.decode import IMAGE_SUFFIXES

    return any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir())


def _check_writable(folder: Path) -> None:
    nearest = nearest_existing(folder)
    if not nearest.is_dir():
        raise ConfigError(f"{nearest} is a file, so no folder can be created below it; choose another path")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise ConfigError(f"{nearest} is not writable; choose another path, or change its permissions")
