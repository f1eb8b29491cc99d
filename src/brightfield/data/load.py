"""One door to every data set: a folder, a table, or a name from the catalog."""

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
from brightfield.data.layouts import load_folder
from brightfield.data.manifest import MANIFEST_SUFFIXES, load_manifest
from brightfield.errors import DataError

_LOG = logging.getLogger(__name__)


def load(data: str | Path, *, normal: str | None = None, root: Path | None = None) -> Dataset:
    """Return the data set of a catalog name, a folder of class folders, or a CSV or Parquet manifest.

    Args:
        data: A name of the catalog, unless it is a `Path`; write `./elpv` for a folder of that name.
        normal: The class that counts as good; found by its usual names where None.
        root: Where the catalog's folders lie: see `data_root`.

    Raises:
        DataError: If there is nothing of that name, or what is there cannot be used.
    """
    if isinstance(data, str) and is_catalog_name(data):
        return load_catalog(data, normal=normal, root=root)
    path = Path(data).expanduser()
    if not path.exists():
        raise DataError(_missing(str(data)))
    if path.is_file():
        if path.suffix.lower() not in MANIFEST_SUFFIXES:
            raise DataError(
                f"{path} is a file; expected a folder, a manifest ({', '.join(MANIFEST_SUFFIXES)}) "
                f"or a name of the catalog: {', '.join(CATALOG)}"
            )
        folder = path.parent.resolve().name  # which a file that is only called manifest is named by
        named = folder if path.stem.lower() == "manifest" and folder else path.stem
        return load_manifest(path, name=named, normal=normal)
    return _load_directory(path, normal)


def _load_directory(path: Path, normal: str | None) -> Dataset:
    name = path.resolve().name or str(path)
    for manifest in (path / f"manifest{suffix}" for suffix in MANIFEST_SUFFIXES):
        if manifest.is_file():
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
