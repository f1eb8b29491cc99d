"""A line without pictures: parts as an inspector measures and scores them, two inspectors, and people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from brightfield.data.preprocessing import Preprocessing
from brightfield.decide.calibration import calibrate
from brightfield.decide.fit_calibration import fit_calibrator
from brightfield.decide.policy import parse_policy
from brightfield.decide.scores import Scores, defect_score
from brightfield.decide.threshold_selection import choose
from brightfield.engine.measurement import Measurement
from brightfield.evaluation.predictions import Predictions
from brightfield.inspector import Inspector
from brightfield.methods.base import Method
from brightfield.monitor.measurement import Measured
from brightfield.verdict import Scale, Verdict

Floats = npt.NDArray[np.float64]

OK, PIT, SCRATCH = "OK", "pit", "scratch"
POLICY = "escape<=0.05"
EMBEDDED = 32
SIDE = 256

_SPREAD = 1.0 / np.sqrt(1.0 + np.arange(EMBEDDED) / 4.0)
_LOOKS = {OK: np.zeros(EMBEDDED), PIT: np.eye(EMBEDDED)[2] * 2.0, SCRATCH: np.eye(EMBEDDED)[5] * 2.5}
"""Where parts of each class lie in the embedding, off the good ones."""

_AGED = np.eye(EMBEDDED)[0] + 0.5 * np.eye(EMBEDDED)[1]


@dataclass(frozen=True)
class Parts:
    """Parts of the line, N of them.

    Attributes:
        kinds: The true class of each.
        embeddings: float64 (N, E).
        levels: Brightness, contrast, sharpness, row and column, float64 (N, 5).
        odds: How much each looks like a pit and like a scratch to one who knows both, (N, 2): log-odds
            against a good part.
    """

    kinds: npt.NDArray[np.str_]
    embeddings: Floats
    levels: Floats
    odds: Floats

    def __len__(self) -> int:
        return len(self.kinds)


def parts_of(kinds: Sequence[str], age: Floats | float, rng: np.random.Generator) -> Parts:
    """Return parts of these classes under a lamp of some age, in standard deviations of the brightness."""
    n, aged = len(kinds), np.broadcast_to(np.asarray(age, dtype=np.float64), len(kinds))
    offsets = np.stack([_LOOKS[kind] for kind in kinds])
    embeddings = offsets + rng.normal(size=(n, EMBEDDED)) * _SPREAD + aged[:, None] * 0.4 * _AGED
    means, spreads = np.array([0.5, 0.2, 0.6, 0.5, 0.5]), np.array([0.02, 0.01, 0.03, 0.004, 0.004])
    levels = means + spreads * rng.normal(size=(n, 5))
    levels[:, 0] -= aged * spreads[0]
    levels[:, 1] *= levels[:, 0] / means[0]  # less light leaves less contrast, in proportion
    odds = rng.normal(-5.0, 1.2, size=(n, 2)) + 0.5 * aged[:, None]
    for column, kind in enumerate((PIT, SCRATCH)):
        own = np.array([k == kind for k in kinds])
        odds[own, column] = rng.normal(3.5, 1.8, size=int(own.sum()))
    return Parts(np.array(kinds), embeddings, levels, odds)


def inspector_of(
    classes: Sequence[str], counts: Sequence[int], sha256: str, rng: np.random.Generator, blur: float = 0.0
) -> Inspector:
    """Return an inspector that knows these classes, calibrated on so many parts of each.

    Args:
        classes: The classes, `OK` first.
        counts: How many parts of each calibrate it.
        sha256: What the log knows it by.
        rng: For the parts.
        blur: The standard deviation of an error in its scores.
    """
    labels = np.repeat(np.arange(len(classes)), counts)
    parts = parts_of([classes[int(i)] for i in labels], 0.0, rng)
    logits = logits_of(parts, len(classes), rng, blur)
    scores = Scores(defect_score(logits, 0), logits)
    calibrator = fit_calibrator(scores, labels, 0)
    values = calibrate(calibrator, scores, 0)
    point = choose(
        parse_policy(POLICY), values, labels != 0, [classes[int(i)] for i in labels], scores=scores.defect
    )
    measured = Measured(
        rows=np.arange(len(labels)),
        measurements=tuple(measurements_of(parts)),
        images=tuple(f"reference-{i}.png" for i in range(len(labels))),
        positions=rng.permutation(len(labels)),
        groups=np.full(len(labels), -1),
    )
    return Inspector(
        method=cast(Method, SimpleNamespace(name="simulated")),
        preprocessing=Preprocessing(8, SIDE, False, SIDE, 0, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)),
        classes=tuple(classes),
        normal=OK,
        calibrator=calibrator,
        operating_point=point,
        facts={},
        reference={"scores": scores.defect, "labels": labels, "logits": logits, **measured.arrays()},
        splits={},
        sha256=sha256,
    )


def logits_of(parts: Parts, classes: int, rng: np.random.Generator, blur: float = 0.0) -> Floats:
    """Return the logits of an inspector that knows so many classes.

    One that never saw a scratch takes it for a good part with something odd about it: a score a little
    higher than good parts have, most of the time too low to be rejected.
    """
    odds = parts.odds + rng.normal(size=parts.odds.shape) * blur
    if classes == 2:
        unknown = parts.kinds == SCRATCH
        odds[unknown, 0] = rng.normal(-3.0, 1.5, size=int(unknown.sum()))
    return np.column_stack([np.zeros(len(parts)), odds[:, : classes - 1]])


def measurements_of(parts: Parts) -> list[Measurement]:
    """Return the parts as a picture of each would be measured."""
    embedded = parts.embeddings.astype(np.float32)
    return [
        Measurement(e, float(b), float(c), float(s), SIDE, SIDE, float(r), float(x))
        for e, (b, c, s, r, x) in zip(embedded, parts.levels, strict=True)
    ]


def verdicts_of(
    inspector: Inspector, parts: Parts, rng: np.random.Generator, blur: float = 0.0
) -> list[Verdict]:
    """Return what an inspector says of parts, as `inspect` would."""
    logits = logits_of(parts, len(inspector.classes), rng, blur)
    scores = Scores(defect_score(logits, 0), logits)
    found, point = inspector.calibrated(scores), inspector.operating_point
    if point is None or found.probability is None or found.by_class is None:
        raise ValueError("the simulated inspectors take decisions by probabilities of classes")
    took = 9.0 + rng.gamma(2.0, 0.8, size=len(parts))
    out = []
    for i, measurement in enumerate(measurements_of(parts)):
        decision = point.decide(float(found.probability[i]))
        out.append(
            Verdict(
                decision=decision,
                label=inspector.label_of(found.by_class[i], str(decision)),
                score=float(scores.defect[i]),
                threshold=point.threshold,
                method=inspector.method.name,
                milliseconds=float(took[i]),
                probability=float(found.probability[i]),
                scale=Scale.PROBABILITY,
                measurement=measurement,
                inspector=inspector.sha256,
            )
        )
    return out


def predictions_of(inspector: Inspector, parts: Parts, verdicts: Sequence[Verdict]) -> Predictions:
    """Return verdicts on parts whose classes are known, as an evaluation holds them."""
    return Predictions(
        images=tuple(f"{i}.png" for i in range(len(parts))),
        truth=tuple(str(kind) for kind in parts.kinds),
        splits=("test",) * len(parts),
        decisions=tuple(str(v.decision) for v in verdicts),
        labels=tuple(v.label for v in verdicts),
        scores=np.array([v.score for v in verdicts]),
        probabilities=np.array([v.probability for v in verdicts]),
        p_values=None,
        thresholds=np.array([v.threshold for v in verdicts]),
        class_probabilities=None,
        classes=(OK, PIT, SCRATCH),
        normal=OK,
        scale=Scale.PROBABILITY,
    )


@dataclass
class People:
    """People who look at parts, and are wrong now and then.

    Attributes:
        rng: For what they say.
        missed: The share of defective parts that they call good.
        alarms: The share of good parts that they call defective.
        names: Who they are; they take pages in turn.
        looks: How many pictures they have looked at.
    """

    rng: np.random.Generator
    missed: float = 0.08
    alarms: float = 0.01
    names: tuple[str, ...] = ("Ada", "Grace")
    looks: int = 0
    pages: int = field(default=0)

    def say(self, truth: str) -> tuple[str, float]:
        """Return what a person says of a part, and how many seconds they looked."""
        self.looks += 1
        seconds = float(self.rng.lognormal(np.log(3.2), 0.5))
        if truth == OK:
            return (PIT if self.rng.random() < self.alarms else OK), seconds
        return (OK if self.rng.random() < self.missed else truth), seconds

    def next(self) -> str:
        """Return who takes the next page."""
        self.pages += 1
        return self.names[self.pages % len(self.names)]


def kinds_of(n: int, shares: dict[str, Any], rng: np.random.Generator) -> list[str]:
    """Return the classes of so many parts, with these shares of defects."""
    names = [OK, *shares]
    weights = [1.0 - sum(shares.values()), *shares.values()]
    return [names[i] for i in rng.choice(len(names), size=n, p=weights)]
