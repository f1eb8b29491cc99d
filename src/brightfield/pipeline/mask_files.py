"""Files of proposed masks: one or more a picture, and those that serve all."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from brightfield.data.image_files import OVERLAY
from brightfield.data.labelme import SUFFIX
from brightfield.data.mask_values import TABLE
from brightfield.disk.atomic import write_atomically
from brightfield.disk.names import shortened
from brightfield.explain.overlay import as_png, overlay
from brightfield.pipeline.mask_documents import coco_document, labelme_document, png, values_table
from brightfield.pipeline.proposal import Proposal
from brightfield.verdict import Look

FORMATS = ("png", "coco", "labelme")
COCO = "annotations.json"
MASK = "_mask.png"
"""The ending of a mask image's name."""


def write_one(
    proposal: Proposal,
    picture: Path,
    output: Path,
    formats: Collection[str],
    types: tuple[str, ...] | None,
) -> None:
    """Write the mask image and the labelme file of one picture, where these formats are asked for.

    Args:
        proposal: The proposed mask.
        picture: The picture's file.
        output: The folder of results.
        formats: Of `FORMATS`.
        types: The types whose positions from 1 on are a mask image's values; None for white on black.

    Raises:
        WriteError: If the file system refuses to.
    """
    if "png" in formats:
        write_atomically(_place(proposal, output, MASK), png(proposal, types))
    if "labelme" in formats:
        place = _place(proposal, output, SUFFIX)
        relative = os.path.relpath(os.path.realpath(picture), os.path.realpath(place.parent))
        write_atomically(place, _json(labelme_document(proposal, Path(relative).as_posix())))


def write_overlay(proposal: Proposal, look: Look, output: Path) -> None:
    """Write a picture with its heatmap and the outline of its proposed mask over it.

    Raises:
        WriteError: If the file system refuses to.
    """
    verdict = look.verdict
    if verdict.heatmap is not None:
        drawn = overlay(look.picture, verdict.heatmap, proposal.mask() > 0, verdict.region)
        write_atomically(_place(proposal, output, OVERLAY), as_png(drawn))


def write_shared(
    proposals: Sequence[Proposal], output: Path, formats: Collection[str], types: tuple[str, ...] | None
) -> None:
    """Write the COCO file, and the table that names the values of mask images, where there are types.

    Raises:
        WriteError: If the file system refuses to.
    """
    if "coco" in formats:
        write_atomically(output / COCO, _json(coco_document(proposals)))
    found = {region.type for proposal in proposals for region in proposal.regions}
    if "png" in formats and types is not None and found:
        write_atomically(output / TABLE, values_table(types, found).encode())


def _place(proposal: Proposal, output: Path, ending: str) -> Path:
    """Return the place of a picture's file; if its name is too long, its beginning is shortened."""
    start = output / proposal.place
    return start.with_name(shortened(start.name, len(OVERLAY), start.parent) + ending)


def _json(document: dict[str, Any]) -> bytes:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
