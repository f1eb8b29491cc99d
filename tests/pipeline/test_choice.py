"""Which method `auto` takes, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from brightfield.data.dataset import Dataset, Sample, order_classes
from brightfield.options import TrainOptions
from brightfield.pipeline.choice import choose_method, known_defects


def parts(good: int, defective: int, *, tested: int = 0, normal: str | None = "OK") -> Dataset:
    """Return a data set of so many parts; with `tested` defects in a test split of its own."""
    split = "train" if tested else None
    samples = [Sample(f"OK/{i}.png", Path("x"), "OK", split=split) for i in range(good)]
    samples += [Sample(f"pit/{i}.png", Path("x"), "pit", split=split) for i in range(defective)]
    samples += [Sample(f"pit/t{i}.png", Path("x"), "pit", split="test") for i in range(tested)]
    return Dataset("d", tuple(samples), order_classes({str(s.label) for s in samples}, normal), normal)


@pytest.mark.parametrize(
    ("defective", "expected"),
    [(0, "fusion"), (3, "fusion"), (4, "combined"), (59, "combined"), (60, "classifier")],
)
def test_the_number_of_known_defects_decides(defective: int, expected: str) -> None:
    choice = choose_method(parts(100, defective, tested=10), TrainOptions())
    assert choice.method == expected
    assert (choice.reason is None) == (expected == "classifier")


def test_defects_that_will_be_tested_are_not_known() -> None:
    assert known_defects(parts(10, 5), 0.2) == 4
    assert known_defects(parts(10, 5), 0.0) == 5
    assert known_defects(parts(10, 5, tested=7), 0.2) == 5
    assert choose_method(parts(100, 4), TrainOptions(test=0.5)).method == "fusion"


def test_a_method_that_lacks_a_given_option_is_left_out() -> None:
    few = parts(100, 20, tested=10)
    assert choose_method(few, TrainOptions(own={"bank": 100})).method == "combined"
    assert choose_method(few, TrainOptions(own={"recipe": "fast"})).method == "classifier"
    assert choose_method(parts(100, 0), TrainOptions(own={"flow_epochs": 2})).method == "fusion"
    assert choose_method(parts(100, 0), TrainOptions(own={"recipe": "fast"})).method == "classifier"


def test_what_is_named_or_without_a_normal_class_is_not_chosen() -> None:
    named = choose_method(parts(100, 0), TrainOptions(method="patchcore"))
    assert (named.method, named.reason) == ("patchcore", None)
    assert choose_method(parts(10, 10, normal=None), TrainOptions()).method == "classifier"


@pytest.mark.parametrize(
    ("masked", "defective", "expected"),
    [(60, 60, "segmenter"), (54, 60, "segmenter"), (53, 60, "classifier"), (40, 40, "combined")],
)
def test_masks_of_many_known_defects_are_learned_from(masked: int, defective: int, expected: str) -> None:
    data = parts(100, defective, tested=10)
    with_masks = [replace(s, mask=Path("m")) for s in data.samples if s.label == "pit" and s.split != "test"][
        :masked
    ]
    known = {s.image: s for s in with_masks}
    data = data.subset(known.get(s.image, s) for s in data.samples)
    choice = choose_method(data, TrainOptions())
    assert choice.method == expected
    assert ("masks" in (choice.reason or "")) == (expected == "segmenter")
    assert choose_method(data, TrainOptions(own={"recipe": "fast"})).method == "classifier"


def test_a_promise_needs_a_method_that_can_prove_it() -> None:
    few = parts(400, 40, tested=10)
    assert choose_method(few, TrainOptions(policy="escape<=0.2@0.95")).method == "classifier"
    assert choose_method(replace(few), TrainOptions()).method == "combined"


def test_costs_need_a_probability() -> None:
    costs = TrainOptions(policy="cost escape=500 overkill=20 prevalence=0.003")
    assert choose_method(parts(100, 9, tested=10), costs).method == "classifier"
    assert choose_method(parts(100, 10, tested=10), costs).method == "combined"
