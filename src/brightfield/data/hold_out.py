"""Splits for a method that learns from good parts alone: known defects are tested or calibrate."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from brightfield.data.dataset import Dataset
from brightfield.data.split import FEWEST_PER_SPLIT, clusters_of, split
from brightfield.errors import DataError

MOST = 0.5
"""The share of the good parts that a group held out with its defects may not exceed."""


def split_test(
    dataset: Dataset, *, test: float, seed: int = 0, duplicates: Sequence[int] | None = None
) -> Dataset:
    """Return the data set with a test split, drawn as `split` draws it; all other images are in `train`.

    Defect types with too few images or groups to be in both splits are not tested.

    Args:
        dataset: The data set, with a split for all samples or for none.
        test: The share of all images for the test split, in [0, 1).
        seed: The seed of the random draws.
        duplicates: The near-duplicate group of each sample.

    Raises:
        DataError: If there are too few good parts for both splits, or there is no train split.
        ConfigError: If the share is out of range.
    """
    clusters = clusters_of(dataset, duplicates)
    spread: dict[str, set[int]] = defaultdict(set)
    for sample, cluster in zip(dataset.samples, clusters, strict=True):
        spread[str(sample.label)].add(cluster)
    counts = Counter(dataset.labels)
    few = {
        label
        for label, n in counts.items()
        if label != dataset.normal and (n < 2 * FEWEST_PER_SPLIT or len(spread[str(label)]) < 2)
    }
    rest = [i for i, s in enumerate(dataset.samples) if s.label not in few]
    common = dataset.subset(dataset.samples[i] for i in rest)
    tested = split(common, test=test, calibration=0.0, seed=seed, duplicates=[clusters[i] for i in rest])
    split_of = dict(zip(rest, (s.split for s in tested.samples), strict=True))
    of_cluster = {clusters[i]: split for i, split in split_of.items()}
    return dataset.subset(
        replace(s, split=split_of[i] if i in split_of else s.split or of_cluster.get(clusters[i], "train"))
        for i, s in enumerate(dataset.samples)
    )


def hold_out(
    dataset: Dataset, good: int, *, seed: int = 0, duplicates: Sequence[int] | None = None
) -> Dataset:
    """Return the data set with a calibration split of the train split's defects and some of its good parts.

    Images of one group, or of one near-duplicate group, stay together. Groups with a defect are held out
    first, with their good parts, as long as good parts are wanted; what is still wanted comes from the other
    groups, in proportion to the strata. A calibration split of the data set's own is kept as it is.

    Args:
        dataset: The data set, with a split for all samples.
        good: The least number of good parts to hold out.
        seed: The seed of the random draws.
        duplicates: The near-duplicate group of each sample.

    Raises:
        DataError: If groups are too large to hold out so many good parts and to learn from the others.
    """
    if any(s.split == "calibration" for s in dataset.samples):
        return dataset
    clusters = clusters_of(dataset, duplicates)
    by_name = sorted(range(len(dataset)), key=lambda i: dataset.samples[i].image)
    members: dict[int, list[int]] = defaultdict(list)
    for i in by_name:
        if dataset.samples[i].split == "train":
            members[clusters[i]].append(i)
    n_good = {c: sum(dataset.samples[i].label == dataset.normal for i in of) for c, of in members.items()}
    held = _held_out(_order(dataset, members, n_good, seed), members, n_good, good)
    taken = sum(n_good[c] for c in held)
    if taken < good:
        raise DataError(
            f"{good} of {sum(n_good.values())} good parts are to be held out for calibration, but they come "
            f"in groups too large for that: {taken} can be, so that half are left to learn from; add good "
            "parts of other groups, or ask for a smaller --calibration"
        )
    chosen = {i for c in held for i in members[c]}
    return dataset.subset(
        replace(s, split="calibration") if i in chosen else s for i, s in enumerate(dataset.samples)
    )


def _held_out(
    order: Sequence[int], members: Mapping[int, Sequence[int]], n_good: Mapping[int, int], good: int
) -> list[int]:
    """Return the clusters to hold out: all without good parts, and others in order until there are enough."""
    most = max(good, MOST * sum(n_good.values()))
    held, taken = [c for c in members if not n_good[c]], 0
    for c in order:
        if taken < good and taken + n_good[c] <= most:
            held.append(c)
            taken += n_good[c]
    return held


def _order(
    dataset: Dataset, members: Mapping[int, Sequence[int]], n_good: Mapping[int, int], seed: int
) -> list[int]:
    """Return the clusters with good parts at random: first those with a defect too, then the others.

    Clusters of one stratum are evenly spaced, so that any first so many hold the strata in proportion.
    """
    rng = np.random.default_rng(seed)
    strata: dict[tuple[bool, str | None], list[int]] = defaultdict(list)
    for c, of in members.items():
        if n_good[c]:
            strata[n_good[c] == len(of), dataset.samples[of[0]].stratum].append(c)
    places: list[tuple[bool, float, int]] = []
    for (only_good, _), of_stratum in sorted(strata.items(), key=lambda item: (item[0][0], str(item[0][1]))):
        shuffled = rng.permutation(of_stratum)
        offset = rng.random()
        places += [(only_good, (k + offset) / len(shuffled), int(c)) for k, c in enumerate(shuffled)]
    return [c for *_, c in sorted(places)]
