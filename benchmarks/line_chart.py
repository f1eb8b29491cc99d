"""The chart of `line.py`: what happened on the line, what was noticed, and what was proven."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from brightfield.monitor.drift.alarms import DRIFT
from brightfield.monitor.drift.course import EMBEDDING, Peaks

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from line import Line

BLUE, ORANGE, GREEN, GREY = "#2b5fae", "#c2571a", "#17806d", "#5a6570"
STRETCH = 500


def draw(line: Line, peaks: Peaks, path: Path) -> None:
    """Draw the line: rejects and alarms, the control charts, the audit beside the truth."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    figure, (top, middle, bottom) = plt.subplots(3, 1, figsize=(9.2, 8.0), sharex=True, layout="constrained")
    _rejects(top, line)
    _charts(middle, line, peaks)
    _audit(bottom, line)
    bottom.set_xlabel("part")
    bottom.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    bottom.set_xlim(0, line.parts)
    for axes in (top, middle, bottom):
        _happened(axes, line)
    _named(top, line)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _rejects(axes: Axes, line: Line) -> None:
    stretches = np.array_split(np.arange(line.parts), max(1, line.parts // STRETCH))
    ends = [stretch[-1] + 1 for stretch in stretches]
    kinds, passed = np.array(line.truth), np.array(line.passed)
    rejected = [100 * (~passed[s]).mean() for s in stretches]
    defective = [100 * (kinds[s] != "OK").mean() for s in stretches]
    escaped = [100 * (passed[s] & (kinds[s] != "OK")).mean() for s in stretches]
    axes.plot(ends, rejected, color=BLUE, linewidth=1.3, label="rejected")
    axes.plot(ends, defective, color=GREY, linewidth=1.0, linestyle=":", label="defective in truth")
    axes.plot(ends, escaped, color=ORANGE, linewidth=1.3, linestyle="--", label="defective and passed")
    axes.set_ylabel(f"% of {STRETCH} parts")
    axes.set_ylim(bottom=0)
    axes.legend(loc="lower left", ncols=3, frameon=False, bbox_to_anchor=(0, 1.08))


def _charts(axes: Axes, line: Line, peaks: Peaks) -> None:
    last = line.changed or line.parts
    for name, colour, style in ((EMBEDDING, BLUE, "-"), ("brightness down", ORANGE, "--")):
        label = "EWMA of the look" if name == EMBEDDING else "CUSUM of darker"
        shares = np.minimum(peaks.of(name), 1.7)
        kept = peaks.parts <= last
        axes.plot(peaks.parts[kept], shares[kept], color=colour, linestyle=style, linewidth=1.0, label=label)
    axes.axhline(1.0, color="black", linewidth=1.0, linestyle="--")
    for kind, colour, marker in ((DRIFT, ORANGE, "v"), ("verdicts", GREEN, "o")):
        at = [part for part, _, of in line.alarms if of == kind]
        label = "alarm of drift" if kind == DRIFT else "more or fewer rejects"
        axes.plot(at, [1.85] * len(at), marker, color=colour, markersize=5, label=label)
    axes.set_ylim(0, 2.0)
    axes.set_ylabel("share of the limit")
    axes.legend(loc="lower left", ncols=4, frameon=False, bbox_to_anchor=(0, 1.03))


def _audit(axes: Axes, line: Line) -> None:
    for sha256 in dict.fromkeys(p.inspector for p in line.proofs):
        own = [p for p in line.proofs if p.inspector == sha256]
        first = sha256 == line.proofs[0].inspector
        parts = [p.parts for p in own]
        low, high, true = ([100 * getattr(p, name) for p in own] for name in ("low", "high", "true"))
        axes.fill_between(parts, low, high, color=BLUE, alpha=0.15)
        label = ("proven: at most", "true escape rate so far") if first else (None, None)
        axes.plot(parts, high, color=BLUE, linewidth=1.6, label=label[0])
        axes.plot(parts, true, color=ORANGE, linewidth=1.4, linestyle="--", label=label[1])
    axes.axhline(5.0, color="black", linewidth=1.0, linestyle=":", label="promise 5%")
    axes.set_yscale("symlog", linthresh=1.0, linscale=0.4)
    axes.set_ylim(0, 100)
    ticks = [0, 1, 2, 5, 10, 20, 50, 100]
    axes.set_yticks(ticks, [str(tick) for tick in ticks])
    axes.minorticks_off()
    axes.set_ylabel("% of defects that escape")
    axes.legend(loc="lower left", ncols=3, frameon=False, bbox_to_anchor=(0, 1))


def _marks(line: Line) -> list[tuple[int, str]]:
    marks = [(line.ages_from, "lamp ages"), (line.scratches_from, "scratches")]
    marks += [(line.mended, "mended")] if line.mended else []
    return marks + ([(line.changed, "successor")] if line.changed else [])


def _happened(axes: Axes, line: Line) -> None:
    for part, _ in _marks(line):
        axes.axvline(part, color=GREY, linewidth=0.9, linestyle="-.")


def _named(axes: Axes, line: Line) -> None:
    top = axes.get_ylim()[1]
    for part, name in _marks(line):
        before = name in ("lamp ages", "scratches")
        shift, side = (-3, "right") if before else (3, "left")
        axes.annotate(
            name,
            (part, top),
            (shift, 2),
            textcoords="offset points",
            ha=side,
            va="bottom",
            color=GREY,
            size=8,
        )
