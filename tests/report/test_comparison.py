"""The page and the sentences of a comparison."""

from __future__ import annotations

import csv
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from some_defects import defect, image, pixel_of, true

from brightfield.data.dataset import Dataset, Sample
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.ranking import Comparison, Contender, rank
from brightfield.evaluation.run import Evaluation
from brightfield.evaluation.summary import summarise
from brightfield.report.comparison import render
from brightfield.report.comparison_text import (
    COLUMNS,
    as_csv,
    defects_in_words,
    document,
    overlap,
    sentences,
)
from brightfield.report.disagreements import Shown, chosen

HOSTILE = '</script><img src=x onerror="alert(1)">'
PNG = b"\x89PNG picture"
FACTS = {
    "training": {"options": {"seed": 3}, "plan": "as it is", "folds": 0, "seconds": 1.0},
    "fingerprints": {"splits": {"train": {"OK": 9}, "calibration": {"OK": 4}, "test": {"OK": 3}}},
}


def contender(
    method: str,
    scores: np.ndarray,
    truth: tuple[str, ...],
    cost: tuple[float, int],
    normal: str | None = "OK",
) -> Contender:
    n = len(truth)
    classes = ("OK", *sorted(set(truth) - {"OK"}))
    stopped = [bool(s >= 0) for s in scores]
    predictions = Predictions(
        images=tuple(f"{HOSTILE}{i}.png" for i in range(n)),
        truth=truth,
        splits=("test",) * n,
        decisions=tuple(None if normal is None else "DEFECT" if s else "OK" for s in stopped),
        labels=tuple(classes[-1] if s else "OK" for s in stopped),
        scores=scores.astype(np.float64),
        probabilities=None,
        p_values=None,
        thresholds=None,
        class_probabilities=None,
        classes=classes,
        normal=normal,
    )
    samples = tuple(
        Sample(i, Path(i), label, split="test") for i, label in zip(predictions.images, truth, strict=True)
    )
    dataset = Dataset(HOSTILE, samples, classes, normal)
    evaluation = Evaluation(predictions, summarise(predictions, operating_point={}), dataset, (), ())
    inspector = SimpleNamespace(
        method=SimpleNamespace(name=method),
        facts=FACTS,
        operating_point=None,
        preprocessing=SimpleNamespace(region=None),
    )
    return Contender(cast(Any, inspector), evaluation, 61.0, cost[0], cost[1], None)


def compared(contenders: list[Contender], left_out: dict[str, str] | None = None) -> Comparison:
    by_name = {c.method: c for c in contenders}
    figure, standings = rank({name: c.predictions for name, c in by_name.items()})
    return Comparison(
        tuple(by_name[name] for name in standings),
        figure,
        tuple(standings.values()),
        left_out or {},
        contenders[0].evaluation.dataset,
    )


TRUTH = ("OK",) * 40 + ("pit",) * 20 + ("crack",) * 20


@pytest.fixture
def three() -> Comparison:
    rng = np.random.default_rng(4)
    shift = np.array([name != "OK" for name in TRUTH], dtype=np.float64)
    good = 3 * shift - 1.5 + rng.normal(0, 1, len(TRUTH))
    return compared(
        [
            contender("slow", good, TRUTH, (40.0, 900_000)),
            contender("quick", good + rng.normal(0, 0.3, len(TRUTH)), TRUTH, (4.0, 5_000_000)),
            contender("blind", rng.normal(0, 1, len(TRUTH)), TRUTH, (0.5, 1_000)),
        ],
        {"lost": HOSTILE},
    )


def test_sentences_name_the_best_and_the_cheapest_that_is_no_worse(three: Comparison) -> None:
    first, second, third, fourth = sentences(three)
    best, other = (c.method for c in three.contenders[:2])
    assert {best, other} == {"slow", "quick"}
    assert first.startswith(f"Best on the 80 test images (40 defective): {best}, AUROC ")
    assert f"the next, {other}" in second
    assert "could be chance" in second
    assert re.search(rf"No worse .*: {other} \(at most \d\.\d points behind\)", third)
    assert fourth == (
        "Of these and the best, the fastest is quick (4 ms an image), the smallest slow (900 kB)."
    )


def test_a_clear_lead_is_said_to_be_one() -> None:
    shift = np.array([name != "OK" for name in TRUTH], dtype=np.float64)
    blind = np.random.default_rng(0).normal(0, 1, len(TRUTH))
    found = sentences(
        compared([contender("blind", blind, TRUTH, (1, 1)), contender("clear", shift - 0.5, TRUTH, (2, 2))])
    )
    assert "clear, AUROC 1.000" in found[0]
    assert "is more than chance" in found[1]
    assert found[2] == "Every other method is worse than the best by more than chance."


def test_the_page_escapes_names_and_loads_nothing(three: Comparison) -> None:
    shown = Shown(
        HOSTILE, HOSTILE, PNG, [PNG, None, PNG], [("passes", True), ("rejected", False), ("passes", True)]
    )
    page = render(three, {"defective": [shown], "good": []})
    assert HOSTILE not in page
    assert "lost</b> was not compared" in page
    assert "Defect by defect" in page
    assert "Good parts on which" not in page
    for link in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert link.startswith(("data:image/png;base64,", "#"))
    assert len(re.findall(r'id="([^"]+)"', page)) == len(set(re.findall(r'id="([^"]+)"', page)))


def test_the_best_methods_mistakes_are_shown_first(three: Comparison) -> None:
    rows = chosen(three)
    best = three.best.predictions
    assert set(rows) == {"defective", "good"}
    for kind, of_kind in rows.items():
        assert 0 < len(of_kind) <= 8
        defective = [TRUTH[i] != "OK" for i in of_kind]
        assert defective == [kind == "defective"] * len(of_kind)
        right = [bool((best.scores[i] >= 0) == (TRUTH[i] != "OK")) for i in of_kind]
        assert right == sorted(right)


def test_equals_have_no_lead(three: Comparison) -> None:
    scores = three.best.predictions.scores
    found = compared([contender("a", scores, TRUTH, (1, 1)), contender("b", scores, TRUTH, (2, 2))])
    assert sentences(found)[1].startswith(
        "The next, b, is level with it: the difference, +0.0 to +0.0 points"
    )


def test_classes_take_turns() -> None:
    truth = ("OK",) * 4 + ("crack",) * 10 + ("pit",) * 10
    shift = np.array([name != "OK" for name in truth], dtype=np.float64)
    found = compared(
        [contender("a", shift - 0.5, truth, (1, 1)), contender("b", -np.ones(24), truth, (2, 2))]
    )
    assert [truth[i] for i in chosen(found)["defective"]] == ["crack", "pit"] * 4
    assert chosen(found)["good"] == []


def test_without_defects_and_without_a_normal_class() -> None:
    good = ("OK",) * 30
    values = np.where(np.arange(30) < 10, 1.0, -1.0)
    for truth, normal in ((good, "OK"), (good[:15] + ("cat",) * 15, None)):
        found = compared(
            [
                contender("a", values, truth, (1, 1), normal),
                contender("b", -np.ones(30), truth, (2, 2), normal),
            ]
        )
        assert found.figure == "accuracy"
        page = render(found, {})
        assert "McNemar" in page
        assert "ROC curves" not in page
        said = sentences(found)
        assert said[0].startswith("Best on the 30 test images")
        assert any("No test image shows a defect" in sentence for sentence in said) == (normal == "OK")
        written = document(found)
        assert written["methods"][0]["by_type"] == {}
        rows = list(csv.DictReader(as_csv(found).splitlines()))
        assert tuple(rows[0]) == COLUMNS
        assert rows[0]["auroc_low"] == ""
        assert float(rows[0]["accuracy"]) == found.standings[0].value


def masked(comparison: Comparison) -> Comparison:
    """Return a comparison whose first method tells types of pixels apart, and whose second does not."""
    found = [image(str(i), [true(defect(), defect() if i < 7 else None, part=str(i))]) for i in range(10)]
    figures = [pixel_of(found, ("pit",)), pixel_of(found), None]
    contenders = tuple(
        replace(c, evaluation=replace(c.evaluation, metrics={**c.evaluation.metrics, "pixel": pixel}))
        for c, pixel in zip(comparison.contenders, figures, strict=True)
    )
    return replace(comparison, contenders=contenders)


def test_overlap_and_defects_found_where_there_are_masks(three: Comparison) -> None:
    made = masked(three)
    assert overlap(made) == ("mean_iou", "mean IoU")
    found, seen, false = defects_in_words(made.contenders[1])
    assert found == seen == ("70.0%", "34.8% to 93.3%")
    assert false == ("0.00", "0.00 to 0.37"), "none in ten images: 3.69 / 10"
    assert defects_in_words(made.contenders[2]) == [("n/a", "")] * 3
    page = render(made, {})
    assert '<th scope="col">mean IoU</th><th scope="col">defects found</th>' in page
    assert "70.0%<small>34.8% to 93.3%</small>" in page
    rows = list(csv.DictReader(as_csv(made).splitlines()))
    assert [row["pixel_mean_iou"] for row in rows] == ["0.7498", "", ""]
    assert [row["defects_found"] for row in rows] == ["0.7", "0.7", ""]
    assert [row["false_defects"] for row in rows] == ["0.0", "0.0", ""]
    assert overlap(three) is None
    assert "defects found" not in render(three, {})


def test_without_types_the_iou_of_all_pixels_is_compared(three: Comparison) -> None:
    made = masked(three)
    untyped = replace(made, contenders=(made.contenders[1], made.contenders[2], made.contenders[1]))
    assert overlap(untyped) == ("iou", "IoU")
    page = render(untyped, {})
    assert "Against the masks" in page
    assert '<th scope="col">mean IoU</th>' not in page
