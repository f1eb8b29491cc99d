"""Old and new pictures as one data set: each once, known by its content, and what contradicts is said."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from brightfield.errors import DataError
from brightfield.inspector import Inspector
from brightfield.pipeline.facts import place_at, place_from
from brightfield.pipeline.old_and_new import find_old, join_old_and_new, load_parts, said_of


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def base(folded_bundle: Path) -> Inspector:
    return Inspector.load(folded_bundle)


@pytest.fixture
def few(base: Inspector, synthetic_parts: Path, tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes a folder of known pictures, and of such that are new by one byte."""

    def make(name: str, known: int = 0, new: int = 0, label: str = "OK", **as_label: str) -> Path:
        folder = tmp_path / name
        pictures = sorted((synthetic_parts / label).iterdir())
        for i, picture in enumerate([*pictures[:known], *pictures[known : known + new]]):
            place = folder / as_label.get("named", label)
            place.mkdir(parents=True, exist_ok=True)
            shutil.copy(picture, place / picture.name)
            if i >= known:  # a byte behind the end changes the content and no pixel
                (place / picture.name).write_bytes(picture.read_bytes() + b"\0")
        return folder

    return make


def test_each_picture_is_there_once(base: Inspector, synthetic_parts: Path, few: Callable[..., Path]) -> None:
    old = load_parts(synthetic_parts, base)
    new = load_parts(few("more", known=3, new=2), base)
    parts = join_old_and_new(base, [old], new)
    assert len(parts.data) == len(old) + 2
    assert parts.data.classes == ("OK", "pit")
    assert [s.image for s in parts.data.samples] == sorted(s.image for s in parts.data.samples)
    # the new pictures have names that old ones have too
    fresh = [s for s, seen in zip(parts.data.samples, parts.seen, strict=True) if seen is None]
    assert [s.image for s in fresh] == ["more/OK/0003.png", "more/OK/0004.png"]
    assert parts.fresh == {s.path for s in fresh}
    for sample, seen in zip(parts.data.samples, parts.seen, strict=True):
        assert seen == base.splits.get(digest(sample.path))
    assert parts.missing == {}
    assert said_of(parts) == []


def test_a_new_label_counts_and_is_said(
    base: Inspector, synthetic_parts: Path, few: Callable[..., Path]
) -> None:
    old = load_parts(synthetic_parts, base)
    new = load_parts(few("again", known=2, named="pit"), base)
    parts = join_old_and_new(base, [old], new)
    assert len(parts.data) == len(old)
    assert parts.data.counts()["pit"] == old.counts()["pit"] + 2
    assert [(r.image, r.before, r.after) for r in parts.relabelled] == [
        ("pit/0000.png", "OK", "pit"),
        ("pit/0001.png", "OK", "pit"),
    ]
    assert parts.relabelled[0].split == base.splits[digest(synthetic_parts / "OK" / "0000.png")]
    assert parts.fresh == {s.path for s in new.samples}
    (note,) = said_of(parts)
    assert "2 pictures have another label" in note
    assert "pit/0000.png (was OK, now pit)" in note


def test_one_picture_under_two_labels(base: Inspector, few: Callable[..., Path]) -> None:
    few("twice", known=1)
    folder = few("twice", known=1, named="pit")
    with pytest.raises(DataError, match=r"are the same picture, labelled 'OK' and 'pit'"):
        join_old_and_new(base, [], load_parts(folder, base))


def test_pictures_that_are_gone(base: Inspector, synthetic_parts: Path, few: Callable[..., Path]) -> None:
    kept = load_parts(synthetic_parts, base)
    some = kept.subset(kept.samples[3:])
    parts = join_old_and_new(base, [some], load_parts(few("more", new=1), base))
    gone = [base.splits[digest(s.path)] for s in kept.samples[:3]]
    # of the three, the new one is another picture
    assert parts.missing == {name: gone.count(name) for name in set(gone)}
    assert "not there any more" in said_of(parts)[0]


def test_the_old_data_are_found_by_the_bundle(
    base: Inspector, folded_bundle: Path, synthetic_parts: Path, few: Callable[..., Path], tmp_path: Path
) -> None:
    new = load_parts(few("more", new=2), base)
    (old,) = find_old(base, folded_bundle, new)
    assert (
        old.place == synthetic_parts.resolve() or Path(str(old.place)).resolve() == synthetic_parts.resolve()
    )
    assert find_old(base, folded_bundle, load_parts(synthetic_parts, base)) == []
    (given,) = find_old(base, folded_bundle, new, synthetic_parts)
    assert len(given) == len(old)
    # a bundle that was moved without its data
    moved = tmp_path / "far" / "away" / "inspector"
    with pytest.raises(DataError, match=r"parts\) is not found, .*more has none of its pictures.*--old"):
        find_old(base, moved, new)
    nowhere = replace(base, facts={**base.facts, "fingerprints": {"data_name": "parts"}})
    with pytest.raises(DataError, match="the bundle names no place"):
        find_old(nowhere, folded_bundle, new)
    assert find_old(nowhere, folded_bundle, load_parts(few("some", known=2), base)) == []


def test_places_as_seen_from_a_bundle(tmp_path: Path) -> None:
    bundle = tmp_path / "models" / "inspector"
    assert place_from(bundle, tmp_path / "parts") == "../parts"
    assert place_from(bundle, tmp_path / "models" / "parts") == "./parts"
    assert place_from(bundle, "elpv") == "elpv"
    assert place_from(None, tmp_path) is None
    assert place_at(bundle, "../parts") == tmp_path / "models" / ".." / "parts"
    assert place_at(bundle, "elpv") == "elpv"


def test_another_class_counts_as_good(base: Inspector, few: Callable[..., Path]) -> None:
    with pytest.raises(DataError, match="normal class is 'OK', that of more is 'good': rename"):
        load_parts(few("more", new=2, named="good"), base)


def test_a_folder_of_good_parts_and_one_of_defects_alone(base: Inspector, few: Callable[..., Path]) -> None:
    good = load_parts(few("a", new=2) / "OK", base)
    assert (good.labels, good.normal) == (("OK", "OK"), "OK")
    bad = load_parts(few("b", new=2, label="pit"), base)
    assert (set(bad.labels), bad.normal, bad.classes) == ({"pit"}, "OK", ("OK", "pit"))
