"""How a successor is made: its options, its data without golden parts, and whether a bank is just updated."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from brightfield.data.dataset import Dataset
from brightfield.errors import ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.pipeline.old_and_new import OldAndNew, Relabelled, join_old_and_new, load_parts
from brightfield.pipeline.successor import (
    Making,
    balance_kept,
    note_on_method,
    successor_options,
    why_anew,
)
from brightfield.pipeline.successor_data import SuccessorData, check_golden, share_out
from brightfield.progress import silent


@pytest.fixture
def base(folded_bundle: Path) -> Inspector:
    return Inspector.load(folded_bundle)


@pytest.fixture
def bank(memory_bundle: Path) -> Inspector:
    return Inspector.load(memory_bundle)


def test_options_are_those_of_the_inspector_before(base: Inspector, bank: Inspector) -> None:
    options = successor_options(base, {})
    assert (options.method, options.normal) == ("classifier", "OK")  # auto chose it
    assert {k: options.own[k] for k in ("backbone", "weights", "image_size")} == {
        "backbone": "test_efficientnet",
        "weights": "none",
        "image_size": 64,
    }
    changed = successor_options(base, {"seed": 5, "image_size": 96})
    assert (changed.seed, changed.own["image_size"]) == (5, 96)
    # options of a method that is changed away from are left out
    other = successor_options(bank, {"method": "classifier"})
    assert (other.method, "bank" in other.own, other.own["backbone"]) == (
        "classifier",
        False,
        "test_efficientnet",
    )


def test_the_threshold_keeps_the_balance_that_f1_found(base: Inspector, bank: Inspector) -> None:
    point = base.operating_point
    assert point is not None
    assert (point.policy, base.facts["training"]["options"]["policy"]) == ("f1", "auto")
    found = (point.n_defect - point.escapes) / point.n_defect
    assert successor_options(base, {}).policy == f"recall={found!r}"
    assert successor_options(base, {"policy": "f1"}).policy == "f1"  # asked for, it is chosen again
    none = replace(point, n_calibration=10, n_defect=4, escapes=4, overkills=0)
    assert balance_kept(none) is None
    assert balance_kept(replace(point, policy="f1 and recall=0.99")) is None


@pytest.mark.parametrize("policy", ["recall=0.9", "escape<=0.5@0.9", "fixed=0.25", "f1 and recall=0.99"])
def test_a_threshold_that_was_chosen_again_is_followed(base: Inspector, policy: str) -> None:
    point = base.operating_point
    assert point is not None
    chosen = base.with_operating_point(replace(point, policy=policy))
    assert successor_options(chosen, {}).policy == policy


def test_good_parts_alone_may_prove_more(base: Inspector) -> None:
    point = base.operating_point
    assert point is not None
    proven = base.with_operating_point(replace(point, policy="overkill<=0.1@0.95"))
    assert successor_options(proven, {}).policy == "auto"


@pytest.mark.parametrize("name", ["roi", "rules", "normal", "mm_per_pixel", "resplit"])
def test_options_that_stay(base: Inspector, name: str) -> None:
    with pytest.raises(ConfigError, match=f"--{name.replace('_', '-')}: a successor has this"):
        successor_options(base, {name: True})


def test_an_unknown_option(base: Inspector) -> None:
    with pytest.raises(ConfigError, match="did you mean seed"):
        successor_options(base, {"sead": 5})


def test_golden_parts_teach_nothing(base: Inspector, synthetic_parts: Path, tmp_path: Path) -> None:
    old = load_parts(synthetic_parts, base)
    taught = [s for s in old.samples if base.splits[_digest(s.path)] == "train"]
    alike = tmp_path / "golden" / "OK" / "turned.png"
    alike.parent.mkdir(parents=True)
    shutil.copy(taught[0].path, alike)
    alike.write_bytes(alike.read_bytes() + b"\0")  # another file with the same pixels
    golden = load_parts(tmp_path / "golden", base)
    parts = join_old_and_new(base, [old], load_parts(synthetic_parts, base))
    ready = share_out(base, parts, golden, successor_options(base, {}), tmp_path, silent)
    assert len(ready.placed) == len(old) - 1
    assert taught[0].image not in {s.image for s in ready.placed.samples}
    assert ready.unlearned == 1
    assert "1 of them taught the inspector before" in ready.notes[0]
    assert len(ready.duplicates) == len(ready.seen) == len(ready.placed)


def test_a_golden_set_of_everything_leaves_nothing(
    base: Inspector, synthetic_parts: Path, tmp_path: Path
) -> None:
    data = load_parts(synthetic_parts, base)
    parts = join_old_and_new(base, [], data)
    with pytest.raises(DataError, match=f"golden set {data.name} took all 36 pictures"):
        share_out(base, parts, data, successor_options(base, {}), tmp_path, silent)


def _labelled(data: Dataset, *labels: str) -> Dataset:
    """Return as many pictures as labels, with these."""
    pairs = zip(data.samples, labels, strict=False)
    return replace(data, name="line", samples=tuple(replace(s, label=label) for s, label in pairs))


def test_classes_of_a_golden_set(
    base: Inspector, synthetic_parts: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = load_parts(synthetic_parts, base)
    with pytest.raises(DataError, match=r"its classes are s1, s2, .* one of OK, pit \(good parts are 'OK'\)"):
        check_golden(base, data, _labelled(data, "s1", "s2"))
    check_golden(base, data, _labelled(data, "pit"))
    check_golden(base, _labelled(data, "dent"), _labelled(data, "dent"))  # the new pictures teach it
    assert not caplog.records
    check_golden(base, data, _labelled(data, "OK", "s1"))
    assert "never shown s1: such images count as defects" in caplog.text
    caplog.clear()
    good_alone = replace(base, classes=("OK",))
    good = _labelled(data, "OK")
    check_golden(good_alone, good, _labelled(data, "OK", "pit"))
    assert not caplog.records
    check_golden(good_alone, good, _labelled(data, "s1"))  # it may be a defect type: it is said
    assert "never shown s1" in caplog.text


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_without_a_picture_to_compare_on(base: Inspector, synthetic_parts: Path, tmp_path: Path) -> None:
    data = load_parts(synthetic_parts, base)
    taught = replace(base, splits={k: v for k, v in base.splits.items() if v == "train"})
    some = data.subset(s for s in data.samples if _digest(s.path) in taught.splits)
    parts = join_old_and_new(taught, [], some)
    with pytest.raises(DataError, match="every one teaches; give a golden set"):
        share_out(taught, parts, None, successor_options(base, {}), tmp_path, silent)


@pytest.fixture
def making(bank: Inspector, memory_bundle: Path, synthetic_parts: Path) -> Callable[..., Making]:
    """Return a function that makes up a successor of a memory bank with one new good part."""

    def make(new: str | None = "OK", unlearned: int = 0, relabelled: bool = False, **other: Any) -> Making:
        data = load_parts(synthetic_parts, bank)
        first = 0 if new == "OK" else len(data) - 1
        seen: list[str | None] = ["train"] * len(data)
        seen[first] = None if new else "train"
        placed = Dataset(
            data.name, tuple(replace(s, split="train") for s in data.samples), data.classes, data.normal
        )
        changes = (Relabelled("a.png", "OK", "pit", "train"),) if relabelled else ()
        parts = OldAndNew(data, tuple(seen), changes)
        ready = SuccessorData(data, placed, tuple(seen), tuple(range(len(data))), unlearned)
        return Making(bank, memory_bundle, memory_bundle.with_name("new"), ready, parts, silent, **other)

    return make


def test_when_a_memory_bank_is_updated(making: Callable[..., Making]) -> None:
    assert why_anew(making()) is None
    assert why_anew(making(changed={"policy": "f1", "seed": 3})) is None
    assert why_anew(making(anew=True)) == "it was asked for"
    assert "other options were given (bank)" in str(why_anew(making(changed={"bank": 70})))
    assert "no longer good parts" in str(why_anew(making(relabelled=True)))
    assert "no longer good parts" in str(why_anew(making(unlearned=1)))
    assert "no new good part" in str(why_anew(making(new="pit")))
    assert "no new good part" in str(why_anew(making(new=None)))


def test_other_methods_are_trained(base: Inspector, making: Callable[..., Making]) -> None:
    assert why_anew(replace(making(), base=base)) == "the method classifier has to be trained"


def test_a_note_where_auto_would_choose_another_method(making: Callable[..., Making]) -> None:
    note = note_on_method(making())
    assert note is not None
    assert "the method patchcore, as the inspector before" in note
    assert "--method combined" in note  # twelve defects are known by now
    assert note_on_method(making(changed={"method": "patchcore"})) is None
