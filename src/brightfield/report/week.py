"""A week of a line as one self-contained HTML file, and as JSON beside it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from markupsafe import Markup

from brightfield.disk.atomic import write_atomically
from brightfield.explain.overlay import data_uri
from brightfield.monitor.audit.bounds import Audit
from brightfield.monitor.audit.of_log import nothing_proven
from brightfield.monitor.drift.alarms import DRIFT
from brightfield.monitor.log.records import Event
from brightfield.monitor.week.pictures import Shown
from brightfield.monitor.week.whole import Answered, Week
from brightfield.report import week_charts
from brightfield.report.html import environment
from brightfield.report.week_counts import DIGITS, counts, inspectors, latency, scores
from brightfield.report.week_people import review_context
from brightfield.report.week_words import (
    alarm_sentence,
    clock,
    counted,
    headlines,
    promise_sentence,
    span,
    still,
)
from brightfield.report.wording import percent, percent_word
from brightfield.verdict import DECISIONS

FILES = ("week.html", "week.json")

MOST_ROWS = 12
"""So many alarms of verdicts alone are shown, the last ones."""

_WORDS = {"OK": ("OK", "passed", "ok"), "REVIEW": ("REVIEW", "sent to a person", "review")}
_WORDS |= {"DEFECT": ("DEFECT", "rejected", "defect")}
_RATES = (
    ("Escape rate", "escape_rate", "of all defective parts passed"),
    ("Overkill rate", "overkill_rate", "of all good parts did not pass"),
    ("Missed by people", "missed", "of all defective pieces are called good by people"),
)


def write_week(folder: str | Path, week: Week, shown: Shown | None = None) -> tuple[Path, ...]:
    """Write `week.html` and `week.json`, each whole or not at all, and return their paths.

    Raises:
        WriteError: If the file system refuses.
    """
    page, data = (Path(folder) / name for name in FILES)
    write_atomically(data, (json.dumps(week.as_dict(), indent=1) + "\n").encode())
    write_atomically(page, render_week(week, shown).encode())
    return page, data


def render_week(week: Week, shown: Shown | None = None) -> str:
    """Return the week as one HTML document that loads no other file.

    Args:
        week: The week.
        shown: The pictures of its alarms; None for none.
    """
    return environment().get_template("week.html.j2").render(_context(week, shown or Shown()))


def _context(week: Week, shown: Shown) -> dict[str, Any]:
    names = _names(week)
    at = [
        week_charts.Mark(one.alarm.at, one.alarm.kind == DRIFT)
        for one in week.alarms
        if one.alarm.at > week.period.before
    ]
    return {
        "title": f"The line {span(week.tallies.inspectors[0].first, week.period.until)}",
        "lead": _lead(week),
        "headlines": headlines(week),
        "decided": week.tallies.decided,
        "tiles": [_tile(name, week) for name in names],
        "missing": {name: _as_sentence(text, name) for name, text in week.missing.items()},
        "watched": week.watched is not None,
        "expected": _expected(week),
        "alarms": [_alarm(one, shown) for one in week.alarms if one.alarm.kind == DRIFT],
        "said": _said(week),
        "reference": [data_uri(picture) for picture in shown.reference],
        "events": [{"text": _event_text(one), "when": _who_when(one)} for one in week.events],
        **_charts(week, at),
        "audit": None if week.audit is None else _audit(week),
        "review": review_context(week.work),
        "counts": counts(week, names),
        "scores": scores(week),
        "latency": latency(week),
        "inspectors": inspectors(week, names),
    }


def _as_sentence(text: str, name: str) -> str:
    """Return a reason as a sentence of its own; two of them stand within one."""
    plain = text.replace("`", "")
    if name in ("rejects", "audit"):
        return plain.removesuffix(".")
    return plain[:1].upper() + plain[1:].removesuffix(".") + "."


def _names(week: Week) -> list[str]:
    """Return the decisions that there are, or the labels, the most frequent first."""
    found = week.tallies.decisions
    if not week.tallies.decided:
        return sorted(found, key=lambda name: -found[name])[:MOST_ROWS]
    return [str(d) for d in DECISIONS if d != "REVIEW" or found.get("REVIEW") or _has_band(week)]


def _has_band(week: Week) -> bool:
    point = week.inspector.operating_point
    return point is not None and point.review is not None


def _lead(week: Week) -> str:
    digits = (week.inspector.sha256 or "")[:DIGITS]
    parts = [counted(week.period.parts, "part"), f"log {Path(week.log).name}"]
    parts.append(f"inspector {digits} ({week.inspector.method.name})" if digits else "inspector not saved")
    return ", ".join(parts) + f". Made on {clock(week.made)} UTC."


def _tile(name: str, week: Week) -> dict[str, Any]:
    n, parts = week.tallies.decisions.get(name, 0), week.period.parts
    shown, word, tone = _WORDS.get(name, (name, "", ""))
    share = percent(n / parts)
    detail = f"{share} {word}" if word else share
    return {
        "name": shown,
        "count": f"{n:,}",
        "detail": detail,
        "tone": tone,
        "width": f"{100 * n / parts:.3f}%",
    }


def _expected(week: Week) -> str:
    if week.watched is None:
        return ""
    found = week.watched.found
    words = f"Without a change, one false alarm in {found.run_length:,.0f} parts is expected."
    without = ", ".join(f"{n:,} ({reason})" for reason, n in found.without.items())
    return words + (f" Of all parts in the log, these were not compared: {without}." if without else "")


def _alarm(one: Answered, shown: Shown) -> dict[str, Any]:
    return {
        "what": one.alarm.what,
        "also": ", ".join(one.alarm.also),
        "sentence": alarm_sentence(one),
        "actions": [{"text": event.text, "who": _who_when(event)} for event in one.actions],
        "pictures": [data_uri(picture) for picture in shown.alarms.get(one.alarm.at, ())],
    }


def _said(week: Week) -> dict[str, Any] | None:
    """Return the alarms of verdicts alone as rows of a table, the last ones where there are many."""
    found = [one for one in week.alarms if one.alarm.kind != DRIFT]
    rows = [
        {
            "what": one.alarm.what,
            "since": f"{one.alarm.since:,}",
            "at": f"{one.alarm.at:,}",
            "time": "" if one.time is None else clock(one.time),
            "done": "; ".join(event.text for event in one.actions),
        }
        for one in found[-MOST_ROWS:]
    ]
    caption = "What is said of parts changed while pictures look the same, as with another mix of parts"
    if len(found) > MOST_ROWS:
        caption += f"; the last {MOST_ROWS} of {len(found):,} times"
    return {"rows": rows, "caption": caption, "done": any(row["done"] for row in rows)} if rows else None


def _who_when(event: Event) -> str:
    by = event.facts.get("by")
    return f"({by}, {clock(event.at)})" if by else f"({clock(event.at)})"


def _event_text(event: Event) -> str:
    return event.text if event.kind == "action" else f"{event.kind}: {event.text}"


def _charts(week: Week, at: Sequence[week_charts.Mark]) -> dict[str, Any]:
    panels = [] if week.watched is None else week_charts.control_charts(week.watched.peaks, at)
    out: dict[str, Any] = {
        "panels": [{"name": one.name, "kind": one.kind, "svg": Markup(one.svg)} for one in panels if one.svg],
        "still": still([one.name for one in panels if one.svg is None]),
        "g_chart": None,
    }
    if week.rejects is not None:
        where = "before this time" if week.rejects.before else "of this time itself"
        n = len(week.rejects.chart.parts)
        last = f"The last {week_charts.MOST_GAPS} of {n:,} rejects. " if n > week_charts.MOST_GAPS else ""
        caption = (
            f"{last}A g-chart: where rejects come at random with the share {where}, "
            f"{percent(week.rejects.share)}, 1 gap in 740 is beyond either limit."
        )
        svg = week_charts.parts_between_rejects(week.rejects, at)
        out["g_chart"] = {"svg": Markup(svg), "caption": caption}
    return out


def _audit(week: Week) -> dict[str, Any]:
    found = week.audit
    if found is None:
        return {}
    evidence, sure = found.evidence, percent_word(found.whole.confidence)
    how = (
        f"Of all parts of this inspector in the log, {evidence.n_passed:,.0f} passed and "
        f"{evidence.n_rejected:,.0f} did not; {evidence.passed.n:,.0f} and {evidence.rejected.n:,.0f} of "
        f"them were drawn at random and looked at. The bounds hold at every look with a confidence of "
        f"{sure}, errors of people included."
    )
    groups = [
        {"caption": f"Escape rate by {name}, corrected for many", "name": name, "rows": _bound_rows(audits)}
        for name, audits in (("defect type", found.by_type), ("station", found.by_station))
        if audits
    ]
    return {
        "how": how,
        "rates": [_rate(name, getattr(found.whole, key), words) for name, key, words in _RATES],
        "promises": [promise_sentence(one) for one in found.promises],
        "chart": _proven_chart(week),
        "groups": groups,
        "notes": [note[:1].upper() + note[1:] + "." for note in found.notes],
    }


def _proven_chart(week: Week) -> Markup | None:
    """Return the chart of the bounds; None with a single look or page, or while they exclude nothing."""
    numbers = {one.looks for one in week.proven if one.looks}
    bounded = any(
        float(one.escape_rate.low) > 0.0 or not nothing_proven(one.escape_rate) for one in week.proven
    )
    if week.audit is None or len(numbers) < 2 or not bounded:
        return None
    return Markup(week_charts.proven(week.proven, week.audit.promises))


def _rate(name: str, bound: Any, words: str) -> dict[str, str]:
    low, value, high = (_share(x) for x in (bound.low, bound.value, bound.high))
    if value == "unknown" and float(bound.high) == 0.0:  # without known pieces
        return {"name": name, "value": "not measured", "sentence": "It is taken to be 0."}
    return {
        "name": name,
        "value": "nothing proven yet" if nothing_proven(bound) else f"at most {high}",
        "sentence": f"At least {low} and at most {high} {words}; seen {value}.",
    }


def _bound_rows(audits: Mapping[str, Audit]) -> list[dict[str, Any]]:
    return [
        {
            "name": name,
            "cells": [_share(getattr(one.escape_rate, side)) for side in ("low", "value", "high")],
        }
        for name, one in audits.items()
    ]


def _share(value: Any) -> str:
    number = float(value)
    return "unknown" if number != number else percent(number)
