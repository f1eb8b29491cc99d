"""Splitting of a data set into train, calibration and test, and into folds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from sklearn.model_selection import train_test_split

from brightfield.data.dataset import SPLITS, Dataset, Sample
from brightfield.data.fingerprints import join
from brightfield.errors import ConfigError, DataError

FEWEST_PER_SPLIT = 2


def split(
    dataset: Dataset,
    *,
    test: float = 0.2,
    calibration: float = 0.15,
    seed: int = 0,
    duplicates: Sequence[int] | None = None,
) -> Dataset:
    """Return the data set with a split assigned to every sample: `train`, `calibration` or `test`.

    Splits that the data set defines itself are kept; missing ones are taken from its train split. The splits
    are stratified, and images of one group, or of one near-duplicate group, stay together. If there are no
    groups and no duplicates, the test split equals scikit-learn's `train_test_split` of the samples sorted by
    `image`, with `random_state=seed`, as in published protocols. The result does not depend on the order of
    the samples.

    Args:
        dataset: The data set, with a split for all samples or for none.
        test: The share of all images for the test split, in [0, 1).
        calibration: The share of the remaining images for the calibration split, in [0, 1).
        seed: The seed of the random draws.
        duplicates: The near-duplicate group of each sample: see `near_duplicate_groups`.

    Raises:
        DataError: If a class has too few images or groups for all splits, or there is no train split.
        ConfigError: If a share is out of range, or `duplicates` does not have one number for each sample.
    """
    shares = _missing_splits(dataset, test, calibration)
    clusters = clusters_of(dataset, duplicates)
    by_name = sorted(range(len(dataset)), key=lambda i: dataset.samples[i].image)
    pool = [i for i in by_name if dataset.samples[i].split in (None, "train")]
    if not shares:
        return _with_splits(dataset, dict.fromkeys(pool, "train"))
    _check_enough(dataset, pool, clusters, shares)
    stratified = _stratified_splits(dataset, pool, clusters, shares, seed)
    return _with_splits(dataset, stratified or _grouped_splits(dataset, pool, clusters, _sizes(shares), seed))


def resplit(dataset: Dataset) -> Dataset:
    """Return the data set without splits."""
    return dataset.subset(replace(s, split=None) for s in dataset.samples)


def folds(
    dataset: Dataset,
    k: int,
    seed: int = 0,
    *,
    calibration: float = 0.15,
    duplicates: Sequence[int] | None = None,
) -> list[Dataset]:
    """Return the k divisions of the data set for cross-validation.

    Each sample is in the test split of exactly one. Groups and near-duplicates stay together.

    Args:
        dataset: The data set; its own splits are ignored.
        k: The number of folds, at least 2.
        seed: The seed of the random draws.
        calibration: The share of the images outside the test split for the calibration split, in [0, 1).
        duplicates: The near-duplicate group of each sample.

    Raises:
        DataError: If a class has fewer than k images or groups.
        ConfigError: If k is below 2.
    """
    if k < 2:
        raise ConfigError(f"k is {k}; expected at least 2 folds")
    unsplit = resplit(dataset)
    clusters = clusters_of(unsplit, duplicates)
    numbers = _fold_numbers(unsplit, clusters, k, seed)
    with_test = (
        _with_splits(unsplit, {i: "test" if n == fold else "train" for i, n in enumerate(numbers)})
        for fold in range(k)
    )
    return [split(one, calibration=calibration, seed=seed, duplicates=clusters) for one in with_test]


def fold_numbers(
    dataset: Dataset, most: int, seed: int = 0, *, duplicates: Sequence[int] | None = None
) -> list[int]:
    """Return the fold of every sample, from 0 on: `most` folds, or fewer if a class has few groups.

    Every class is in every fold, with at least two groups if it has four or more. The folds are stratified,
    and groups and near-duplicates stay together.

    Args:
        dataset: The data set; its own splits are ignored.
        most: The largest number of folds, at least 2.
        seed: The seed of the random draws.
        duplicates: The near-duplicate group of each sample.

    Raises:
        DataError: If all images of a class are in one group.
    """
    unsplit = resplit(dataset)
    clusters = clusters_of(unsplit, duplicates)
    spread: dict[str, set[int]] = defaultdict(set)
    for sample, cluster in zip(unsplit.samples, clusters, strict=True):
        spread[str(sample.label)].add(cluster)
    fewest = min(len(of_class) for of_class in spread.values())
    return _fold_numbers(unsplit, clusters, max(2, min(most, fewest // 2)), seed)


def _fold_numbers(unsplit: Dataset, clusters: Sequence[int], k: int, seed: int) -> list[int]:
    pool = sorted(range(len(unsplit)), key=lambda i: unsplit.samples[i].image)
    names = [str(fold) for fold in range(k)]
    _check_spread(unsplit, pool, clusters, names)
    fold_of = _grouped_splits(unsplit, pool, clusters, dict.fromkeys(names, 1 / k), seed)
    return [int(fold_of[i]) for i in range(len(unsplit))]


def _missing_splits(dataset: Dataset, test: float, calibration: float) -> dict[str, float]:
    """Return the share of each split that the data set lacks, test first."""
    for name, share in (("test", test), ("calibration", calibration)):
        if not 0.0 <= share < 1.0:
            raise ConfigError(f"{name} is {share}; expected a share from 0 up to, but not including, 1")
    if not len(dataset):
        raise DataError(f"{dataset.name} has no images to split")
    given = {s.split for s in dataset.samples}
    if None in given and len(given) > 1:
        raise DataError(
            f"{dataset.name}: some images have a split and some have none; give it for all or for none"
        )
    if given != {None} and "train" not in given:
        found = ", ".join(sorted(str(split) for split in given))
        raise DataError(f"{dataset.name} has only {found} images and none to train on; add a train split")
    wanted = {"test": test, "calibration": calibration}
    return {split: share for split, share in wanted.items() if split not in given and share > 0}


def _sizes(shares: Mapping[str, float]) -> dict[str, float]:
    """Return each split's share of the pool; calibration is a share of the images outside the test split."""
    test = shares.get("test", 0.0)
    calibration = shares.get("calibration", 0.0) * (1 - test)
    sizes = {"train": 1 - test - calibration, "test": test, "calibration": calibration}
    return {split: size for split, size in sizes.items() if size > 0}


def clusters_of(dataset: Dataset, duplicates: Sequence[int] | None) -> list[int]:
    """Return the cluster number of each sample; samples of one cluster must be in one split.

    Clusters are the connected components of samples that share a group or are near-duplicates.
    """
    if duplicates is not None and len(duplicates) != len(dataset):
        raise ConfigError(f"{len(duplicates)} duplicate groups for {len(dataset)} images; expected one each")
    first: dict[tuple[str, object], int] = {}
    pairs: list[tuple[int, int]] = []
    for i, sample in enumerate(dataset.samples):
        if sample.group is not None:
            pairs.append((first.setdefault(("group", sample.group), i), i))
        if duplicates is not None:
            pairs.append((first.setdefault(("duplicate", duplicates[i]), i), i))
    return join(len(dataset), np.asarray(pairs, dtype=np.int64).reshape(-1, 2))


def _check_enough(
    dataset: Dataset, pool: Sequence[int], clusters: Sequence[int], shares: Mapping[str, float]
) -> None:
    splits = [split for split in SPLITS if split == "train" or split in shares]
    needed = FEWEST_PER_SPLIT * len(splits)
    for label, n in sorted(Counter(str(dataset.samples[i].label) for i in pool).items()):
        if n < needed:
            raise DataError(
                f"class {label!r} has {n} image{'s' * (n > 1)} to split into {', '.join(splits)}; {needed} "
                f"are needed ({FEWEST_PER_SPLIT} each): add {needed - n} more, or leave the class out"
            )
    _check_spread(dataset, pool, clusters, splits)


def _check_spread(
    dataset: Dataset, pool: Sequence[int], clusters: Sequence[int], splits: Sequence[str]
) -> None:
    spread: dict[str, set[int]] = defaultdict(set)
    for i in pool:
        spread[str(dataset.samples[i].label)].add(clusters[i])
    for label, of_label in sorted(spread.items()):
        if len(of_label) < len(splits):
            raise DataError(
                f"class {label!r} comes from {len(of_label)} groups of images that must stay together; "
                f"{len(splits)} are needed, so that each of the {len(splits)} splits gets one: "
                "add images of other parts"
            )


def _stratified_splits(
    dataset: Dataset, pool: Sequence[int], clusters: Sequence[int], shares: Mapping[str, float], seed: int
) -> dict[int, str] | None:
    """Return each sample's split by scikit-learn, or None if groups or small classes do not allow it."""
    if len({clusters[i] for i in pool}) < len(pool):
        return None
    split_of = dict.fromkeys(pool, "train")
    for split, share in shares.items():
        rest = [i for i in pool if split_of[i] == "train"]
        strata = _strata([dataset.samples[i] for i in rest], share)
        held_out = round(share * len(rest))
        groups = Counter(strata)
        # scikit-learn refuses strata of one sample, and splits smaller than the number of strata
        if min(groups.values()) < 2 or not len(groups) <= held_out <= len(rest) - len(groups):
            return None
        chosen = train_test_split(rest, test_size=share, stratify=strata, random_state=seed)[1]
        split_of |= dict.fromkeys(chosen, split)
    counted = Counter((dataset.samples[i].label, split_of[i]) for i in pool)
    labels = {dataset.samples[i].label for i in pool}
    fewest = min(counted[label, split] for label in labels for split in ("train", *shares))
    return split_of if fewest >= FEWEST_PER_SPLIT else None


def _strata(samples: Sequence[Sample], share: float) -> list[str]:
    """Return the name of each sample's stratum, given the share of the smallest split.

    A class with a stratum too small to be in every split is stratified by its label alone. A stratum that is
    in one class only keeps its plain name, since scikit-learn's draw depends on the order of the names.
    """
    fine = Counter((s.label, s.stratum) for s in samples)
    coarse = {label for (label, _), n in fine.items() if n < 2 or n * min(share, 1 - share) < 1}
    classes = Counter(stratum for _, stratum in fine)

    def name(s: Sample) -> str:
        if s.stratum is None or s.label in coarse:
            return str(s.label)
        return s.stratum if classes[s.stratum] == 1 else f"{s.label}/{s.stratum}"

    return [name(s) for s in samples]


def _grouped_splits(
    dataset: Dataset,
    pool: Sequence[int],
    clusters: Sequence[int],
    sizes: Mapping[str, float],
    seed: int,
) -> dict[int, str]:
    """Return each sample's split, assigned greedily, the largest clusters first.

    A cluster goes to the split that lacks most of the cluster's strata.

    Args:
        dataset: The data set.
        pool: The positions of the samples to assign.
        clusters: The cluster of each sample of the data set.
        sizes: Each split's share of the pool; they add up to 1.
        seed: The seed of the order among clusters of one size.

    Raises:
        DataError: If a class is missing in a split.
    """
    strata = _strata([dataset.samples[i] for i in pool], min(sizes.values()))
    column = {name: c for c, name in enumerate(sorted(set(strata)))}
    members_of: dict[int, list[int]] = defaultdict(
        list
    )  # the members of each cluster, as positions in the pool
    for position, i in enumerate(pool):
        members_of[clusters[i]].append(position)
    members = list(members_of.values())
    counts = np.zeros((len(members), len(column)))  # (clusters, strata)
    for row, positions in enumerate(members):
        np.add.at(counts[row], [column[strata[p]] for p in positions], 1)
    totals = counts.sum(axis=0)  # (strata,)
    wanted = np.asarray(list(sizes.values()))[:, None] * totals  # (splits, strata)
    # small splits get a minimum of each stratum, which the largest split gives up
    wanted = np.maximum(wanted, np.minimum(FEWEST_PER_SPLIT, totals / len(sizes)))
    wanted[np.argmax(wanted, axis=0), np.arange(len(totals))] -= wanted.sum(axis=0) - totals
    shuffled = np.random.default_rng(seed).permutation(len(members))
    order = shuffled[np.argsort(-counts.sum(axis=1)[shuffled], kind="stable")]  # largest clusters first
    missing = wanted.copy()
    names = list(sizes)
    split_of: dict[int, str] = {}
    for row in order:
        # the lack of each stratum, weighted by the cluster's share of it: (splits, strata) -> (splits,)
        split = int(np.argmax((missing / wanted) @ (counts[row] / totals)))
        missing[split] -= counts[row]
        split_of |= {pool[p]: names[split] for p in members[row]}
    _check_filled(dataset, split_of, names)
    return split_of


def _check_filled(dataset: Dataset, split_of: Mapping[int, str], names: Sequence[str]) -> None:
    counted = Counter((str(dataset.samples[i].label), split) for i, split in split_of.items())
    for label in sorted({label for label, _ in counted}):
        if any(counted[label, name] == 0 for name in names):
            raise DataError(
                f"class {label!r} cannot be spread over {len(names)} splits without dividing a group; "
                "add images from other groups, or give train, val and test yourself"
            )


def _with_splits(dataset: Dataset, split_of: Mapping[int, str]) -> Dataset:
    return dataset.subset(
        replace(sample, split=split_of.get(i, sample.split)) for i, sample in enumerate(dataset.samples)
    )
