"""The report's tables, as rows of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from brightfield.evaluation.predictions import Predictions
from brightfield.report.pixel_words import PIXEL_FIGURES
from brightfield.report.wording import figure, number, percent
from brightfield.verdict import DECISIONS

CELLS_WITH_NUMBERS = 12
CELLS_WITH_LABELS = 40
CELLS_AT_MOST = 100
PAIRS = 12


def bar_of(rate: Mapping[str, Any], top: float = 1.0) -> dict[str, str] | None:
    """Return where a rate and its interval lie on a bar from 0 to `top`; None where the rate is not known."""
    if rate["value"] is None:
        return None
    at = {key: f"{100.0 * rate[key] / top:.3f}%" for key in ("low", "value")}
    width = f"{100.0 * (rate['high'] - rate['low']) / top:.3f}%"
    return {**at, "width": width, "top": f"{100.0 * top:g}%"}


def verdict_table(predictions: Predictions, counts: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Return the table of true classes (rows) against decisions (columns), with the meaning of each cell."""
    with_review = any(row["REVIEW"] for row in counts.values())
    decisions = [d for d in DECISIONS if with_review or d != "REVIEW"]
    names = {"OK": "passed", "REVIEW": "for review", "DEFECT": "rejected"}
    rows = []
    for name, row in counts.items():
        total = sum(row.values())
        good = name == predictions.normal
        cells = []
        for decision in decisions:
            wrong = decision == ("DEFECT" if good else "OK")
            tone = "review" if decision == "REVIEW" else "defect" if wrong else "ok"
            word = ("overkill" if good else "escape") if wrong and row[decision] else ""
            cells.append(cell(row[decision], total, tone) | {"word": word})
        rows.append({"name": name, "good": good, "cells": cells, "total": f"{total:,}"})
    return {"columns": [names[decision] for decision in decisions], "rows": rows}


def confusion(found: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the confusion matrix: with numbers up to 12 classes, as an image up to 100, else None."""
    classes, matrix = found["classes"], found["confusion_matrix"]
    if len(classes) > CELLS_AT_MOST:
        return None
    rows = []
    for i, (name, counts) in enumerate(zip(classes, matrix, strict=True)):
        total = sum(counts)
        cells = [cell(count, total, "ok" if i == j else "defect") for j, count in enumerate(counts)]
        rows.append({"name": name, "cells": cells, "total": f"{total:,}"})
    numbers, labels = len(classes) <= CELLS_WITH_NUMBERS, len(classes) <= CELLS_WITH_LABELS
    return {"classes": classes, "rows": rows, "numbers": numbers, "labels": labels}


def confused_pairs(found: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the pairs of classes that are confused most often, the most frequent first."""
    classes, matrix = found["classes"], found["confusion_matrix"]
    pairs = []
    for i, counts in enumerate(matrix):
        for j, count in enumerate(counts):
            if i != j and count:
                pairs.append((count, count / sum(counts), classes[i], classes[j]))
    pairs.sort(key=lambda pair: (-pair[0], -pair[1]))
    return [
        {"truth": truth, "called": called, "count": f"{count:,}", "share": percent(share)}
        for count, share, truth, called in pairs[:PAIRS]
    ]


def class_table(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return scikit-learn's classification_report: one row per class, and the means."""
    report = found["classification_report"]
    means = {"macro avg": "mean of classes", "weighted avg": "mean weighted by images"}
    rows = [_class_row(name, report[name]) for name in found["classes"] if name in report]
    accuracy = {"name": "accuracy", "cells": ["", "", figure(report["accuracy"]), f"{found['n']:,}"]}
    return {
        "rows": rows,
        "means": [accuracy, *(_class_row(name, report[key]) for key, name in means.items())],
    }


def type_table(found: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return escapes by defect type, the highest rate first; empty for fewer than two types."""
    rows = []
    for name, entry in found["per_class"].items():
        rate = entry.get("escape_rate")
        if rate is None or rate["value"] is None:
            continue
        between = f"{percent(rate['low'])} to {percent(rate['high'])}"
        rows.append((rate["value"], name, rate, between, bar_of(rate)))
    rows.sort(key=lambda row: (-row[0], row[1]))
    shown = [
        {
            "name": name,
            "n": f"{rate['n']:,}",
            "k": f"{rate['k']:,}",
            "value": percent(value),
            "between": between,
        }
        | {"bar": bar}
        for value, name, rate, between, bar in rows
    ]
    return shown if len(shown) > 1 else []


def pixel_table(pixel: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the figures of heatmaps against masks: a row per defect type, and one of all.

    With one defect type there is the row of all only; without masks the table is None.
    """
    if pixel is None:
        return None
    names = {key.removeprefix("pixel_"): name for key, name in PIXEL_FIGURES.items()}
    names.pop("mean_iou")  # it is in the section on defects
    types = pixel["per_type"] if len(pixel["per_type"]) > 1 else {}
    rows = [_pixel_row(name, found, names) for name, found in types.items()]
    threshold = pixel["threshold"]
    return {
        "columns": [name[:1].upper() + name[1:] for name in names.values()],
        "rows": rows,
        "all": _pixel_row("all types" if types else "all images", pixel, names),
        "threshold": None if threshold is None else number(threshold),
        "inside": "region" in pixel,
    }


def _pixel_row(name: str, found: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    cells = ["" if found[key] is None else figure(found[key]) for key in names]
    return {"name": name, "defects": f"{found['regions']:,}", "cells": cells}


def cell(count: int, total: int, tone: str) -> dict[str, Any]:
    """Return a cell of a matrix: a count, and how strong its colour is, given the total of its row."""
    share = count / total if total else 0.0
    # at most 45%, so that text stays readable; small shares still show a tint
    weight = 0.0 if not count else 8.0 + 37.0 * share
    shown = {"count": f"{count:,}", "tone": tone, "weight": f"{weight:.1f}%"}
    return shown | {"opacity": f"{0.15 + 0.85 * share:.3f}" if count else "0", "share": percent(share)}


def _class_row(name: str, entry: Mapping[str, Any]) -> dict[str, Any]:
    cells = [figure(entry[key]) for key in ("precision", "recall", "f1-score")]
    return {"name": name, "cells": [*cells, f"{entry['support']:,}"]}
