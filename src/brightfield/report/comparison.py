"""A comparison of methods as one self-contained HTML page, and its files."""

from __future__ import annotations

import json
import os
import platform
from pathlib import Path
from typing import Any

from markupsafe import Markup

from brightfield.disk.atomic import write_atomically
from brightfield.disk.room import check_overwrites, in_bytes
from brightfield.evaluation.ranking import (
    Comparison,
    Contender,
    Standing,
    agreements,
    by_type,
)
from brightfield.explain.overlay import data_uri
from brightfield.progress import Progress
from brightfield.report import charts
from brightfield.report.comparison_text import (
    as_csv,
    defects_in_words,
    document,
    overlap,
    points,
    sentences,
    shown,
)
from brightfield.report.disagreements import MOST_OF_A_KIND, Shown, disagreements
from brightfield.report.html import environment
from brightfield.report.quantities import duration, milliseconds, short_policy
from brightfield.report.wording import figure, glossary, percent
from brightfield.version import __version__

RESULTS = ("compare.html", "compare.json", "compare.csv")
"""Names of the files in the folder of a comparison."""

MOST_COMBINATIONS = 12
_WORDS = ("Escape", "Overkill", "For review", "Threshold", "AUROC", "Recall")
_PIXEL_WORDS = ("Pixel AUROC", "AUPRO", "IoU and Dice", "Mean IoU", "Defect found")


def write_comparison(comparison: Comparison, folder: Path, progress: Progress | None = None) -> None:
    """Write `compare.html`, `compare.json` and `compare.csv` into a folder, each atomically.

    Raises:
        ConfigError: If one of them would overwrite a file of the data set.
        WriteError: If a file cannot be written.
    """
    inputs = (file for sample in comparison.dataset.samples for file in (sample.path, sample.mask_file))
    check_overwrites((folder / name for name in RESULTS), inputs)
    written = json.dumps(document(comparison), indent=2, allow_nan=False)
    write_atomically(folder / "compare.json", written.encode())
    write_atomically(folder / "compare.csv", as_csv(comparison).encode())
    exhibits = disagreements(comparison, progress)
    write_atomically(folder / "compare.html", render(comparison, exhibits).encode())


def render(comparison: Comparison, exhibits: dict[str, list[Shown]]) -> str:
    """Return the comparison as one HTML document that loads no other file.

    Args:
        comparison: The comparison.
        exhibits: Images to show, as `disagreements` returned them.
    """
    return environment().get_template("comparison.html.j2").render(context(comparison, exhibits))


def context(comparison: Comparison, exhibits: dict[str, list[Shown]]) -> dict[str, Any]:
    """Return the template's variables; a section whose variable is None or empty is left out."""
    best = comparison.best
    names = [c.method for c in comparison.contenders]
    shown_overlap = overlap(comparison)
    pixels = any(c.evaluation.metrics.get("pixel") for c in comparison.contenders)
    counts = comparison.dataset.split("test").counts()
    return {
        "title": f"{comparison.dataset.name}: {len(names)} methods compared",
        "lead": f"{len(best.predictions):,} test images: "
        + ", ".join(f"{n:,} {name}" for name, n in counts.items() if n),
        "sentences": sentences(comparison),
        "names": names,
        "normal": best.predictions.normal,
        "ranked_by": {"auroc": "AUROC", "accuracy": "accuracy"}[comparison.figure],
        "test": {"auroc": "DeLong's", "accuracy": "McNemar's"}[comparison.figure],
        "pixels": pixels,
        "mean_iou": shown_overlap is not None and shown_overlap[0] == "mean_iou",
        "masks": _against_masks(comparison) if pixels else [],
        "rows": _rows(comparison),
        "left_out": dict(comparison.left_out),
        "notes": list(comparison.notes),
        "roc": _roc(comparison),
        "types": _types(comparison),
        "agreement": _agreement(comparison),
        "exhibits": _groups(exhibits),
        "methods": {c.method: _facts(c) for c in comparison.contenders},
        "facts": _about(comparison),
        "glossary": {
            word: said for word, said in glossary(True, pixels).items() if word in (*_WORDS, *_PIXEL_WORDS)
        },
    }


def _rows(comparison: Comparison) -> list[dict[str, Any]]:
    # compared as shown, so that what looks equal is marked alike
    least = {
        "seconds": duration(min(c.seconds for c in comparison.contenders)),
        "milliseconds": milliseconds(min(c.milliseconds for c in comparison.contenders)),
        "size": in_bytes(min(c.size for c in comparison.contenders)),
    }
    # bars from the largest multiple of 0.1 below all intervals up to 1
    floor = min(0.9, int(10 * min(s.low for s in comparison.standings)) / 10)
    rows = []
    for contender, standing in zip(comparison.contenders, comparison.standings, strict=True):
        metrics = contender.evaluation.metrics
        rows.append(
            {
                "name": contender.method,
                "value": shown(comparison, standing.value),
                "between": f"{shown(comparison, standing.low)} to {shown(comparison, standing.high)}",
                "bar": _bar(standing, floor),
                "behind": _behind(standing),
                "tone": "ok" if standing.no_worse else "review",
                "rates": [_rate(metrics[name]) for name in ("escape_rate", "overkill_rate")],
                "costs": [(text, text == least[name]) for name, text in _costs(contender).items()],
            }
        )
    return rows


def _against_masks(comparison: Comparison) -> list[dict[str, Any]]:
    """Return each method's figures of pixels and of single defects, the best method first."""
    shown_overlap = overlap(comparison)
    mean = shown_overlap is not None and shown_overlap[0] == "mean_iou"
    names = ("auroc", "aupro", "iou", *(["mean_iou"] if mean else []))
    rows = []
    for contender in comparison.contenders:
        pixel = contender.evaluation.metrics.get("pixel") or {}
        cells = [figure(pixel.get(name)) for name in names]
        rows.append({"name": contender.method, "cells": cells, "defects": defects_in_words(contender)})
    return rows


def _costs(contender: Contender) -> dict[str, str]:
    return {
        "seconds": duration(contender.seconds),
        "milliseconds": milliseconds(contender.milliseconds),
        "size": in_bytes(contender.size),
    }


def _bar(standing: Standing, floor: float) -> dict[str, str]:
    low, value, high = (
        (end - floor) / (1.0 - floor) for end in (standing.low, standing.value, standing.high)
    )
    return {
        "low": f"{100 * low:.2f}%",
        "value": f"{100 * value:.2f}%",
        "width": f"{100 * (high - low):.2f}%",
        "floor": f"{floor:g}",
    }


def _behind(standing: Standing) -> dict[str, str]:
    found = standing.against_best
    if found is None:
        return {"word": "best", "points": "", "between": "", "chance": ""}
    return {
        "word": "no worse" if standing.no_worse else "worse",
        "points": f"{points(found.value)} points",
        "between": f"{points(found.low)} to {points(found.high)}",
        "chance": f"p = {found.p_value:.2g}",
    }


def _rate(rate: dict[str, Any] | None) -> dict[str, str]:
    if rate is None or rate["value"] is None:
        return {"value": "n/a", "counted": "", "between": ""}
    return {
        "value": percent(rate["value"]),
        "counted": f"{rate['k']:,} of {rate['n']:,}",
        "between": f"{percent(rate['low'])} to {percent(rate['high'])}",
    }


def _roc(comparison: Comparison) -> Markup | None:
    if comparison.figure != "auroc":
        return None
    predictions = {c.method: c.predictions for c in comparison.contenders}
    return Markup(
        charts.roc_of_methods(
            comparison.best.predictions.is_defect,
            {name: p.scores for name, p in predictions.items()},
            {name: ~p.decided("OK") for name, p in predictions.items()},
        )
    )


def _types(comparison: Comparison) -> list[dict[str, Any]]:
    """Return AUROC and recall of each defect type by method; empty for fewer than two types."""
    of_method = [by_type(c.predictions) for c in comparison.contenders]
    names = sorted(of_method[0], key=lambda name: (-of_method[0][name]["n"], name))
    rows = []
    for name in names if len(names) > 1 else ():
        found = [figures[name] for figures in of_method]
        areas = [each["auroc"] for each in found]
        recalls = [each["recall"]["value"] for each in found]
        cells = [
            {
                "auroc": figure(area),
                "recall": percent(recall),
                "best": (area == max(areas), recall == max(recalls)),
            }
            for area, recall in zip(areas, recalls, strict=True)
        ]
        rows.append({"name": name, "n": f"{found[0]['n']:,}", "cells": cells})
    return rows


def _agreement(comparison: Comparison) -> list[dict[str, Any]]:
    predictions = {c.method: c.predictions for c in comparison.contenders}
    rows = []
    for entry in agreements(predictions)[:MOST_COMBINATIONS]:
        n, defects = entry["n"], entry["n_defect"]
        counts = [n] if defects is None else [defects, n - defects]
        marks = [name in entry["right"] for name in predictions]
        rows.append({"marks": marks, "counts": [f"{count:,}" for count in counts]})
    return rows


_KINDS = {
    "defective": ("Defective parts on which they disagree", "Some methods pass these parts: an escape."),
    "good": ("Good parts on which they disagree", "Some methods do not pass these parts: an overkill."),
    "named": ("Images on which they disagree", "Some methods name another class."),
}


def _groups(exhibits: dict[str, list[Shown]]) -> list[dict[str, Any]]:
    return [
        {
            "kind": kind,
            "name": _KINDS[kind][0],
            "caption": f"{_KINDS[kind][1]} Those that the best method gets wrong come first; at most "
            f"{MOST_OF_A_KIND} are shown.",
            "shown": [_item(item) for item in items],
        }
        for kind, items in exhibits.items()
        if items
    ]


def _item(item: Shown) -> dict[str, Any]:
    looks = [
        {
            "picture": data_uri(item.picture_png if png is None else png),
            "said": said,
            "tone": "ok" if right else "defect",
        }
        for png, (said, right) in zip(item.overlays, item.decided, strict=True)
    ]
    return {"image": item.image, "truth": item.truth, "picture": data_uri(item.picture_png), "looks": looks}


def _facts(contender: Contender) -> dict[str, str]:
    facts, point = contender.inspector.facts, contender.inspector.operating_point
    training, splits = facts["training"], facts["fingerprints"]["splits"]
    n = {name: sum(counts.values()) for name, counts in splits.items()}
    held_out = f"{n['calibration']:,} images that were held out"
    found = {
        "what it learned": str(training.get("plan") or "not stated"),
        "learned from": f"{n['train']:,} images",
        "calibrated on": f"the same images, out of fold, in {training['folds']} folds"
        if training["folds"]
        else held_out,
        "policy": "" if point is None else short_policy(point.policy),
        "bundle": "" if contender.bundle is None else str(contender.bundle),
    }
    return {name: value for name, value in found.items() if value}


def _about(comparison: Comparison) -> dict[str, str]:
    options = comparison.best.inspector.facts["training"]["options"]
    region = comparison.best.inspector.preprocessing.region
    tested = len(comparison.dataset.split("test"))
    return {
        "data set": comparison.dataset.name,
        "images": f"{len(comparison.dataset):,}, of which {tested:,} test",
        "seed": str(options.get("seed")),
        **({} if region is None else {"region of interest": f"{region.share:.0%} of the picture"}),
        "fingerprint (SHA-256)": comparison.dataset.fingerprint(),
        "machine": f"{platform.machine()}, {os.cpu_count()} processors",
        "Brightfield": __version__,
    }
