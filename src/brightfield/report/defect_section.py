"""The report's section on single defects: found, missed and false, by type and by size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from markupsafe import Markup

from brightfield.evaluation.defect_figures import ImageDefects
from brightfield.report.quantities import area, length, lengths
from brightfield.report.size_chart import found_by_length
from brightfield.report.tables import bar_of, cell
from brightfield.report.wording import figure, percent, percent_word

MEASURES = {"length_px": ("length", length), "width_px": ("width", length), "area_px": ("area", area)}
FEWEST_DRAWN = 9
"""A chart of fewer defects by their length would show nothing but their intervals."""


def defect_section(pixel: Mapping[str, Any] | None, images: Sequence[ImageDefects]) -> dict[str, Any] | None:
    """Return the section's variables; None without masks, or where neither true nor found defects are.

    Args:
        pixel: The key `pixel` of metrics.json; None without masks.
        images: The defects of each image, compared.
    """
    if pixel is None or "defects" not in pixel:
        return None
    figures = pixel["defects"]
    if not figures["found"]["n"] and not figures["false"]["k"]:
        return None
    scale = figures["mm_per_pixel"]
    return {
        "rates": [*_rates(figures), *_overlap(pixel)],
        "rule": _rule(figures),
        "typed": any(row["named_right"] is not None for row in figures["by_type"].values()),
        "rows": [_type_row(name, row, pixel["types"].get(name)) for name, row in figures["by_type"].items()],
        "background": _cells(pixel["background"]),
        "overlap": pixel["mean_iou"] is not None,
        "confusion": _confusion(figures["types"]),
        "chart": _chart(images, scale),
        "sizes": [_size_row(row, scale) for row in figures["by_size"]],
        "missed": _missed(figures, scale),
        "measured": [_measured(name, row, scale) for name, row in figures["measured"].items() if row["n"]],
        "matched": figures["measured"]["length_px"]["n"],
    }


def _rates(figures: Mapping[str, Any]) -> list[dict[str, Any]]:
    found, seen, good = figures["found"], figures["seen"], figures["good_with_false"]
    shown = [
        _rate("Defects found", found, "true defects", "ok"),
        _rate("Seen at all", seen, "true defects, if only in part", "ok"),
        _rate("Good parts marked", good, "pictures of good parts with a false defect", "defect"),
    ]
    false = figures["false"]
    if false["value"] is not None:
        count = {
            "name": "False per image",
            "value": f"{false['value']:.2f}",
            "sentence": _false_sentence(figures),
            "bar": None,
            "tone": "defect",
        }
        shown.insert(2, count)
    return [rate for rate in shown if rate["value"] != "n/a"]


def _rate(name: str, rate: Mapping[str, Any], what: str, tone: str) -> dict[str, Any]:
    sentence = f"{rate['k']:,} of {rate['n']:,} {what}{_between(rate, percent)}."
    value, bar = percent(rate["value"]), bar_of(rate)
    return {"name": name, "value": value, "sentence": sentence, "bar": bar, "tone": tone}


def _between(rate: Mapping[str, Any], shown: Callable[[float], str]) -> str:
    if rate["value"] is None:
        return ""
    low, high = shown(rate["low"]), shown(rate["high"])
    return f"; {low} to {high} with {percent_word(rate['confidence'])} confidence"


def _false_sentence(figures: Mapping[str, Any]) -> str:
    false, stray = figures["false"], figures["stray"]
    between = _between(false, lambda value: f"{value:.2f}")
    return (
        f"{false['k']:,} in {false['n']:,} images match no true one{between}. "
        f"{stray['k']:,} of them lie on sound surface."
    )


def _overlap(pixel: Mapping[str, Any]) -> list[dict[str, Any]]:
    mean = pixel["mean_iou"]
    if mean is None:
        return []
    known = sum(each["iou"] is not None for each in pixel["types"].values())
    types = "the one type" if known == 1 else f"{known} types"
    sentence = f"The mean over the pixels of {types} and of the background."
    return [{"name": "Mean IoU", "value": figure(mean), "sentence": sentence, "bar": None, "tone": "ok"}]


def _rule(figures: Mapping[str, Any]) -> str:
    text = (
        "A true defect counts as found where a found one overlaps it with an IoU above "
        f"{figures['iou_above']:g}, one to one. Defects of one part are not independent, which widens the "
        "intervals."
    )
    specks = figures["specks"]
    if not specks:
        return text
    few = "1 speck of the masks is" if specks == 1 else f"{specks:,} specks of the masks are"
    return f"{text} {few} too small to be counted."


def _type_row(name: str, row: Mapping[str, Any], pixels: Mapping[str, Any] | None) -> dict[str, Any]:
    found, named = row["found"], row["named_right"]
    known = found["value"] is not None
    return {
        "name": name,
        "n": f"{found['n']:,}",
        "found": f"{found['k']:,}",
        "share": percent(found["value"]) if known else "",
        "between": f"{percent(found['low'])} to {percent(found['high'])}" if known else "",
        "bar": bar_of(found),
        "seen": f"{row['seen']['k']:,}",
        "missed": f"{found['n'] - found['k']:,}",
        "false": "" if row["false"] is None else f"{row['false']:,}",
        "named": "" if named is None or not named["n"] else f"{named['k']:,} of {named['n']:,}",
        "cells": _cells(pixels),
    }


def _cells(pixels: Mapping[str, Any] | None) -> list[str]:
    """Return IoU, Dice, precision and recall of the pixels of a type; empty for what is not known."""
    names = ("iou", "dice", "precision", "recall")
    known = {} if pixels is None else pixels
    return ["" if known.get(name) is None else _nearly_whole(known[name]) for name in names]


def _nearly_whole(value: float) -> str:
    """Return a figure in [0, 1] with three decimals; only exactly 1 is shown as 1.000."""
    return ">0.999" if 0.9995 <= value < 1.0 else figure(value)


def _confusion(types: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return the matrix of true types (rows) against found ones, with what was missed and what is false."""
    if types is None:
        return None
    rows = []
    for name, counts, missing in zip(types["true"], types["matched"], types["missed"], strict=True):
        total = sum(counts) + missing
        cells = [
            cell(count, total, "ok" if name == found else "review")
            for found, count in zip(types["found"], counts, strict=True)
        ]
        rows.append({"name": name, "cells": [*cells, cell(missing, total, "defect")]})
    most = max(types["false"], default=0)
    false = [cell(count, max(most, 1), "defect") for count in types["false"]]
    return {"columns": types["found"], "rows": rows, "false": false}


def _chart(images: Sequence[ImageDefects], scale: float | None) -> Markup | None:
    """Return the chart of the share found by length; it holds no text from the user."""
    true = [defect for image in images for defect in image.true]
    return Markup(found_by_length(true, scale)) if len(true) >= FEWEST_DRAWN else None


def _size_row(row: Mapping[str, Any], scale: float | None) -> dict[str, str]:
    found, seen = row["found"], row["seen"]
    return {
        "name": row["size"],
        "lengths": lengths(row["from_px"], row["to_px"], scale),
        "found": f"{found['k']:,} of {found['n']:,}",
        "share": percent(found["value"]),
        "between": f"{percent(found['low'])} to {percent(found['high'])}",
        "seen": f"{percent(seen['value'])}",
    }


def _missed(figures: Mapping[str, Any], scale: float | None) -> dict[str, Any] | None:
    missed = figures["missed"]
    if not missed["n"]:
        return None
    middle, most = (missed["length_px"][name] for name in ("median", "q90"))
    count = "1 was missed" if missed["n"] == 1 else f"{missed['n']:,} were missed"
    spread = (
        ""
        if missed["n"] < 3
        else (
            f" Half of them are no longer than {length(middle, scale)}, nine of ten no longer than "
            f"{length(most, scale)}."
        )
    )
    return {
        "sentence": f"Of {figures['found']['n']:,} true defects, {count}.{spread}",
        "all": missed["n"] == len(missed["longest"]),
        "rows": [
            {
                "image": row["image"],
                "type": row["type"],
                "length": length(row["length_px"], scale),
                "width": length(row["width_px"], scale),
                "area": area(row["area_px"], scale),
                "place": f"{row['centre']['row']:.0f}, {row['centre']['column']:.0f}",
                "seen": "in part" if row["seen"] else "not at all",
            }
            for row in missed["longest"]
        ],
    }


def _measured(key: str, row: Mapping[str, Any], scale: float | None) -> dict[str, str]:
    name, shown = MEASURES[key]
    return {
        "name": name,
        "bias": shown(row["bias"], scale),
        "median": shown(row["median"], scale),
        "q90": shown(row["q90"], scale),
        "relative": percent(row["relative"]),
    }
