"""A log with entries whose truth is known, and people who look at the pages made from it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from brightfield.engine.measurement import Measurement
from brightfield.monitor.log.keep import Keep
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.review.pages import find_shown
from brightfield.verdict import Decision, Scale, Verdict

INSPECTOR = "ab" * 32


def picture(number: int, defective: bool) -> bytes:
    """Return a grey PNG file of 16 x 16 pixels, all different; defective ones have a black corner."""
    pixels = np.full((16, 16), 200, np.uint8)
    pixels[8, :8] = [255 if number >> bit & 1 else 0 for bit in range(8)]
    pixels[9, :8] = [255 if number >> bit & 1 else 0 for bit in range(8, 16)]
    if defective:
        pixels[:5, :5] = 0
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def verdict(probability: float, *, review: float = 0.5, inspector: str = INSPECTOR) -> Verdict:
    """Return a verdict that rejects from a probability of 0.5 on, and sends to review from `review` on."""
    decision = (
        Decision.DEFECT if probability >= 0.5 else Decision.REVIEW if probability >= review else Decision.OK
    )
    rng = np.random.default_rng(int(probability * 1e9))
    embedding = rng.normal(size=4).astype(np.float32)
    return Verdict(
        decision=decision,
        label="OK" if decision is Decision.OK else "pit",
        score=probability * 10 - 5,
        threshold=0.5,
        method="classifier",
        milliseconds=3.5,
        probability=probability,
        scale=Scale.PROBABILITY,
        measurement=Measurement(embedding, 0.5, 0.1, 0.3, 16, 16),
        inspector=inspector,
    )


def judged_log(
    folder: Path,
    *,
    passed: int = 60,
    rejected: int = 20,
    band: int = 0,
    escapes: int = 3,
    overkills: int = 4,
    keep: str = "all",
) -> tuple[VerdictLog, dict[int, str]]:
    """Return a log of a line, and the true class of each entry."""
    log = VerdictLog(folder / "line.db", keep=Keep(keep))
    truth: dict[int, str] = {}
    kinds = [("OK", i < escapes) for i in range(passed)]
    kinds += [("DEFECT", i >= overkills) for i in range(rejected)] + [
        ("REVIEW", i % 2 == 0) for i in range(band)
    ]
    start = {"OK": 0.01, "REVIEW": 0.3, "DEFECT": 0.6}
    for number in np.random.default_rng(0).permutation(len(kinds)):
        decision, defective = kinds[number]
        probability = start[decision] + 0.1 * number / len(kinds)
        entry = log.record(
            verdict(probability, review=0.25),
            part=f"P{number}",
            lot=f"L{number % 2}",
            station="east" if number % 3 else "west",
            picture=picture(int(number), defective),
        )
        truth[entry.id] = "pit" if defective else "OK"
    return log, truth


def data_of(page: Path) -> dict[str, Any]:
    """Return the data that a page holds."""
    text = re.search(r'<script id="data" type="application/json">(.*?)</script>', page.read_text(), re.DOTALL)
    assert text is not None
    return dict(json.loads(text[1]))


Says = Callable[[str], str | None]
"""From what is true to what a person says."""


def looked_at(
    log: VerdictLog, page: Path, truth: Mapping[int, str], *, by: str = "Ada", says: Says = str, day: int = 1
) -> Path:
    """Have a person look at a page, and return the file that it saves."""
    data = data_of(page)
    items = {one.name: one.item for one in find_shown(log.database, data["page"])}
    looks = []
    for i, card in enumerate(data["items"]):
        item = items[card["id"]]
        true = item.truth if item.entry_id is None else truth[item.entry_id]
        at = f"2026-03-{day:02}T08:{i // 60:02}:{i % 60:02}.000Z"
        looks.append({"item": card["id"], "truth": says(str(true)), "at": at, "seconds": 2.5, "heat": False})
    file = page.with_name(f"{data['page']}-{by}.json")
    document = {"brightfield": "review", "schema": 1, "page": data["page"], "by": by, "looks": looks}
    file.write_text(json.dumps(document), encoding="utf-8")
    return file


def known_pieces(folder: Path, *, good: int = 4, defective: int = 4) -> Path:
    """Return a folder of known pieces."""
    for name, n in (("OK", good), ("pit", defective)):
        (folder / name).mkdir(parents=True)
        for i in range(n):
            (folder / name / f"{i}.png").write_bytes(picture(1000 + i + 100 * (name == "pit"), name == "pit"))
    return folder
