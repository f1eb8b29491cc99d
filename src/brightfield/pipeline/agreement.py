"""Check before saving that the exported inspector agrees with the trained network."""

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
SECONDS = 2.0
"""Time limit of the comparison, after the first `LEAST_PICTURES`."""

TOLERANCE = 1e-3
"""Largest difference allowed, of a probability, or of a score relative to the range of scores."""

TIE = 1e-5
"""Values that differ by no more count as ties, on which decisions may differ; of large scores, relative."""


def compare(
    inspector: Inspector, fitted: Fitted, images: Sequence[str], progress: Progress
) -> dict[str, Any]:
    """Compare the exported inspector with the trained network on calibration pictures.

    At most 200 pictures, evenly spaced, are compared; fewer where that takes longer than `SECONDS`.

    Args:
        inspector: The inspector as it will be loaded.
        fitted: The fit result, with the trained network and the calibration pictures.
        images: Names of these pictures.
        progress: Callback for progress reports.

    Returns:
        The number of `pictures` compared, the `largest_difference` and its `scale`, for the manifest.

    Raises:
        AgreementError: If a decision differs, or a value differs by more than `TOLERANCE`.
    """
    cache = fitted.cache
    rows = np.unique(np.linspace(0, len(cache) - 1, min(MOST_PICTURES, len(cache))).round().astype(int))
    # in random order, so that pictures skipped at the time limit are spread evenly
    rows = np.random.default_rng(0).permutation(rows)
    exported: list[Scores] = []
    trained: list[Scores] = []
    begin, done = time.perf_counter(), 0
    for pictures in batches((cache[int(i)] for i in rows), LEAST_PICTURES):
        exported.append(scores_of(inspector.method.judge(pictures, explain=False)))
        trained.append(fitted.learned(pictures))
        done += len(pictures)
        progress("agree", done, len(rows))
        if done >= LEAST_PICTURES and time.perf_counter() - begin > SECONDS:
            break
    progress("agree", len(rows), len(rows))
    return _agreement(inspector, joined(exported), joined(trained), [images[int(i)] for i in rows[:done]])


def joined(scores: list[Scores]) -> Scores:
    """Concatenate the scores of batches."""
    logits = [s.logits for s in scores if s.logits is not None]
    return Scores(
        np.concatenate([s.defect for s in scores]),
        np.concatenate(logits) if len(logits) == len(scores) else None,
    )


def _agreement(
    inspector: Inspector, exported: Scores, trained: Scores, images: Sequence[str]
) -> dict[str, Any]:
    of_exported, of_trained = inspector.calibrated(exported), inspector.calibrated(trained)
    scale = _comparable(of_exported)
    values, expected = _values(of_exported, exported), _values(of_trained, trained)
    spread = max(float(np.ptp(exported.defect)), 1e-12) if scale is Scale.SCORE else 1.0
    difference = np.abs(values - expected).reshape(len(images), -1).max(1) / spread  # (N,)
    point = inspector.operating_point
    # scores that hardly differ from each other have no range to compare with
    wrong = (difference > TOLERANCE) & (difference * spread > TIE * np.maximum(1.0, np.abs(exported.defect)))
    if point is not None:
        wrong |= _decided_otherwise(point, (of_exported, exported), (of_trained, trained))
    # a method that rounds its scores may come out one step apart, on whatever scale they are compared
    wrong &= np.abs(exported.defect - trained.defect) >= 1.01 * inspector.method.score_step
    if wrong.any():
        named = sorted(image for image, differs in zip(images, wrong, strict=True) if differs)
        more = f" and {len(named) - 5} more" if len(named) > 5 else ""
        raise AgreementError(
            f"the inspector to be saved disagrees with the trained network on {len(named)} of {len(images)} "
            f"pictures: {', '.join(named[:5])}{more} (largest difference {difference.max():.2g}, expected "
            f"at most {TOLERANCE:g}). Choose another --backbone, and report this as a bug"
        )
    log.info(
        "exported and trained network agree on %d pictures to within %.2g", len(images), difference.max()
    )
    return {"pictures": len(images), "largest_difference": float(difference.max()), "scale": str(scale)}


def _comparable(values: Calibrated) -> Scale:
    known = values.by_class is not None or values.probability is not None
    return Scale.PROBABILITY if known else Scale.SCORE


def _values(values: Calibrated, scores: Scores) -> npt.NDArray[np.float64]:
    """Return the values to compare: probabilities by class (N, K) or of a defect (N,), else scores (N,)."""
    if values.by_class is not None:
        return values.by_class
    return scores.defect if values.probability is None else values.probability


def _decided_otherwise(
    point: OperatingPoint, exported: tuple[Calibrated, Scores], trained: tuple[Calibrated, Scores]
) -> npt.NDArray[np.bool_]:
    """Return bool (N,): pictures whose decisions differ and whose values differ by more than a tie.

    Values that are nearly equal and decided differently have a threshold between them.
    """
    a, b = (values.on(point.scale, scores.defect) for values, scores in (exported, trained))
    differ = np.array([point.decide(float(x)) != point.decide(float(y)) for x, y in zip(a, b, strict=True)])
    if point.scale is Scale.P_VALUE:  # p-values jump at the scores of the very parts that are compared here
        a, b = exported[1].defect, trained[1].defect
    return np.asarray(differ & (np.abs(a - b) > TIE * np.maximum(1.0, np.abs(a))), dtype=np.bool_)
