"""Splits of the pictures that a trained inspector gets: new ones do not spoil what is held out."""

from __future__ import annotations

import logging
from collections import Counter
from pathlib import Path

import pytest

from brightfield.data.dataset import Dataset, Sample
from brightfield.options import TrainOptions
from brightfield.pipeline.placing import ENOUGH_NEW, place


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
