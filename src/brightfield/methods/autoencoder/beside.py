"""How an autoencoder compares with a memory bank, by defects drawn on held-out good parts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.data.dataset import Dataset
from brightfield.data.preprocessing import Preprocessing
from brightfield.learn.drawn_defects import with_defect
from brightfield.methods.base import Job, Method, Picture
from brightfield.methods.patches.fit import fit as fit_patches
from brightfield.methods.patches.options import PatchCoreOptions
from brightfield.progress import with_prefix

LEAST_PARTS = 5
"""With fewer held-out good parts nothing is compared."""

MOST_PARTS = 40
"""The most held-out good parts on which defects are drawn."""

MOST_LEARNED = 100
"""The most good parts that the memory bank learns from."""

BANK_OPTIONS = PatchCoreOptions(bank=1000, detail="fine", position="no")
"""The options of the memory bank, small so that it takes seconds; its sizes are the autoencoder's."""

DRAWN = 2
"""How many defects are drawn, each on a picture of its own, on each held-out good part."""

TRIES = 20
"""How often a defect is drawn again that falls outside the region of interest."""


def compare(
    methods: Mapping[str, Method], pictures: Iterable[Picture], preprocessing: Preprocessing, seed: int
) -> dict[str, Any]:
    """Return the AUROC of each method by name, and on how many `good` parts and `drawn` defects it was found.

    Args:
        methods: Methods that take pictures of the same working size.
        pictures: Good parts at working size that none of them has learned from.
        preprocessing: The preprocessing, which knows the region of interest.
        seed: The seed of the drawn defects.
    """
    rng = np.random.default_rng(seed)
    good: dict[str, list[float]] = {name: [] for name in methods}
    defective: dict[str, list[float]] = {name: [] for name in methods}
    other: Picture | None = None
    for picture in pictures:
        inside = preprocessing.region_at((picture.shape[0], picture.shape[1]))
        drawn = [_drawn(rng, picture, picture if other is None else other, inside) for _ in range(DRAWN)]
        for name, method in methods.items():
            first, *others = (j.score for j in method.judge([picture, *drawn], explain=False))
            good[name].append(first)
            defective[name] += others
        other = picture
    found: dict[str, Any] = {name: round(auroc(good[name], defective[name]), 4) for name in methods}
    return {**found, "good": len(good[name]), "drawn": len(defective[name])}


def _drawn(
    rng: np.random.Generator, picture: Picture, other: Picture, inside: npt.NDArray[np.bool_]
) -> Picture:
    """Return a picture with a defect drawn inside the region of interest."""
    for _ in range(TRIES):
        drawn, mask = with_defect(rng, picture, other)
        if (mask & inside).any():
            break
    return np.where(inside[..., None], drawn, picture)


def auroc(good: Sequence[float], defective: Sequence[float]) -> float:
    """Return the share of pairs of a good and a defective part that scores put in order, ties by half."""
    difference = np.subtract.outer(np.asarray(defective), np.asarray(good))
    return float((difference > 0).mean() + (difference == 0).mean() / 2)


def memory_bank(job: Job, kept: Dataset, preprocessing: Preprocessing) -> Method:
    """Return PatchCore with a small bank, fitted on good parts at an autoencoder's working size.

    Args:
        job: The autoencoder's job.
        kept: The good parts that the autoencoder learned from.
        preprocessing: The autoencoder's preprocessing.

    Raises:
        WeightsError: If the default backbone's weights are not installed.
    """
    step = -(-len(kept) // MOST_LEARNED)
    learned = kept.samples[::step]
    calibration = [s for s in job.data.split("calibration").samples if s.label == job.data.normal][:1]
    tile = None if preprocessing.square else preprocessing.tile
    options = replace(BANK_OPTIONS, image_size=preprocessing.long_side, tile=tile)
    less = replace(
        job,
        data=job.data.subset([*learned, *calibration]),
        duplicates=np.arange(len(learned)),
        folder=job.folder / "beside",
        progress=with_prefix("memory bank", job.progress),
    )
    return fit_patches(less, "patchcore", options).method


def note_of(found: Mapping[str, Any]) -> str:
    """Return what a comparison of `autoencoder` and `patchcore` found, in sentences, with its limits."""
    own, bank = found["autoencoder"], found["patchcore"]
    than = "more than" if own > bank else "less than" if own < bank else "as much as"
    return (
        f"On {found['good']} held-out good parts and {found['drawn']} defects drawn on them the autoencoder "
        f"has an AUROC of {own:.3f}, {than} a small memory bank (patchcore) of the same parts, {bank:.3f}. "
        "Drawn defects say little about real ones: brightfield compare measures on those."
    )
