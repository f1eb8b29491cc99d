"""Pictures of grey parts and an inspector that is compared with them, for tests of drift."""

from __future__ import annotations

from pathlib import Path

import colour_method
import numpy as np
from PIL import Image

from brightfield.engine.measurement import Measurement
from brightfield.inspector import Inspector
from brightfield.monitor.measurement import Measured

SHAPE = (60, 80)


def picture(seed: int, *, light: float = 1.0, defective: bool = False) -> np.ndarray:
    """Return a picture of a grey block on a darker ground, with grain; a defective one has a red stripe."""
    rng = np.random.default_rng(seed)
    levels = np.full(SHAPE, 60.0)
    top, left = rng.integers(12, 18, 2)
    levels[top : top + 30, left : left + 40] = rng.normal(150, 8)
    levels = np.repeat((levels + rng.normal(0, 6, SHAPE))[..., None], 3, axis=2) * light
    out = levels.clip(0, 255).round().astype(np.uint8)
    if defective:
        out[top + 5 : top + 10, left + 5 : left + 20] = (255, 100, 100)
    return out


def write(folder: Path, count: int, first: int = 1, **how: float | bool) -> None:
    """Write pictures `part-N.png`, numbered without leading zeros from `first` on."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        Image.fromarray(picture(1000 + number, **how)).save(folder / f"part-{number}.png")  # type: ignore[arg-type]


def inspector(count: int = 60) -> Inspector:
    """Return an inspector that is calibrated on so many good parts, which were measured."""
    bare = colour_method.inspector()
    verdicts = list(bare.inspect_many((picture(i) for i in range(count)), measure=True))
    measurements: tuple[Measurement, ...] = tuple(v.measurement for v in verdicts if v.measurement)
    rows = np.arange(count, dtype=np.int64)
    measured = Measured(
        rows=rows,
        measurements=measurements,
        images=tuple(f"good/{i}.png" for i in range(count)),
        positions=np.random.default_rng(0).permutation(count).astype(np.int64),
        groups=np.full(count, -1, np.int64),
        thumbnails={0: picture(0), 5: picture(5)},
    )
    reference = {
        "scores": np.array([v.score for v in verdicts]),
        "labels": np.zeros(count, np.int64),
        **measured.arrays(),
    }
    return colour_method.inspector(reference=reference)
