"""Data sets from folders: one folder for each class, or annotation files; with or without splits."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from brightfield.data.annotations import (
    GOOD,
    annotated,
    annotations_of,
    any_annotation,
    coco_files,
    with_splits_of_files,
)
from brightfield.data.coco_match import CocoFile
from brightfield.data.dataset import Dataset, Sample, find_normal, order_classes
from brightfield.data.decode import IMAGE_SUFFIXES
from brightfield.data.image_files import (
    SPLIT_FOLDERS,
    Masks,
    class_folders,
    find_mask,
    folders,
    image_files,
    is_flat,
    is_plain,
    masks_in,
    path_in_flat,
)
from brightfield.data.normal_names import sounds_normal
from brightfield.errors import DataError

_LOG = logging.getLogger(__name__)


def load_folder(root: Path, *, name: str, normal: str | None = None) -> Dataset:
    """Return the data set in a folder with the layout `<split>/<class>/`, as MVTec has it, or `<class>/`.

    Images may be in subfolders of their class folder. Hidden files, files that are not images, and masks are
    not samples. A mask may be in one of three places:

    - in `ground_truth/<class>/` or `masks/<class>/`, under its image's name, with or without `_mask`;
    - beside its image, under the image's name with `_mask`, or under the same name in another, lossless
      format, if it is black and white and the image is not;
    - in an annotation file: labelme's beside the image or in a folder of masks, or a COCO file for them all.

    With annotation files no class folders are needed. An image's class then is the type that covers most of
    its marked area; images without annotations are good. Images that no COCO file lists, where there is one,
    are left out.

    Raises:
        DataError: If there are no class folders or no images in them, or an annotation file cannot be used.
    """
    splits = [child for child in folders(root) if child.name.lower() in SPLIT_FOLDERS]
    if not any(SPLIT_FOLDERS[child.name.lower()] in ("train", "test") for child in splits):
        splits = []
    masks = masks_in(root)
    files = coco_files([root, *splits], normal)
    samples: list[Sample] = []
    for place in splits or [root]:
        split = SPLIT_FOLDERS[place.name.lower()] if splits else None
        found = _flat_samples(place, root, masks, split) if is_flat(place) else []
        if not any_annotation(found, files):
            if not splits:
                _refuse_outer_folder(root)
            found = _class_samples(place, root, masks, split=split)
        samples += found
    if splits:
        _warn_of_ignored(root, {child.name for child in splits})
    if not samples:
        raise DataError(_nothing_found(root))
    return as_dataset(name, _annotated(samples, files, normal), normal)


def load_plain_folder(root: Path, *, name: str) -> Dataset | None:
    """Return the images right in a folder as samples without a class; None if they have classes.

    They have where the folder has folders of images, or an annotation file that is of them.
    """
    samples = _flat_samples(root, root, {}, None) if is_plain(root) else []
    if not samples or any_annotation(samples, coco_files([root])):
        return None
    return Dataset(name, tuple(sorted(samples, key=lambda s: s.image)), (), None)


def _annotated(samples: Sequence[Sample], files: Sequence[CocoFile], normal: str | None) -> list[Sample]:
    """Return the samples with what annotation files say of them."""
    known = annotations_of(samples, files, normal)
    unknown = [s.image for s in samples if s.label is None and s.image not in known]
    if unknown and files:
        _LOG.warning(
            "%d image(s) are in no class folder and in no COCO file, first %s; they are left out",
            len(unknown),
            unknown[0],
        )
    elif unknown:
        _LOG.warning(
            "%d image(s) have no labelme file, first %s; they count as good", len(unknown), unknown[0]
        )
    left_out = set(unknown if files else ())
    kept = [s for s in samples if s.image not in left_out]
    return annotated(with_splits_of_files(kept, known), known, normal or GOOD)


def as_dataset(
    name: str, samples: Sequence[Sample], normal: str | None, *, licence: str | None = None
) -> Dataset:
    """Return a data set of these samples, sorted; the normal class is `normal` or found by its name."""
    labels = sorted({s.label for s in samples if s.label is not None})
    good = find_normal(labels, normal)
    ordered = tuple(sorted(samples, key=lambda s: s.image))
    return Dataset(name, ordered, order_classes(labels, good), good, licence)


def _class_samples(folder: Path, root: Path, masks: Masks, *, split: str | None) -> list[Sample]:
    outside = [f for f in folder.iterdir() if f.is_file() and f.suffix.lower() in IMAGE_SUFFIXES]
    samples: list[Sample] = []
    for child in class_folders(folder):
        of_class = [_sample(path, beside, child, root, masks, split) for path, beside in image_files(child)]
        if not of_class:
            _LOG.warning("no images in %s; the folder is left out", child)
        samples += of_class
    if outside and samples:
        _LOG.warning("%d images in %s are in no class folder and are left out", len(outside), folder)
    return samples


def _flat_samples(place: Path, root: Path, masks: Masks, split: str | None) -> list[Sample]:
    """Return the images of a folder without class folders, as samples without a class."""
    return [
        Sample(
            path.relative_to(root).as_posix(),
            path,
            None,
            mask=find_mask(masks, (split, "", path_in_flat(path, place)), beside),
            split=split,
        )
        for path, beside in image_files(place)
    ]


def _sample(
    path: Path, beside: Path | None, folder: Path, root: Path, masks: Masks, split: str | None
) -> Sample:
    inner = path.relative_to(folder).with_suffix("").as_posix()
    mask = find_mask(masks, (split, folder.name, inner), beside)
    return Sample(path.relative_to(root).as_posix(), path, folder.name, mask=mask, split=split)


def _warn_of_ignored(root: Path, used: set[str]) -> None:
    ignored = [child.name for child in class_folders(root) if child.name not in used]
    if ignored:
        _LOG.warning("beside %s, these folders are left out: %s", ", ".join(sorted(used)), ", ".join(ignored))


def _refuse_outer_folder(root: Path) -> None:
    """Raise an error if the data set is one folder deeper, as in many unpacked archives."""
    children = class_folders(root)
    for child in children:
        inside = {folder.name for folder in folders(child)}
        alone = len(children) == 1 and len(inside) > 1 and any(map(sounds_normal, inside))
        if {"train", "test"} <= {name.lower() for name in inside} or alone:
            raise DataError(f"{root} is no data set, but {child.name!r} in it looks like one; give {child}")


def _nothing_found(root: Path) -> str:
    expected = "expected a folder for each class, as OK/ and Defect/, or train/<class>/ and test/<class>/"
    loose = sorted(f.name for f in root.iterdir() if f.is_file() and f.suffix.lower() in IMAGE_SUFFIXES)
    if loose:
        some = ", ".join(loose[:3])
        return (
            f"{root} holds {len(loose)} images ({some}, ...) but no class folders; {expected}, or a COCO or "
            f"labelme file that is of them. {_if_all_are_good(root)}"
        )
    if not any(root.iterdir()):
        return f"{root} is empty; {expected}"
    suffixes = sorted({f.suffix.lower() or "no suffix" for f in root.rglob("*") if f.is_file()})[:5]
    found = f"; found only files ending in {', '.join(suffixes)}" if suffixes else ""
    return f"no images in {root}{found}; {expected}, holding {', '.join(sorted(IMAGE_SUFFIXES))} files"


def _if_all_are_good(root: Path) -> str:
    """Return how to give a folder of loose images as good parts."""
    place = root.resolve()
    if sounds_normal(place.name):
        return (
            f"If all are good parts, give the folder around it, {place.parent}: {place.name} then is the "
            "class of good parts, and other folders of images there are defect types"
        )
    return f"If all are good parts, move them into a folder {root / 'OK'}, and give {root}"
