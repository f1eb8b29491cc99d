"""The gate: what is saved must judge pictures as the network that learned does."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.decide.calibration import Calibrated
from brightfield.decide.operating_point import OperatingPoint
from brightfield.decide.scores import Scores
from brightfield.errors import AgreementError
from brightfield.inspector import Inspector
from brightfield.methods.base import Fitted
from brightfield.methods.scoring import batches, scores_of
from brightfield.progress import Progress
from brightfield.verdict import Scale

log = logging.getLogger(__name__)

MOST_PICTURES = 200
LEAST_PICTURES = 16
SECONDS = 4.0
"""That the comparison may take, once `LEAST_PICTURES` are compared."""

TOLERANCE = 1e-3
"""Of a probability or p-value; of a score, as a share of the scores' range."""

TIE = 1e-5
"""By which two values may differ and lie on either side of a threshold; of large scores, as a share."""


def compare(
    inspector: Inspector, fitted: Fitted, images: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Judge pictures by the inspector and by what learned, and return how far the two differ.

    Of the calibrating pictures up to 200 are compared, evenly spaced, fewer where that takes long.

    Args:
        inspector: As whoever loads it will have it.
        fitted: What learned, and the pictures that calibrate.
        images: The names of these pictures.
        progress: Told of every batch.

    Returns:
        `pictures` compared, `largest_difference` and its `scale`, for the manifest.

    Raises:
        AgreementError: If a decision differs, or a value by more than `TOLERANCE`.
    """
    cache = fitted.cache
    rows = np.unique(np.linspace(0, len(cache) - 1, min(MOST_PICTURES, len(cache))).round().astype(int))
    rows = np.random.default_rng(0).permutation(rows)  # whatever is left out for time is spread evenly
    judged: list[Scores] = []
    learned: list[Scores] = []
    begin, done = time.perf_counter(), 0
    for pictures in batches((cache[int(i)] for i in rows), LEAST_PICTURES):
        judged.append(scores_of(inspector.method.judge(pictures, explain=False)))
        learned.append(fitted.learned(pictures))
        done += len(pictures)
        progress("agree", done, len(rows))
        if done >= LEAST_PICTURES and time.perf_counter() - begin > SECONDS:
            break
    progress("agree", len(rows), len(rows))
    return _agreement(inspector, joined(judged), joined(learned), [images[int(i)] for i in rows[:done]])


def joined(scores: list[Scores]) -> Scores:
    """Return scores one behind the other."""
    logits = [s.logits for s in scores if s.logits is not None]
    return Scores(
        np.concatenate([s.defect for s in scores]),
        np.concatenate(logits) if len(logits) == len(scores) else None,
    )


def _agreement(
    inspector: Inspector, judged: Scores, learned: Scores, images: Sequence[str]
) -> dict[str, Any]:
    ours, theirs = inspector.calibrated(judged), inspector.calibrated(learned)
    scale, found, expected = _comparable(ours), _values(ours, judged), _values(theirs, learned)
    spread = max(float(np.ptp(judged.defect)), 1e-12) if scale is Scale.SCORE else 1.0
    apart = np.abs(found - expected).reshape(len(images), -1).max(1) / spread
    point = inspector.operating_point
    wrong = apart > TOLERANCE
    if point is not None:
        wrong |= _decided_otherwise(point, (ours, judged), (theirs, learned))
    if wrong.any():
        named = sorted(image for image, differs in zip(images, wrong, strict=True) if differs)
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        raise AgreementError(
            f"{len(named)} of {len(images)} pictures are judged otherwise by the saved inspector than by the "
            f"network that learned: {', '.join(named[:5])}{more} (largest difference {apart.max():.2g}; at "
            f"most {TOLERANCE:g} is expected). Choose another --backbone, or report it"
        )
    log.info("%d pictures are judged alike, to %.2g", len(images), apart.max())
    return {"pictures": len(images), "largest_difference": float(apart.max()), "scale": str(scale)}


def _comparable(values: Calibrated) -> Scale:
    known = values.by_class is not None or values.probability is not None
    return Scale.PROBABILITY if known else Scale.SCORE


def _values(values: Calibrated, scores: Scores) -> npt.NDArray[np.float64]:
    """Return what is compared: probabilities by class, or of a defect, or scores."""
    if values.by_class is not None:
        return values.by_class
    return scores.defect if values.probability is None else values.probability


def _decided_otherwise(
    point: OperatingPoint, ours: tuple[Calibrated, Scores], theirs: tuple[Calibrated, Scores]
) -> npt.NDArray[np.bool_]:
    """Return of which pictures the decisions differ, and the values by more than a tie.

    Values that are nearly the same and decided otherwise have a threshold between them.
    """
    a, b = (values.on(point.scale, scores.defect) for values, scores in (ours, theirs))
    differ = np.array([point.decide(float(x)) != point.decide(float(y)) for x, y in zip(a, b, strict=True)])
    if point.scale is Scale.P_VALUE:  # which jumps at every calibrating part's score, and such are compared
        a, b = ours[1].defect, theirs[1].defect
    return np.asarray(differ & (np.abs(a - b) > TIE * np.maximum(1.0, np.abs(a))), dtype=np.bool_)
