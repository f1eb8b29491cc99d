from __future__ import annotations

import base64
import json
import re
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from html_page import Page
from some_defects import defect, image, pixel_of, true

from brightfield.decide.cost import Costs
from brightfield.decide.guarantee import Guarantee
from brightfield.decide.operating_point import OperatingPoint
from brightfield.errors import InputError
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.summary import summarise
from brightfield.report.charts import training_curves
from brightfield.report.html import render, write_report
from brightfield.report.report import Exhibit, Outlined, Pair, Report
from brightfield.report.tables import pixel_table
from brightfield.verdict import Scale

HOSTILE = '</script><img src=x onerror="alert(1)">$_{'
PNG = b"\x89PNG picture"


def simulated(types: tuple[str, ...] = ("crack", "dent"), n_good: int = 40) -> Predictions:
    generator = np.random.default_rng(0)
    truth = ("OK",) * n_good + tuple(types[i % len(types)] for i in range(20))
    scores = np.concatenate([generator.normal(-2, 1.2, n_good), generator.normal(2, 1.5, 20)])
    probabilities = 1 / (1 + np.exp(-scores))
    shares = generator.dirichlet(np.ones(len(types)), len(truth))
    return Predictions(
        images=tuple(f"test/{i}.png" for i in range(len(truth))),
        truth=truth,
        splits=("test",) * len(truth),
        decisions=tuple("DEFECT" if p >= 0.6 else "REVIEW" if p >= 0.4 else "OK" for p in probabilities),
        labels=tuple(types[0] if p > 0.5 else "OK" for p in probabilities),
        scores=scores,
        probabilities=probabilities,
        p_values=None,
        thresholds=np.full(len(truth), 0.6),
        class_probabilities=np.column_stack([1 - probabilities, probabilities[:, None] * shares]),
        classes=("OK", *types),
        normal="OK",
    )


def classes_only(k: int) -> Predictions:
    names = tuple(f"class {i}" for i in range(k))
    labels = tuple(names[(i + (i % 5 == 0)) % k] for i in range(4 * k))
    return Predictions(
        images=tuple(f"{i}.png" for i in range(4 * k)),
        truth=tuple(names[i % k] for i in range(4 * k)),
        splits=("",) * (4 * k),
        decisions=(None,) * (4 * k),
        labels=labels,
        scores=np.zeros(4 * k),
        probabilities=None,
        p_values=None,
        thresholds=None,
        class_probabilities=None,
        classes=names,
        normal=None,
    )


POINT = OperatingPoint("fixed=0.6", 0.6, 0, 0, 0, 0, review=0.4)


def report_of(predictions: Predictions, point: OperatingPoint = POINT, **more: Any) -> Report:
    figures = summarise(predictions, operating_point=point.as_dict())
    return Report("Castings", predictions, figures, **more)


def full() -> Report:
    exhibit = Exhibit("a.png", "escape", "crack", "OK", 0.2, 0.6, PNG, b"overlay")
    return report_of(
        simulated(),
        history=[{"epoch": 1, "train_loss": 0.7, "validation_f1": 0.5, "learning_rate": 3e-4}, {"epoch": 2}],
        exhibits=[exhibit, replace(exhibit, kind="overkill", overlay_png=None)],
        facts={"data": {"name": "castings", "fingerprint": "ab" * 32}, "empty": {}},
        notes=["Few parts."],
    )


@cache
def full_page() -> str:
    return render(full())


def test_page_is_whole_and_loads_nothing() -> None:
    text = full_page()
    page = Page(text)
    assert page.open == []
    ids = Counter(page.attributes("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    loaded = page.attributes("src") + page.attributes("href") + page.attributes("xlink:href")
    assert [link for link in loaded if not link.startswith(("data:image/png;base64,", "#"))] == []
    assert [link for link in loaded if link.startswith("#") and link[1:] not in ids] == []
    assert "@import" not in text
    assert set(re.findall(r"url\((.)", text)) <= {"#"}


def test_promises_and_costs_are_on_the_page() -> None:
    point = replace(
        OperatingPoint("cost ...", 0.6, 300, 150, 0, 2, review=0.4, reviewed=9, reviewed_defect=3),
        guarantees=(Guarantee("escape", 0.02, 0.95, 150, 0, "<crack>"),),
        costs=Costs(500.0, 20.0, 0.003, review=5.0),
    )
    text = render(report_of(simulated(), point))
    said = " ".join(Page(text).text)
    for words in ("at most 2% of all parts with <crack> are passed", "A person is expected", "1,000 parts"):
        assert words in said
    assert text.count("Expected cost of 1,000 parts by threshold") == 1
    # what sentences say is not said again as a list of values
    assert "Guarantees" not in said
    assert "cost of 1,000 parts" not in full_page()


def test_sections_come_in_order() -> None:
    assert Page(full_page()).sections() == [
        "verdicts",
        "rates",
        "operating-point",
        "what-if",
        "confusion",
        "figures",
        "calibration",
        "classes",
        "training",
        "exhibits-escape",
        "exhibits-overkill",
        "facts",
        "glossary",
    ]


def test_rates_are_said_in_words() -> None:
    report = full()
    text = "".join(Page(render(report)).text)
    rate = report.metrics["escape_rate"]
    assert f"{rate['k']} of 20 defective parts passed" in text
    assert "with 95% confidence between" in text
    assert "A part passes below 0.4, is rejected from 0.6 on, and goes to review between." in text


def test_what_cannot_be_seen_is_described() -> None:
    page = Page(full_page())
    assert all(page.attributes("alt", "img"))
    assert len(page.attributes("alt", "img")) == 3
    tables = [tag for tag, _ in page.tags if tag == "table"]
    captions = [tag for tag, _ in page.tags if tag == "caption"]
    assert len(tables) == len(captions) > 3
    charts = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert all(attributes.get("aria-label") for attributes in charts)
    labelled = set(page.attributes("for", "label"))
    assert labelled == {"low", "high"} <= set(page.attributes("id", "input"))


def test_slider_data_counts_as_the_metrics_do() -> None:
    report = full()
    found = re.search(r'<script type="application/json" id="slider-data">(.*?)</script>', render(report))
    assert found is not None
    data = json.loads(found.group(1))
    values, defect = np.array(data["values"]), np.array(data["defect"]) == 1
    low, high = data["chosen"]
    assert int((defect & (values < low)).sum()) == report.metrics["escape_rate"]["k"]
    assert int((~defect & (values >= high)).sum()) == report.metrics["overkill_rate"]["k"]
    between = (values >= low) & (values < high)
    assert int(between.sum()) == report.metrics["review_share"]["k"] > 0


@pytest.mark.parametrize("normal", [True, False])
def test_hostile_names_stay_text(normal: bool) -> None:
    predictions = simulated(types=(HOSTILE, "dent"))
    if not normal:
        nobody = (None,) * len(predictions)
        predictions = replace(predictions, decisions=nobody, normal=None, probabilities=None)
    predictions = replace(predictions, splits=(HOSTILE,) * len(predictions))
    exhibit = Exhibit(HOSTILE, "confusion", HOSTILE, HOSTILE, 0.2, 0.6, PNG, PNG)
    report = report_of(
        predictions,
        exhibits=[exhibit],
        history=[{HOSTILE: 0.5}, {HOSTILE: 0.4}],
        facts={HOSTILE: {HOSTILE: HOSTILE}},
        notes=[HOSTILE],
    )
    text = render(replace(report, title=HOSTILE))
    assert HOSTILE not in text
    assert "<img src=x" not in text
    page = Page(text)
    assert page.open == []
    assert "".join(page.text).count(HOSTILE) > 5
    assert page.attributes("onerror") == []


def test_training_curves_mark_the_epoch_that_was_chosen() -> None:
    rows = [{"epoch": i + 1.0, "validation_accuracy": v} for i, v in enumerate((0.5, 0.8, 0.8, 0.7))]
    (chart,) = training_curves(rows)
    assert "weights of epoch 2" in chart
    (plain,) = training_curves([{"epoch": 1.0, "train_loss": 0.5}, {"epoch": 2.0, "train_loss": 0.4}])
    assert "weights of epoch" not in plain


def test_charts_are_xml_in_the_colours_of_the_page() -> None:
    charts = re.findall(r"<svg .*?</svg>", full_page(), flags=re.DOTALL)
    assert len(charts) == 7  # ROC, precision-recall, calibration, histogram, three of training
    for chart in charts:
        root = ElementTree.fromstring(chart.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
        assert root.get("viewBox")
        assert "var(--ink)" in chart or "var(--soft)" in chart
        assert re.search(r"#0[1-8]0[1-8]0[1-8]", chart) is None
        assert "<text" in chart


def test_rendering_leaves_matplotlib_as_it_was_and_repeats_itself() -> None:
    before = dict(matplotlib.rcParams)
    report = full()
    assert render(report) == render(report)
    assert dict(matplotlib.rcParams) == before


def test_a_section_without_data_is_left_out() -> None:
    sections = Page(render(report_of(simulated(types=("Defect",))))).sections()
    assert "training" not in sections
    assert "facts" not in sections
    assert not any(name.startswith("exhibits") for name in sections)


def test_three_parts_of_one_class_make_a_page() -> None:
    whole = simulated()
    few = Predictions(
        images=whole.images[:3],
        truth=whole.truth[:3],
        splits=whole.splits[:3],
        decisions=("OK",) * 3,
        labels=whole.labels[:3],
        scores=whole.scores[:3],
        probabilities=None,
        p_values=np.full(3, 0.5),
        thresholds=np.full(3, 9.0),
        class_probabilities=None,
        classes=whole.classes,
        normal="OK",
    )
    text = render(Report("Few", few, summarise(few, operating_point={})))
    assert "No defective parts were judged" in text
    assert "ROC" not in "".join(Page(text).text).replace("AUROC", "")


@pytest.mark.parametrize(("k", "kind"), [(5, "table"), (30, "svg"), (100, "svg"), (101, "none")])
def test_plain_classification_has_accuracy_pairs_and_a_matrix_up_to_100(k: int, kind: str) -> None:
    text = render(report_of(classes_only(k)))
    page = Page(text)
    assert page.sections() == ["verdicts", "rates", "confusion", "figures", "classes", "glossary"]
    assert "Most confused pairs" in text
    assert "were classified correctly" in text
    assert ('class="matrix"' in text, 'class="grid"' in text) == (kind == "table", kind == "svg")
    words = "".join(page.text)
    assert "Escape" not in words
    assert "threshold" not in words.lower()


def test_confused_pairs_are_counted() -> None:
    words = " ".join(" ".join(Page(render(report_of(classes_only(5)))).text).split())
    # Of class 0, all four images were called class 1.
    assert "class 0 class 1 4 100.0%" in words


def test_pictures_are_in_the_page() -> None:
    text = full_page()
    assert base64.b64encode(PNG).decode() in text
    assert base64.b64encode(b"overlay").decode() in text


def test_report_is_written_whole(tmp_path: Path) -> None:
    write_report(tmp_path / "out" / "report.html", full())
    text = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert text.startswith("<!DOCTYPE html>")
    assert text.rstrip().endswith("</html>")
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


@pytest.mark.parametrize(("kind", "picture"), [("miss", PNG), ("escape", b"")])
def test_exhibits_are_checked(kind: str, picture: bytes) -> None:
    with pytest.raises(InputError, match="expected"):
        Exhibit("a.png", kind, "crack", "OK", 0.1, 0.5, picture, None)


def on_other_scale(scale: Scale) -> Report:
    """Sixty parts judged by what good parts alone calibrated, with a review band."""
    plain = simulated()
    p_values = np.clip(1.0 / (1.0 + np.exp(plain.scores + 3)), 0.01, 1.0)
    ends = (0.01, 0.05) if scale is Scale.P_VALUE else (2.5, 0.5)
    point = OperatingPoint("overkill=0.01", ends[0], 99, 0, 0, 0, review=ends[1], scale=scale)
    values = p_values if scale is Scale.P_VALUE else plain.scores
    judged = replace(
        plain,
        decisions=tuple(str(point.decide(float(v))) for v in values),
        labels=("defect",) * len(plain),
        probabilities=None,
        p_values=p_values,
        thresholds=np.full(len(plain), ends[0]),
        class_probabilities=None,
        scale=scale,
    )
    exhibit = Exhibit("a.png", "escape", "crack", "defect", 0.2, ends[0], PNG, None)
    return report_of(judged, point, exhibits=[exhibit])


@pytest.mark.parametrize(
    ("scale", "rule", "said"),
    [
        (Scale.P_VALUE, "rejected at 0.01 or less, passes above 0.05,", "p-value 0.2, threshold 0.01"),
        (Scale.SCORE, "passes below 0.5, is rejected from 2.5 on,", "score 0.2, threshold 2.5"),
    ],
)
def test_a_page_without_probabilities(scale: Scale, rule: str, said: str) -> None:
    report = on_other_scale(scale)
    page = Page(render(report))
    text = " ".join(" ".join(page.text).split())
    assert rule in text
    assert said in text
    assert "looks most like" not in text  # it knows no types
    assert "Distribution of the parts" in text
    assert "Are the probabilities calibrated" not in text
    words = text[text.rindex("Glossary") :]
    assert "Probability" not in words
    assert [n for n, k in Counter(page.attributes("id")).items() if k > 1] == []
    data = json.loads(re.search(r'id="slider-data">(.*?)</script>', render(report), re.DOTALL)[1])  # type: ignore[index]
    stops, rejects = data["chosen"]
    sign = -1 if data["down"] else 1
    rejected = [sign * v >= sign * rejects for v in data["values"]]
    stopped = [sign * v >= sign * stops for v in data["values"]]
    counts = report.metrics["verdict_counts"].values()
    assert sum(rejected) == sum(row["DEFECT"] for row in counts)
    assert sum(stopped) == sum(row["DEFECT"] + row["REVIEW"] for row in counts)


def test_pixel_figures_by_type_have_a_table() -> None:
    one = {
        "auroc": 0.9871,
        "aupro": 0.9,
        "aupro_5": 0.61,
        "iou": None,
        "dice": 0.5,
        "images": 3,
        "regions": 1204,
    }
    pixel = {**one, "threshold": 1.23456, "per_type": {"crack": one, "dent": {**one, "auroc": 0.4444}}}
    found = pixel_table(pixel)
    assert found is not None
    assert found["columns"] == ["Pixel AUROC", "AUPRO to 30%", "AUPRO to 5%", "IoU", "Dice"]
    assert [row["name"] for row in found["rows"]] == ["crack", "dent"]
    assert found["rows"][1]["cells"] == ["0.444", "0.900", "0.610", "", "0.500"]
    assert (found["all"]["name"], found["all"]["defects"], found["threshold"]) == (
        "all types",
        "1,204",
        "1.235",
    )
    alone = pixel_table({**pixel, "threshold": None, "per_type": {"crack": one}})
    assert alone is not None
    assert (alone["rows"], alone["all"]["name"], alone["threshold"]) == ([], "all images", None)
    assert pixel_table(None) is None
    report = full()
    page = render(replace(report, metrics={**report.metrics, "pixel": pixel}))
    assert "each type with all good parts" in page
    assert "1.235" in page


def test_the_closest_good_part_is_beside_an_error() -> None:
    exhibit = Exhibit(
        "a.png", "escape", "crack", "OK", 0.2, 0.6, PNG, PNG, Pair("good/<7>.png", b"this", b"other")
    )
    page = render(report_of(simulated(), exhibits=[exhibit]))
    assert "good/&lt;7&gt;.png" in page
    for png in (b"this", b"other"):
        assert base64.b64encode(png).decode() in page
    assert 'class="closest"' not in render(report_of(simulated(), exhibits=[replace(exhibit, closest=None)]))


def test_defects_against_masks_make_a_whole_page_whatever_they_are_called() -> None:
    lost = true(replace(defect(), type=HOSTILE), image=f"{HOSTILE}.png")
    hits = [true(defect(length=float(n)), defect(), part=str(n)) for n in range(12)]
    images = [image("a", [lost, *hits], {"pit": 1}, stray=1), image("b", good=True)]
    types = ("pit", HOSTILE)
    base = report_of(simulated())
    shown = [
        Outlined(kind, f"{HOSTILE}.png", lost.truth, hits[0].found, True, 0.4, PNG, PNG)
        for kind in ("missed", "stray", "found")
    ]
    report = replace(
        base,
        metrics={**base.metrics, "pixel": pixel_of(images, types)},
        against_masks=images,
        outlined=shown,
        types=types,
    )
    text = render(report)
    page = Page(text)
    assert page.open == []
    assert "defects" in page.sections()
    ids = Counter(page.attributes("id"))
    assert [name for name, count in ids.items() if count > 1] == []
    assert HOSTILE not in text
    assert page.attributes("src").count("data:image/png;base64," + base64.b64encode(PNG).decode()) == 6
    assert "found-by-length" in text
    without = Page(render(base))
    assert "defects" not in without.sections()
