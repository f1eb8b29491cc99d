"""Which split each picture is in when a trained inspector gets more of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from brightfield.data.dataset import Dataset
from brightfield.data.split import clusters_of
from brightfield.options import TrainOptions
from brightfield.pipeline.preflight import with_defects_held_out

log = logging.getLogger(__name__)

ENOUGH_NEW = 20
"""From so many new good parts on, some of them are held out to calibrate and to test."""

_FIRST = ("test", "calibration", "train")
"""Which split a new picture joins if its group is in several: what was held out must not be learned."""


def place(
    dataset: Dataset, seen: Sequence[str | None], options: TrainOptions, duplicates: Sequence[int]
) -> Dataset:
    """Return the data set with a split for every picture; known pictures stay in theirs.

    A new picture of a known group, or nearly the same as a known picture, joins that one's split. The others
    keep the data set's own split. Where it has none, or no calibration split, some are held out as in a
    training, if there are `ENOUGH_NEW` good parts; fewer all teach, and their defects calibrate.

    Args:
        dataset: The data set.
        seen: The split of each picture when the inspector was trained; None for new ones.
        options: The shares to hold out, and the seed.
        duplicates: The near-duplicate group of each picture.

    Raises:
        DataError: If the new pictures have too few groups to hold some out.
        ConfigError: If a share is out of range.
    """
    clusters = clusters_of(dataset, duplicates)
    splits = list(seen)
    for wanted in _FIRST:
        joined = {c for c, s in zip(clusters, seen, strict=True) if s == wanted}
        for i, cluster in enumerate(clusters):
            if splits[i] is None and cluster in joined:
                splits[i] = wanted
    _say_joined(dataset, seen, splits)
    fresh = [i for i, split in enumerate(splits) if split is None]
    new = dataset.subset(dataset.samples[i] for i in fresh)
    to_learn = {clusters[i] for i in fresh if _may_teach(dataset, i)}
    if len(to_learn) >= ENOUGH_NEW:
        new = with_defects_held_out(new, options, [clusters[i] for i in fresh])
    for i, sample in zip(fresh, new.samples, strict=True):
        splits[i] = sample.split or ("train" if sample.label == dataset.normal else "calibration")
    return dataset.subset(replace(s, split=split) for s, split in zip(dataset.samples, splits, strict=True))


def _may_teach(dataset: Dataset, row: int) -> bool:
    sample = dataset.samples[row]
    return sample.label == dataset.normal and sample.split in (None, "train")


def _say_joined(dataset: Dataset, seen: Sequence[str | None], splits: Sequence[str | None]) -> None:
    held = [
        s.image
        for s, before, split in zip(dataset.samples, seen, splits, strict=True)
        if before is None and split in ("test", "calibration")
    ]
    if held:
        log.warning(
            "%d new pictures show the same part as, or look nearly like, pictures that test or calibrate the "
            "inspector, and join these instead of its memory bank (%s)",
            len(held),
            ", ".join(held[:3]) + (", ..." if len(held) > 3 else ""),
        )
