"""`brightfield evaluate`: three files, the figures, and wrong input."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

from brightfield.data.synthetic import make_parts


def test_files_and_figures(brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path) -> None:
    report = tmp_path / "deep" / "report"
    said = brightfield("evaluate", trained_bundle, synthetic_parts, "-o", report)
    assert said.code == 0
    assert "images" in said.out
    assert "3 defective" in said.out
    names = ("report.html", "metrics.json", "predictions.csv")
    assert said.out.splitlines()[-3:] == [str(report / name) for name in names]
    assert all((report / name).stat().st_size > 0 for name in names)


def test_json_is_the_document_of_the_file(
    brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    said = brightfield(
        "evaluate", trained_bundle, synthetic_parts, "-o", tmp_path, "--split", "all", "--json"
    )
    assert said.code == 0
    assert said.document == json.loads((tmp_path / "metrics.json").read_text())
    assert said.document["n"] == 36
    assert len(said.document["notes"]) == 2
    assert said.err.count("its figures on them are too good") == 2
    assert "pixel" in said.document


def test_another_threshold(brightfield, trained_bundle: Path, synthetic_parts: Path) -> None:
    words = ("evaluate", trained_bundle, synthetic_parts, "--json", "--quiet", "--threshold")
    everything, nothing = brightfield(*words, "0").document, brightfield(*words, "1").document
    assert everything["escape_rate"]["k"] == 0
    assert everything["overkill_rate"]["value"] == 1.0
    assert nothing["escape_rate"]["value"] == 1.0
    assert nothing["overkill_rate"]["k"] == 0
    assert nothing["operating_point"]["policy"] == "fixed=1.0"
    assert everything["auroc"] == nothing["auroc"]


def test_acceptance_by_limits(
    brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    limits = tmp_path / "limits.toml"
    limits.write_text("[limits]\nescape_rate = 0.01\nn_defect = 3\n", encoding="utf-8")
    words = ("evaluate", trained_bundle, synthetic_parts, "--limits", limits)
    said = brightfield(*words, "-o", tmp_path / "report")
    assert said.code == 0
    assert "Not accepted: 1 of 2 limits are met." in said.out
    page = (tmp_path / "report" / "report.html").read_text()
    assert 'id="acceptance"' in page
    assert "For the maker" in page
    found = brightfield(*words, "--json", "--quiet").document["acceptance"]
    assert [c["name"] for c in found["checks"]] == ["escape_rate", "n_defect"]
    limits.write_text("[limits]\nescape_rte = 0.01\n", encoding="utf-8")
    refused = brightfield(*words)
    assert (refused.code, "did you mean 'escape_rate'" in refused.err) == (2, True)


def test_against_another_inspector(
    brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    words = ("evaluate", trained_bundle, synthetic_parts, "--split", "all", "--against", trained_bundle)
    said = brightfield(*words, "-o", tmp_path)
    assert said.code == 0
    assert "the difference, +0.0 to +0.0 points" in said.out
    assert "the other inspector: " in said.err
    assert 'id="against"' in (tmp_path / "report.html").read_text()
    found = brightfield(*words, "--json", "--quiet").document["against"]
    pixel = {f"pixel_{name}" for name in ("auroc", "aupro", "aupro_5", "iou", "dice", "mean_iou")}
    assert set(found) == {"auroc", "accuracy", "escape_rate", "overkill_rate"} | pixel
    assert all(found[name]["value"] == 0 for name in pixel)
    assert "Pixel AUROC: " in said.out
    assert found["auroc"]["p_value"] == 1.0


def test_wrong_input(brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path) -> None:
    make_parts(
        tmp_path / "others", n_ok=0, n_defect=2, size=(96, 128), defect_px=18, kinds=("stain",), seed=3
    )
    (tmp_path / "file").touch()
    for words, message in (
        ((tmp_path / "gone", synthetic_parts), "gone does not exist; expected a bundle"),
        ((synthetic_parts, synthetic_parts), "manifest.json"),
        ((trained_bundle, tmp_path / "gone"), "there is no file or folder"),
        ((trained_bundle, tmp_path / "others", "--split", "train"), "has no images of the train split"),
        ((trained_bundle, synthetic_parts, "-o", tmp_path / "file"), "expected a folder"),
        ((trained_bundle, tmp_path / "others", "--against", trained_bundle), "0 good and 2 defective parts"),
    ):
        said = brightfield("evaluate", *words)
        assert (said.code, said.out) == (2, "")
        assert message in said.err


def test_quiet_says_why_it_ends_with_2(
    brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path
) -> None:
    parts = Path(shutil.copytree(synthetic_parts, tmp_path / "parts"))
    for name in ("0001.png", "0002.png"):
        (parts / "OK" / name).write_bytes(b"no image")
    words = (trained_bundle, parts, "--split", "all", "--json", "--quiet")
    for command in (("evaluate", *words), ("threshold", *words, "--policy", "f1", "-o", tmp_path / "other")):
        said = brightfield(*command)
        assert said.code == 2
        assert sorted(said.document["unreadable"]) == ["OK/0001.png", "OK/0002.png"]
        lines = said.err.splitlines()
        assert len(lines) == 2
        assert all(line.startswith("error: ") and "is not an image" in line for line in lines)


def test_no_result_among_the_images_or_over_what_is_read(
    brightfield, copied_bundle, synthetic_parts: Path, tmp_path: Path
) -> None:
    bundle = copied_bundle()
    parts = Path(shutil.copytree(synthetic_parts, tmp_path / "parts"))
    listed = parts / "predictions.csv"
    (parts / "manifest.csv").rename(listed)
    limits = tmp_path / "metrics.json"
    limits.write_text("[limits]\nn_defect = 3\n", encoding="utf-8")
    everything = {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()}
    for words, message in (
        ((parts, "-o", parts), "holds the images to judge"),
        ((parts, "-o", parts / "OK"), "holds the images to judge"),
        ((parts, "-o", bundle), "is inside the inspector's bundle"),
        ((listed, "-o", parts), "predictions.csv would be written over"),
        ((parts, "-o", tmp_path, "--limits", limits), "metrics.json would be written over"),
    ):
        said = brightfield("evaluate", bundle, *words)
        assert (said.code, said.out) == (2, "")
        assert message in said.err
        assert {p: p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()} == everything


def test_a_full_disk(
    brightfield, trained_bundle: Path, synthetic_parts: Path, tmp_path: Path, small_files
) -> None:
    with small_files(3000):
        said = brightfield("evaluate", trained_bundle, synthetic_parts, "-o", tmp_path / "r", "--quiet")
    assert said.code == 2
    assert re.search(r"error: cannot write .*/r/[a-z.]+: .* are needed; choose another place", said.err)
    assert not [p for p in (tmp_path / "r").iterdir() if p.name.startswith(".")]


def test_a_mounted_full_disk(brightfield, trained_bundle: Path, synthetic_parts: Path, small_disk) -> None:
    place = small_disk("8k")
    said = brightfield("evaluate", trained_bundle, synthetic_parts, "-o", place / "r", "--quiet")
    assert said.code == 2
    assert re.search(r"cannot write .*: the disk is full; .* are needed, .* are free; make room", said.err)


def test_a_broken_bundle(brightfield, copied_bundle, synthetic_parts: Path) -> None:
    bundle = copied_bundle()
    weights = bundle / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"?")
    said = brightfield("evaluate", bundle, synthetic_parts)
    assert said.code == 2
    assert "weights.safetensors was changed or damaged" in said.err
