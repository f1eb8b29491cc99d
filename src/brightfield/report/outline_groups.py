"""The words beside defects that the report shows enlarged, and the legend of their outlines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from brightfield.explain.overlay import TYPE_COLOURS, data_uri, type_colour
from brightfield.report.quantities import length
from brightfield.report.report import Outlined
from brightfield.report.wording import figure
from brightfield.verdict import Defect

KINDS = {
    "missed": ("Missed", "The longest defects that no found one matches, one of an image."),
    "stray": ("Found where there is none", "The largest defects found where the mask shows nothing."),
    "found": ("Found", "Evenly spaced from the least to the best overlap of what was found with the truth."),
}
"""Heading and caption, by kind."""


def outline_groups(outlined: Sequence[Outlined]) -> list[dict[str, Any]]:
    """Return the groups of outlined defects."""
    groups = []
    for kind, (name, caption) in KINDS.items():
        shown = [_item(each) for each in outlined if each.kind == kind]
        if shown:
            groups.append({"kind": kind, "name": name, "caption": caption, "shown": shown})
    return groups


def legend(types: Sequence[str]) -> list[dict[str, str]]:
    """Return the colour of the outline of each defect type; without types, of what was found.

    Types that share a colour share a line.
    """
    if not types:
        return [{"name": "found", "colour": _css(type_colour(1))}]
    number = len(TYPE_COLOURS)
    return [
        {"name": ", ".join(types[k::number]), "colour": _css(type_colour(k + 1))}
        for k in range(min(number, len(types)))
    ]


def _item(each: Outlined) -> dict[str, Any]:
    truth, found = "", ""
    if each.truth is not None:
        truth = f"{each.truth.type}, {_size(each.truth)}"
    if each.kind == "missed":
        found = "seen in part" if each.seen else "not seen at all"
    elif each.found is not None:
        found = f"found as {each.found.type}, {_size(each.found)}"
    if each.kind == "found":
        found += f"; IoU {figure(each.iou)}"
    return {
        "image": each.image,
        "truth": truth,
        "found": found,
        "picture": data_uri(each.picture_png),
        "outlined": data_uri(each.outlined_png),
    }


def _size(defect: Defect) -> str:
    scale = defect.mm_per_pixel
    return f"{length(defect.length, scale)} long, {length(defect.width, scale)} wide"


def _css(colour: tuple[int, int, int]) -> str:
    return f"rgb{colour}"
