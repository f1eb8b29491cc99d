"""Lines for tests of drift: parts drawn at random, without any picture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from brightfield.engine.measurement import Measurement
from brightfield.monitor.drift.reference import Reference, Seen

WIDTH = 12
GOOD, BAD = "good", "scratch"


class Line:
    """A line whose parts differ in an embedding of 12 values and in what is measured of them.

    Defective parts differ from good ones in both, and one in ten is not recognised.
    """

    def __init__(self, seed: int = 0, *, defective: float = 0.2, lot: int = 1, alike: float = 0.0) -> None:
        """Begin a line.

        Args:
            seed: Of all that is drawn.
            defective: The share of defective parts.
            lot: The number of parts in a lot.
            alike: The share of the variance that lies between lots.
        """
        self._rng = np.random.default_rng(seed)
        self._mixing = np.random.default_rng(99).normal(size=(WIDTH, WIDTH)) / np.sqrt(WIDTH)
        self.defective, self._lot, self._alike = defective, lot, alike
        self._common = np.zeros(WIDTH + 6)
        self._made = 0

    def part(self, **changes: float) -> tuple[Seen, bool]:
        """Return the next part, and whether it is defective.

        `changes` are added to what is measured, to contrast as a share of brightness, and `look` to every
        value behind the embedding.
        """
        if self._made % self._lot == 0:
            self._common = self._rng.normal(size=WIDTH + 6)
        self._made += 1
        own = self._rng.normal(size=WIDTH + 6)
        drawn = np.sqrt(self._alike) * self._common + np.sqrt(1 - self._alike) * own
        bad = bool(self._rng.random() < self.defective)
        said_bad = bad != bool(self._rng.random() < 0.1)
        hidden = drawn[:WIDTH] + changes.get("look", 0.0)
        hidden[0] += 2.0 * bad
        brightness = 0.5 + 0.05 * (drawn[-6] - bad) + changes.get("brightness", 0.0)
        measured = Measurement(
            embedding=(hidden @ self._mixing).astype(np.float32),
            brightness=brightness,
            contrast=brightness * (0.4 + 0.04 * drawn[-5] + changes.get("contrast", 0.0)),
            sharpness=0.5 + 0.03 * drawn[-4] + changes.get("sharpness", 0.0),
            height=100 + int(changes.get("height", 0)),
            width=150,
            row=0.5 + 0.01 * drawn[-3] + changes.get("row", 0.0),
            column=0.5 + 0.01 * drawn[-2],
        )
        score = float(drawn[-1]) + 3.0 * said_bad
        return Seen(measured, BAD if said_bad else GOOD, said_bad, score), bad

    def parts(self, count: int, **changes: float) -> list[Seen]:
        """Return the next parts."""
        return [self.part(**changes)[0] for _ in range(count)]


def reference(count: int = 200, seed: int = 1, **how: Any) -> Reference:
    """Return the reference of a line."""
    line = Line(seed, **how)
    parts = [line.part() for _ in range(count)]
    rows = np.arange(count, dtype=np.int64)
    return Reference(
        parts=tuple(seen for seen, _ in parts),
        images=tuple(f"reference-{i}.png" for i in range(count)),
        classes=np.array([int(bad) for _, bad in parts]),
        positions=rows,
        blocks=rows,
        normal=GOOD,
        thumbnails={3: np.zeros((8, 8, 3), np.uint8)},
    )


def shuffled(given: Reference, seed: int = 0) -> Reference:
    """Return a reference whose names tell nothing of its order."""
    order = np.random.default_rng(seed).permutation(len(given))
    return replace(given, positions=order.astype(np.int64))
