"""Splits of what learns from good parts alone: no defect is lost, and no group is torn."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brightfield.data.dataset import Dataset, Sample, order_classes
from brightfield.data.hold_out import hold_out, split_test
from brightfield.data.split import split
from brightfield.errors import DataError


def dataset_of(samples: list[Sample]) -> Dataset:
    return Dataset("made", tuple(samples), order_classes([str(s.label) for s in samples], "OK"), "OK")


def parts(counts: dict[str, int], given: str | None = None) -> Dataset:
    return dataset_of(
        [
            Sample(f"{label}/{i:04d}.png", Path("x"), label, split=given)
            for label, n in counts.items()
            for i in range(n)
        ]
    )


def counted(data: Dataset) -> Counter[tuple[str | None, str | None]]:
    return Counter((s.split, s.label) for s in data.samples)


def test_the_test_split_is_that_of_any_method() -> None:
    data = parts({"OK": 100, "crack": 30, "dent": 10})
    expected = split(data, test=0.2, calibration=0.0, seed=4)
    assert split_test(data, test=0.2, seed=4) == expected


def test_types_too_rare_to_be_tested_too_are_kept_for_calibration() -> None:
    data = parts({"OK": 100, "crack": 30, "dent": 3})
    tested = counted(split_test(data, test=0.2))
    assert tested["train", "dent"] == 3
    assert (tested["test", "OK"], tested["test", "crack"]) == (20, 6)
    lone = counted(hold_out(split_test(parts({"OK": 40, "dent": 1}), test=0.2), 8))
    assert lone == {
        ("train", "OK"): 24,
        ("test", "OK"): 8,
        ("calibration", "OK"): 8,
        ("calibration", "dent"): 1,
    }


def test_a_rare_type_stays_with_its_group() -> None:
    data = parts({"OK": 40, "dent": 2})
    with_group = data.subset(
        replace(s, group="twin" if s.image in ("OK/0003.png", "dent/0001.png") else None)
        for s in data.samples
    )
    for seed in range(5):
        got = {s.image: s.split for s in split_test(with_group, test=0.5, seed=seed).samples}
        assert got["OK/0003.png"] == got["dent/0001.png"]
        assert got["dent/0000.png"] == "train"


@pytest.mark.parametrize("seed", range(3))
def test_all_defects_of_the_train_split_calibrate_and_so_many_good_parts(seed: int) -> None:
    data = split_test(parts({"OK": 200, "crack": 30, "dent": 5}), test=0.2, seed=seed)
    before, after = counted(data), counted(hold_out(data, 59, seed=seed))
    assert after["calibration", "OK"] == 59
    assert after["train", "OK"] == before["train", "OK"] - 59
    for kind in ("crack", "dent"):
        assert after["train", kind] == 0
        assert after["calibration", kind] == before["train", kind] > 0
        assert after["test", kind] == before["test", kind]


def test_the_draw_depends_on_the_seed_and_not_on_the_order() -> None:
    data = parts({"OK": 200, "crack": 3}, given="train")
    shuffled = data.subset(data.samples[i] for i in np.random.default_rng(0).permutation(len(data)))
    first = {s.image: s.split for s in hold_out(data, 50, seed=1).samples}
    assert {s.image: s.split for s in hold_out(shuffled, 50, seed=1).samples} == first
    assert {s.image: s.split for s in hold_out(data, 50, seed=2).samples} != first


def test_strata_are_held_out_in_proportion() -> None:
    data = parts({"OK": 400}, given="train")
    data = data.subset(replace(s, stratum="mono" if i % 4 else "poly") for i, s in enumerate(data.samples))
    held = hold_out(data, 80).split("calibration")
    assert Counter(s.stratum for s in held.samples)["poly"] == pytest.approx(20, abs=1)


def test_groups_stay_together_and_those_with_defects_go_first() -> None:
    data = parts({"OK": 120, "crack": 12}, given="train")
    # 24 groups of five good parts; four of them also show three cracks each
    data = data.subset(
        replace(s, group=f"{int(s.image[-8:-4]) % 24 // (6 if s.label == 'crack' else 1)}")
        for s in data.samples
    )
    groups_of_cracks = {s.group for s in data.samples if s.label == "crack"}
    got = hold_out(data, 25, seed=1)
    of: dict[str | None, set[str | None]] = {}
    for s in got.samples:
        of.setdefault(s.group, set()).add(s.split)
    assert all(len(found) == 1 for found in of.values())
    assert all(of[group] == {"calibration"} for group in groups_of_cracks)
    assert counted(got)["calibration", "OK"] == 25


def test_groups_with_defects_take_no_more_good_parts_than_wanted() -> None:
    data = parts({"OK": 120, "crack": 60}, given="train")
    data = data.subset(replace(s, group=str(int(s.image[-8:-4]) % 12)) for s in data.samples)  # all show both
    got = counted(hold_out(data, 25))
    assert got["calibration", "OK"] == 30, "three groups of ten"
    assert (got["calibration", "crack"], got["train", "crack"]) == (15, 45)


def test_near_duplicates_stay_together() -> None:
    data = parts({"OK": 60}, given="train")
    bursts = [i // 3 for i in range(60)]
    got = hold_out(data, 15, duplicates=bursts)
    for number in range(20):
        assert len({got.samples[i].split for i in range(3 * number, 3 * number + 3)}) == 1
    assert counted(got)["calibration", "OK"] == 15


def test_a_calibration_split_of_its_own_is_kept() -> None:
    data = parts({"OK": 20, "crack": 8})
    data = data.subset(replace(s, split=("train", "calibration")[i % 2]) for i, s in enumerate(data.samples))
    assert hold_out(data, 3) == data


def test_groups_too_large_are_refused() -> None:
    data = parts({"OK": 20}, given="train")
    data = data.subset(replace(s, group="all") for s in data.samples)
    with pytest.raises(DataError, match="5 of 20 good parts are to be held out.*groups too large.*0 can be"):
        hold_out(data, 5)
