"""The share of defects found by their length, as a chart."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree

import numpy as np
import pytest
from some_defects import defect, true

from brightfield.report.size_chart import found_by_length, groups_by_length


def test_groups_are_about_equal_and_in_order() -> None:
    rng = np.random.default_rng(0)
    defects = [true(defect(length=float(n))) for n in rng.permutation(50)]
    groups = groups_by_length(defects)
    assert sorted(len(group) for group in groups) == [8, 8, 8, 8, 9, 9]
    lengths = [[d.truth.length for d in group] for group in groups]
    assert all(max(a) < min(b) for a, b in pairwise(lengths))
    assert sorted(n for group in lengths for n in group) == list(range(50))


def test_defects_of_one_length_are_one_group() -> None:
    assert [len(g) for g in groups_by_length([true(defect(length=5)) for _ in range(40)])] == [40]
    assert [len(g) for g in groups_by_length([true(defect(length=n)) for n in range(9)])] == [9]


@pytest.mark.parametrize("scale", [None, 0.02])
def test_a_chart_of_many_and_of_one(scale: float | None) -> None:
    many = [true(defect(length=float(n)), defect() if n > 20 else None, part=str(n)) for n in range(2, 60)]
    for defects in (many, many[:1]):
        drawn = found_by_length(defects, scale)
        root = ElementTree.fromstring(drawn)
        assert root.tag.endswith("svg")
        said = " ".join(e.text or "" for e in root.iter() if e.text)
        assert f"length of the true defect in {'px' if scale is None else 'mm'}" in said
        assert "seen at all" in said
    assert f"{len(many)} defects found" in found_by_length(many)
