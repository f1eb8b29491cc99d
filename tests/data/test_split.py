"""Who trains, calibrates and tests: in proportion, together, the same every time."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from brightfield.data.dataset import Dataset, Sample, order_classes
from brightfield.data.split import fold_numbers, folds, resplit, split
from brightfield.errors import ConfigError, DataError


def dataset_of(samples: list[Sample]) -> Dataset:
    labels = [s.label for s in samples if s.label is not None]
    return Dataset("made", tuple(samples), order_classes(labels, "OK"), "OK")


def plain(n_ok: int, n_bad: int, given: str | None = None) -> Dataset:
    labels = ["OK"] * n_ok + ["bad"] * n_bad
    return dataset_of(
        [Sample(f"{label}/{i:04d}.png", Path("x"), label, split=given) for i, label in enumerate(labels)]
    )


def grouped(n_groups: int, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    samples = []
    for group in range(n_groups):
        for i in range(int(rng.integers(1, 12))):
            label = "bad" if rng.random() < (0.6 if group % 3 == 0 else 0.1) else "OK"
            samples.append(Sample(f"{group:03d}_{i}.png", Path("x"), label, group=f"g{group}"))
    return dataset_of(samples)


def parts_of(dataset: Dataset) -> dict[str, str | None]:
    return {s.image: s.split for s in dataset.samples}


@pytest.mark.parametrize("seed", [0, 4])
def test_the_plain_test_part_is_scikit_learns(seed: int) -> None:
    samples = [
        Sample(f"{i:04d}.png", Path("x"), "bad" if i % 4 == 0 else "OK", stratum=f"{i % 8}")
        for i in range(400)
    ]
    strata = [s.stratum for s in samples]
    expected = train_test_split(range(400), test_size=0.25, stratify=strata, random_state=seed)[1]
    rng = np.random.default_rng(9)
    shuffled = dataset_of([samples[i] for i in rng.permutation(400)])
    got = split(shuffled, test=0.25, seed=seed)
    assert {s.image for s in got.split("test").samples} == {f"{i:04d}.png" for i in expected}
    assert len(got.split("calibration")) == 45  # 15% of the 300 left
    assert got.labels == shuffled.labels


@pytest.mark.parametrize(
    "data", [plain(200, 60), plain(40, 6), grouped(60)], ids=["plain", "small", "grouped"]
)
def test_the_same_seed_gives_the_same_parts_in_any_order(data: Dataset) -> None:
    first = split(data, seed=3)
    order = np.random.default_rng(0).permutation(len(data))
    again = split(data.subset(data.samples[i] for i in order), seed=3)
    assert parts_of(first) == parts_of(again)
    assert parts_of(split(data, seed=4)) != parts_of(first)


@pytest.mark.parametrize("seed", range(5))
def test_groups_stay_together_in_proportion(seed: int) -> None:
    data = grouped(80, seed)
    got = split(data, seed=seed)
    of_group: dict[str | None, set[str | None]] = {}
    for s in got.samples:
        of_group.setdefault(s.group, set()).add(s.split)
    assert all(len(parts) == 1 for parts in of_group.values())
    for label in ("OK", "bad"):
        n = data.counts()[label]
        assert got.split("test").counts()[label] == pytest.approx(0.2 * n, abs=6)
        assert got.split("calibration").counts()[label] == pytest.approx(0.12 * n, abs=6)


def test_duplicates_stay_together_and_join_groups() -> None:
    data = grouped(60)
    duplicates = list(range(len(data)))
    a = next(i for i, s in enumerate(data.samples) if s.group == "g1")
    b = next(i for i, s in enumerate(data.samples) if s.group == "g2")
    duplicates[b] = duplicates[a]
    for seed in range(8):
        got = split(data, seed=seed, duplicates=duplicates)
        assert len({s.split for s in got.samples if s.group in ("g1", "g2")}) == 1


def test_a_huge_group_does_not_starve_the_other_parts() -> None:
    samples = [Sample(f"a{i:03d}", Path("x"), "OK", group="one") for i in range(100)]
    samples += [Sample(f"b{i:03d}", Path("x"), "OK", group=f"g{i}") for i in range(2)]
    got = split(dataset_of(samples))
    assert Counter(s.split for s in got.samples) == {"train": 100, "test": 1, "calibration": 1}


def test_few_of_a_class_still_reach_every_part() -> None:
    for seed in range(5):
        got = split(plain(50, 6), seed=seed)
        assert {name: got.split(name).counts()["bad"] for name in ("train", "calibration", "test")} == {
            "train": 2,
            "calibration": 2,
            "test": 2,
        }


def test_strata_too_small_fall_back_to_the_label() -> None:
    samples = [Sample(f"{i:03d}", Path("x"), "bad" if i < 30 else "OK", stratum=str(i)) for i in range(100)]
    got = split(dataset_of(samples))
    assert got.split("test").counts() == {"OK": 14, "bad": 6}


def test_given_parts_are_kept() -> None:
    three = dataset_of(
        [
            replace(s, split=("train", "calibration", "test")[i % 3])
            for i, s in enumerate(plain(20, 10).samples)
        ]
    )
    assert split(three) == three
    two = dataset_of(
        [replace(s, split="test" if i % 2 else "train") for i, s in enumerate(plain(60, 40).samples)]
    )
    got = split(two)
    assert {s.image for s in got.split("test").samples} == {s.image for s in two.split("test").samples}
    assert len(got.split("calibration")) == 8  # 15% of 50, rounded up as scikit-learn does
    only = split(plain(60, 40, "train"))
    assert Counter(s.split for s in only.samples) == {"train": 68, "test": 20, "calibration": 12}
    assert {s.split for s in resplit(got).samples} == {None}


def test_good_parts_only_in_train_are_enough() -> None:
    train = [Sample(f"train/{i}", Path("x"), "OK", split="train") for i in range(20)]
    test = [Sample(f"test/{i}", Path("x"), "bad", split="test") for i in range(5)]
    got = split(dataset_of(train + test))
    assert got.split("calibration").counts() == {"OK": 3, "bad": 0}


def test_no_test_part_where_none_is_wanted() -> None:
    got = split(plain(20, 20), test=0, calibration=0)
    assert {s.split for s in got.samples} == {"train"}
    assert len(split(plain(20, 20), test=0).split("test")) == 0


def test_too_few_say_how_many_are_needed() -> None:
    with pytest.raises(
        DataError, match=r"'bad' has 3 images to split into train, calibration, test; 6 are need"
    ):
        split(plain(50, 3))
    samples = [Sample(f"{i}", Path("x"), "OK", group=str(i % 9)) for i in range(90)]
    samples += [Sample(f"bad{i}", Path("x"), "bad", group=f"b{i % 2}") for i in range(20)]
    with pytest.raises(DataError, match="'bad' comes from 2 groups .*3 are needed.*other parts"):
        split(dataset_of(samples))
    with pytest.raises(DataError, match="'bad' comes from 2 groups"):
        folds(dataset_of(samples), 5)


def test_bad_wishes_are_refused() -> None:
    with pytest.raises(DataError, match="no images to split"):
        split(Dataset("empty", (), (), None))
    with pytest.raises(DataError, match="only test images and none to train on"):
        split(plain(9, 9, "test"))
    mixed = dataset_of([*plain(9, 0).samples, Sample("z", Path("x"), "bad", split="test")])
    with pytest.raises(DataError, match="some images have a split and some have none"):
        split(mixed)
    with pytest.raises(ConfigError, match=r"test is 1\.5"):
        split(plain(9, 9), test=1.5)
    with pytest.raises(ConfigError, match="2 duplicate groups for 18 images"):
        split(plain(9, 9), duplicates=[0, 1])
    with pytest.raises(ConfigError, match="k is 1"):
        folds(plain(9, 9), 1)


@pytest.mark.parametrize("data", [grouped(60), plain(70, 30)], ids=["grouped", "plain"])
def test_folds_test_every_sample_once(data: Dataset) -> None:
    got = folds(data, 5, seed=1)
    tested = [s.image for fold in got for s in fold.split("test").samples]
    assert sorted(tested) == sorted(s.image for s in data.samples)
    for fold in got:
        assert len(fold.split("test")) == pytest.approx(len(data) / 5, abs=6)
        assert len(fold.split("calibration")) > 0
        kept = [{s.group for s in fold.split(p).samples} - {None} for p in ("train", "calibration", "test")]
        assert sum(map(len, kept)) == len(set().union(*kept))


def test_fold_numbers_keep_groups_together_and_show_every_class() -> None:
    for data in (grouped(60), plain(70, 12)):
        numbers = fold_numbers(data, 5, seed=3)
        assert len(numbers) == len(data)
        assert sorted(set(numbers)) == list(range(max(numbers) + 1))
        shown = {(n, s.label) for n, s in zip(numbers, data.samples, strict=True)}
        assert len(shown) == (max(numbers) + 1) * len(data.classes)
        of_group: dict[object, set[int]] = {}
        for n, s in zip(numbers, data.samples, strict=True):
            of_group.setdefault(s.group or s.image, set()).add(n)
        assert all(len(found) == 1 for found in of_group.values())


@pytest.mark.parametrize(("defects", "folds_made"), [(2, 2), (5, 2), (7, 3), (10, 5), (50, 5)])
def test_a_small_class_makes_fewer_folds(defects: int, folds_made: int) -> None:
    assert max(fold_numbers(plain(60, defects), 5)) + 1 == folds_made


def test_duplicates_stay_in_one_fold() -> None:
    numbers = fold_numbers(plain(20, 20), 5, duplicates=[0, 0, 0, *range(1, 38)])
    assert len(set(numbers[:3])) == 1
    with pytest.raises(DataError, match="'bad' comes from 1 groups"):
        fold_numbers(plain(20, 1), 5)
