"""Proposed masks as the files that labelling tools read: PNG, COCO and labelme."""

from __future__ import annotations

import colorsys
import csv
import io
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import numpy as np
from PIL import Image

from brightfield.data.cells import defused
from brightfield.engine.contours import contours, without_holes
from brightfield.pipeline.proposal import Proposal, Region
from brightfield.version import __version__

_LABELME_VERSION = "5.4.1"
"""The version of labelme whose files these are like."""


def png(proposal: Proposal, types: tuple[str, ...] | None) -> bytes:
    """Return a mask as a PNG file: white on black, or of types a palette whose indices are their numbers."""
    image = Image.fromarray(proposal.mask(types))
    if types is not None:
        image.putpalette(_palette(len(types)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def values_table(types: Sequence[str], found: Collection[str]) -> str:
    """Return the table of the values of masks with types, for `mask_values.csv`.

    Args:
        types: The types, numbered from 1 on.
        found: Those of them that a mask has.
    """
    buffer = io.StringIO(newline="")
    rows = [(number, defused(name)) for number, name in enumerate(types, start=1) if name in found]
    csv.writer(buffer, lineterminator="\n").writerows([("value", "type"), *rows])
    return buffer.getvalue()


def coco_document(proposals: Sequence[Proposal]) -> dict[str, Any]:
    """Return a COCO document of all pictures; what has no defect is listed without annotations."""
    types = sorted({region.type for proposal in proposals for region in proposal.regions})
    regions = [(i, r) for i, proposal in enumerate(proposals, start=1) for r in proposal.regions]
    return {
        "info": {"description": f"masks proposed by brightfield {__version__}, to be corrected"},
        "licenses": [],
        "images": [
            {"id": i, "file_name": p.image, "height": p.shape[0], "width": p.shape[1]}
            for i, p in enumerate(proposals, start=1)
        ],
        "categories": [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(types, start=1)],
        "annotations": [
            {
                "id": i,
                "image_id": image,
                "category_id": types.index(region.type) + 1,
                "segmentation": [ring.ravel().tolist() for ring in _rings(region)],
                "area": region.area,
                "bbox": [region.box[1], region.box[0], region.box[3], region.box[2]],
                "iscrowd": 0,
            }
            for i, (image, region) in enumerate(regions, start=1)
        ],
    }


def labelme_document(proposal: Proposal, image_path: str) -> dict[str, Any]:
    """Return a labelme document of one picture.

    Args:
        proposal: The proposed mask.
        image_path: The path of the picture's file, relative to the document's.
    """
    return {
        "version": _LABELME_VERSION,
        "flags": {},
        "shapes": list(_labelme_shapes(proposal.regions)),
        "imagePath": image_path,
        "imageData": None,
        "imageHeight": proposal.shape[0],
        "imageWidth": proposal.shape[1],
    }


def _labelme_shapes(regions: Sequence[Region]) -> Iterator[dict[str, Any]]:
    """Yield a polygon for each piece of a region; the pieces of one have a common group."""
    for number, region in enumerate(regions, start=1):
        rings = _rings(region)
        for ring in rings:
            yield {
                "label": region.type,
                "points": ring.tolist(),
                "group_id": number if len(rings) > 1 else None,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
            }


def _rings(region: Region) -> list[Any]:
    """Return a region's outlines in the picture's pixels, each float64 (N, 2) of x and y, without holes."""
    top, left = region.box[:2]
    return [ring + np.array([left, top]) for ring in without_holes(contours(region.pixels))]


def _palette(n: int) -> list[int]:
    """Return black and n bright colours, as red, green, blue and so on."""
    colours = [colorsys.hsv_to_rgb(i / n, 1.0, 1.0) for i in range(n)]
    return [0, 0, 0, *np.rint(255 * np.array(colours)).astype(int).ravel().tolist()]
