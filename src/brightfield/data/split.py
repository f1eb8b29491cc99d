"""Which images train, which calibrate, which test."""

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
    """Return the data set with a split for every sample: `train`, `calibration` or `test`.

    A split that the data set itself gives stays as it is; one that is missing is carved out of the train
    split. Strata are kept, and images of one group, or of one near-duplicate group, stay together. Where
    neither groups nor duplicates bind, the test split is scikit-learn's `train_test_split` of the samples
    sorted by `image`, with `random_state=seed`, as published protocols have it. The same seed gives the same
    splits in whatever order the samples come.

    Args:
        dataset: With splits for all samples or for none.
        test: The share of the images to test on, in [0, 1).
        calibration: The share of the others to calibrate on, in [0, 1).
        seed: Another seed, another split.
        duplicates: A number for each sample, equal for near-duplicates: see `near_duplicate_groups`.

    Raises:
        DataError: If a class has too few images or groups for every split to get some, or no split trains.
        ConfigError: If a share is out of range or the duplicates are not one for each sample.
    """
    shares = _missing_splits(dataset, test, calibration)
    clusters = _clusters(dataset, duplicates)
    by_name = sorted(range(len(dataset)), key=lambda i: dataset.samples[i].image)
    pool = [i for i in by_name if dataset.samples[i].split in (None, "train")]
    if not shares:
        return _with_splits(dataset, dict.fromkeys(pool, "train"))
    _check_enough(dataset, pool, clusters, shares)
    plain = _plain_splits(dataset, pool, clusters, shares, seed)
    return _with_splits(dataset, plain or _grouped_splits(dataset, pool, clusters, _sizes(shares), seed))


def resplit(dataset: Dataset) -> Dataset:
    """Return the data set without the splits it came with."""
    return dataset.subset(replace(s, split=None) for s in dataset.samples)


def folds(
    dataset: Dataset,
    k: int,
    seed: int = 0,
    *,
    calibration: float = 0.15,
    duplicates: Sequence[int] | None = None,
) -> list[Dataset]:
    """Return k splits, every sample in the test split of exactly one, groups and duplicates kept together.

    Args:
        dataset: Its own splits do not count.
        k: At least 2.
        seed: Another seed, other folds.
        calibration: The share of each fold's other images to calibrate on, in [0, 1).
        duplicates: As in `split`.

    Raises:
        DataError: If a class has fewer than k images or groups.
        ConfigError: If k is below 2.
    """
    if k < 2:
        raise ConfigError(f"k is {k}; expected at least 2 folds")
    bare = resplit(dataset)
    clusters = _clusters(bare, duplicates)
    numbers = _numbered(bare, clusters, k, seed)
    marked = (
        _with_splits(bare, {i: "test" if n == fold else "train" for i, n in enumerate(numbers)})
        for fold in range(k)
    )
    return [split(one, calibration=calibration, seed=seed, duplicates=clusters) for one in marked]


def fold_numbers(
    dataset: Dataset, most: int, seed: int = 0, *, duplicates: Sequence[int] | None = None
) -> list[int]:
    """Return the fold of every sample, from 0 on: `most` folds, or fewer where a class is too small.

    Every fold shows every class, by two groups at the least where there are four; strata are kept, groups
    and duplicates stay together.

    Args:
        dataset: Its own splits do not count.
        most: At least 2.
        seed: Another seed, other folds.
        duplicates: As in `split`.

    Raises:
        DataError: If a class comes from one group only.
    """
    bare = resplit(dataset)
    clusters = _clusters(bare, duplicates)
    of_class: dict[str, set[int]] = defaultdict(set)
    for sample, cluster in zip(bare.samples, clusters, strict=True):
        of_class[str(sample.label)].add(cluster)
    fewest = min(len(found) for found in of_class.values())
    return _numbered(bare, clusters, max(2, min(most, fewest // 2)), seed)


def _numbered(bare: Dataset, clusters: Sequence[int], k: int, seed: int) -> list[int]:
    pool = sorted(range(len(bare)), key=lambda i: bare.samples[i].image)
    names = [str(fold) for fold in range(k)]
    _check_spread(bare, pool, clusters, names)
    fold_of = _grouped_splits(bare, pool, clusters, dict.fromkeys(names, 1 / k), seed)
    return [int(fold_of[i]) for i in range(len(bare))]


def _missing_splits(dataset: Dataset, test: float, calibration: float) -> dict[str, float]:
    """Return the share of each split that is to be carved, test first."""
    for name, share in (("test", test), ("calibration", calibration)):
        if not 0.0 <= share < 1.0:
            raise ConfigError(f"{name} is {share}; expected a share from 0 up to, but not including, 1")
    if not len(dataset):
        raise DataError(f"{dataset.name} has no images to split")
    given = {s.split for s in dataset.samples}
    if None in given and len(given) > 1:
        raise DataError(f"{dataset.name}: some images have a split and some have none; give all or none")
    if given != {None} and "train" not in given:
        found = ", ".join(sorted(str(split) for split in given))
        raise DataError(f"{dataset.name} has only {found} images and none to train on; add a train split")
    wanted = {"test": test, "calibration": calibration}
    return {split: share for split, share in wanted.items() if split not in given and share > 0}


def _sizes(shares: Mapping[str, float]) -> dict[str, float]:
    """Return the share of the pool that each split gets: calibration is a share of what the test leaves."""
    test = shares.get("test", 0.0)
    calibration = shares.get("calibration", 0.0) * (1 - test)
    sizes = {"train": 1 - test - calibration, "test": test, "calibration": calibration}
    return {split: size for split, size in sizes.items() if size > 0}


def _clusters(dataset: Dataset, duplicates: Sequence[int] | None) -> list[int]:
    """Return a number for each sample; equal numbers must not be parted."""
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


def _plain_splits(
    dataset: Dataset, pool: Sequence[int], clusters: Sequence[int], shares: Mapping[str, float], seed: int
) -> dict[int, str] | None:
    """Return the protocol's stratified split, or None where groups or small classes do not allow it."""
    if len({clusters[i] for i in pool}) < len(pool):
        return None
    split_of = dict.fromkeys(pool, "train")
    for split, share in shares.items():
        rest = [i for i in pool if split_of[i] == "train"]
        strata = _strata([dataset.samples[i] for i in rest], share)
        held = round(share * len(rest))
        if min(Counter(strata).values()) < 2 or not len(set(strata)) <= held <= len(rest) - len(set(strata)):
            return None
        chosen = train_test_split(rest, test_size=share, stratify=strata, random_state=seed)[1]
        split_of |= dict.fromkeys(chosen, split)
    counted = Counter((dataset.samples[i].label, split_of[i]) for i in pool)
    labels = {dataset.samples[i].label for i in pool}
    fewest = min(counted[label, split] for label in labels for split in ("train", *shares))
    return split_of if fewest >= FEWEST_PER_SPLIT else None


def _strata(samples: Sequence[Sample], share: float) -> list[str]:
    """Return what to stratify by; a class with a stratum too small to be shared out goes by its label.

    A stratum of one class goes by its bare name: scikit-learn's draw depends on how the names sort.
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
    """Return each sample's split: the largest clusters go first, each to where its strata are missed most."""
    strata = _strata([dataset.samples[i] for i in pool], min(sizes.values()))
    column = {name: c for c, name in enumerate(sorted(set(strata)))}
    members: dict[int, list[int]] = defaultdict(list)  # of a cluster, as positions in the pool
    for position, i in enumerate(pool):
        members[clusters[i]].append(position)
    grouped = list(members.values())
    counts = np.zeros((len(grouped), len(column)))
    for row, positions in enumerate(grouped):
        np.add.at(counts[row], [column[strata[p]] for p in positions], 1)
    totals = counts.sum(axis=0)
    wanted = np.asarray(list(sizes.values()))[:, None] * totals  # (splits, strata)
    wanted = np.maximum(wanted, np.minimum(FEWEST_PER_SPLIT, totals / len(sizes)))
    wanted[np.argmax(wanted, axis=0), np.arange(len(totals))] -= wanted.sum(axis=0) - totals
    shuffled = np.random.default_rng(seed).permutation(len(grouped))
    order = shuffled[np.argsort(-counts.sum(axis=1)[shuffled], kind="stable")]
    missing = wanted.copy()
    names = list(sizes)
    split_of: dict[int, str] = {}
    for row in order:
        split = int(np.argmax((missing / wanted) @ (counts[row] / totals)))
        missing[split] -= counts[row]
        split_of |= {pool[p]: names[split] for p in grouped[row]}
    _check_filled(dataset, split_of, names)
    return split_of


def _check_filled(dataset: Dataset, split_of: Mapping[int, str], names: Sequence[str]) -> None:
    counted = Counter((str(dataset.samples[i].label), split) for i, split in split_of.items())
    for label in sorted({label for label, _ in counted}):
        if any(counted[label, name] == 0 for name in names):
            raise DataError(
                f"class {label!r} cannot be spread over {len(names)} splits without parting a group; "
                "add images from other groups, or give train, val and test yourself"
            )


def _with_splits(dataset: Dataset, split_of: Mapping[int, str]) -> Dataset:
    return dataset.subset(
        replace(sample, split=split_of.get(i, sample.split)) for i, sample in enumerate(dataset.samples)
    )
