"""The catalog of public data sets: their names, licences and where their files are expected."""

from __future__ import annotations

import difflib
import importlib.util
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

from brightfield.data.cifar import BINARY_FOLDER, PICKLE_FOLDER, unpack_binary
from brightfield.data.dataset import Dataset, Sample
from brightfield.data.layouts import as_dataset, load_folder
from brightfield.data.manifest import load_manifest
from brightfield.errors import DataError

DATA_VARIABLE = "BRIGHTFIELD_DATA"
MVTEC = "mvtec-ad"
MVTEC_CATEGORIES = (
    *("bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill", "screw"),
    *("tile", "toothbrush", "transistor", "wood", "zipper"),
)
_MAGNETIC_PREFIX = "MT_"
_LIKELY_DEFECT = 0.5


@dataclass(frozen=True)
class CatalogEntry:
    """A public data set.

    Attributes:
        name: The name that `brightfield train` accepts.
        description: The number and kind of its images.
        licence: The licence of its images.
        homepage: The address where its authors publish it.
        how: The steps to get it.
        expected: The files expected below its folder.
        size: The approximate disk space it takes.
    """

    name: str
    description: str
    licence: str
    homepage: str
    how: str
    expected: str
    size: str


_ENTRIES = (
    CatalogEntry(
        "elpv",
        "2,624 electroluminescence images of solar cells, 300x300 grey, each with a defect probability",
        "CC BY-NC-SA 4.0",
        "https://github.com/zae-bayern/elpv-dataset",
        "pip install elpv-dataset",
        "the installed package elpv-dataset",
        "90 MB",
    ),
    CatalogEntry(
        "cifar10",
        "60,000 colour images of 32x32 pixels in ten classes; no class counts as good",
        "no licence stated; for research, cite Krizhevsky 2009",
        "https://www.cs.toronto.edu/~kriz/cifar.html",
        "download the binary version by hand, unpack it, then run: brightfield data fetch cifar10",
        "train/<class>/ and test/<class>/ with images, or cifar-10-batches-bin/ to be converted",
        "170 MB",
    ),
    CatalogEntry(
        "magnetic-tile",
        "1,344 images of magnetic tiles, 392 with one of five defects and a pixel mask",
        "no licence stated; for research, cite Huang et al. 2020",
        "https://github.com/abin24/Magnetic-tile-defect-datasets.",
        "download the repository by hand",
        "MT_Free/Imgs/, MT_Blowhole/Imgs/ and so on, *.jpg with *.png masks beside them",
        "60 MB",
    ),
    CatalogEntry(
        MVTEC,
        f"{len(MVTEC_CATEGORIES)} kinds of objects and textures with pixel masks; name one: mvtec-ad/screw",
        "CC BY-NC-SA 4.0",
        "https://www.mvtec.com/company/research/datasets/mvtec-ad",
        "accept the terms on the homepage and download it by hand",
        "<category>/train/good/, <category>/test/<type>/ and <category>/ground_truth/<type>/",
        "5 GB",
    ),
    CatalogEntry(
        "ballscrew",
        "1,104 photographs of ball-screw drives, 394 with pitting and a pixel mask",
        "CC BY-SA 4.0",
        "https://github.com/2Obe/BSData",
        "download the repository by hand and write its annotations as masks and a manifest",
        "manifest.csv (image,label,mask,group) with images/ and masks/",
        "80 MB",
    ),
)
CATALOG: Mapping[str, CatalogEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})


def data_root(root: Path | None = None) -> Path:
    """Return the catalog's folder: `root`, else BRIGHTFIELD_DATA, else ~/.local/share/brightfield/data."""
    if root is not None:
        return root
    configured = os.environ.get(DATA_VARIABLE)
    if configured:
        return Path(configured).expanduser()
    return Path.home() / ".local" / "share" / "brightfield" / "data"


def is_catalog_name(name: str) -> bool:
    """Return whether the catalog has a data set of this name, such as `elpv` or `mvtec-ad/screw`."""
    return name.partition("/")[0] in CATALOG and (name in CATALOG or name.startswith(f"{MVTEC}/"))


def close_names(name: str) -> list[str]:
    """Return up to two catalog names that are spelled like this one."""
    return difflib.get_close_matches(name, list(CATALOG), n=2, cutoff=0.6)


def load_catalog(name: str, *, normal: str | None = None, root: Path | None = None) -> Dataset:
    """Return a public data set from the disk.

    Args:
        name: Such as `elpv` or `mvtec-ad/screw`.
        normal: The class that counts as good, instead of the data set's own.
        root: The folder of the catalog's data sets: see `data_root`.

    Raises:
        DataError: If its files are missing; the message says how to get them, and under which licence.
    """
    entry, folder = CATALOG[name.partition("/")[0]], locate(name, root)
    if entry.name == "elpv":
        loaded = _load_elpv(folder, normal)
    elif entry.name == "magnetic-tile":
        loaded = load_magnetic_tile(folder, normal=normal)
    elif entry.name == "ballscrew":
        loaded = load_manifest(folder / "manifest.csv", name=name, normal=normal)
    else:
        loaded = load_folder(folder, name=name, normal=normal)
    return replace(loaded, licence=entry.licence)


def fetch(name: str, *, root: Path | None = None) -> Path:
    """Return the folder of a public data set, after converting its files if necessary.

    Nothing is downloaded: no entry has both an open licence and a stable download address. CIFAR-10's binary
    version is converted to PNG files in class folders.

    Raises:
        DataError: If the name is unknown or its files are missing; the message says how to get them.
    """
    if not is_catalog_name(name):
        meant = close_names(name)
        hint = f"; did you mean {' or '.join(meant)}?" if meant else ""
        raise DataError(f"{name!r} is not in the catalog: {', '.join(CATALOG)}{hint}")
    if name == "cifar10":
        folder = data_root(root) / name
        if (folder / BINARY_FOLDER).is_dir() and not (folder / "train").is_dir():
            unpack_binary(folder / BINARY_FOLDER, folder)
    return locate(name, root)


def locate(name: str, root: Path | None = None) -> Path:
    """Return the folder of a public data set's files.

    Raises:
        DataError: If the files are missing, or the category is unknown.
    """
    entry = CATALOG[name.partition("/")[0]]
    if entry.name == "elpv":
        return _locate_elpv(entry)
    folder = data_root(root) / name
    if entry.name == MVTEC:
        _check_category(name)
    if entry.name == "cifar10":
        _check_cifar(folder)
    marks = {"cifar10": "train", "magnetic-tile": "MT_Free", "ballscrew": "manifest.csv", MVTEC: "train"}
    if not (folder / marks[entry.name]).exists():
        raise DataError(_not_there(entry, data_root(root) / entry.name, name))
    return folder


def is_magnetic_tile(folder: Path) -> bool:
    """Return whether a folder has the layout of the magnetic tile data set."""
    return (folder / f"{_MAGNETIC_PREFIX}Free" / "Imgs").is_dir()


def load_magnetic_tile(folder: Path, *, normal: str | None = None) -> Dataset:
    """Return the magnetic tile data set: `MT_<type>/Imgs/*.jpg`, with masks of the same name in PNG.

    Raises:
        DataError: If the folder has no such images.
    """
    samples = [
        Sample(
            path.relative_to(folder).as_posix(),
            path,
            path.parent.parent.name.removeprefix(_MAGNETIC_PREFIX),
            mask=path.with_suffix(".png") if path.with_suffix(".png").is_file() else None,
        )
        for path in folder.glob(f"{_MAGNETIC_PREFIX}*/Imgs/*.jpg")
    ]
    if not samples:
        raise DataError(f"no images in {folder}; expected {CATALOG['magnetic-tile'].expected}")
    return as_dataset("magnetic-tile", samples, normal, licence=CATALOG["magnetic-tile"].licence)


def _locate_elpv(entry: CatalogEntry) -> Path:
    spec = importlib.util.find_spec("elpv_dataset")
    places = list(spec.submodule_search_locations or ()) if spec else []
    for place in places:
        if (Path(place) / "data" / "labels.csv").is_file():
            return Path(place) / "data"
    raise DataError(
        f"elpv needs the package elpv-dataset, which is not installed: {entry.how} "
        f"(terms of the images: {entry.licence})"
    )


def _load_elpv(folder: Path, normal: str | None) -> Dataset:
    lines = (folder / "labels.csv").read_text(encoding="utf-8").splitlines()
    samples = [_elpv_sample(folder, line) for line in lines if line.strip()]
    return as_dataset("elpv", samples, normal)


def _elpv_sample(folder: Path, line: str) -> Sample:
    try:
        image, text, cell = line.split()
        probability = float(text)
    except ValueError as error:
        raise DataError(
            f"{folder / 'labels.csv'} has the line {line!r}; expected a path, a probability and a cell type: "
            "install elpv-dataset again"
        ) from error
    label = "Defective" if probability > _LIKELY_DEFECT else "OK"
    return Sample(
        image, folder / image, label, stratum=f"{probability}/{cell}", defect_probability=probability
    )


def _check_category(name: str) -> None:
    category = name.partition("/")[2]
    if category not in MVTEC_CATEGORIES:
        meant = difflib.get_close_matches(category, MVTEC_CATEGORIES, n=1)
        hint = f"; did you mean {MVTEC}/{meant[0]}? Otherwise" if meant else ""
        raise DataError(f"{name!r} is no category{hint or ';'} there are: {', '.join(MVTEC_CATEGORIES)}")


def _check_cifar(folder: Path) -> None:
    if (folder / "train").is_dir():
        return
    if (folder / BINARY_FOLDER).is_dir():
        raise DataError(f"{folder / BINARY_FOLDER} must be converted first: brightfield data fetch cifar10")
    if (folder / PICKLE_FOLDER).is_dir():
        raise DataError(
            f"{folder / PICKLE_FOLDER} holds Python pickles, which are not opened because a pickle can run "
            f"any code; get the binary version ({BINARY_FOLDER}), then: brightfield data fetch cifar10"
        )


def _not_there(entry: CatalogEntry, folder: Path, name: str) -> str:
    here = f"; a folder ./{name} is here: write ./{name} to use it" if Path(name).is_dir() else ""
    return (
        f"{name} is not on this disk: looked in {folder}. To get it: {entry.how} ({entry.homepage}). "
        f"Put there: {entry.expected}. The environment variable {DATA_VARIABLE} may name another folder. "
        f"Terms: {entry.licence}{here}"
    )
