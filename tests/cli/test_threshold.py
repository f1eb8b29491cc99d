"""`brightfield threshold`: another operating point in the same place or another."""

from __future__ import annotations

from pathlib import Path

from brightfield.inspector import Inspector


def test_in_place(brightfield, copied_bundle, synthetic_parts: Path) -> None:
    bundle = copied_bundle()
    said = brightfield("threshold", bundle, synthetic_parts, "--policy", "fixed=0.123")
    assert said.code == 0
    for words in ("before", "after", "fixed=0.123", "0.1230", "escapes", "overkills", "calibration"):
        assert words in said.out
    point = Inspector.load(bundle).operating_point
    assert point is not None
    assert (point.policy, point.threshold) == ("fixed=0.123", 0.123)


def test_elsewhere(brightfield, copied_bundle, synthetic_parts: Path, tmp_path: Path) -> None:
    bundle = copied_bundle()
    before = (bundle / "manifest.json").read_bytes()
    new = tmp_path / "new.bfz"
    words = ("threshold", bundle, synthetic_parts, "--policy", "recall=1", "-o", new, "--json")
    said = brightfield(*words)
    assert said.code == 0
    assert said.document["bundle"] == str(new)
    assert said.document["after"]["escapes"] == 0
    assert said.document["before"]["policy"] == "f1"
    assert set(said.document["images"]) == {"calibration"}
    assert (bundle / "manifest.json").read_bytes() == before
    point = Inspector.load(new).operating_point
    assert point is not None
    assert point.as_dict() == said.document["after"]
    said = brightfield(*words)
    assert said.code == 2
    assert "already holds an inspector; add --force" in said.err
    assert brightfield(*words, "--force").code == 0


def test_the_test_part_is_a_warning_and_the_train_part_refused(
    brightfield, copied_bundle, synthetic_parts: Path
) -> None:
    bundle = copied_bundle()
    words = ("threshold", bundle, synthetic_parts, "--policy", "f1", "--split")
    said = brightfield(*words, "test")
    assert said.code == 0
    assert "warning: 8 images of the test split are used" in said.err
    kept = (bundle / "manifest.json").read_bytes()
    said = brightfield(*words, "train")
    assert said.code == 2
    assert "would not hold" in said.err
    assert (bundle / "manifest.json").read_bytes() == kept


def test_wrong_input(brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path) -> None:
    for words, message in (
        ((trained_bundle, synthetic_parts, "--policy", "best"), "policy 'best' is unknown"),
        ((trained_bundle, tmp_path / "gone", "--policy", "f1"), "there is no file or folder"),
        ((tmp_path / "gone", synthetic_parts, "--policy", "f1"), "gone does not exist; expected a bundle"),
        ((synthetic_parts, synthetic_parts, "--policy", "f1"), "manifest.json"),
    ):
        said = brightfield("threshold", *words)
        assert (said.code, said.out) == (2, "")
        assert message in said.err
