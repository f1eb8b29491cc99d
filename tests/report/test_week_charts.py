from __future__ import annotations

import re

import numpy as np

from brightfield.monitor.drift.course import CHARTS, EMBEDDING, Peaks
from brightfield.monitor.drift.rejects import g_chart
from brightfield.monitor.week.whole import Rejects
from brightfield.report.week_charts import Mark, control_charts, parts_between_rejects


def peaks_of(**moved: float) -> Peaks:
    """Return five stretches in which these charts have a peak in the third."""
    shares = np.zeros((5, len(CHARTS)))
    for name, value in moved.items():
        shares[2, CHARTS.index(name.replace("_", " "))] = value
    return Peaks(np.arange(10, 60, 10), shares)


def drawn(peaks: Peaks) -> list[str]:
    return [panel.name for panel in control_charts(peaks, []) if panel.svg is not None]


def test_every_chart_is_drawn_in_one_panel_and_only_if_it_moved() -> None:
    assert drawn(peaks_of()) == []
    assert drawn(peaks_of(**{EMBEDDING: 0.5})) == ["look"]
    assert drawn(peaks_of(height_down=0.1)) == drawn(peaks_of(width_up=0.1)) == ["picture size"]
    assert drawn(peaks_of(more_rejects=0.1)) == ["share rejected"]
    every = [drawn(peaks_of(**{name.replace(" ", "_"): 1.5})) for name in CHARTS]
    assert all(len(panels) == 1 for panels in every)


def test_stretches_in_which_nothing_was_compared() -> None:
    peaks = peaks_of(brightness_down=0.7)
    peaks.shares[4] = np.nan
    assert drawn(peaks) == ["brightness"]


def test_alarms_are_marked_in_the_charts_of_their_kind() -> None:
    peaks = peaks_of(brightness_up=1.2, more_rejects=1.1)
    panels = control_charts(peaks, [Mark(20), Mark(30, drift=False), Mark(40, drift=False)])
    drift, verdicts = (panel.svg for panel in panels if panel.svg is not None)
    assert drift is not None
    assert verdicts is not None
    assert "with 1 alarms" not in drift
    assert "with 1 alarm" in drift
    assert "with 2 alarms" in verdicts
    assert "var(--defect)" in drift
    assert "var(--review)" not in drift
    assert "var(--review)" in verdicts


def test_rejects_outside_the_limits_are_told_apart() -> None:
    chart = g_chart((100, 200, 201, 4000), 0.01)  # at 1%, 0 to 658 parts lie between rejects
    assert (chart.low, chart.high) == (0, 658)
    svg = parts_between_rejects(Rejects(chart, 0.01, False), [])
    label = re.search(r'aria-label="([^"]*)"', svg)
    assert label is not None
    assert label[1] == "g-chart of 4 rejects, 1 outside the limits"
    assert "limit 658" in svg
    assert "mean 100" in svg
