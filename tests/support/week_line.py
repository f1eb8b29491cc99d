"""A line whose every number is known: an inspector, and its log over two days."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from unittest.mock import patch

import numpy as np

from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.calibration import Temperature
from brightfield.decide.guarantee import Guarantee
from brightfield.decide.operating_point import OperatingPoint
from brightfield.engine.measurement import Measurement
from brightfield.inspector import Inspector
from brightfield.methods.base import Method
from brightfield.monitor.log.store import VerdictLog
from brightfield.monitor.measurement import Measured
from brightfield.monitor.review.pages import add_looks, add_page
from brightfield.monitor.review.records import Item, Pool, Said
from brightfield.verdict import Decision, Scale, Verdict

OWN, OTHER = "ab" * 32, "cd" * 32
REFERENCE = 60
PROMISE = Guarantee("escape", 0.4, 0.95, 100, 1)

DAYS = ("2026-03-02", "2026-03-03")
DECISIONS = ("OK", "OK", "OK", "DEFECT", "OK", "REVIEW", "OK", "DEFECT", "OK", "OK")
"""What is said of ten parts, again and again: seven pass, one goes to review, two are rejected."""


def measurement(rng: np.random.Generator, brightness: float = 0.5) -> Measurement:
    """Return a measurement of a part, with noise."""
    embedding = rng.normal(size=4).astype(np.float32)
    noise = 0.01 * rng.normal(size=3)
    values = (brightness + noise[0], 0.4 * brightness + noise[1], 0.6 + noise[2])
    return Measurement(embedding, *(float(v) for v in values), 16, 16)


def inspector() -> Inspector:
    """Return an inspector that rejects from a probability of 0.5 on and asks from 0.25 on."""
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], (REFERENCE - 20, 20))
    scores = np.where(labels == 0, -3.0, 3.0) + rng.normal(size=REFERENCE) * 0.5
    measured = Measured(
        rows=np.arange(REFERENCE),
        measurements=tuple(measurement(rng) for _ in range(REFERENCE)),
        images=tuple(f"{i}.png" for i in range(REFERENCE)),
        positions=rng.permutation(REFERENCE),
        groups=np.full(REFERENCE, -1),
    )
    logits = np.column_stack([np.zeros(REFERENCE), scores])
    point = OperatingPoint(
        "escape<=0.4", 0.5, REFERENCE, 20, 0, 0, review=0.25, guarantees=(PROMISE,), scale=Scale.PROBABILITY
    )
    return Inspector(
        method=cast(Method, SimpleNamespace(name="classifier")),
        preprocessing=Preprocessing(8, 16, False, 16, 0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        classes=("OK", "pit"),
        normal="OK",
        calibrator=Temperature(1.0),
        operating_point=point,
        facts={},
        reference={"scores": scores, "labels": labels, "logits": logits, **measured.arrays()},
        splits={},
        sha256=OWN,
    )


def verdict(
    decision: str, rng: np.random.Generator, *, brightness: float = 0.5, sha256: str = OWN, took: float = 4.0
) -> Verdict:
    """Return a verdict with this decision."""
    probability = {"OK": 0.05, "REVIEW": 0.3, "DEFECT": 0.95}[decision]
    return Verdict(
        decision=Decision(decision),
        label="OK" if decision == "OK" else "pit",
        score=float(np.log(probability / (1 - probability))),
        threshold=0.5,
        method="classifier",
        milliseconds=took,
        probability=probability,
        scale=Scale.PROBABILITY,
        measurement=measurement(rng, brightness),
        inspector=sha256,
    )


def line(
    folder: Path, decisions: Sequence[str] = DECISIONS * 4, *, darker_from: int | None = None, others: int = 0
) -> VerdictLog:
    """Return a log of parts over two days, half of them on each, of two lots and two stations.

    Part i took i milliseconds.

    Args:
        folder: Where the log is.
        decisions: What is said of each part.
        darker_from: The part from which pictures are darker; None for none.
        others: So many of the first parts are another inspector's.
    """
    log, rng = VerdictLog(folder / "line.db"), np.random.default_rng(1)
    for i, decision in enumerate(decisions, start=1):
        day = DAYS[(2 * (i - 1)) // len(decisions)]
        dark = darker_from is not None and i >= darker_from
        found = verdict(
            decision,
            rng,
            brightness=0.3 if dark else 0.5,
            sha256=OTHER if i <= others else OWN,
            took=float(i),
        )
        with patch("brightfield.monitor.log.rows.now", lambda i=i, day=day: at(day, i)):
            log.record(found, part=f"P{i}", lot=f"L{i % 2}", station="east" if i % 4 else "west")
    return log


def at(day: str, i: int) -> str:
    """Return the time of a part of a day."""
    return f"{day}T08:{i // 60 % 60:02}:{i % 60:02}.000000+00:00"


def looked(log: VerdictLog, says: Sequence[tuple[Item, str | None, str, float | None]]) -> None:
    """Have people look at a page after the line: an item, what is said of it, by whom, and the seconds."""
    page = f"page {len(list(says))}"
    with patch("brightfield.monitor.review.pages.now", lambda: at(DAYS[1], 3000)):
        shown = add_page(log.database, page, [(str(i), item) for i, (item, *_) in enumerate(says)])
    add_looks(
        log.database,
        [
            Said(one.id, truth, by, at(DAYS[1], 3001 + i), seconds)
            for i, (one, (_, truth, by, seconds)) in enumerate(zip(shown, says, strict=True))
        ],
    )


def page(after: int = 0) -> list[tuple[Item, str | None, str, float | None]]:
    """Return looks at three parts that passed, two rejects, one for review, and three known pieces.

    They are the first ones behind so many parts, a multiple of ten. One of the parts that passed is called
    defective and one look is unsure; one of two known defective pieces is missed.
    """
    return [
        (Item(Pool.PASSED, after + 1, probability=0.1), "OK", "Ada", 1.0),
        (Item(Pool.PASSED, after + 2, probability=0.1), "pit", "Ada", 2.0),
        (Item(Pool.PASSED, after + 3, probability=0.1), None, "Ada", 9.0),
        (Item(Pool.REJECTED, after + 4, probability=0.2), "pit", "Ada", 3.0),
        (Item(Pool.REJECTED, after + 8, probability=0.2), "OK", "Grace", 4.0),
        (Item(Pool.BAND, after + 6), "pit", "Grace", 6.0),
        (Item(Pool.KNOWN, piece="a", truth="pit"), "pit", "Grace", None),
        (Item(Pool.KNOWN, piece="b", truth="pit"), "OK", "Grace", 5.0),
        (Item(Pool.KNOWN, piece="c", truth="OK"), "OK", "Grace", 5.0),
        (Item(Pool.UNCERTAIN, after + 5), "pit", "Grace", 5.0),
    ]
