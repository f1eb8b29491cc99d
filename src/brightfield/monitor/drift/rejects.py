"""The g-chart: how many parts lie between rejects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

RARE = 0.00135
"""The probability of a point outside either limit in control, as with three standard deviations."""


@dataclass(frozen=True)
class GChart:
    """Parts between rejects, a chart for shares so small that most lots have no reject at all.

    Kaminsky, Benneyan, Davis and Burke, Statistical control charts based on a geometric distribution, 1992.

    Attributes:
        parts: The number of each rejected part.
        gaps: The parts from the reject before, or from the start, up to and with this one.
        centre: The mean gap at the share of rejects.
        low: A smaller gap is rare at that share; 0 where none is.
        high: A larger gap is rare at that share.
    """

    parts: tuple[int, ...]
    gaps: tuple[int, ...]
    centre: float
    low: int
    high: int


def g_chart(rejected: Sequence[int], share: float) -> GChart:
    """Return the chart of rejected parts, by their numbers, at a share of rejects in (0, 1).

    The limits are quantiles of the geometric distribution, as three standard deviations would be below 0.
    """
    gaps = [after - before for before, after in zip((0, *rejected), rejected, strict=False)]
    passes = math.log1p(-share)
    low = math.floor(math.log1p(-RARE) / passes)
    high = math.ceil(math.log(RARE) / passes)
    return GChart(tuple(rejected), tuple(gaps), 1 / share, low, high)
