"""Whether something can be written where the user wants it, asked before any work is done."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from brightfield.errors import ConfigError


def check_bundle_place(path: Path, *, force: bool) -> None:
    """Refuse a place for a bundle that holds something already, or that cannot be written.

    Raises:
        ConfigError: If an inspector is there and `force` is not given, or the folder cannot be written.
        BundleError: If something else is there.
    """
    from brightfield.bundle import check_replaceable  # here, as --help need not wait for it

    check_replaceable(path)
    if path.exists() and not force and not (path.is_dir() and not any(path.iterdir())):
        raise ConfigError(
            f"{path} already holds an inspector; add --force to replace it, or choose another -o"
        )
    _check_writable(path.absolute().parent)


def check_folder(path: Path) -> None:
    """Refuse a folder for results that is a file, or that cannot be written.

    Raises:
        ConfigError: If so.
    """
    if path.exists() and not path.is_dir():
        raise ConfigError(f"{path} is a file; expected a folder, or a new name for one")
    _check_writable(path.absolute())


def check_apart(folder: Path, *, data: str | None = None, bundles: Iterable[Path | None] = ()) -> None:
    """Refuse a folder for results that is an inspector's, or a data set's own.

    Args:
        folder: Where results are to be written.
        data: What is judged, as the command line names it: its folder may not be it, nor one in it that
            holds images.
        bundles: Inspectors that are read or written; None for one that was not named.

    Raises:
        ConfigError: If so.
    """
    place = Path(os.path.realpath(folder))
    for bundle in bundles:
        if bundle is not None and place.is_relative_to(os.path.realpath(bundle)):
            raise ConfigError(f"{folder} is the inspector's own folder; name another for the results")
    root = None if data is None else Path(os.path.realpath(data))
    if root is None or not root.is_dir() or not place.is_relative_to(root):
        return
    if place == root or (place.is_dir() and _holds_images(place)):
        raise ConfigError(f"{folder} holds the images that are judged; name another folder for the results")


def _holds_images(folder: Path) -> bool:
    from brightfield.data.decode import IMAGE_SUFFIXES

    return any(entry.suffix.lower() in IMAGE_SUFFIXES for entry in folder.iterdir())


def _check_writable(folder: Path) -> None:
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if not there.is_dir():
        raise ConfigError(f"{there} is a file, so that nothing can be written below it; choose another place")
    if not os.access(there, os.W_OK | os.X_OK):
        raise ConfigError(f"{there} may not be written to; choose another place, or ask for the right to")
