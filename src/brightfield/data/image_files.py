"""The files of a data set's folders: images, masks beside them, and folders of masks."""

from __future__ import annotations

import logging
import mimetypes
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from brightfield.data.decode import IMAGE_SUFFIXES, decode
from brightfield.data.labelme import SUFFIX
from brightfield.errors import ImageError

_LOG = logging.getLogger(__name__)

OVERLAY = ".overlay.png"
"""The ending of a picture beside a mask that shows it over its image."""

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
ANNOTATION_FOLDER = "annotations"
"""The folder beside the images in which many tools put COCO files."""
_IMAGE_FOLDERS = frozenset({"image", "images", "img", "imgs", "data", *SPLIT_FOLDERS})
"""Folders, apart from digits at the end, that name no class where annotation files do."""
_MASK_ENDING = "_mask"
_OF_MASKS = IMAGE_SUFFIXES | {SUFFIX}
_LOSSLESS = frozenset({".png", ".bmp", ".tif", ".tiff", ".pgm"})
_FLAT = 0.9
"""The least share of a mask's pixels that are 0 or its maximum; the others may be blended edges."""
_LEFT_BY_TOOLS = frozenset({"__macosx", "@eadir", "lost+found"})

Masks = dict[tuple[str | None, str, str], Path]
"""The mask of each (split, class, image): the split is None for masks that serve all splits, and the image is
its path below the class folder, without suffix."""


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


def folders(root: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, sorted."""
    return sorted(child for child in root.iterdir() if child.is_dir() and not _is_hidden(child.name))


def class_folders(folder: Path) -> list[Path]:
    """Return the folders in a folder that hold neither masks nor annotations, sorted."""
    aside = MASK_FOLDERS | {ANNOTATION_FOLDER}
    return [child for child in folders(folder) if child.name.lower() not in aside]


def find_mask(masks: Masks, key: tuple[str | None, str, str], beside: Path | None) -> Path | None:
    """Return an image's mask: from a folder of masks, else the one beside it, else a labelme file.

    Args:
        masks: The folders' masks.
        key: The split, the class and the image, as in `Masks`.
        beside: The mask beside the image.
    """
    split, label, inner = key
    drawn = inner + SUFFIX
    image = masks.get(key) or masks.get((None, label, inner)) or beside
    return image or masks.get((split, label, drawn)) or masks.get((None, label, drawn))


def masks_in(root: Path) -> Masks:
    """Return the masks in `ground_truth/<class>/` and `masks/<class>/`, of the data set and of each split.

    Files right in such a folder have the class "". Labelme files keep their suffix.
    """
    masks: Masks = {}
    splits = [(SPLIT_FOLDERS[c.name.lower()], c) for c in folders(root) if c.name.lower() in SPLIT_FOLDERS]
    for split, place in [(None, root), *splits]:
        for folder in (child for child in folders(place) if child.name.lower() in MASK_FOLDERS):
            for label, of_class, files in _mask_files(folder):
                for path in files:
                    inner = path.relative_to(of_class).with_suffix("").as_posix().removesuffix(_MASK_ENDING)
                    drawn = SUFFIX if path.suffix.lower() == SUFFIX else ""
                    masks.setdefault((split, label, inner + drawn), path)
    both = sum(name.endswith(SUFFIX) and (s, c, name.removesuffix(SUFFIX)) in masks for s, c, name in masks)
    if both:
        _LOG.warning("%d image(s) have a mask image and a labelme file; the mask images count", both)
    return masks


def _mask_files(folder: Path) -> Iterator[tuple[str, Path, list[Path]]]:
    """Yield the class, the folder and the mask files of each folder of masks; "" for files in none."""
    for of_class in (folder, *folders(folder)):
        inside = folder.glob("*") if of_class == folder else of_class.rglob("*")
        files = sorted(p for p in inside if _suffix(p.name) in _OF_MASKS and not _is_left_out(p.name))
        yield "" if of_class == folder else of_class.name, of_class, files


def _is_left_out(name: str) -> bool:
    return _is_hidden(name) or name.endswith(OVERLAY)


def is_flat(place: Path) -> bool:
    """Return whether a folder's images lie in no class folders: right in it, or in `images` or so."""
    holding = [child for child in class_folders(place) if _holds_image(child)]
    return all(_names_no_class(child.name) for child in holding) if holding else _holds_image(place)


def is_plain(place: Path) -> bool:
    """Return whether there are images in a folder, but in none of the folders in it."""
    return not any(_holds_image(child) for child in class_folders(place)) and _holds_image(place)


def path_in_flat(path: Path, place: Path) -> str:
    """Return an image's path below a folder without class folders, without suffix and a first `images/`."""
    inner = path.relative_to(place).with_suffix("")
    if len(inner.parts) > 1 and _names_no_class(inner.parts[0]):
        inner = inner.relative_to(inner.parts[0])
    return inner.as_posix()


def _names_no_class(name: str) -> bool:
    return name.lower().rstrip("0123456789") in _IMAGE_FOLDERS


def _holds_image(folder: Path) -> bool:
    """Return whether there is an image in a folder, at any depth."""
    walked = os.walk(folder)
    return any(_suffix(n) in IMAGE_SUFFIXES and not _is_hidden(n) for _, _, names in walked for n in names)
