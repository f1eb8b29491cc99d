"""The report's charts, each a function from arrays to an `<svg>` element."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_recall_curve, roc_curve

from brightfield.decide.cost import Costs, expected_cost
from brightfield.decide.operating_point import WORDS
from brightfield.evaluation.intervals import clopper_pearson
from brightfield.evaluation.metrics import CalibrationBins
from brightfield.report.svg import ACCENT, DEFECT, INK, OK, PAPER, REVIEW, SOFT, as_svg, drawing, frame
from brightfield.report.wording import figure as three_digits
from brightfield.report.wording import number
from brightfield.verdict import Scale

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

WIDTH, HEIGHT = 380.0, 285.0
LINE_STYLES = ("-", "--", ":", "-.")


def roc(defect: BoolArray, scores: FloatArray, marks: Mapping[str, BoolArray], area: float | None) -> str:
    """Return the ROC curve with the operating point.

    Args:
        defect: bool (N,), the truth.
        scores: float64 (N,), higher is more defective.
        marks: Operating points by name, each as bool (N,) of the parts that it stops.
        area: The AUROC, for the description.
    """
    false_positive, true_positive, _ = roc_curve(defect, scores)
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":", label="chance")
        axes.plot(false_positive, true_positive, color=ACCENT, linewidth=2.0)
        for (name, stopped), fill in zip(marks.items(), (INK, PAPER), strict=False):
            x, y = stopped[~defect].mean(), stopped[defect].mean()
            axes.plot([x], [y], "o", markersize=8, markerfacecolor=fill, markeredgecolor=INK, label=name)
        frame(axes, "share of good parts stopped", "share of defective parts stopped")
        _unit_square(axes)
        axes.legend(loc="lower right")
        return as_svg(figure, "roc", f"ROC curve with the operating point; AUROC {three_digits(area)}")


def roc_of_methods(
    defect: BoolArray, scores: Mapping[str, FloatArray], stopped: Mapping[str, BoolArray]
) -> str:
    """Return the ROC curves of several methods on the same parts, each with its operating point.

    Args:
        defect: bool (N,), the truth, with good and defective parts.
        scores: float64 (N,) by method, higher is more defective.
        stopped: bool (N,) by method, the parts that it stops.
    """
    colours = (ACCENT, DEFECT, OK, REVIEW, INK)
    with drawing(WIDTH, HEIGHT + 40.0) as figure:
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":")
        for i, (name, values) in enumerate(scores.items()):
            false_positive, true_positive, _ = roc_curve(defect, values)
            colour, style = colours[i % len(colours)], LINE_STYLES[i % len(LINE_STYLES)]
            axes.plot(false_positive, true_positive, color=colour, linewidth=2.0, linestyle=style, label=name)
            x, y = stopped[name][~defect].mean(), stopped[name][defect].mean()
            axes.plot([x], [y], "o", markersize=8, markerfacecolor=colour, markeredgecolor=PAPER)
        frame(axes, "share of good parts stopped", "share of defective parts stopped")
        _unit_square(axes)
        axes.legend(loc="lower right")
        return as_svg(figure, "roc", f"ROC curves of {', '.join(scores)}, with their operating points")


def precision_recall(
    defect: BoolArray, scores: FloatArray, marks: Mapping[str, BoolArray], area: float | None
) -> str:
    """Return the precision-recall curve with the operating point; arguments as in `roc`."""
    precision, recall, _ = precision_recall_curve(defect, scores, drop_intermediate=True)
    with drawing(WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        share = float(defect.mean())
        axes.plot([0, 1], [share, share], color=SOFT, linewidth=0.8, linestyle=":", label="chance")
        axes.step(recall, precision, where="post", color=ACCENT, linewidth=2.0)
        for (name, stopped), fill in zip(marks.items(), (INK, PAPER), strict=False):
            if stopped.any():
                x, y = stopped[defect].mean(), defect[stopped].mean()
                axes.plot([x], [y], "o", markersize=8, markerfacecolor=fill, markeredgecolor=INK, label=name)
        frame(axes, "recall: share of defects stopped", "precision: share of stopped that is defective")
        _unit_square(axes)
        axes.legend(loc="lower left")
        description = (
            f"Precision-recall curve with the operating point; average precision {three_digits(area)}"
        )
        return as_svg(figure, "precision-recall", description)


def calibration(bins: CalibrationBins, event: str) -> str:
    """Return the reliability diagram with image counts below it; `event` names the predicted event."""
    from matplotlib.ticker import MaxNLocator

    filled = bins.counts > 0
    centres = (bins.edges[1:] + bins.edges[:-1]) / 2.0
    with drawing(WIDTH, HEIGHT + 40.0) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
        upper.plot([0, 1], [0, 1], color=SOFT, linewidth=0.8, linestyle=":", label="perfect")
        upper.plot(bins.predicted[filled], bins.observed[filled], color=ACCENT, linewidth=1.2)
        upper.plot(bins.predicted[filled], bins.observed[filled], "o", color=ACCENT, label="this inspector")
        low, high = _true_shares(bins, filled)
        upper.vlines(bins.predicted[filled], low, high, color=ACCENT, linewidth=1.0, alpha=0.7)
        frame(upper, "", f"share {event}")
        _unit_square(upper)
        upper.legend(loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1.0))  # the bars fill the plot
        lower.bar(centres, bins.counts, width=0.9 / len(centres), color=ACCENT, alpha=0.55, linewidth=0)
        lower.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=2))
        frame(lower, f"predicted probability: {event}", "images")
        description = f"Calibration curve: predicted probability against the share {event}, with image counts"
        return as_svg(figure, "calibration", description)


def _true_shares(bins: CalibrationBins, filled: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the ends (B,) of the exact confidence intervals of the filled bins' observed shares."""
    rates = [
        clopper_pearson(round(float(share * n)), int(n))
        for share, n in zip(bins.observed[filled], bins.counts[filled], strict=True)
    ]
    return np.array([r.low for r in rates], np.float64), np.array([r.high for r in rates], np.float64)


def histogram(defect: BoolArray, values: FloatArray, thresholds: Sequence[float], scale: Scale) -> str:
    """Return the histogram of values, separately for good and defective parts.

    Args:
        defect: bool (N,), the truth.
        values: float64 (N,), values on the scale.
        thresholds: Thresholds to draw as lines; may be empty.
        scale: The scale of the values.
    """
    edges = _edges(values, thresholds, scale)
    with drawing(WIDTH, HEIGHT + 40.0) as figure:
        axes = figure.add_subplot()
        for mine, colour, name in ((~defect, OK, "good parts"), (defect, DEFECT, "defective parts")):
            if not mine.any():
                continue
            counts, _ = np.histogram(values[mine], edges)
            axes.stairs(counts, edges, fill=True, color=colour, alpha=0.28)
            axes.stairs(counts, edges, color=colour, linewidth=1.6, label=name)
        # logarithmic above 1, so that one escape among thousands of good parts is visible
        axes.set_yscale("symlog", linthresh=1.0)
        axes.set_ylim(bottom=0.0)
        axes.yaxis.set_major_formatter(lambda count, _: f"{count:g}")
        axes.yaxis.minorticks_off()
        if scale is Scale.P_VALUE:
            axes.set_xscale("log")
            axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
            axes.xaxis.minorticks_off()
        for threshold in thresholds:
            axes.axvline(threshold, color=INK, linewidth=1.2, linestyle="--")
        if thresholds:
            shown = " and ".join(number(value) for value in thresholds)
            axes.plot([], [], color=INK, linewidth=1.2, linestyle="--", label=f"threshold {shown}")
        below = ": lower is more unusual (logarithmic)" if scale is Scale.P_VALUE else ""
        frame(axes, f"{WORDS[scale]}{below}", "parts (logarithmic)")
        axes.grid(axis="x", visible=False)
        axes.legend(
            loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0), columnspacing=1.2, handlelength=1.4
        )
        return as_svg(
            figure, f"histogram-{scale}", f"Histogram of the {WORDS[scale]} of good and of defective parts"
        )


def _edges(values: FloatArray, thresholds: Sequence[float], scale: Scale) -> FloatArray:
    """Return the edges (31,) of bins that contain all values and thresholds."""
    if scale is Scale.PROBABILITY:
        return np.linspace(0.0, 1.0, 31)
    if scale is Scale.P_VALUE:  # logarithmic bins, as the p-values of interest lie near 0
        positive = [value for value in (*values, *thresholds) if value > 0.0]
        return np.geomspace(0.8 * min(positive, default=0.01), 1.0, 31)
    return np.histogram_bin_edges(np.concatenate((values, thresholds)), bins=30)


def cost(defect: BoolArray, values: FloatArray, costs: Costs, chosen: tuple[float, float]) -> str:
    """Return the expected cost of 1,000 parts by threshold, with the thresholds in use.

    Args:
        defect: bool (N,), the truth, with good and defective parts.
        values: float64 (N,), probabilities of a defect.
        costs: The costs of errors, and the line's share of defects.
        chosen: The thresholds in use: parts pass below the first and are rejected from the second on.
    """
    cuts = np.unique(np.concatenate((values, [0.0, np.nextafter(values.max(), np.inf), *chosen])))
    escapes = np.searchsorted(np.sort(values[defect]), cuts) / defect.sum()
    overkills = 1.0 - np.searchsorted(np.sort(values[~defect]), cuts) / (~defect).sum()
    cost_of_1000 = 1000.0 * expected_cost(costs, escapes, overkills)
    with drawing(2 * WIDTH, HEIGHT) as figure:
        axes = figure.add_subplot()
        axes.step(cuts, cost_of_1000, where="pre", color=ACCENT, linewidth=2.0, label="one threshold")
        for value in sorted(set(chosen)):
            axes.axvline(value, color=INK, linewidth=1.2, linestyle="--")
        axes.plot([], [], color=INK, linewidth=1.2, linestyle="--", label="in use")
        # cut the axis: near 0 almost every part is rejected, at a cost that would flatten the rest
        flat = 1000.0 * float(min(expected_cost(costs, 1.0, 0.0), expected_cost(costs, 0.0, 1.0)))
        axes.set_ylim(0.0, 1.05 * min(cost_of_1000.max(), 2 * max(flat, cost_of_1000.min())))
        frame(axes, "threshold", "cost of 1,000 parts")
        axes.legend(loc="best")
        return as_svg(figure, "cost", "Expected cost of 1,000 parts by threshold")


def training_curves(history: Sequence[Mapping[str, float]]) -> list[str]:
    """Return charts of the training history: one of losses, one of scores in [0, 1], one per other series.

    Each chart marks the epoch of the chosen weights, where a validation figure chose it.
    """
    names = [name for name in dict.fromkeys(key for row in history for key in row) if name != "epoch"]
    epochs = [float(row.get("epoch", i + 1)) for i, row in enumerate(history)]
    by = next((name for name in names if name.startswith("validation_")), None)
    taken = None if by is None else epochs[int(np.argmax([row.get(by, -np.inf) for row in history]))]
    panels: dict[str, list[str]] = {}
    for name in names:
        panels.setdefault(_panel(name, history), []).append(name)
    drawn = []
    for i, (panel, members) in enumerate(panels.items()):
        series = {name: [float(row.get(name, np.nan)) for row in history] for name in members}
        drawn.append(_curve(f"training-{i}", panel, epochs, series, taken))
    return drawn


def _curve(
    name: str,
    panel: str,
    epochs: Sequence[float],
    series: Mapping[str, Sequence[float]],
    taken: float | None,
) -> str:
    from matplotlib.ticker import MaxNLocator

    with drawing(0.8 * WIDTH, 0.75 * HEIGHT) as figure:
        axes = figure.add_subplot()
        for i, (label, values) in enumerate(series.items()):
            axes.plot(
                epochs,
                values,
                color=(ACCENT, DEFECT, OK, REVIEW, SOFT)[i % 5],
                linestyle=LINE_STYLES[i % 4],
                linewidth=1.8,
                marker="o" if len(epochs) < 3 else None,
                label=label.replace("_", " "),
            )
        if taken is not None:
            axes.axvline(taken, color=SOFT, linestyle=":", linewidth=1.2, label=f"weights of epoch {taken:g}")
        frame(axes, "epoch", panel)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
        axes.legend(loc="best")
        return as_svg(figure, name, f"{panel} by epoch: {', '.join(series)}")


def _panel(name: str, history: Sequence[Mapping[str, Any]]) -> str:
    values = [row[name] for row in history if name in row and np.isfinite(row[name])]
    if "loss" in name:
        return "loss"
    rate_of_learning = name in ("lr", "learning_rate")
    inside = bool(values) and min(values) >= 0.0 and max(values) <= 1.0
    return "score, 0 to 1" if inside and not rate_of_learning else name.replace("_", " ")


def _unit_square(axes: Axes) -> None:
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.03)
    axes.set_xticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "0.25", "0.5", "0.75", "1"])
    axes.set_yticks([0.0, 0.25, 0.5, 0.75, 1.0], ["0", "0.25", "0.5", "0.75", "1"])
