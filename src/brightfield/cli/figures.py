"""The key figures of an evaluation as a table, and numbers as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.markup import escape
from rich.table import Table

from brightfield.report.quantities import duration, short_policy

_RATES = (
    ("escapes (of defects)", "escape_rate"),
    ("overkills (of good)", "overkill_rate"),
    ("sent to review", "review_share"),
)


def figures_table(metrics: Mapping[str, Any], *, title: str, seconds: float | None = None) -> Table:
    """Return a table of the key figures; rates are shown with their intervals."""
    table = Table(title=title, title_justify="left", show_header=False)
    defects = metrics["n_defect"]
    table.add_row("images", str(metrics["n"]) + ("" if defects is None else f", {defects} defective"))
    for name, key in _RATES:
        rate = metrics[key]
        if rate is not None and (rate["k"] or key != "review_share"):
            table.add_row(name, in_words(rate))
    table.add_row("accuracy", _percent(metrics["accuracy"]) + _interval(metrics["accuracy_interval"]))
    table.add_row("AUROC", _number(metrics["auroc"]))
    table.add_row("average precision", _number(metrics["average_precision"]))
    table.add_row("F1", _number(metrics["f1"]))
    for name, value in _against_masks(metrics.get("pixel") or {}):
        table.add_row(name, value)
    point = metrics["operating_point"]
    if point:
        policy = escape(short_policy(point["policy"]))
        value = on_scale(point["threshold"], point["scale"], 3)
        table.add_row("threshold", f"{value}, chosen by {policy}")
    if seconds is not None:
        table.add_row("training time", duration(seconds))
    return table


def _against_masks(pixel: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the key figures of pixels and of single defects, as names and texts; empty without masks."""
    overlap = (
        ("mean IoU, of types", "mean_iou") if pixel.get("mean_iou") is not None else ("IoU of pixels", "iou")
    )
    rows = [(overlap[0], _number(pixel[overlap[1]]))] if pixel.get(overlap[1]) is not None else []
    defects = pixel.get("defects")
    if defects is None:
        return rows
    if defects["found"]["n"]:
        rows += [
            ("true defects found", in_words(defects["found"])),
            ("seen at all", in_words(defects["seen"])),
        ]
    false = defects["false"]
    if false["value"] is not None:
        ends = f"{false['low']:.2f} to {false['high']:.2f}, {false['confidence']:.0%} confidence"
        rows.append(("false defects an image", f"{false['value']:.2f} ({ends})"))
    return rows


def on_scale(value: float | None, scale: str, digits: int) -> str:
    """Return a value as text, with its scale unless it is a probability: `p-value 0.01`, `score -3.142`."""
    if value is None:
        return "none"
    from brightfield.verdict import Scale

    if scale in (Scale.P_VALUE, Scale.SCORE):
        return f"{Scale(scale).words} {value:.4g}"
    return f"{value:.{digits}f}"


def in_words(rate: Mapping[str, Any]) -> str:
    """Return a rate such as `2 of 40, 5.0% (0.6% to 16.9%, 95% confidence)`."""
    return f"{rate['k']} of {rate['n']}, {_percent(rate['value'])}{_interval(rate)}"


def _interval(rate: Mapping[str, Any]) -> str:
    if rate["low"] is None:
        return ""
    return f" ({_percent(rate['low'])} to {_percent(rate['high'])}, {rate['confidence']:.0%} confidence)"


def _percent(value: float | None) -> str:
    return "none" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4f}"
