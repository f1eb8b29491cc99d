"""Durations as text."""

from __future__ import annotations

import re


def duration(seconds: float) -> str:
    """Return a duration as seconds, or from one minute on as minutes and seconds."""
    whole = round(seconds)
    return f"{seconds:.1f} s" if whole < 60 else f"{whole // 60} min {whole % 60:02} s"


def milliseconds(value: float) -> str:
    """Return the time of an image in milliseconds, with two significant digits at least."""
    return f"{value:,.0f} ms" if value >= 10 else f"{value:.2g} ms"


def short_policy(policy: str) -> str:
    """Return a policy for display, with numbers to 4 digits: one that was computed may have many."""
    return re.sub(r"\d+\.\d{5,}", lambda number: f"{float(number[0]):.4g}", policy)
