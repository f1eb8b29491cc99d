"""Files of one image's maps: the heatmap, the mask, the types of its pixels, and the overlay."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from brightfield.data.opening import opened
from brightfield.disk.atomic import write_atomically
from brightfield.disk.names import shortened
from brightfield.errors import WriteError
from brightfield.explain.closest import with_closest
from brightfield.explain.overlaid import overlaid
from brightfield.explain.overlay import as_png, type_colour
from brightfield.verdict import ClassMap, Decision, Verdict

HEATMAP_SCALE = 1000
"""The grey level in a heatmap file for a heat of 1."""

KINDS = ("heatmap", "mask", "types", "overlay")
"""The kinds of files that an image may have."""

ENDINGS = tuple(f".{kind}.png" for kind in KINDS)
"""The endings of their names."""


@dataclass(frozen=True)
class MapFiles:
    """The paths of one image's files; None for a file that was not written."""

    heatmap: Path | None
    mask: Path | None
    types: Path | None
    overlay: Path | None


def map_paths(start: Path) -> dict[str, Path]:
    """Return the path of each of `KINDS` that `write_maps` writes: `<start>.<kind>.png`.

    If the name is too long for the file system, its beginning is shortened: see `shortened`.
    """
    name = shortened(start.name, max(len(ending) for ending in ENDINGS), start.parent)
    return {kind: start.with_name(f"{name}.{kind}.png") for kind in KINDS}


def write_maps(start: Path, verdict: Verdict, picture: npt.NDArray[np.uint8] | None = None) -> MapFiles:
    """Write `<start>.heatmap.png`, `.mask.png`, `.types.png` and, with a picture, `.overlay.png`.

    The overlay of a part that does not pass also shows the closest good part, where there is one.

    Args:
        start: The folder, which is made if it is missing, and the beginning of the file names.
        verdict: The verdict with its maps; a missing map is not written.
        picture: The image, uint8 (H, W, 3), for an overlay; None for no overlay.

    Raises:
        WriteError: If a file cannot be written; the message names it, and this image's files are removed.
    """
    places = map_paths(start)
    files: dict[str, Path | None] = dict.fromkeys(KINDS)
    content: dict[str, bytes] = {}
    if verdict.heatmap is not None:
        content["heatmap"] = encode_heatmap(verdict.heatmap)
        if picture is not None:
            drawn = overlaid(picture, verdict.heatmap, verdict)
            if verdict.closest is not None and verdict.decision is not Decision.OK:
                drawn = with_closest(drawn, picture, verdict.closest)
            content["overlay"] = as_png(drawn)
    if verdict.mask is not None:
        content["mask"] = as_png(verdict.mask.astype(np.uint8) * 255)
    if verdict.class_map is not None:
        content["types"] = encode_types(verdict.class_map, verdict.types)
    try:
        for kind, data in content.items():
            write_atomically(places[kind], data)
            files[kind] = places[kind]
    except WriteError:
        for written in filter(None, files.values()):
            written.unlink(missing_ok=True)
        raise
    return MapFiles(**files)


def encode_heatmap(heatmap: npt.NDArray[np.float32]) -> bytes:
    """Return a heatmap, float32 (H, W), as a 16-bit grey PNG file, in thousandths.

    Values are rounded, but values below 1 never become 1, where parts are rejected.
    """
    levels = np.rint(np.clip(heatmap.astype(np.float64) * HEATMAP_SCALE, 0, 65535)).astype(np.uint16)
    levels[(heatmap < 1) & (levels >= HEATMAP_SCALE)] = HEATMAP_SCALE - 1
    note = PngImagePlugin.PngInfo()
    note.add_text("heatmap", f"grey level / {HEATMAP_SCALE}: 0 is calm, 1 is where the part no longer passes")
    buffer = io.BytesIO()
    Image.fromarray(levels).save(buffer, "PNG", pnginfo=note)
    return buffer.getvalue()


def encode_types(class_map: ClassMap, types: Sequence[str]) -> bytes:
    """Return a map of defect types, uint8 (H, W), as a PNG file with a palette.

    A pixel's value is the position of its type from 1 on, 0 where there is no defect. The text `types` in the
    file is the list of their names as JSON.
    """
    image = Image.fromarray(class_map)
    image.putpalette([0, 0, 0, *(c for i in range(len(types)) for c in type_colour(i + 1))])
    note = PngImagePlugin.PngInfo()
    note.add_text("types", json.dumps(list(types)))
    buffer = io.BytesIO()
    image.save(buffer, "PNG", pnginfo=note)
    return buffer.getvalue()


def read_heatmap(path: Path) -> npt.NDArray[np.float32]:
    """Return the heatmap in a file, float32 (H, W), in steps of a thousandth.

    Raises:
        ImageError: If the file cannot be read.
    """
    with opened(path) as image:
        return np.asarray(image, dtype=np.float32) / np.float32(HEATMAP_SCALE)
