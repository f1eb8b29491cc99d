"""Data sets from folders: one folder for each class, with or without folders for the splits."""

from __future__ import annotations

import logging
import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from brightfield.data.dataset import Dataset, Sample, find_normal, order_classes
from brightfield.data.decode import IMAGE_SUFFIXES, decode
from brightfield.data.normal_names import sounds_normal
from brightfield.errors import DataError, ImageError

_LOG = logging.getLogger(__name__)

SPLIT_FOLDERS = {
    "train": "train",
    "training": "train",
    "val": "calibration",
    "valid": "calibration",
    "validation": "calibration",
    "calibration": "calibration",
    "test": "test",
    "testing": "test",
}
MASK_FOLDERS = frozenset({"mask", "masks", "ground_truth"})
_MASK_ENDING = "_mask"
_LOSSLESS = frozenset({".png", ".bmp", ".tif", ".tiff", ".pgm"})
_FLAT = 0.9
"""The least share of a mask's pixels that are 0 or its maximum; the others may be blended edges."""
_LEFT_BY_TOOLS = frozenset({"__macosx", "@eadir", "lost+found"})

Masks = dict[tuple[str | None, str, str], Path]
"""The mask of each (split, class, image): the split is None for masks that serve all splits, and the image is
its path below the class folder, without suffix."""


def load_folder(root: Path, *, name: str, normal: str | None = None) -> Dataset:
    """Return the data set in a folder with the layout `<split>/<class>/`, as MVTec has it, or `<class>/`.

    Images may be in subfolders of their class folder. Hidden files, files that are not images, and masks are
    not samples. A mask may be in one of two places:

    - in `ground_truth/<class>/` or `masks/<class>/`, under its image's name, with or without `_mask`;
    - beside its image, under the image's name with `_mask`, or under the same name in another, lossless
      format, if it is black and white and the image is not.

    Raises:
        DataError: If there are no class folders or no images in them.
    """
    splits = [child for child in _folders(root) if child.name.lower() in SPLIT_FOLDERS]
    masks = _masks(root)
    if any(SPLIT_FOLDERS[child.name.lower()] in ("train", "test") for child in splits):
        samples = [s for child in splits for s in _split_samples(child, root, masks)]
        _warn_of_ignored(root, {child.name for child in splits})
    else:
        _refuse_outer_folder(root)
        samples = _class_samples(root, root, masks, split=None)
    if not samples:
        raise DataError(_nothing_found(root))
    return as_dataset(name, samples, normal)


def as_dataset(
    name: str, samples: Sequence[Sample], normal: str | None, *, licence: str | None = None
) -> Dataset:
    """Return a data set of these samples, sorted; the normal class is `normal` or found by its name."""
    labels = sorted({s.label for s in samples if s.label is not None})
    good = find_normal(labels, normal)
    ordered = tuple(sorted(samples, key=lambda s: s.image))
    return Dataset(name, ordered, order_classes(labels, good), good, licence)


def image_files(folder: Path) -> Iterator[tuple[Path, Path | None]]:
    """Yield the image files below a folder, sorted, each with the mask beside it or None.

    Links are followed. Images in formats that are not supported, such as GIF, are left out with a warning.
    """
    seen: set[str] = set()
    unread: list[str] = []
    for here, folders, names in os.walk(folder, followlinks=True):
        real = os.path.realpath(here)
        if real in seen:  # a link to a folder that was visited already
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(f for f in folders if not _is_hidden(f) and f.lower() not in MASK_FOLDERS)
        images = sorted(n for n in names if not _is_hidden(n) and _suffix(n) in IMAGE_SUFFIXES)
        unread += [n for n in names if not _is_hidden(n) and _is_unread(n)]
        masks = _masks_beside(here, images)
        for file in images:
            if file not in masks.values():
                mask = masks.get(os.path.splitext(file)[0])
                yield Path(here, file), None if mask is None else Path(here, mask)
    if unread:
        kinds = ", ".join(sorted({_suffix(name) for name in unread}))
        _LOG.warning("%d file(s) in %s are left out: %s is not read; save as PNG", len(unread), folder, kinds)


def _is_unread(name: str) -> bool:
    """Return whether a file is, by its name, an image in a format that is not supported."""
    kind = mimetypes.guess_type(name)[0] or ""
    return kind.startswith("image/") and _suffix(name) not in IMAGE_SUFFIXES


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _LEFT_BY_TOOLS


def _suffix(name: str) -> str:
    return os.path.splitext(name)[1].lower()


def _masks_beside(folder: str, names: Sequence[str]) -> dict[str, str]:
    """Return the files of one folder that are masks of images beside them, by the image's stem."""
    by_stem: dict[str, list[str]] = {}
    for name in names:
        by_stem.setdefault(os.path.splitext(name)[0], []).append(name)
    found: dict[str, str] = {}
    for stem, same in by_stem.items():
        image = stem[: -len(_MASK_ENDING)]
        if stem.lower().endswith(_MASK_ENDING) and image in by_stem:
            found[image] = same[-1]
        elif len(same) == 2:
            drawn = [n for n in same if _suffix(n) in _LOSSLESS and _is_drawn(Path(folder, n))]
            if len(drawn) == 1 and not _is_drawn(Path(folder, next(n for n in same if n != drawn[0]))):
                found[stem] = drawn[0]
    return found


def _is_drawn(path: Path) -> bool:
    """Return whether a picture is black and white, as a mask is."""
    try:
        pixels = decode(path)
    except ImageError:
        return False
    return bool(((pixels == 0) | (pixels == pixels.max())).mean() >= _FLAT)


def _folders(root: Path) -> list[Path]:
    return sorted(child for child in root.iterdir() if child.is_dir() and not _is_hidden(child.name))


def _class_folders(folder: Path) -> list[Path]:
    return [child for child in _folders(folder) if child.name.lower() not in MASK_FOLDERS]


def _split_samples(folder: Path, root: Path, masks: Masks) -> list[Sample]:
    return _class_samples(folder, root, masks, split=SPLIT_FOLDERS[folder.name.lower()])


def _class_samples(folder: Path, root: Path, masks: Masks, *, split: str | None) -> list[Sample]:
    outside = [f for f in folder.iterdir() if f.is_file() and f.suffix.lower() in IMAGE_SUFFIXES]
    samples: list[Sample] = []
    for child in _class_folders(folder):
        of_class = [_sample(path, beside, child, root, masks, split) for path, beside in image_files(child)]
        if not of_class:
            _LOG.warning("no images in %s; the folder is left out", child)
        samples += of_class
    if outside and samples:
        _LOG.warning("%d images in %s are in no class folder and are left out", len(outside), folder)
    return samples


def _sample(
    path: Path, beside: Path | None, folder: Path, root: Path, masks: Masks, split: str | None
) -> Sample:
    inner = path.relative_to(folder).with_suffix("").as_posix()
    mask = masks.get((split, folder.name, inner)) or masks.get((None, folder.name, inner)) or beside
    return Sample(path.relative_to(root).as_posix(), path, folder.name, mask=mask, split=split)


def _masks(root: Path) -> Masks:
    """Return the masks in `ground_truth/<class>/` and `masks/<class>/`, of the data set and of each split."""
    masks: Masks = {}
    splits = [(SPLIT_FOLDERS[c.name.lower()], c) for c in _folders(root) if c.name.lower() in SPLIT_FOLDERS]
    for split, place in [(None, root), *splits]:
        for folder in (child for child in _folders(place) if child.name.lower() in MASK_FOLDERS):
            for of_class in _folders(folder):
                for path in sorted(of_class.rglob("*")):
                    if path.suffix.lower() in IMAGE_SUFFIXES and not _is_hidden(path.name):
                        inner = path.relative_to(of_class).with_suffix("").as_posix()
                        masks.setdefault((split, of_class.name, inner.removesuffix(_MASK_ENDING)), path)
    return masks


def _warn_of_ignored(root: Path, used: set[str]) -> None:
    ignored = [child.name for child in _class_folders(root) if child.name not in used]
    if ignored:
        _LOG.warning("beside %s, these folders are left out: %s", ", ".join(sorted(used)), ", ".join(ignored))


def _refuse_outer_folder(root: Path) -> None:
    """Raise an error if the data set is one folder deeper, as in many unpacked archives."""
    children = _class_folders(root)
    for child in children:
        inside = {folder.name for folder in _folders(child)}
        alone = len(children) == 1 and len(inside) > 1 and any(map(sounds_normal, inside))
        if {"train", "test"} <= {name.lower() for name in inside} or alone:
            raise DataError(f"{root} is no data set, but {child.name!r} in it looks like one; give {child}")


def _nothing_found(root: Path) -> str:
    expected = "expected a folder for each class, as OK/ and Defect/, or train/<class>/ and test/<class>/"
    loose = sorted(f.name for f in root.iterdir() if f.is_file() and f.suffix.lower() in IMAGE_SUFFIXES)
    if loose:
        some = ", ".join(loose[:3])
        return f"{root} holds {len(loose)} images ({some}, ...) but no class folders; {expected}"
    if not any(root.iterdir()):
        return f"{root} is empty; {expected}"
    suffixes = sorted({f.suffix.lower() or "no suffix" for f in root.rglob("*") if f.is_file()})[:5]
    found = f"; found only files ending in {', '.join(suffixes)}" if suffixes else ""
    return f"no images in {root}{found}; {expected}, holding {', '.join(sorted(IMAGE_SUFFIXES))} files"
