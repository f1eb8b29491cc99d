"""The course of the control charts over many parts, in stretches few enough to be drawn."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.monitor.drift.standard import CHARTED

FloatArray = npt.NDArray[np.float64]

EMBEDDING, MORE, FEWER = "embedding", "more rejects", "fewer rejects"

CHARTS = (
    EMBEDDING,
    *(f"{name} up" for name in CHARTED),
    *(f"{name} down" for name in CHARTED),
    MORE,
    FEWER,
)
"""The charts of `charts.step`, in its order."""

STRETCHES = 400
"""The most stretches that are kept."""


@dataclass(frozen=True, eq=False)
class Peaks:
    """The highest statistic of each chart in each of N stretches of parts.

    Attributes:
        parts: The last part of each stretch, (N,).
        shares: The highest statistic, as a share of the chart's limit, (N, K), in the order of `CHARTS`; NaN
            where no part of the stretch was compared.
    """

    parts: npt.NDArray[np.int64]
    shares: FloatArray = field(repr=False)

    def of(self, name: str) -> FloatArray:
        """Return the peaks of one of `CHARTS`, (N,)."""
        return self.shares[:, CHARTS.index(name)]

    def as_dict(self) -> dict[str, Any]:
        """Return the peaks as JSON types: a list of numbers for each chart, None where nothing is known."""
        shares = {
            name: [None if np.isnan(v) else round(float(v), 4) for v in self.of(name)] for name in CHARTS
        }
        return {"parts": self.parts.tolist(), "of_limit": shares}


class Course:
    """Keeps the peaks of charts as parts come in; `add` is what `Watch` calls as `series`.

    Whenever there are too many stretches, neighbours become one, so it never takes more memory.
    """

    def __init__(self, after: int = 0, most: int = STRETCHES) -> None:
        """Begin before the first part.

        Args:
            after: Parts up to this number are left out.
            most: The most stretches, even.
        """
        self._after, self._most = after, most
        self._width, self._last = 1, after
        self._peaks = np.full((most, len(CHARTS)), np.nan)

    def add(self, number: int, shares: FloatArray) -> None:
        """Take the statistics of one part, (K,), as shares of their limits."""
        place = number - self._after - 1
        if place < 0:
            return
        while place // self._width >= self._most:
            self._halve()
        row = place // self._width
        self._peaks[row] = np.fmax(self._peaks[row], shares)
        self._last = number

    def peaks(self) -> Peaks:
        """Return what has been kept so far."""
        stretches = -(-(self._last - self._after) // self._width)
        ends = self._after + self._width * np.arange(1, stretches + 1)
        return Peaks(np.minimum(ends, self._last), self._peaks[:stretches].copy())

    def _halve(self) -> None:
        pairs = np.fmax(self._peaks[::2], self._peaks[1::2])
        self._peaks = np.full_like(self._peaks, np.nan)
        self._peaks[: len(pairs)] = pairs
        self._width *= 2
