"""Named files in a folder or a zip file: validated when read, replaced atomically when written.

New content is written beside its destination as `.<name>.partial` and renamed once it is complete and on
disk. When a folder replaces a folder, the old one is `.<name>.previous` between two renames, since no
portable call exchanges two folders; `find_place` looks there too. Long names are shortened for both.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from brightfield.disk.names import shortened
from brightfield.disk.room import writing
from brightfield.errors import BundleError

SUFFIX = ".bfz"
"""The suffix of a bundle that is one zip file instead of a folder."""

PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""The pattern of file names in a bundle: no other folders, no hidden files."""

BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError)
"""The exceptions that `zipfile` raises for a damaged, encrypted or unsupported archive."""


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Files(Protocol):
    """Read access to files by name."""

    def names(self) -> set[str]:
        """Return all names, folders included."""

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; raises BundleError if it is missing or damaged."""


class Folder:
    """The files directly in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def names(self) -> set[str]:
        """Return all names, folders included."""
        return {entry.name for entry in self._path.iterdir()}

    def read(self, name: str) -> bytes:
        """Return the bytes of one file; raises BundleError if it is missing or unreadable."""
        try:
            return (self._path / name).read_bytes()
        except (FileNotFoundError, IsADirectoryError) as error:
            raise BundleError(f"{self._path} holds no file {name}; expected a whole bundle") from error
        except OSError as error:
            raise BundleError(f"{self._path / name} cannot be read ({error.strerror})") from error


class Zip:
    """The files of a zip file; BundleError if any entry's name is not a plain file name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                # a zip file cut off within an .npz entry may end in a valid directory: that of the .npz
                if min((entry.header_offset for entry in archive.infolist()), default=0) > 0:
                    raise zipfile.BadZipFile("its directory is missing")
        except BROKEN_ZIP as error:
            raise BundleError(
                f"{path} is no whole zip file ({error}); expected a bundle: copy or export it again"
            ) from error
        except OSError as error:
            raise BundleError(f"{path} cannot be read ({error.strerror})") from error
        for name in names:
            if not PLAIN_NAME.fullmatch(name) or names.count(name) > 1:
                raise BundleError(
                    f"{path} has the entry {name!r}; expected plain file names, each once "
                    "(zip the files in the folder, not the folder)"
                )
        self._names = set(names)

    def names(self) -> set[str]:
        """Return the names of all entries."""
        return self._names

    def read(self, name: str) -> bytes:
        """Return the bytes of one entry; raises BundleError if it is missing or damaged."""
        if name not in self._names:
            raise BundleError(f"{self._path} holds no file {name}; expected a whole bundle")
        try:
            with zipfile.ZipFile(self._path) as archive:
                return archive.read(name)
        except (*BROKEN_ZIP, OSError) as error:
            raise BundleError(f"{name} in {self._path} is damaged ({error}); copy the file again") from error


def open_files(place: Path) -> Files:
    """Return the files in a folder or a zip file."""
    return Folder(place) if place.is_dir() else Zip(place)


def find_place(path: Path) -> Path | None:
    """Return where the bundle of `path` is: `path`, or its old folder after an interrupted write, or None."""
    previous = _beside(path, "previous")
    if path.exists():
        return path
    return previous if previous.exists() else None


def replace_whole(path: Path, content: Mapping[str, bytes]) -> None:
    """Write files to `path`, replacing what is there: a zip file if the path ends in `.bfz`, else a folder.

    Only one process at a time may write to a path.

    Raises:
        WriteError: If the file system refuses to write; the old files are kept.
    """
    partial, previous = _beside(path, "partial"), _beside(path, "previous")
    with writing(path, sum(len(data) for data in content.values())):
        path.parent.mkdir(parents=True, exist_ok=True)
        _restore(path, previous)
        _remove(partial)
        try:
            if path.suffix == SUFFIX:
                _write_zip(partial, content)
                partial.replace(path)
            else:
                _write_folder(partial, content)
                if path.exists():
                    path.rename(previous)
                partial.rename(path)
            _sync(path.parent)
        finally:
            # after a failure: restore the old folder, remove the incomplete one
            _restore(path, previous)
            _remove(partial)


def _beside(path: Path, role: str) -> Path:
    absolute = Path(os.path.abspath(path))  # a path such as "." has no name
    name = shortened(absolute.name, len(f"..{role}"), absolute.parent)
    return absolute.parent / f".{name}.{role}"


def _write_folder(folder: Path, content: Mapping[str, bytes]) -> None:
    folder.mkdir()
    for name, data in content.items():
        with (folder / name).open("wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
    _sync(folder)


def _write_zip(file: Path, content: Mapping[str, bytes]) -> None:
    with file.open("wb") as stream:
        with zipfile.ZipFile(stream, "w") as archive:
            for name, data in content.items():
                archive.writestr(zipfile.ZipInfo(name), data)  # with a fixed date: equal content, equal bytes
        stream.flush()
        os.fsync(stream.fileno())


def _restore(path: Path, previous: Path) -> None:
    if not previous.exists():
        return
    if path.exists():
        _remove(previous)
    else:
        previous.rename(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
