"""What was counted in a week, as charts and rows of text."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from brightfield.monitor.week.tallies import Counts, Groups
from brightfield.monitor.week.whole import Week
from brightfield.report import week_charts
from brightfield.report.week_words import clock
from brightfield.report.wording import percent

MOST_ROWS = 12
"""So many lots are shown one by one, those with the largest share that did not pass."""

DIGITS = 12
"""The digits of an inspector's SHA-256 that are shown."""


def counts(week: Week, names: Sequence[str]) -> dict[str, Any]:
    """Return what was counted: a chart and tables by day, lot and station, and what is not named."""
    tallies = week.tallies
    tables, without = [], []
    for name, groups in (("lot", tallies.by_lot), ("station", tallies.by_station)):
        if set(groups) <= {None}:
            without.append(f"No {name} is named in the log; inspect --{name} names it.")
        else:
            tables.append(_table(name, groups, names))
    by_day = _table("day", tallies.by_day, names, most=31)
    return {
        "by_day": Markup(week_charts.parts_by_day(tallies.by_day, names)),
        "columns": [column for column in ([by_day], tables) if column],
        "without": without,
    }


def _table(name: str, groups: Groups, names: Sequence[str], most: int = MOST_ROWS) -> dict[str, Any]:
    """Return a table of groups; of too many, those with the largest share that did not pass."""
    shown = list(groups)
    caption = f"Parts by {name}"
    if len(groups) > most:
        worst = sorted(groups, key=lambda group: -_not_passed(groups[group]))[:most]
        shown = [group for group in groups if group in worst]
        caption += f": the {most} of {len(groups):,} of which the largest share did not pass, and all others"
    rows = [_row(_named(group, name), groups[group], names) for group in shown]
    others = [groups[group] for group in groups if group not in shown]
    if others:
        rows.append(_row("all others", _summed(others), names))
    return {"name": name, "caption": caption, "heads": list(names), "rows": rows}


def _named(group: str | None, name: str) -> str:
    return f"no {name}" if group is None else group


def _not_passed(counts: Counts) -> float:
    return 1.0 - counts.get("OK", 0) / sum(counts.values())


def _summed(groups: Sequence[Counts]) -> Counts:
    names = {name for counts in groups for name in counts}
    return {name: sum(counts.get(name, 0) for counts in groups) for name in names}


def _row(title: str, counts: Counts, names: Sequence[str]) -> dict[str, Any]:
    parts = sum(counts.values())
    cells = [{"n": f"{counts.get(n, 0):,}", "share": percent(counts.get(n, 0) / parts)} for n in names]
    return {"name": title, "parts": f"{parts:,}", "cells": cells}


def scores(week: Week) -> dict[str, Any] | None:
    """Return the chart of scores; None where this inspector judged nothing."""
    if week.tallies.scores is None:
        return None
    caption = (
        "Scores of this inspector's parts. The outlines are those of the pictures that calibrated it, the "
        "good ones scaled to the parts that passed and the defective ones to the others."
    )
    return {"svg": Markup(week_charts.scores(week.tallies.scores)), "caption": caption}


def latency(week: Week) -> dict[str, Any]:
    """Return how long verdicts took."""
    found = week.tallies.latency
    values = (("median", found.median), ("95% within", found.p95), ("99% within", found.p99))
    figures = [
        {"name": name, "value": f"{value:.3g} ms"} for name, value in (*values, ("slowest", found.slowest))
    ]
    days = week.tallies.latency_by_day
    svg = Markup(week_charts.latency_by_day(days)) if len(days) > 1 else None
    return {"figures": figures, "svg": svg}


def inspectors(week: Week, names: Sequence[str]) -> dict[str, Any]:
    """Return which inspectors judged, as a sentence and as rows."""
    stints = week.tallies.inspectors
    changes = stints[1:]
    if not changes:
        sentence = "One inspector judged all parts of this time; it was not changed."
    else:
        at = " and ".join(f"part {stint.since_part:,} ({clock(stint.first)})" for stint in changes)
        sentence = f"The inspector was changed: another one first judged at {at}."
    rows = [
        {
            "name": (stint.sha256 or "not known")[:DIGITS],
            "this": stint.sha256 == week.inspector.sha256,
            "method": stint.method,
            "first": clock(stint.first),
            "last": clock(stint.last),
            "parts": f"{stint.parts:,}",
            "cells": [percent(stint.decisions.get(name, 0) / stint.parts) for name in names],
        }
        for stint in stints
    ]
    return {"sentence": sentence, "heads": list(names), "rows": rows}
