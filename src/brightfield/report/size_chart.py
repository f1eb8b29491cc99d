"""The chart of how many defects are found by their length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brightfield.evaluation.defect_figures import TrueDefect, found_share, seen_share
from brightfield.report.svg import ACCENT, DEFECT, OK, SOFT, as_svg, drawing, frame

WIDTH, HEIGHT = 420.0, 300.0
MOST_GROUPS, EACH = 6, 8
"""The most groups of equally many defects, and the fewest defects in each where there are several groups."""

_LOGARITHMIC = 8.0  # lengths that differ by this factor are drawn on a logarithmic axis


def found_by_length(true: Sequence[TrueDefect], mm_per_pixel: float | None = None) -> str:
    """Return the share of defects found by length, with intervals, and each defect as a tick.

    In testing of materials it is called the probability of detection.

    Args:
        true: The true defects, one at least.
        mm_per_pixel: The side of a pixel in millimetres; None to show pixels.
    """
    from matplotlib.ticker import LogLocator

    scale, unit = (1.0, "px") if mm_per_pixel is None else (mm_per_pixel, "mm")
    groups = groups_by_length(true)
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        for i, group in enumerate(groups):
            lengths = scale * np.array([d.truth.length for d in group])
            ends, middle = (lengths.min(), lengths.max()), float(np.median(lengths))
            found, seen = found_share(group), seen_share(group)
            value, low, high, touched = (
                float(end or 0.0) for end in (found.value, found.low, found.high, seen.value)
            )
            axes.plot(ends, [value] * 2, color=ACCENT, linewidth=2.0)
            axes.plot([middle] * 2, [low, high], color=ACCENT, linewidth=2.0, alpha=0.45)
            label = None if i else "found (95% interval)"
            axes.plot([middle], [value], "o", color=ACCENT, markersize=7, label=label)
            label = None if i else "seen at all"
            axes.plot([middle], [touched], "o", markersize=6, markerfacecolor="none", color=SOFT, label=label)
        for height, colour, hit in ((1.07, OK, True), (-0.07, DEFECT, False)):
            each = [scale * d.truth.length for d in true if (d.found is not None) == hit]
            axes.plot(
                each, [height] * len(each), "|", color=colour, markersize=8, markeredgewidth=1.2, alpha=0.7
            )
        longest, shortest = (end(d.truth.length for d in true) for end in (max, min))
        if longest > _LOGARITHMIC * shortest:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.minorticks_off()
        frame(axes, f"length of the true defect in {unit}", "share of defects")
        axes.set_ylim(-0.13, 1.13)
        axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0%", "25%", "50%", "75%", "100%"])
        axes.legend(loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1.0), handlelength=1.2)
        return as_svg(figure, "found-by-length", f"Share of {len(true)} defects found, by their length")


def groups_by_length(true: Sequence[TrueDefect]) -> list[list[TrueDefect]]:
    """Return defects in groups of about equally many, the shortest first; those of one length together."""
    lengths = np.array([d.truth.length for d in true])
    number = int(np.clip(len(true) // EACH, 1, MOST_GROUPS))
    ends = np.quantile(lengths, np.arange(1, number) / number, method="inverted_cdf")
    place = np.searchsorted(ends, lengths)
    groups = [[d for d, at in zip(true, place, strict=True) if at == k] for k in range(number)]
    return [group for group in groups if group]
