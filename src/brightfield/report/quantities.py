"""Durations, lengths and areas as text."""

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


def points(share: float) -> str:
    """Return a difference of two rates in percentage points, to the tenth."""
    value = round(100.0 * share, 1)
    return f"{value:g} point{'' if abs(value) == 1 else 's'}"


def length(pixels: float | None, mm_per_pixel: float | None) -> str:
    """Return a length in millimetres where the side of a pixel is known, else in pixels."""
    if pixels is None:
        return "n/a"
    if mm_per_pixel is None:
        return f"{_of_pixels(pixels)} px"
    return f"{_in_three_digits(pixels * mm_per_pixel)} mm"


def lengths(low: float, high: float, mm_per_pixel: float | None) -> str:
    """Return a range of lengths, with its unit named once."""
    shown = length(low, mm_per_pixel).rpartition(" ")[0]
    return f"{shown} to {length(high, mm_per_pixel)}"


def area(pixels: float | None, mm_per_pixel: float | None) -> str:
    """Return an area in square millimetres where the side of a pixel is known, else in square pixels."""
    if pixels is None:
        return "n/a"
    if mm_per_pixel is None:
        return f"{_of_pixels(pixels)} px\u00b2"
    return f"{_in_three_digits(pixels * mm_per_pixel**2)} mm\u00b2"


def _of_pixels(value: float) -> str:
    """Return a number to the tenth, from 10 on to the whole, as pixels are measured."""
    return f"{value:,.0f}" if abs(value) >= 9.95 else f"{value:.1f}"


def _in_three_digits(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
