from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brightfield.errors import DataError, InputError
from brightfield.evaluation.predictions import Predictions, read_csv
from brightfield.verdict import Scale


def three(normal: str | None = "OK") -> Predictions:
    probabilities = np.array([0.1, 1 / 3, 0.9])
    return Predictions(
        images=("a.png", 'b, "quoted".png', "c/ü.png"),
        truth=("OK", "Defect", "Defect"),
        splits=("test", "test", "test"),
        decisions=("OK", "REVIEW", "DEFECT"),
        labels=("OK", "OK", "Defect"),
        scores=np.array([-2.0, -0.7, 2.2]),
        probabilities=probabilities,
        p_values=None,
        thresholds=np.array([0.5, 0.5, 0.5]),
        class_probabilities=np.stack([1.0 - probabilities, probabilities], axis=1),
        classes=("OK", "Defect"),
        normal=normal,
    )


def test_file_has_the_contracts_columns(tmp_path: Path) -> None:
    three().write_csv(tmp_path / "predictions.csv")
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert ",".join(rows[0]).startswith(
        "image,truth,split,decision,label,score,probability,p_value,threshold"
    )
    assert rows[1]["image"] == 'b, "quoted".png'
    assert rows[1]["decision"] == "REVIEW"
    assert float(rows[1]["probability"]) == 1 / 3
    assert rows[1]["p_value"] == ""
    assert len(rows) == 3


def test_read_gives_back_what_was_written(tmp_path: Path) -> None:
    before = three()
    before.write_csv(tmp_path / "p.csv")
    after = read_csv(tmp_path / "p.csv", normal="OK")
    for name in ("images", "truth", "splits", "decisions", "labels", "classes", "normal", "p_values"):
        assert getattr(after, name) == getattr(before, name)
    for name in ("scores", "probabilities", "thresholds", "class_probabilities"):
        np.testing.assert_array_equal(getattr(after, name), getattr(before, name))


def test_the_rule_is_the_last_column(tmp_path: Path) -> None:
    rules = ("", "pit.count <= 3: 4", "=1.count <= 0: 1 (face)")
    replace(three(), rules=tuple(rule or None for rule in rules)).write_csv(tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header[-3:] == ["p:OK", "p:Defect", "rule"]
    assert [row[-1] for row in rows] == ["", "pit.count <= 3: 4", "'=1.count <= 0: 1 (face)"]
    again = read_csv(tmp_path / "p.csv", normal="OK")
    assert again.rules == (None, *rules[1:])
    assert again.only(["c/ü.png"]).rules == rules[2:]
    # a file of before there were rules
    text = (tmp_path / "p.csv").read_text(encoding="utf-8")
    (tmp_path / "old.csv").write_text("\n".join(line.rpartition(",")[0] for line in text.splitlines()))
    assert read_csv(tmp_path / "old.csv", normal="OK").rules is None
    with pytest.raises(InputError, match="2 rules for 3 images"):
        replace(three(), rules=(None, None))


def test_names_are_no_formulas_in_the_file_and_come_back(tmp_path: Path) -> None:
    before = replace(
        three(),
        images=('=HYPERLINK("x")', "+1.png", "'-.png"),
        truth=("@OK", "=pit", "=pit"),
        labels=("@OK", "@OK", "=pit"),
        classes=("@OK", "=pit"),
        normal="@OK",
    )
    before.write_csv(tmp_path / "p.csv")
    with (tmp_path / "p.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert [row[0] for row in rows[1:]] == ['\'=HYPERLINK("x")', "'+1.png", "''-.png"]
    assert [row[1] for row in rows[1:]] == ["'@OK", "'=pit", "'=pit"]
    assert not [cell for row in rows for cell in (*row[:5], *row[9:]) if cell[:1] in tuple("=+-@")]
    assert rows[1][5] == "-2.0"  # a number stays one
    after = read_csv(tmp_path / "p.csv", normal="@OK")
    for name in ("images", "truth", "labels", "classes"):
        assert getattr(after, name) == getattr(before, name)


def test_plain_classification_has_no_decisions(tmp_path: Path) -> None:
    before = replace(
        three(), decisions=(None, None, None), normal=None, probabilities=None, class_probabilities=None
    )
    before.write_csv(tmp_path / "p.csv")
    after = read_csv(tmp_path / "p.csv", normal=None)
    assert after.decisions == (None, None, None)
    assert after.probabilities is None
    assert after.classes == ("Defect", "OK")
    with pytest.raises(InputError, match="--normal"):
        _ = after.is_defect


def test_values_are_what_the_threshold_is_compared_with() -> None:
    predictions = three()
    np.testing.assert_array_equal(predictions.values, [0.1, 1 / 3, 0.9])
    np.testing.assert_array_equal(replace(predictions, probabilities=None).values, [-2.0, -0.7, 2.2])
    np.testing.assert_array_equal(predictions.is_defect, [False, True, True])
    np.testing.assert_array_equal(predictions.decided("REVIEW"), [False, True, False])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": (), "truth": ()}, "no predictions"),
        ({"labels": ("OK",)}, "1 labels for 3 images"),
        ({"truth": ("OK", "Defect", "Rust")}, "'Rust' is not among the classes"),
        ({"classes": ("Defect", "OK")}, "normal class 'OK' first"),
        ({"classes": ("OK", "Defect", "OK")}, "each of them once"),
        ({"decisions": ("OK", None, "DEFECT")}, "a decision is None"),
        ({"decisions": ("OK", "ok", "DEFECT")}, "a decision is 'ok'"),
        ({"scores": np.array([1.0, 2.0])}, r"shape \(2,\)"),
        ({"scores": np.array([1.0, np.nan, 2.0])}, "not finite"),
        ({"scores": np.array([1.0, 2.0, 3.0], dtype=np.float32)}, "float32"),
        ({"probabilities": np.array([0.0, 0.5, 1.5])}, "expected values in"),
        ({"class_probabilities": np.full((3, 2), 0.4)}, "sum to 0.8"),
    ],
)
def test_refuses_values_that_disagree(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(three(), **change)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "expected the columns"),
        ("image,truth\na,b\n", "expected the columns"),
        (
            "image,truth,split,decision,label,score,probability,p_value,threshold\na,OK,test\n",
            "row 2, has 3 values",
        ),
        (
            "image,truth,split,decision,label,score,probability,p_value,threshold\na,OK,test,OK,OK,x,,,\n",
            "column 'score'",
        ),
        (
            "image,truth,split,decision,label,score,probability,p_value,threshold\na,OK,test,OK,OK,,,,\n",
            "'score' is empty",
        ),
    ],
)
def test_refuses_a_file_that_is_no_predictions_csv(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "p.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=message):
        read_csv(path, normal="OK")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.csv"):
        read_csv(tmp_path / "absent.csv", normal=None)


def test_values_follow_the_scale(tmp_path: Path) -> None:
    unusual = replace(three(), probabilities=None, p_values=np.array([0.8, 0.2, 0.01]), scale=Scale.P_VALUE)
    np.testing.assert_array_equal(unusual.values, [0.8, 0.2, 0.01])
    assert unusual.compared_on is Scale.P_VALUE
    np.testing.assert_array_equal(replace(unusual, scale=Scale.SCORE).values, unusual.scores)
    assert unusual.only({"a.png"}).scale is Scale.P_VALUE
    unusual.write_csv(tmp_path / "p.csv")
    np.testing.assert_array_equal(read_csv(tmp_path / "p.csv", normal="OK").values, unusual.scores)
    back = read_csv(tmp_path / "p.csv", normal="OK", scale=Scale.P_VALUE)
    np.testing.assert_array_equal(back.values, unusual.values)
    with pytest.raises(InputError, match="scale 'probability', but no values are"):
        replace(unusual, scale=Scale.PROBABILITY)
