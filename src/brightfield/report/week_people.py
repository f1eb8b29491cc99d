"""What people did in a week, as rows of text."""

from __future__ import annotations

from typing import Any

from brightfield.monitor.review.work import Share, Work
from brightfield.report.wording import percent


def review_context(work: Work | None) -> dict[str, Any] | None:
    """Return what the page shows of people's looks; None where there were none."""
    if work is None or not work.looks:
        return None
    return {
        "figures": _figures(work),
        "agreement": _agreement(work),
        "people": [
            {"name": one.name, "looks": f"{one.looks:,}", "seconds": _seconds(one.seconds)}
            for one in work.people
        ],
    }


def _figures(work: Work) -> list[dict[str, str]]:
    same, n = work.passed.k + work.rejected.k, work.passed.n + work.rejected.n
    wrong, known = work.missed.k + work.alarms.k, work.missed.n + work.alarms.n
    return [
        {"name": "pictures judged", "value": f"{work.looks:,}"},
        {"name": "median seconds a look", "value": _seconds(work.seconds)},
        {"name": "agree with the inspector", "value": percent(same / n) if n else "not known"},
        {"name": "errors at known pieces", "value": f"{wrong:,} of {known:,}" if known else "not measured"},
        {"name": "not sure", "value": f"{work.unsure:,}"},
        {"name": "on pages that have not come back", "value": f"{work.waiting:,}"},
    ]


def _seconds(value: float | None) -> str:
    return "not known" if value is None else f"{value:.1f} s"


def _agreement(work: Work) -> list[dict[str, str]]:
    rows = (
        ("random parts that passed", work.passed, "good"),
        ("random rejects", work.rejected, "defective"),
        ("parts sent to review", work.band, "defective"),
        ("known defective pieces", work.missed, "good"),
        ("known good pieces", work.alarms, "defective"),
    )
    return [{"name": name, "n": f"{of.n:,}", "said": _said(of, word)} for name, of, word in rows]


def _said(of: Share, word: str) -> str:
    return "none was looked at" if of.value is None else f"{of.k:,} {word}, {percent(of.value)}"
