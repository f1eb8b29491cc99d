"""A comparison of methods as sentences, as a JSON document and as rows of a CSV file."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from brightfield.disk.room import in_bytes
from brightfield.evaluation.ranking import CONFIDENCE, Comparison, Contender, Standing, agreements, by_type
from brightfield.evaluation.summary import SUMMARY
from brightfield.report.pixel_words import PIXEL_FIGURES
from brightfield.report.quantities import milliseconds
from brightfield.report.wording import figure, percent, percent_word

RATES = ("escape_rate", "overkill_rate")
COLUMNS = (
    *("method", "auroc", "auroc_low", "auroc_high", "average_precision", "accuracy", "f1"),
    *(name + end for name in RATES for end in ("", "_low", "_high")),
    *PIXEL_FIGURES,
    *("defects_found", "defects_found_low", "defects_found_high", "defects_seen", "false_defects"),
    *("difference", "difference_low", "difference_high", "p_value", "no_worse"),
    *("seconds", "milliseconds", "bytes"),
)
"""The columns of compare.csv; `difference` is the figure that ranks, minus that of the best."""


def sentences(comparison: Comparison) -> list[str]:
    """Return in sentences which method is best, whether that is more than chance, and what is cheaper."""
    return [_best(comparison), *_without_defects(comparison), _lead(comparison), *_cheapest(comparison)]


def shown(comparison: Comparison, value: float) -> str:
    """Return a value of the figure that ranks the methods as text."""
    return figure(value) if comparison.figure == "auroc" else percent(value)


def points(value: float) -> str:
    """Return a difference of shares in percentage points."""
    return f"{round(100.0 * value, 1) + 0.0:+.1f}"  # + 0.0, as -0.0 would show its sign


def _best(comparison: Comparison) -> str:
    best, standing = comparison.best, comparison.standings[0]
    name = {"auroc": "AUROC", "accuracy": "accuracy"}[comparison.figure]
    n, defects = len(best.predictions), best.evaluation.metrics["n_defect"]
    of = f"{n:,} test images" + ("" if defects is None else f" ({defects:,} defective)")
    low, high = shown(comparison, standing.low), shown(comparison, standing.high)
    return (
        f"Best on the {of}: {best.method}, {name} {shown(comparison, standing.value)} "
        f"({low} to {high} with {percent_word(CONFIDENCE)} confidence)."
    )


def _without_defects(comparison: Comparison) -> list[str]:
    if comparison.best.evaluation.metrics["n_defect"] != 0:
        return []
    return [
        "No test image shows a defect: this compares how rarely the methods reject good parts, and says "
        "nothing of the defects they would find."
    ]


def _lead(comparison: Comparison) -> str:
    second, standing = comparison.contenders[1], comparison.standings[1]
    found = standing.against_best
    if found is None:
        return ""
    if found.value == 0.0:
        width = f"{points(-found.high)} to {points(-found.low)}"
        return (
            f"The next, {second.method}, is level with it: the difference, {width} points with "
            f"{percent_word(found.confidence)} confidence, could be chance."
        )
    chance = "could be chance" if standing.no_worse else "is more than chance"
    return (
        f"Its lead over the next, {second.method} ({shown(comparison, standing.value)}), {chance}: "
        f"{points(-found.value)} points, {points(-found.high)} to {points(-found.low)} with "
        f"{percent_word(found.confidence)} confidence (p = {found.p_value:.2g}, {found.test})."
    )


def _cheapest(comparison: Comparison) -> list[str]:
    others = comparison.no_worse[1:]
    if not others:
        return ["Every other method is worse than the best by more than chance."]
    standing = dict(zip((c.method for c in comparison.contenders), comparison.standings, strict=True))
    within = ", ".join(
        f"{c.method} (at most {_most_behind(standing[c.method])} points behind)" for c in others
    )
    fastest = min(comparison.no_worse, key=lambda c: c.milliseconds)
    smallest = min(comparison.no_worse, key=lambda c: c.size)
    speed, size = milliseconds(fastest.milliseconds), in_bytes(smallest.size)
    if fastest is smallest:
        cheap = f"the fastest ({speed} an image) and the smallest ({size}) is {fastest.method}."
    else:
        cheap = (
            f"the fastest is {fastest.method} ({speed} an image), the smallest {smallest.method} ({size})."
        )
    return [
        f"No worse than the best, as far as these images show: {within}.",
        f"Of these and the best, {cheap}",
    ]


def _most_behind(standing: Standing) -> str:
    found = standing.against_best
    return f"{0.0 if found is None else max(0.0, -100.0 * found.low):.1f}"


def document(comparison: Comparison) -> dict[str, Any]:
    """Return the content of compare.json."""
    first = comparison.best.evaluation
    predictions = {c.method: c.predictions for c in comparison.contenders}
    pairs = zip(comparison.contenders, comparison.standings, strict=True)
    return {
        "data": comparison.dataset.name,
        "n": first.metrics["n"],
        "n_defect": first.metrics["n_defect"],
        "test": comparison.dataset.split("test").counts(),
        "figure": comparison.figure,
        "confidence": CONFIDENCE,
        "best": comparison.best.method,
        "no_worse": [c.method for c in comparison.no_worse],
        "sentences": sentences(comparison),
        "methods": [_entry(contender, standing) for contender, standing in pairs],
        "agreement": agreements(predictions),
        "left_out": [{"method": name, "reason": why} for name, why in comparison.left_out.items()],
        "notes": list(comparison.notes),
        "report": None if comparison.output is None else str(comparison.output / "compare.html"),
    }


def _entry(contender: Contender, standing: Standing) -> dict[str, Any]:
    metrics, training = contender.evaluation.metrics, contender.inspector.facts["training"]
    found = standing.against_best
    point = contender.inspector.operating_point
    return {
        "method": contender.method,
        "value": standing.value,
        "low": standing.low,
        "high": standing.high,
        "difference": None if found is None else found.as_dict(),
        "no_worse": standing.no_worse,
        "metrics": {name: metrics[name] for name in SUMMARY},
        "pixel": metrics.get("pixel"),
        "by_type": by_type(contender.predictions),
        "seconds": contender.seconds,
        "milliseconds": round(contender.milliseconds, 3),
        "bytes": contender.size,
        "plan": training.get("plan"),
        "folds": training["folds"],
        "splits": contender.inspector.facts["fingerprints"]["splits"],
        "operating_point": None if point is None else point.as_dict(),
        "bundle": None if contender.bundle is None else str(contender.bundle),
    }


def as_csv(comparison: Comparison) -> str:
    """Return compare.csv: one row a method, the best first; what is not known is empty."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for contender, standing in zip(comparison.contenders, comparison.standings, strict=True):
        writer.writerow(_row(comparison, contender, standing))
    return text.getvalue()


def _row(comparison: Comparison, contender: Contender, standing: Standing) -> Sequence[object]:
    metrics, found = contender.evaluation.metrics, standing.against_best
    ranked = comparison.figure == "auroc"
    values: dict[str, object] = {
        "method": contender.method,
        **{name: metrics[name] for name in ("auroc", "average_precision", "accuracy", "f1")},
        "auroc_low": standing.low if ranked else None,
        "auroc_high": standing.high if ranked else None,
        **{f"pixel_{name}": value for name, value in (metrics.get("pixel") or {}).items()},
        "no_worse": "yes" if standing.no_worse else "no",
        "seconds": contender.seconds,
        "milliseconds": round(contender.milliseconds, 3),
        "bytes": contender.size,
    }
    for name in RATES:
        rate = metrics[name] or {}
        values |= {name: rate.get("value"), f"{name}_low": rate.get("low"), f"{name}_high": rate.get("high")}
    values |= _of_defects(metrics.get("pixel") or {})
    if found is not None:
        values |= {"difference": found.value, "difference_low": found.low, "difference_high": found.high}
        values["p_value"] = found.p_value
    return ["" if (value := values.get(column)) is None else value for column in COLUMNS]


def _of_defects(pixel: Mapping[str, Any]) -> dict[str, object]:
    """Return the figures of single defects of one method by column; empty without masks."""
    defects = pixel.get("defects")
    if defects is None:
        return {}
    found = defects["found"]
    return {
        "defects_found": found["value"],
        "defects_found_low": found["low"],
        "defects_found_high": found["high"],
        "defects_seen": defects["seen"]["value"],
        "false_defects": defects["false"]["value"],
    }


def overlap(comparison: Comparison) -> tuple[str, str] | None:
    """Return the figure of pixels that a table shows, and its name; None without masks.

    It is the mean IoU where a method has one, else the IoU of all types as one.
    """
    pixels = [c.evaluation.metrics.get("pixel") or {} for c in comparison.contenders]
    for key, name in (("mean_iou", "mean IoU"), ("iou", "IoU")):
        if any(pixel.get(key) is not None for pixel in pixels):
            return key, name
    return None


def defects_in_words(contender: Contender) -> list[tuple[str, str]]:
    """Return the shares of defects found and seen, and the false ones per image, each with its interval.

    Where a figure is not known, it is "n/a" with an empty interval.
    """
    defects = (contender.evaluation.metrics.get("pixel") or {}).get("defects") or {}
    shown: list[tuple[str, Callable[[float], str]]] = [("found", percent), ("seen", percent)]
    words = []
    for name, as_text in (*shown, ("false", "{:.2f}".format)):
        rate = defects.get(name) or {"value": None}
        if rate["value"] is None:
            words.append(("n/a", ""))
        else:
            words.append((as_text(rate["value"]), f"{as_text(rate['low'])} to {as_text(rate['high'])}"))
    return words
