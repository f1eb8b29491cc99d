"""The charts of a week, each a function from numbers to an `<svg>` element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from brightfield.monitor.audit.over_time import Proven
from brightfield.monitor.audit.promise import Standing
from brightfield.monitor.drift.course import CHARTS, EMBEDDING, FEWER, MORE, Peaks
from brightfield.monitor.week.tallies import Distribution, Groups, Latency
from brightfield.monitor.week.whole import Rejects
from brightfield.report.svg import ACCENT, DEFECT, INK, LINE, OK, PAPER, REVIEW, SOFT, as_svg, drawing, frame
from brightfield.report.week_words import MONTHS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]

WIDTH, HEIGHT = 380.0, 250.0
SMALL_WIDTH, SMALL_HEIGHT = 300.0, 165.0

MOST_GAPS = 300
"""The most rejects that are drawn, the last ones."""

HIGHEST = 2.0
"""Statistics above so many times their limit are drawn at the edge."""

COLOURS = {"OK": OK, "REVIEW": REVIEW, "DEFECT": DEFECT}
HATCHES = {"OK": "", "REVIEW": "////", "DEFECT": "xxxx"}
"""Decisions are told apart by hatching too, for readers who do not see the colours apart and on paper."""

_ONE_SIDED, _TWO_SIDED = "EWMA", "CUSUM"

PANELS: Mapping[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "look": (_ONE_SIDED, (EMBEDDING,), ()),
    "new structure": (_TWO_SIDED, ("off up",), ("off down",)),
    "brightness": (_TWO_SIDED, ("brightness up",), ("brightness down",)),
    "contrast": (_TWO_SIDED, ("contrast up",), ("contrast down",)),
    "sharpness": (_TWO_SIDED, ("sharpness up",), ("sharpness down",)),
    "position across": (_TWO_SIDED, ("column up",), ("column down",)),
    "position down": (_TWO_SIDED, ("row up",), ("row down",)),
    "picture size": (_TWO_SIDED, ("height up", "width up"), ("height down", "width down")),
    "scores": (_TWO_SIDED, ("score up",), ("score down",)),
    "share rejected": (_TWO_SIDED, (MORE,), (FEWER,)),
}
"""Each control chart: what it is, and the charts of `CHARTS` that it draws upwards and downwards."""


OF_VERDICTS = ("scores", "share rejected")
"""The charts that alarm of what is said of the parts; all others alarm of drift."""


@dataclass(frozen=True)
class Mark:
    """An alarm in a chart.

    Attributes:
        part: The part at which it was noticed.
        drift: Whether it is of drift; else it is of what is said of the parts.
    """

    part: int
    drift: bool = True


@dataclass(frozen=True)
class Panel:
    """One control chart.

    Attributes:
        name: What it watches.
        kind: EWMA or CUSUM.
        svg: The chart; None where the value never moved, so that there is nothing to draw.
    """

    name: str
    kind: str
    svg: str | None


def control_charts(peaks: Peaks, alarms: Sequence[Mark]) -> list[Panel]:
    """Return the control charts of a line, each with the alarms of its kind at these parts."""
    out = []
    for name, (kind, upwards, downwards) in PANELS.items():
        up, down = (_highest(peaks, names) for names in (upwards, downwards))
        moved = bool(np.nanmax(np.append(np.concatenate([up, down]), 0.0)) > 0)
        shown = [one for one in alarms if one.drift != (name in OF_VERDICTS)]
        svg = _control_chart(name, peaks.parts, (up, down if downwards else None), shown) if moved else None
        out.append(Panel(name, kind, svg))
    return out


def _highest(peaks: Peaks, names: Sequence[str]) -> FloatArray:
    if not names:
        return np.full(len(peaks.parts), np.nan)
    places = [CHARTS.index(name) for name in names]
    return np.asarray(np.fmax.reduce(peaks.shares[:, places], axis=1))


def _control_chart(
    name: str,
    parts: npt.NDArray[np.int64],
    sides: tuple[FloatArray, FloatArray | None],
    alarms: Sequence[Mark],
) -> str:
    up, down = sides
    with drawing(SMALL_WIDTH, SMALL_HEIGHT) as figure:
        axes = figure.add_subplot()
        for values, sign in ((up, 1), (down, -1)):
            if values is None:
                continue
            drawn = sign * np.minimum(values, HIGHEST)
            axes.plot(parts, drawn, color=ACCENT, linewidth=1.1, drawstyle="steps-pre")
            axes.axhline(sign, color=INK, linewidth=1.0, linestyle="--")
        lowest = 0.0 if down is None else -1.35
        top = max(1.35, float(np.nanmax(np.minimum(np.append(up, 0.0), HIGHEST))) + 0.15)
        if down is not None:
            lowest = min(lowest, -float(np.nanmax(np.minimum(np.append(down, 0.0), HIGHEST))) - 0.15)
            axes.axhline(0.0, color=LINE, linewidth=0.8)
        axes.set_ylim(lowest, top)
        _mark_alarms(axes, alarms, top)
        ticks = [0.0, 1.0] if down is None else [-1.0, 0.0, 1.0]
        axes.set_yticks(ticks, ["limit" if tick else "0" for tick in ticks])
        axes.set_xlim(parts[0] - 1, parts[-1] + 1)
        frame(axes, "part", "")
        thousands(axes)
        count = "1 alarm" if len(alarms) == 1 else f"{len(alarms)} alarms"
        described = f"Control chart of {name} as a share of its limit, with {count}"
        return as_svg(figure, f"control-{name.replace(' ', '-')}", described)


def _mark_alarms(axes: Axes, alarms: Sequence[Mark], top: float) -> None:
    for one in alarms:
        colour, shape = (DEFECT, "v") if one.drift else (REVIEW, "o")
        axes.axvline(one.part, color=colour, linewidth=1.0, linestyle=":")
        axes.plot([one.part], [top], marker=shape, color=colour, markersize=6, clip_on=False)


def thousands(axes: Axes, most: int = 5) -> None:
    """Write the horizontal axis in whole numbers with commas."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(nbins=most, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def parts_between_rejects(rejects: Rejects, alarms: Sequence[Mark]) -> str:
    """Return the g-chart of the last rejects, on a logarithmic scale, with its limits."""
    chart = rejects.chart
    parts, gaps = (np.array(values[-MOST_GAPS:]) for values in (chart.parts, chart.gaps))
    outside = (gaps < chart.low) | (gaps > chart.high)
    with drawing(2 * WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        axes.plot(parts, gaps, color=ACCENT, linewidth=0.7, alpha=0.6)
        axes.plot(parts[~outside], gaps[~outside], "o", color=ACCENT, markersize=3)
        axes.plot(parts[outside], gaps[outside], "D", color=DEFECT, markersize=6, label="outside the limits")
        axes.axhline(chart.centre, color=SOFT, linewidth=1.0, label=f"mean {chart.centre:,.0f}")
        axes.axhline(
            chart.high, color=INK, linewidth=1.0, linestyle="--", label=_limits(chart.low, chart.high)
        )
        if chart.low >= 1:
            axes.axhline(chart.low, color=INK, linewidth=1.0, linestyle="--")
        axes.set_yscale("log")
        axes.set_ylim(0.8, 1.6 * max(chart.high, int(gaps.max())))
        _plain_log(axes)
        _mark_alarms(axes, [a for a in alarms if parts[0] <= a.part <= parts[-1]], axes.get_ylim()[1])
        frame(axes, "rejected part", "parts since the reject before")
        thousands(axes, 8)
        axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
        described = f"g-chart of {len(gaps)} rejects, {int(outside.sum())} outside the limits"
        return as_svg(figure, "g-chart", described)


def _limits(low: int, high: int) -> str:
    return f"limits {low:,} and {high:,}" if low >= 1 else f"limit {high:,}"


def _plain_log(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def parts_by_day(days: Groups, names: Sequence[str]) -> str:
    """Return bars of the parts of each day in UTC, by decision or, without a normal class, by label."""
    labels = [_day(str(day)) for day in days]
    plain = (ACCENT, SOFT, OK, REVIEW, DEFECT)
    bottom = np.zeros(len(days))
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        for i, name in enumerate(names):
            counts = np.array([of_day.get(name, 0) for of_day in days.values()], dtype=np.float64)
            colour = COLOURS.get(name, plain[i % len(plain)])
            axes.bar(
                range(len(days)),
                counts,
                bottom=bottom,
                width=0.7,
                facecolor=colour,
                edgecolor=PAPER,
                linewidth=0.0,
                hatch=HATCHES.get(name, ""),
                label=name,
            )
            bottom += counts
        step = -(-len(days) // 8)
        axes.set_xticks(range(0, len(days), step), labels[::step])
        axes.set_xlim(-0.7, max(len(days), 5) - 0.3)
        axes.grid(visible=False, axis="x")
        frame(axes, "", "parts")
        _plain_counts(axes)
        axes.legend(loc="lower center", ncols=min(4, max(1, len(names))), bbox_to_anchor=(0.5, 1.0))
        return as_svg(figure, "by-day", f"Parts of each of {len(days)} days, by {', '.join(names)}")


def _day(day: str) -> str:
    return f"{int(day[8:10])} {MONTHS[int(day[5:7]) - 1][:3]}"


def _plain_counts(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.yaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))


def scores(found: Distribution) -> str:
    """Return the scores of the line by decision, and outlines of the reference brought to its numbers.

    The reference's good pictures are scaled to the parts that passed, its defective ones to the others, so
    that shapes can be compared whatever the mix.
    """
    middles = (found.edges[1:] + found.edges[:-1]) / 2.0
    width = float(found.edges[1] - found.edges[0])
    bottom = np.zeros(len(middles))
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        for name in sorted(found.line, key=("OK", "REVIEW", "DEFECT", "").index):
            axes.bar(
                middles,
                found.line[name],
                bottom=bottom,
                width=width,
                facecolor=COLOURS.get(name, ACCENT),
                edgecolor=PAPER,
                linewidth=0.0,
                hatch=HATCHES.get(name, ""),
                alpha=0.75,
                label=name or "line",
            )
            bottom = bottom + found.line[name]
        for (name, counts), style in zip(found.reference.items(), ("-", "--"), strict=False):
            scale = _parts_like(name, found) / max(1, int(counts.sum()))
            axes.stairs(
                counts * scale,
                found.edges,
                color=INK,
                linewidth=1.4,
                linestyle=style,
                label=f"reference{', ' + name if name else ''}",
            )
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_ylim(bottom=0)
        _plain_log(axes)
        frame(axes, "score", "parts")
        axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0), fontsize=8.5)
        return as_svg(figure, "scores", "Scores of the line, with those of the reference as outlines")


def _parts_like(name: str, found: Distribution) -> int:
    """Return how many parts of the line are taken for such pictures of the reference."""
    passed = int(found.line["OK"].sum()) if "OK" in found.line else 0
    every = sum(int(counts.sum()) for counts in found.line.values())
    return {"good": passed, "defective": every - passed}.get(name, every)


def proven(moments: Sequence[Proven], promises: Sequence[Standing]) -> str:
    """Return the bounds of the escape rate after each look so far, beside what is promised."""
    looks = [one.looks for one in moments]
    low, value, high = (
        np.array([float(getattr(one.escape_rate, name)) for one in moments])
        for name in ("low", "value", "high")
    )
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        axes.fill_between(looks, low, high, color=ACCENT, alpha=0.18, linewidth=0)
        axes.plot(looks, high, color=ACCENT, linewidth=2.0, label="at most")
        axes.plot(looks, value, color=INK, linewidth=1.2, linestyle="-.", label="seen")
        axes.plot(looks, low, color=ACCENT, linewidth=1.2, linestyle=":", label="at least")
        for bound in sorted({p.promise.bound for p in promises if _is_whole(p)}):
            axes.axhline(
                bound, color=DEFECT, linewidth=1.2, linestyle="--", label=f"promise {100 * bound:g}%"
            )
        axes.set_yscale("symlog", linthresh=0.01, linscale=0.5)
        axes.set_ylim(0, 1)
        ticks = [0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0]
        axes.set_yticks(ticks, [f"{100 * tick:g}%" for tick in ticks])
        axes.minorticks_off()
        frame(axes, "randomly drawn parts looked at", "escape rate")
        thousands(axes)
        axes.legend(loc="lower center", ncols=4, bbox_to_anchor=(0.5, 1.0), fontsize=8.5)
        return as_svg(
            figure, "proven", f"Bounds of the escape rate after up to {max(looks, default=0)} looks"
        )


def _is_whole(found: Standing) -> bool:
    return found.promise.kind == "escape" and found.promise.defect is None


def latency_by_day(days: Mapping[str, Latency]) -> str:
    """Return the median, 95% and 99% quantile of milliseconds of each day."""
    place = np.arange(len(days))
    series = (("median", "median", "o", "-"), ("p95", "95%", "s", "--"), ("p99", "99%", "^", ":"))
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        for name, label, marker, style in series:
            values = [getattr(found, name) for found in days.values()]
            axes.plot(place, values, color=ACCENT, marker=marker, linestyle=style, markersize=5, label=label)
        step = -(-len(days) // 8)
        axes.set_xticks(place[::step], [_day(day) for day in days][::step])
        axes.set_xlim(-0.5, len(days) - 0.5)
        axes.set_ylim(0, 1.12 * max(found.p99 for found in days.values()))
        frame(axes, "", "milliseconds a part")
        axes.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
        return as_svg(figure, "latency", f"Milliseconds a part on each of {len(days)} days")
