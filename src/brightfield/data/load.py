"""Loading of a data set from a folder, a manifest or the catalog."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

from brightfield.data.catalog import (
    CATALOG,
    close_names,
    is_catalog_name,
    is_magnetic_tile,
    load_catalog,
    load_magnetic_tile,
)
from brightfield.data.cifar import PICKLE_FOLDER
from brightfield.data.dataset import Dataset
from brightfield.data.layouts import load_folder, load_plain_folder
from brightfield.data.manifest import MANIFEST_SUFFIXES, load_manifest
from brightfield.data.mask_values import with_mask_values
from brightfield.errors import DataError

_LOG = logging.getLogger(__name__)


def load(data: str | Path, *, normal: str | None = None, root: Path | None = None) -> Dataset:
    """Return the data set from a catalog name, a folder of class folders, or a CSV or Parquet manifest.

    Args:
        data: A path, or a name of the catalog; a `Path` or `./elpv` always means a folder or file.
        normal: The class that counts as good; None finds it by its name.
        root: The folder of the catalog's data sets: see `data_root`.

    Raises:
        DataError: If nothing has that name, or the data set cannot be read.
    """
    if isinstance(data, str) and is_catalog_name(data):
        return replace(load_catalog(data, normal=normal, root=root), place=data)
    path = Path(data).expanduser()
    if not path.exists():
        raise DataError(_missing(str(data)))
    if path.is_file():
        if path.suffix.lower() not in MANIFEST_SUFFIXES:
            raise DataError(
                f"{path} is a file; expected a folder, a manifest ({', '.join(MANIFEST_SUFFIXES)}) "
                f"or a name of the catalog: {', '.join(CATALOG)}"
            )
        folder = path.parent.resolve().name
        # `manifest.csv` tells nothing of its data set, so that takes its folder's name
        name = folder if path.stem.lower() == "manifest" and folder else path.stem
        return replace(
            with_mask_values(load_manifest(path, name=name, normal=normal), path.parent), place=path
        )
    return replace(with_mask_values(_load_directory(path, normal), path), place=path)


def load_unlabelled(data: str | Path) -> Dataset | None:
    """Return the images of a folder that says nothing of their classes; None if `data` is something else."""
    if isinstance(data, str) and is_catalog_name(data):
        return None
    path = Path(data).expanduser()
    if not path.is_dir() or _manifest_in(path) is not None:
        return None
    return load_plain_folder(path, name=path.resolve().name or str(path))


def _manifest_in(folder: Path) -> Path | None:
    places = (folder / f"manifest{suffix}" for suffix in MANIFEST_SUFFIXES)
    return next((place for place in places if place.is_file()), None)


def _load_directory(path: Path, normal: str | None) -> Dataset:
    name = path.resolve().name or str(path)
    manifest = _manifest_in(path)
    if manifest is not None:
        _LOG.info("%s is used", manifest)
        return load_manifest(manifest, name=name, normal=normal)
    if is_magnetic_tile(path):
        return replace(load_magnetic_tile(path, normal=normal), name=name)
    if any((folder / "data_batch_1").is_file() for folder in (path, path / PICKLE_FOLDER)):
        raise DataError(
            f"{path} holds CIFAR-10 as Python pickles, which are not opened because a pickle can run any "
            "code; convert them to train/<class>/ and test/<class>/ folders of images"
        )
    return load_folder(path, name=name, normal=normal)


def _missing(data: str) -> str:
    meant = close_names(data)
    hint = f"did you mean {' or '.join(meant)}? " if meant else ""
    return (
        f"there is no file or folder {data}, and the catalog has no such name; {hint}"
        f"the catalog's names: {', '.join(CATALOG)}"
    )
