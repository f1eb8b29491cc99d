"""COCO files: the outlined defects of a data set's images in one JSON file."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brightfield.data.annotated import Annotated, read_json, ring_of, size_of
from brightfield.data.mask_kinds import Ring, Shape
from brightfield.data.normal_names import means_good_pixels
from brightfield.errors import DataError

Record = Mapping[str, Any]


def is_coco(content: Any) -> bool:
    """Return whether a JSON file's content has the parts of a COCO file."""
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        return False
    annotations = content.get("annotations")
    # captions of images come in the same form, without categories
    return isinstance(annotations, list) and (not annotations or isinstance(content.get("categories"), list))


def read_coco(path: Path, normal: str | None = None) -> list[Annotated]:
    """Return what a COCO file says of each image that it lists.

    Outlines are polygons or run lengths, plain or compressed. Several polygons of one annotation are one
    defect; one within another is a hole. Annotations of the normal class or the background are left out.

    Raises:
        DataError: If it is no COCO file, or an annotation cannot be understood.
    """
    content = read_json(path)
    if not is_coco(content):
        raise DataError(
            f"{path} is no COCO file; expected an object with images, annotations and categories: "
            "export it again as 'COCO', or remove it"
        )
    names = _categories(path, content)
    images = {str(record.get("id")): record for record in _records(path, content, "images")}
    found: dict[str, list[tuple[str, Record]]] = defaultdict(list)
    for record in _records(path, content, "annotations"):
        image, category = str(record.get("image_id")), str(record.get("category_id"))
        for kind, key, known in (("image", image, images), ("category", category, names)):
            if key not in known:
                where = f"{path}, annotation {record.get('id')}"
                raise DataError(f"{where}: there is no {kind} with the id {key}; export the file again")
        if not means_good_pixels(names[category], normal):
            found[image].append((names[category], record))
    return [_annotated(path, record, found[key]) for key, record in images.items()]


def _annotated(path: Path, image: Record, annotations: list[tuple[str, Record]]) -> Annotated:
    name = image.get("file_name")
    if not isinstance(name, str) or not name:
        raise DataError(f"{path}, image {image.get('id')}: its file_name is {name!r}; export the file again")
    height, width = size_of(image.get("height")), size_of(image.get("width"))
    shapes: list[Shape] = []
    others: list[tuple[str, float]] = []
    for kind, record in annotations:
        shape = _shape(kind, record, (height, width), f"{path}, annotation {record.get('id')}")
        if shape is None:
            others.append((kind, _box_area(record.get("bbox"))))
        else:
            shapes.append(shape)
    return Annotated(name.replace("\\", "/"), path, height, width, tuple(shapes), tuple(others))


def _shape(kind: str, record: Record, size: tuple[int, int], where: str) -> Shape | None:
    """Return the outlined defect of an annotation; None where it has no outline."""
    segmentation = record.get("segmentation")
    if isinstance(segmentation, dict):
        return Shape(kind, runs=_runs(segmentation, size, where))
    if segmentation is None:
        return None
    if not isinstance(segmentation, list):
        raise DataError(f"{where}: its segmentation is {str(segmentation)[:60]}; expected polygons or counts")
    nested = segmentation if all(isinstance(part, list) for part in segmentation) else [segmentation]
    rings: list[Ring] = [ring for part in nested if (ring := ring_of(part, where)) is not None]
    return Shape(kind, tuple(rings)) if rings else None


def _runs(segmentation: Record, size: tuple[int, int], where: str) -> tuple[int, ...]:
    stated = segmentation.get("size")
    counts = segmentation.get("counts")
    runs = decompressed(counts, where) if isinstance(counts, str) else counts
    if not isinstance(runs, list) or not all(isinstance(n, int) and n >= 0 for n in runs):
        raise DataError(f"{where}: its counts are {str(counts)[:60]}; expected whole numbers from 0 on")
    if stated != list(size) or sum(runs) != size[0] * size[1]:
        raise DataError(
            f"{where}: run lengths of {sum(runs)} pixels, size {stated}; expected those of its image, "
            f"{list(size)} (height, width): export the file again"
        )
    return tuple(runs)


def decompressed(text: str, where: str = "a COCO file") -> list[int]:
    """Return the run lengths that COCO packs into a text.

    Each character holds five bits, the lowest first, and whether more follow. From the fourth number on they
    are differences from the number before the last (`maskApi.c` of the COCO API).

    Raises:
        DataError: If the text is none of that kind.
    """
    runs: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise DataError(f"{where}: its counts hold {character!r}; expected COCO's compressed run lengths")
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        runs.append(value + (runs[-2] if len(runs) > 2 else 0))
        value, shift = 0, 0
    if shift:
        raise DataError(f"{where}: its counts break off; export the file again")
    return runs


def _categories(path: Path, content: Record) -> dict[str, str]:
    records = _records(path, content, "categories") if content.get("categories") else []
    return {str(r.get("id")): str(r.get("name") or r.get("id")).strip() for r in records}


def _records(path: Path, content: Record, key: str) -> list[Record]:
    records = content[key]
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise DataError(f"{path}: {key} holds something else than objects; export the file again")
    return records


def _box_area(box: Any) -> float:
    if isinstance(box, list) and len(box) == 4 and all(isinstance(v, int | float) for v in box):
        return max(0.0, float(box[2])) * max(0.0, float(box[3]))
    return 0.0
