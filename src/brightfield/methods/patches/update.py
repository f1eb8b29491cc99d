"""Taking more good parts into the memory banks of a fitted method, by its own exported trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.errors import BundleError
from brightfield.methods.base import Updated
from brightfield.methods.good_parts.stream import tile_stream, told, working_pictures
from brightfield.methods.patches.coreset import Coreset
from brightfield.methods.patches.crops import Crops, read_crops
from brightfield.methods.patches.detectors import Bank, Member
from brightfield.methods.patches.fitted import PatchMethod
from brightfield.methods.patches.members import TAGS, Collected, MemberPlan, Seen, collect
from brightfield.progress import Progress

_OLD = -1
"""Stands for the picture's number in the tags of the patches that the bank already holds."""


def update(method: PatchMethod, named: Sequence[tuple[str, Path]], progress: Progress) -> Updated:
    """Return the method with more good parts in its memory banks.

    The stream of patches goes on where the fit ended, so that a bank stays within its size. Trunk, whitening,
    the scale of the evidence, and a flow stay as they are.

    Args:
        method: A method with a memory bank.
        named: The name and the file of each picture of a good part.
        progress: Called after every picture.

    Raises:
        BundleError: If the bundle does not say how the bank was selected.
        ImageError: If a picture cannot be read.
    """
    rows = [i for i, member in enumerate(method.members) if isinstance(member.detector, Bank)]
    banks = [method.members[i] for i in rows]
    collected = [
        Collected(_resumed(member.detector)) for member in banks if isinstance(member.detector, Bank)
    ]
    plans = [MemberPlan(m.name, m.scale, m.maps, m.share) for m in banks]
    rule = method.preprocessing
    pictures = told(working_pictures([path for _, path in named], rule), "features", len(named), progress)
    seen = Seen(method.features, rule, ())
    collect(seen, plans, [m.embedding for m in banks], collected, tile_stream(pictures, rule))
    members = list(method.members)
    added = removed = 0
    for i, one in zip(rows, collected, strict=True):
        members[i], new, gone = _updated(members[i], one, named, method, progress)
        added, removed = added + new, removed + gone
    updated = PatchMethod(method.name, method.features, members, rule, backbone=method.backbone)
    return Updated(
        updated,
        scores_only_fall=removed == 0,
        facts={
            "patches_added": added,
            "patches_removed": removed,
            "unchanged": [m.name for m in members if not isinstance(m.detector, Bank)],
        },
    )


def _resumed(bank: Bank) -> Coreset:
    if bank.selection is None:
        raise BundleError(
            "the bundle does not say how its memory bank was selected, so it cannot take more parts in; "
            "train it again"
        )
    tags = np.zeros((len(bank.patches), TAGS), dtype=np.int64)
    tags[:, 0], tags[:, 1] = _OLD, np.arange(len(tags))
    return Coreset.resumed(bank.selection, bank.patches, tags)


def _updated(
    member: Member,
    one: Collected,
    named: Sequence[tuple[str, Path]],
    method: PatchMethod,
    progress: Progress,
) -> tuple[Member, int, int]:
    """Return a member with the bank that was collected, and how many patches were added and removed."""
    if one.coreset is None or not isinstance(member.detector, Bank):
        return member, 0, 0
    one.coreset.finish()
    old = one.coreset.tags[:, 0] == _OLD
    order = np.concatenate([np.flatnonzero(old), np.flatnonzero(~old)])
    tags, vectors = one.coreset.tags[order], one.coreset.vectors[order]
    n_old = int(old.sum())
    kept, new = tags[:n_old, 1], tags[n_old:]
    crops = member.detector.crops
    if crops is not None:
        crops = _crops(crops, kept, new, named, method, progress)
    bank = Bank(vectors, crops, one.coreset.selection)
    return replace(member, detector=bank), len(new), len(member.detector.patches) - n_old


def _crops(
    crops: Crops,
    kept: npt.NDArray[np.int64],
    new: npt.NDArray[np.int64],
    named: Sequence[tuple[str, Path]],
    method: PatchMethod,
    progress: Progress,
) -> Crops:
    """Return the crops of the patches that a bank kept, and then those of its new ones."""
    if not len(new):
        return crops.taken(kept)
    others = read_crops(new, named, method.preprocessing, progress)
    return crops.taken(kept).followed_by(others) if len(kept) else others
