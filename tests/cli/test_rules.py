"""Measured defects and rules on the command line."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import colour_method as colour
import numpy as np
import pytest
from colour_method import FAINT, STRONG, part
from PIL import Image

from brightfield.inspector import load

Run = Callable[..., Any]
SCRATCH = ("scratch", slice(5, 7), slice(10, 50))
PIT = ("pit", slice(30, 33), slice(60, 63))


@pytest.fixture(autouse=True)
def registered() -> Iterator[str]:
    with colour.registered() as name:
        yield name


@pytest.fixture
def parts(tmp_path: Path) -> Path:
    """Two good parts, one of them with a faint pit, and two defective ones, in class folders, with masks."""
    drawn = {
        "OK/clean": part(),
        "OK/faint": part((60, 80), (*PIT, FAINT)),
        "scratch/strong": part((60, 80), (*SCRATCH, STRONG), (*PIT, FAINT)),
        "scratch/faint": part((60, 80), (*SCRATCH, FAINT)),
    }
    for name, picture in drawn.items():
        path = tmp_path / "parts" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
        if "scratch" in name:
            mask = np.zeros((60, 80), bool)
            mask[SCRATCH[1:]] = True
            mask_path = tmp_path / "parts" / "masks" / f"{name}.png"
            mask_path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(mask_path)
    return tmp_path / "parts"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    colour.inspector().save(tmp_path / "inspector.bfz")
    return tmp_path / "inspector.bfz"


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    path = tmp_path / "rules.toml"
    path.write_text("mm_per_pixel = 0.1\nlimits = ['scratch.length_mm <= 2.0']\n")
    return path


def lines(said: Any) -> dict[str, dict[str, Any]]:
    found = [json.loads(line) for line in said.out.splitlines()]
    return {Path(line["image"]).stem: line for line in found}


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_inspect_lists_the_defects(brightfield: Run, bundle: Path, parts: Path, tmp_path: Path) -> None:
    images = (parts / "OK" / "clean.png", parts / "scratch" / "strong.png")
    assert "defects" not in lines(brightfield("inspect", bundle, *images, "--json"))["strong"]
    found = lines(brightfield("inspect", bundle, *images, "--json", "--defects", "--mm-per-pixel", "0.1"))
    assert found["clean"]["defects"] == []
    assert "heatmap" not in found["clean"]
    assert [(d["type"], d["area_px"], d["length_mm"]) for d in found["strong"]["defects"]] == [
        ("scratch", 80, 4.0),
        ("pit", 9, 0.3),
    ]
    said = brightfield("inspect", bundle, *images, "--defects", "--mm-per-pixel", "0.1")
    assert "scratch: 4 x 0.2 mm, area 0.8 mm2, at row 6, column 30" in said.out
    said = brightfield("inspect", bundle, *images, "--defects")
    assert "scratch: 40 x 2 px, area 80 px, at row 6, column 30" in said.out


def test_inspect_writes_the_types_and_one_table(
    brightfield: Run, bundle: Path, parts: Path, tmp_path: Path
) -> None:
    said = brightfield("inspect", bundle, parts, "-o", tmp_path / "seen", "--json")
    line = lines(said)["strong"]
    with Image.open(line["types"]) as image:
        assert image.mode == "P"
        assert json.loads(image.text["types"]) == ["scratch", "pit"]
        types = np.asarray(image)
        assert image.convert("RGB").getpixel((0, 0)) == (0, 0, 0)
    assert (types[5, 10], types[30, 60], np.count_nonzero(types)) == (1, 2, 89)
    rows = table(tmp_path / "seen" / "defects.csv")
    assert [(Path(r["image"]).stem, r["decision"], r["type"], r["area_px"], r["area_mm2"]) for r in rows] == [
        ("faint", "OK", "pit", "9", ""),
        ("faint", "OK", "scratch", "80", ""),
        ("strong", "DEFECT", "scratch", "80", ""),
        ("strong", "DEFECT", "pit", "9", ""),
    ]
    assert {k: rows[3][k] for k in ("row", "column", "top", "left", "height", "width")} == {
        **{"row": "31.0", "column": "61.0", "top": "30", "left": "60", "height": "3", "width": "3"}
    }
    # what was written among the pictures is not judged
    for _ in range(2):
        said = brightfield("inspect", bundle, parts, "-o", parts, "--json")
        assert len(said.out.splitlines()) == 4
    assert (parts / "OK" / "faint.types.png").exists()


def test_inspect_decides_by_rules(brightfield: Run, bundle: Path, parts: Path, rules: Path) -> None:
    image = parts / "scratch" / "faint.png"
    assert lines(brightfield("inspect", bundle, image, "--json"))["faint"]["decision"] == "OK"
    said = brightfield("inspect", bundle, image, "--json", "--rules", rules)
    line = lines(said)["faint"]
    assert (line["decision"], line["label"], line["rule"]) == (
        *("DEFECT", "scratch"),
        "scratch.length_mm <= 2.0: 4",
    )
    assert len(line["defects"]) == 1
    said = brightfield("inspect", bundle, image, "--json", "--rules", rules, "--mm-per-pixel", "0.05")
    assert lines(said)["faint"]["decision"] == "OK"
    assert "scratch.length_mm <= 2.0: 4" in brightfield("inspect", bundle, image, "--rules", rules).out


def test_evaluate_counts_what_the_rules_decide(
    brightfield: Run, bundle: Path, parts: Path, rules: Path, tmp_path: Path
) -> None:
    plain = brightfield("evaluate", bundle, parts, "--json").document
    assert (plain["escape_rate"]["k"], "rules" in plain) == (1, False)
    said = brightfield("evaluate", bundle, parts, "-o", tmp_path / "report", "--rules", rules, "--json")
    ruled = said.document
    assert (ruled["escape_rate"]["k"], ruled["overkill_rate"]["k"], ruled["accuracy"]) == (0, 0, 1.0)
    assert ruled["rules"] == {
        "decide": "beside",
        "rejected": 2,
        "limits": [{"limit": "scratch.length_mm <= 2.0", "region": None, "rejected": 2}],
    }
    assert any("rules.toml decide beside the threshold" in note for note in ruled["notes"])
    by_image = {row["image"]: row for row in table(tmp_path / "report" / "predictions.csv")}
    assert {name: row["rule"] for name, row in by_image.items()} == {
        "OK/clean.png": "",
        "OK/faint.png": "",
        "scratch/faint.png": "scratch.length_mm <= 2.0: 4",
        "scratch/strong.png": "scratch.length_mm <= 2.0: 4",
    }
    defects = table(tmp_path / "report" / "defects.csv")
    assert [
        (r["image"], r["split"], r["truth"], r["decision"], r["type"], r["length_mm"]) for r in defects
    ] == [
        ("OK/faint.png", "test", "OK", "OK", "pit", "0.3"),
        ("scratch/faint.png", "test", "scratch", "DEFECT", "scratch", "4.0"),
        ("scratch/strong.png", "test", "scratch", "DEFECT", "scratch", "4.0"),
        ("scratch/strong.png", "test", "scratch", "DEFECT", "pit", "0.3"),
    ]


def test_threshold_stores_rules_without_data(
    brightfield: Run, bundle: Path, parts: Path, rules: Path, tmp_path: Path
) -> None:
    said = brightfield("threshold", bundle, "--rules", rules, "-o", tmp_path / "ruled.bfz", "--json")
    assert said.document == {
        "bundle": str(tmp_path / "ruled.bfz"),
        "rules": {"decide": "beside", "limits": [{"limit": "scratch.length_mm <= 2.0", "region": None}]},
        "mm_per_pixel": 0.1,
        "notes": [
            "the rules of rules.toml decide beside the threshold: they may reject what it passes, and its "
            "counts are without them"
        ],
    }
    image = parts / "scratch" / "faint.png"
    assert load(tmp_path / "ruled.bfz").inspect(image).rule == "scratch.length_mm <= 2.0: 4"
    ruled = brightfield("inspect", tmp_path / "ruled.bfz", image, "--json")
    assert lines(ruled)["faint"]["decision"] == "DEFECT"
    without = brightfield("inspect", tmp_path / "ruled.bfz", image, "--json", "--rules", "none")
    assert lines(without)["faint"]["decision"] == "OK"
    # a threshold is chosen again without the rules, and these stay
    said = brightfield("threshold", tmp_path / "ruled.bfz", parts, "--policy", "f1", "--json")
    assert said.code == 0, said.err
    assert said.document["rules"]["limits"][0]["limit"] == "scratch.length_mm <= 2.0"
    assert load(tmp_path / "ruled.bfz").inspect(image).rule == "scratch.length_mm <= 2.0: 4"
    said = brightfield("threshold", tmp_path / "ruled.bfz", "--rules", "none")
    assert "rules: none" in said.out
    assert load(tmp_path / "ruled.bfz").rules is None
    assert load(tmp_path / "ruled.bfz").mm_per_pixel == 0.1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("threshold", "BUNDLE"), "nothing to choose"),
        (("threshold", "BUNDLE", "PARTS"), "DATA without --policy"),
        (("threshold", "BUNDLE", "--policy", "f1"), "--policy without DATA"),
        (("inspect", "BUNDLE", "PARTS", "--rules", "none.toml"), "none.toml cannot be read"),
        (("inspect", "BUNDLE", "PARTS", "--mm-per-pixel", "0"), "above 0"),
        (("evaluate", "BUNDLE", "PARTS", "--rules", "WRONG"), "line 1: the limit 'pit.size <= 3' has"),
    ],
)
def test_what_is_wrong_ends_with_2(
    brightfield: Run, bundle: Path, parts: Path, tmp_path: Path, words: tuple[str, ...], why: str
) -> None:
    (tmp_path / "wrong.toml").write_text("limits = ['pit.size <= 3']")
    places = {"BUNDLE": bundle, "PARTS": parts, "WRONG": tmp_path / "wrong.toml"}
    said = brightfield(*(places.get(word, word) for word in words))
    assert said.code == 2
    assert why in " ".join(said.err.split())


def test_a_classifier_has_nothing_to_measure(
    brightfield: Run, trained_bundle: Path, synthetic_parts: Path, rules: Path
) -> None:
    for option in (("--rules", rules), ("--defects",)):
        said = brightfield("inspect", trained_bundle, synthetic_parts, *option)
        assert said.code == 2
        assert "the method classifier marks no defects" in " ".join(said.err.split())
