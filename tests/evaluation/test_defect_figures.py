"""Figures of single defects, from defects whose numbers are chosen by hand."""

from __future__ import annotations

import numpy as np
import pytest
from some_defects import defect, image, true

from brightfield.evaluation.defect_figures import defect_figures, in_thirds
from brightfield.evaluation.intervals import clopper_pearson, clustered, mean_count


def test_found_seen_missed_and_false() -> None:
    images = [
        image("a", (true(defect(), defect()), true(defect(), seen=True)), {"pit": 1}),
        image("b", (true(defect(), part="b"),), specks=2),
        image("c", (), {"pit": 3}, stray=2, good=True),
        image("d", (), good=True),
    ]
    made = defect_figures(images, ("pit",))
    assert made["images"] == 4
    assert made["specks"] == 2
    assert made["found"] == clustered([1, 0], [2, 1]).as_dict()
    assert made["seen"] == clustered([2, 0], [2, 1]).as_dict()
    assert made["missed"]["n"] == 2
    assert made["false"] == mean_count([1, 0, 3, 0], [1, 1, 1, 1]).as_dict()
    assert made["false"]["value"] == 1.0
    assert made["stray"] == mean_count([0, 0, 2, 0], [1, 1, 1, 1]).as_dict()
    assert made["good_with_false"] == clopper_pearson(1, 2).as_dict()
    assert made["types"] is None, "there is one type only"


def test_pictures_of_one_part_are_no_independent_trials() -> None:
    def looked_at(parts: list[str]) -> dict[str, dict[str, float]]:
        images = [
            image(
                part, (true(defect(), defect() if i < 4 else None, part=part),), {"pit": 1} if i < 4 else {}
            )
            for i, part in enumerate(parts)
        ]
        return defect_figures(images, ("pit",))

    apart, alike = looked_at(list("abcdefgh")), looked_at(list("aabbccdd"))
    for name in ("found", "false"):
        assert apart[name]["value"] == alike[name]["value"] == 0.5
        assert alike[name]["low"] < apart[name]["low"] < apart[name]["high"] < alike[name]["high"]
    assert apart["found"] == clopper_pearson(4, 8).as_dict()


def test_types_are_told_apart_whatever_was_found() -> None:
    images = [
        image("a", (true(defect("pit"), defect("pit")), true(defect("pit"), defect("scratch")))),
        image("b", (true(defect("scratch"), part="b"),), {"scratch": 1}),
        image("c", (true(defect("dent"), defect("pit"), part="c"),)),
    ]
    made = defect_figures(images, ("pit", "scratch"))
    by_type = made["by_type"]
    assert list(by_type) == ["dent", "pit", "scratch"]
    assert [by_type[n]["found"]["k"] for n in by_type] == [1, 2, 0]
    assert [by_type[n]["named_right"]["k"] for n in by_type] == [0, 1, 0]
    assert [by_type[n]["false"] for n in by_type] == [0, 0, 1]
    assert made["types"] == {
        "true": ["pit", "scratch", "dent"],
        "found": ["pit", "scratch"],
        "matched": [[1, 1], [0, 0], [1, 0]],
        "missed": [0, 1, 0],
        "false": [0, 1],
    }
    untyped = defect_figures(images, ())
    assert untyped["types"] is None
    assert untyped["by_type"]["pit"]["named_right"] is untyped["by_type"]["pit"]["false"] is None
    assert untyped["by_type"]["pit"]["found"]["k"] == 2


def test_thirds_by_length() -> None:
    lengths = [3, 9, 1, 2, 8, 7, 4, 5, 6]
    defects = [true(defect(length=n), defect() if n > 4 else None, part=str(n)) for n in lengths]
    made = defect_figures([image(d.part, (d,)) for d in defects], ("pit",))
    shown = [(c["size"], c["from_px"], c["to_px"], c["found"]["k"], c["found"]["n"]) for c in made["by_size"]]
    assert shown == [("small", 1, 3, 0, 3), ("medium", 4, 6, 2, 3), ("large", 7, 9, 3, 3)]
    few = defect_figures([image("a", tuple(defects[:8]))], ("pit",))
    assert few["by_size"] == []


def test_defects_of_one_length_are_in_one_third() -> None:
    alike = [true(defect(length=n)) for n in (5, 5, 5, 5, 5, 5, 5, 9, 9)]
    assert [[d.truth.length for d in third] for third in in_thirds(alike)] == [[5] * 7, [], [9, 9]]
    made = defect_figures([image("a", tuple(alike))], ("pit",))
    assert [c["size"] for c in made["by_size"]] == ["small", "large"]


def test_what_was_missed_is_listed_by_length() -> None:
    lost = [true(defect(length=n), image=f"{n}.png", seen=n == 7) for n in range(1, 13)]
    made = defect_figures([image("a", (*lost, true(defect(length=99), defect())))], ("pit",))
    missed = made["missed"]
    assert missed["n"] == 12
    assert missed["length_px"] == {"median": 6.5, "q90": pytest.approx(10.9)}
    assert [entry["image"] for entry in missed["longest"]] == [f"{n}.png" for n in range(12, 2, -1)]
    assert missed["longest"][0] == {"image": "12.png", "seen": False, **defect(length=12).as_dict()}
    assert [entry["seen"] for entry in missed["longest"]] == [n == 7 for n in range(12, 2, -1)]


def test_sizes_against_the_truth() -> None:
    found = [10, 11, 14, 9]
    matched = tuple(true(defect(length=10, area=50), defect(length=n, area=40)) for n in found)
    made = defect_figures([image("a", (*matched, true(defect(length=99))))], ("pit",))["measured"]
    assert made["length_px"] == {
        "n": 4,
        "bias": 0.5,
        "median": 1.0,
        "q90": pytest.approx(np.quantile([0, 1, 4, 1], 0.9)),
        "relative": 0.1,
    }
    assert made["area_px"]["bias"] == -10
    assert made["area_px"]["relative"] == 0.2
    assert made["width_px"]["median"] == 0


def test_without_defects_nothing_is_known() -> None:
    made = defect_figures([image("a", good=True), image("b", (), {"pit": 1}, good=True)], ("pit", "scratch"))
    assert made["found"] == clopper_pearson(0, 0).as_dict()
    assert made["false"]["value"] == 0.5
    assert made["missed"] == {"n": 0, "length_px": {"median": None, "q90": None}, "longest": []}
    assert made["measured"]["length_px"] == {
        "n": 0,
        "bias": None,
        "median": None,
        "q90": None,
        "relative": None,
    }
    assert made["by_type"]["pit"]["found"]["value"] is None
