"""The variables of the report's template: numbers as text, charts as SVG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from brightfield.decide.cost import Costs
from brightfield.decide.operating_point import WORDS, OperatingPoint
from brightfield.evaluation import metrics
from brightfield.evaluation.acceptance import MET, MISSED, OPEN
from brightfield.evaluation.predictions import Predictions
from brightfield.explain.overlay import data_uri
from brightfield.report import charts
from brightfield.report.agreement import agreement_section
from brightfield.report.defect_section import defect_section
from brightfield.report.outline_groups import legend, outline_groups
from brightfield.report.promises import promises
from brightfield.report.quantities import short_policy
from brightfield.report.report import KINDS, Exhibit, Report
from brightfield.report.tables import (
    bar_of,
    class_table,
    confused_pairs,
    confusion,
    pixel_table,
    type_table,
    verdict_table,
)
from brightfield.report.threshold_slider import Thresholds, chosen_thresholds, slider_data
from brightfield.report.wording import (
    ABOUT_CLASSES,
    ABOUT_DEFECTS,
    EXHIBITS,
    FIGURES,
    OF_EVIDENCE,
    OF_TRUTH,
    OF_TYPES,
    VERDICTS,
    acceptance_sentences,
    calibration_sentence,
    check_name,
    check_sentence,
    difference_sentences,
    figure,
    flatten,
    glossary,
    number,
    percent,
    policy_sentence,
    rate_sentence,
)
from brightfield.verdict import HeatmapKind, Scale

_IN_SENTENCES = ("guarantees", "costs", "reviewed", "reviewed_defect", "scale")


def context(report: Report) -> dict[str, Any]:
    """Return the template's variables; a section whose variable is None or empty is left out."""
    predictions, figures = report.predictions, report.metrics
    chosen = chosen_thresholds(predictions, figures["operating_point"])
    return {
        "title": report.title,
        "splits": _splits_in_words(predictions),
        "tiles": _class_tiles(figures) if predictions.normal is None else _verdict_tiles(predictions),
        "rates": _rates(figures),
        "operating_point": _operating_point(predictions, figures, chosen),
        "acceptance": _acceptance(figures.get("acceptance")),
        "agreement": agreement_section(figures.get("agreement")),
        "against": difference_sentences(figures.get("against", {})),
        "slider": None if chosen is None else slider_data(predictions, chosen),
        "scale": WORDS[predictions.compared_on],
        "verdicts": None
        if predictions.normal is None
        else verdict_table(predictions, figures["verdict_counts"]),
        # with two classes the table of verdicts is the confusion matrix
        "confusion": confusion(figures)
        if figures["escape_rate"] is None or len(figures["classes"]) > 2
        else None,
        "pairs": confused_pairs(figures) if predictions.normal is None else [],
        "charts": _charts(report, chosen),
        "figures": _figures(figures),
        "normal": predictions.normal,
        "about_figures": ABOUT_CLASSES if predictions.normal is None else ABOUT_DEFECTS,
        "calibration": calibration_sentence(figures),
        "pixel": pixel_table(figures.get("pixel")),
        "classes": class_table(figures),
        "types": type_table(figures),
        "defects": defect_section(figures.get("pixel"), report.against_masks),
        "outlines": outline_groups(report.outlined),
        "legend": legend(report.types),
        "exhibits": _exhibits(report),
        "facts": {name: facts for name, facts in report.facts.items() if facts},
        "notes": list(report.notes),
        "glossary": glossary(
            predictions.normal is not None,
            figures.get("pixel") is not None,
            "agreement" in figures,
            predictions.compared_on,
        ),
    }


def _splits_in_words(predictions: Predictions) -> str:
    names = [name for name in dict.fromkeys(predictions.splits) if name]
    images = "1 image" if len(predictions) == 1 else f"{len(predictions):,} images"
    if not names:
        return images
    return f"{images} of the {' and '.join(names)} split{'s' if len(names) > 1 else ''}"


def _verdict_tiles(predictions: Predictions) -> list[dict[str, Any]]:
    defect, n = predictions.is_defect, len(predictions)
    tiles = [_tile("judged", n, n, f"{(~defect).sum():,} good, {defect.sum():,} defective", "")]
    for decision, name in (("OK", "passed"), ("DEFECT", "rejected"), ("REVIEW", "for review")):
        decided = predictions.decided(decision)
        bad, good = int((decided & defect).sum()), int((decided & ~defect).sum())
        if decision == "OK":
            tiles.append(
                _tile(name, bad + good, n, _of_those(bad, "defective", "escape"), "ok", alarm=bad > 0)
            )
        elif decision == "DEFECT":
            tiles.append(
                _tile(name, bad + good, n, _of_those(good, "good", "overkill"), "defect", alarm=good > 0)
            )
        else:
            detail = f"{good:,} good, {bad:,} defective" if bad + good else "none"
            tiles.append(_tile(name, bad + good, n, detail, "review"))
    return tiles


def _of_those(count: int, what: str, word: str) -> str:
    if count == 0:
        return f"none of them {what}: no {word}"
    return f"{count:,} of them {what}: {word}{'s' if count > 1 else ''}"


def _class_tiles(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    right, n = figures["accuracy_interval"]["k"], figures["n"]
    return [
        _tile("judged", n, n, f"{len(figures['classes']):,} classes", ""),
        _tile("correct", right, n, f"accuracy {percent(figures['accuracy'])}", "ok"),
        _tile("wrong", n - right, n, f"error {percent(1.0 - figures['accuracy'])}", "defect"),
    ]


def _tile(name: str, count: int, n: int, detail: str, tone: str, alarm: bool = False) -> dict[str, Any]:
    share = f"{100.0 * count / n:.3f}%"
    return {
        "name": name,
        "count": f"{count:,}",
        "width": share,
        "detail": detail,
        "tone": tone,
        "alarm": alarm,
    }


def _rates(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    if figures["escape_rate"] is None:
        rates = [("Accuracy", figures["accuracy_interval"], "images", "{were} classified correctly", "ok")]
    else:
        rates = [
            ("Escape rate", figures["escape_rate"], "defective parts", "passed", "defect"),
            ("Overkill rate", figures["overkill_rate"], "good parts", "{were} rejected", "defect"),
        ]
        if figures["review_share"]["k"]:
            rates.append(("Review share", figures["review_share"], "parts", "went to review", "review"))
    ends = [rate["high"] for _, rate, *_ in rates if rate["high"] is not None]
    top = next(step for step in (0.05, 0.1, 0.2, 0.5, 1.0) if step >= max(ends, default=1.0))
    return [
        {
            "name": name,
            "value": percent(rate["value"]),
            "sentence": rate_sentence(rate, parts, what),
            "bar": bar_of(rate, top),
            "tone": tone,
        }
        for name, rate, parts, what, tone in rates
    ]


def _operating_point(
    predictions: Predictions, figures: Mapping[str, Any], chosen: Thresholds | None
) -> dict[str, Any] | None:
    point = figures["operating_point"]
    if predictions.normal is None or not (point or chosen):
        return None
    rule = None if chosen is None else _rule(chosen, predictions.compared_on)
    listed = {k: v for k, v in point.items() if k not in _left_out(point)} if point else {}
    if "policy" in listed:
        listed["policy"] = short_policy(str(listed["policy"]))
    return {
        "rule": rule,
        "policy": policy_sentence(point),
        "promises": promises(OperatingPoint.from_dict(point)) if point else [],
        "facts": flatten(listed),
        "scale": WORDS[predictions.compared_on],
    }


def _left_out(point: Mapping[str, Any]) -> tuple[str, ...]:
    """Return keys not to list: those that sentences cover, and escapes if there were no defects."""
    return (*_IN_SENTENCES, "escapes") if not point.get("n_defect") else _IN_SENTENCES


def _rule(chosen: Thresholds, scale: Scale) -> str:
    stops, rejects = (number(value) for value in chosen)
    band = chosen[0] != chosen[1]
    if scale is Scale.P_VALUE and band:
        return f"A part is rejected at {rejects} or less, passes above {stops}, and goes to review between."
    if scale is Scale.P_VALUE:
        return f"A part is rejected at {rejects} or less, and passes above."
    if band:
        return f"A part passes below {stops}, is rejected from {rejects} on, and goes to review between."
    return f"A part passes below {stops} and is rejected from there on."


def _acceptance(acceptance: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if acceptance is None:
        return None
    tones = {MET: "ok", OPEN: "review", MISSED: "defect"}
    rows = [
        {
            "name": check_name(check),
            "sentence": check_sentence(check, acceptance["confidence"]),
            "outcome": check["outcome"],
            "tone": tones[check["outcome"]],
        }
        for check in acceptance["checks"]
    ]
    return {
        "verdict": acceptance_sentences(acceptance)[0],
        "tone": "ok" if acceptance["accepted"] else "defect",
        "rows": rows,
    }


def _charts(report: Report, chosen: Thresholds | None) -> dict[str, list[Markup]]:
    """Return charts by section; they hold no text from the user, so they need no escaping."""
    predictions, figures = report.predictions, report.metrics
    drawn: dict[str, list[str]] = {
        name: [] for name in ("ranking", "calibration", "histogram", "training", "cost")
    }
    if predictions.normal is not None:
        defect, values = predictions.is_defect, predictions.values
        if figures["auroc"] is not None:
            rejected, stopped = predictions.decided("DEFECT"), ~predictions.decided("OK")
            marks = {"operating point": stopped}
            if not np.array_equal(rejected, stopped):
                marks = {"rejected": rejected, "rejected or for review": stopped}
            drawn["ranking"].append(charts.roc(defect, predictions.scores, marks, figures["auroc"]))
            drawn["ranking"].append(
                charts.precision_recall(defect, predictions.scores, marks, figures["average_precision"])
            )
        costs = figures["operating_point"].get("costs")
        if costs and chosen is not None and defect.any() and not defect.all():
            drawn["cost"].append(charts.cost(defect, values, Costs.from_dict(costs), chosen))
        lines = [] if chosen is None else sorted(set(chosen))
        drawn["histogram"].append(charts.histogram(defect, values, lines, predictions.compared_on))
        if predictions.compared_on is Scale.P_VALUE:  # on which all parts beyond the good ones tie
            drawn["histogram"].append(charts.histogram(defect, predictions.scores, [], Scale.SCORE))
    bins = _calibration(predictions)
    if bins is not None:
        event = "classified correctly" if predictions.normal is None else "defective"
        drawn["calibration"].append(charts.calibration(bins, event))
    if report.history:
        drawn["training"] = charts.training_curves(report.history)
    return {section: [Markup(svg) for svg in svgs] for section, svgs in drawn.items()}


def _calibration(predictions: Predictions) -> metrics.CalibrationBins | None:
    if predictions.normal is not None:
        probability = predictions.probabilities
        return None if probability is None else metrics.calibration_bins(predictions.is_defect, probability)
    table = predictions.class_probabilities
    if table is None:
        return None
    right = np.array([a == b for a, b in zip(predictions.truth, predictions.labels, strict=True)])
    return metrics.calibration_bins(right, table.max(axis=1))


def _figures(figures: Mapping[str, Any]) -> dict[str, str]:
    return {name: figure(figures[key]) for key, name in FIGURES.items() if figures[key] is not None}


def _exhibits(report: Report) -> list[dict[str, Any]]:
    groups = []
    for kind in KINDS:
        shown = [_exhibit(item, report.predictions) for item in report.exhibits if item.kind == kind]
        if shown:
            name, caption, heat = EXHIBITS[kind]
            if report.heatmap_kind is HeatmapKind.EVIDENCE:
                heat = OF_TYPES if report.types else OF_EVIDENCE
            said = f"{heat} {OF_TRUTH}" if report.against_masks and kind != "overkill" else heat
            groups.append({"kind": kind, "name": name, "caption": caption, "heat": said, "shown": shown})
    return groups


def _exhibit(item: Exhibit, predictions: Predictions) -> dict[str, Any]:
    scale = Scale.PROBABILITY if predictions.normal is None else predictions.compared_on
    word = scale.words
    values = [] if item.value is None else [f"{word} {number(item.value)}"]
    if item.threshold is not None:
        values.append(f"threshold {number(item.threshold)}")
    names_type = item.label in predictions.classes and item.label not in (item.truth, predictions.normal)
    return {
        "image": item.image,
        "truth": item.truth,
        "verdict": VERDICTS[item.kind],
        "label": item.label if item.kind == "confusion" or names_type else None,
        "values": ", ".join(values),
        "picture": data_uri(item.picture_png),
        "overlay": None if item.overlay_png is None else data_uri(item.overlay_png),
        "closest": None
        if item.closest is None
        else {
            "image": item.closest.image,
            "part": data_uri(item.closest.part_png),
            "good": data_uri(item.closest.good_png),
        },
    }
