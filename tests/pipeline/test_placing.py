"""Splits of the pictures that a trained inspector gets: new ones do not spoil what is held out."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from brightfield.data.dataset import Dataset, Sample
from brightfield.inspector import Inspector
from brightfield.options import TrainOptions
from brightfield.pipeline.placing import ENOUGH_NEW, Shares, place, place_new, shares_of


def data_of(*samples: tuple[str, str, str | None, str | None]) -> Dataset:
    """Return a data set of images with a label, a group and a split of their own."""
    every = tuple(
        Sample(image, Path(image), label, group=group, split=split) for image, label, group, split in samples
    )
    return Dataset("parts", every, ("OK", "Defect"), "OK")


def splits_of(data: Dataset) -> list[str | None]:
    return [s.split for s in data.samples]


def test_known_pictures_stay_and_few_new_ones_all_teach() -> None:
    data = data_of(
        *((name, "OK", None, None) for name in "abcd"),
        ("e", "Defect", None, None),
    )
    placed = place(data, ["test", "calibration", "train", None, None], TrainOptions(), range(5))
    assert splits_of(placed) == ["test", "calibration", "train", "train", "calibration"]


def test_a_new_picture_joins_its_group_and_its_near_duplicates(caplog: pytest.LogCaptureFixture) -> None:
    data = data_of(
        ("a", "OK", "part 1", None),
        ("b", "OK", None, None),
        ("c", "OK", "part 1", None),
        ("d", "OK", None, None),
        ("e", "OK", None, None),
    )
    with caplog.at_level(logging.WARNING):
        placed = place(data, ["calibration", "test", None, None, None], TrainOptions(), [0, 1, 2, 1, 4])
    assert splits_of(placed) == ["calibration", "test", "calibration", "test", "train"]
    assert "2 new pictures show the same part" in caplog.text


def test_what_was_held_out_comes_first() -> None:
    data = data_of(*((name, "OK", "one part", None) for name in "abc"))
    assert (
        splits_of(place(data, ["train", "calibration", None], TrainOptions(), range(3)))[2] == "calibration"
    )


def test_the_own_splits_of_new_pictures_are_kept() -> None:
    data = data_of(("a", "OK", None, "train"), ("b", "OK", None, "test"), ("c", "OK", None, "calibration"))
    assert splits_of(place(data, [None] * 3, TrainOptions(), range(3))) == ["train", "test", "calibration"]


@pytest.mark.parametrize(("n", "held"), [(ENOUGH_NEW - 1, 0), (40, 8)])
def test_of_many_new_ones_some_are_held_out(n: int, held: int) -> None:
    data = data_of(*((f"{i:02d}", "OK", None, None) for i in range(n)))
    counts = Counter(splits_of(place(data, [None] * n, TrainOptions(test=0.2), range(n))))
    assert counts["test"] == held  # 20% of 40
    assert (counts["calibration"] > 0) == (held > 0)


def test_shares_of_nothing_let_all_teach() -> None:
    data = data_of(*((f"{i:02d}", "OK", None, None) for i in range(40)))
    placed = place(data, [None] * 40, TrainOptions(test=0, calibration=0), range(40))
    assert set(splits_of(placed)) == {"train"}


FEW = Shares(test=0.2, calibration=0.0, defects_calibrate=False)


def test_new_pictures_are_shared_out_class_by_class() -> None:
    data = data_of(
        *((f"a{i:02d}", "OK", None, None) for i in range(40)),
        *((f"b{i:02d}", "Defect", None, None) for i in range(10)),
        ("c", "dent", None, None),
    )
    placed = place_new(data, [None] * 51, range(51), replace(FEW, calibration=0.25), seed=0)
    counts = Counter((s.label, s.split) for s in placed.samples)
    # 8 of 40 are tested, and a quarter of the other 32 calibrate
    assert {split: counts["OK", split] for split in ("train", "calibration", "test")} == {
        "train": 24,
        "calibration": 8,
        "test": 8,
    }
    assert counts["Defect", "test"] == 2
    assert counts["dent", "train"] == 1  # one alone teaches
    again = place_new(data, [None] * 51, range(51), replace(FEW, calibration=0.25), seed=0)
    assert splits_of(again) == splits_of(placed)


def test_no_known_picture_changes_its_split_and_groups_stay_together() -> None:
    data = data_of(*((f"{i:03d}", "OK", f"part {i // 2}", None) for i in range(200)))
    clusters = [i // 2 for i in range(200)]
    seen: list[str | None] = [
        ("test" if i % 20 == 0 else "train") if i % 4 == 0 else None for i in range(200)
    ]
    placed = place_new(data, seen, clusters, FEW, seed=1)
    splits = splits_of(placed)
    assert [s for s, known in zip(splits, seen, strict=True) if known] == [s for s in seen if s]
    for cluster in range(100):
        assert len({s for s, c in zip(splits, clusters, strict=True) if c == cluster}) == 1
    # half of the pictures belong to known ones; of the other 100 a fifth is tested
    assert Counter(s for i, s in enumerate(splits) if i % 4 > 1)["test"] == 20


def test_defects_calibrate_where_good_parts_alone_teach() -> None:
    data = data_of(
        *((f"a{i}", "OK", None, None) for i in range(10)),
        *((f"b{i}", "Defect", None, None) for i in range(10)),
    )
    placed = place_new(data, [None] * 20, range(20), Shares(0.2, 0.3, defects_calibrate=True), seed=0)
    counts = Counter((s.label, s.split) for s in placed.samples)
    assert (counts["Defect", "test"], counts["Defect", "calibration"], counts["Defect", "train"]) == (2, 8, 0)
    assert (counts["OK", "test"], counts["OK", "calibration"]) == (2, 2)


@pytest.mark.parametrize("kind", ["Defect", "scratch"])  # sorted before and after OK
def test_lots_of_good_and_defective_parts_teach_by_their_good_ones(kind: str) -> None:
    data = data_of(*((f"{i:02d}", "OK" if i % 5 else kind, None, None) for i in range(50)))
    lots = [i // 5 for i in range(50)]
    placed = place_new(data, [None] * 50, lots, Shares(0.2, 0.15, defects_calibrate=True), seed=0)
    found = Counter((s.label, s.split) for s in placed.samples)
    assert found["OK", "train"] >= 24
    assert found["OK", "test"] > 0
    assert found[kind, "train"] == 0
    assert found[kind, "calibration"] > found[kind, "test"] > 0


def test_own_splits_count_but_a_few_new_pictures_do_not_take_over_the_calibration() -> None:
    data = data_of(("a", "OK", None, "train"), ("b", "OK", None, "test"), ("c", "OK", None, "calibration"))
    assert splits_of(place_new(data, [None] * 3, range(3), FEW, 0)) == ["train", "test", "train"]
    held = Shares(0.2, 0.3, defects_calibrate=False)
    assert splits_of(place_new(data, [None] * 3, range(3), held, 0))[2] == "calibration"


def test_new_pictures_of_one_group_cannot_be_tested(caplog: pytest.LogCaptureFixture) -> None:
    data = data_of(*((f"{i}", "OK", "one lot", None) for i in range(30)))
    with caplog.at_level(logging.WARNING):
        placed = place_new(data, [None] * 30, [0] * 30, FEW, 0)
    assert set(splits_of(placed)) == {"train"}
    assert "none of the 30 new pictures is held out" in caplog.text


def test_shares_are_those_of_the_inspector_before(
    trained_bundle: Path, folded_bundle: Path, memory_bundle: Path
) -> None:
    shares = {
        name: shares_of(Inspector.load(bundle), TrainOptions())
        for name, bundle in (("held", trained_bundle), ("folds", folded_bundle), ("bank", memory_bundle))
    }
    splits = Counter(Inspector.load(trained_bundle).splits.values())
    expected = splits["calibration"] / (splits["calibration"] + splits["train"])
    assert shares["held"].calibration == pytest.approx(expected)
    assert shares["folds"] == FEW
    assert shares["bank"].defects_calibrate
    assert 0 < shares["bank"].calibration < 0.5  # of the good parts alone
    given = shares_of(Inspector.load(folded_bundle), TrainOptions(test=0.4, calibration=0.3))
    assert given == Shares(0.4, 0.3, defects_calibrate=False)
