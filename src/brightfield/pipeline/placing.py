"""Which split each picture is in when a trained inspector gets more of them."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from brightfield.data.dataset import Dataset
from brightfield.data.split import clusters_of
from brightfield.inspector import Inspector
from brightfield.methods.registry import METHODS
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
    splits = _joined(dataset, seen, clusters)
    fresh = [i for i, split in enumerate(splits) if split is None]
    new = dataset.subset(dataset.samples[i] for i in fresh)
    to_learn = {clusters[i] for i in fresh if _may_teach(dataset, i)}
    if len(to_learn) >= ENOUGH_NEW:
        new = with_defects_held_out(new, options, [clusters[i] for i in fresh])
    for i, sample in zip(fresh, new.samples, strict=True):
        splits[i] = sample.split or ("train" if sample.label == dataset.normal else "calibration")
    return dataset.subset(replace(s, split=split) for s, split in zip(dataset.samples, splits, strict=True))


@dataclass(frozen=True)
class Shares:
    """How new pictures are shared out where they are not like known ones.

    Attributes:
        test: Share for the test split, in [0, 1).
        calibration: Share of the others for the calibration split, in [0, 1).
        defects_calibrate: Whether all defects that are not tested calibrate, as good parts alone teach.
    """

    test: float
    calibration: float
    defects_calibrate: bool


def shares_of(base: Inspector, options: TrainOptions) -> Shares:
    """Return how a successor's new pictures are shared out: as those of the inspector before were.

    Args:
        base: The inspector before.
        options: The options of the successor; its share for calibration, where given, is used instead.
    """
    splits = (base.facts.get("fingerprints") or {}).get("splits") or {}
    train, calibration = ({**splits.get(name, {})} for name in ("train", "calibration"))
    taught = sum(n for label, n in train.items() if label != base.normal)
    held = sum(n for label, n in calibration.items() if label != base.normal)
    entry = METHODS.get(base.method.name)
    alone = (
        base.normal is not None
        and taught == 0
        and (held > 0 or (entry is not None and entry.good_parts_alone))
    )
    counted = [str(base.normal)] if alone else list(base.classes)
    known = {name: sum(of.get(label, 0) for label in counted) for name, of in splits.items()}
    both = known.get("train", 0) + known.get("calibration", 0)
    share = known.get("calibration", 0) / both if both else 0.0
    return Shares(options.test, share if options.calibration is None else options.calibration, alone)


def place_new(
    dataset: Dataset, seen: Sequence[str | None], clusters: Sequence[int], shares: Shares, seed: int
) -> Dataset:
    """Return the data set with a split for every picture, so that no picture teaches that was held out.

    Known pictures stay in theirs. A new one of a known group, or nearly the same as a known picture, joins
    that one's split; others keep the data set's own split, or are drawn, class by class.

    Args:
        dataset: The data set of old and new pictures.
        seen: The split of each picture when the inspector before was trained; None for new ones.
        clusters: A number for each picture, equal for those that must stay together.
        shares: How new pictures are shared out.
        seed: The seed of the draws.
    """
    splits = _joined(dataset, seen, clusters)
    own = [s.split for s in dataset.samples]
    if "calibration" not in seen and not shares.calibration and not shares.defects_calibrate:
        # the images that teach calibrate too, and a few new ones would take their place
        own = ["train" if split == "calibration" else split for split in own]
    splits = [found or given for found, given in zip(splits, own, strict=True)]
    fresh = [i for i, split in enumerate(splits) if split is None]
    labels = [str(dataset.samples[i].label) for i in fresh]
    drawn = _share_out(labels, [clusters[i] for i in fresh], shares, dataset.normal, seed)
    for i, split in zip(fresh, drawn, strict=True):
        splits[i] = split
    if fresh and shares.test and "test" not in drawn:
        log.warning(
            "none of the %d new pictures is held out, as they are too few or must all stay together: what "
            "the successor makes of such pictures is not tested",
            len(fresh),
        )
    return dataset.subset(replace(s, split=split) for s, split in zip(dataset.samples, splits, strict=True))


def _share_out(
    labels: Sequence[str], clusters: Sequence[int], shares: Shares, normal: str | None, seed: int
) -> list[str]:
    """Return the split of each picture; a cluster counts for the class of its first picture.

    Where good parts alone teach, a cluster with any good part counts as good, and its defective parts
    calibrate where the good ones teach.
    """
    rng = np.random.default_rng(seed)
    members: dict[int, list[int]] = defaultdict(list)
    for i, cluster in enumerate(clusters):
        members[cluster].append(i)
    of_label: dict[str, list[int]] = defaultdict(list)
    for cluster, rows in members.items():
        held = [labels[i] for i in rows]
        is_good = shares.defects_calibrate and normal in held
        of_label[str(normal) if is_good else held[0]].append(cluster)
    splits = ["train"] * len(labels)
    for label in sorted(of_label):
        n = sum(len(members[c]) for c in of_label[label])
        tested = round(shares.test * n)
        wanted = {"test": tested, "calibration": round(shares.calibration * (n - tested))}
        for cluster in rng.permutation(of_label[label]):
            rows = members[int(cluster)]
            split = next((name for name, left in wanted.items() if len(rows) <= left), "train")
            if split in wanted:
                wanted[split] -= len(rows)
            for i in rows:
                may_teach = not shares.defects_calibrate or labels[i] == normal
                splits[i] = "calibration" if split == "train" and not may_teach else split
    return splits


def _joined(dataset: Dataset, seen: Sequence[str | None], clusters: Sequence[int]) -> list[str | None]:
    """Return the split of known pictures and of new ones that belong to them; None for the others."""
    splits = list(seen)
    for wanted in _FIRST:
        joined = {c for c, s in zip(clusters, seen, strict=True) if s == wanted}
        for i, cluster in enumerate(clusters):
            if splits[i] is None and cluster in joined:
                splits[i] = wanted
    _say_joined(dataset, seen, splits)
    return splits


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
            "inspector, and join these instead of those that it learns from (%s)",
            len(held),
            ", ".join(held[:3]) + (", ..." if len(held) > 3 else ""),
        )
