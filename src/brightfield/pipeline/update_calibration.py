"""Calibration of an updated inspector: anew where there are enough parts, otherwise as before."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np

from brightfield.data.cache import build_cache
from brightfield.data.dataset import Dataset, order_classes
from brightfield.decide.auto import OVERKILLS
from brightfield.decide.calibration import LEAST_DEFECTS, Conformal
from brightfield.decide.guarantee import parts_needed
from brightfield.decide.policy import DEFAULT_CONFIDENCE, parse_policy
from brightfield.decide.scores import Scores
from brightfield.errors import DataError
from brightfield.evaluation.run import digests
from brightfield.inspector import Inspector
from brightfield.methods.base import Fitted, Method, Picture, Updated
from brightfield.methods.scoring import scores_of
from brightfield.pipeline.calibrate import assemble
from brightfield.pipeline.preflight import Ready, check_calibration
from brightfield.progress import Progress

log = logging.getLogger(__name__)

FEWEST_GOOD = parts_needed(OVERKILLS[-1], DEFAULT_CONFIDENCE)
"""From so many good parts on, or as many as before, an updated inspector is calibrated anew."""

_FEW = "as the data set has too few parts to calibrate on"
_WHOLE = "Give the whole data set with the new pictures in it to calibrate anew"
_FALLING = (
    "The memory bank lost no patch, so no score has risen: no more good parts are rejected than before, but "
    f"more defects may pass, and nothing that was promised of escapes holds. {_WHOLE}"
)
_MOVING = (
    "The memory bank was full and gave up patches for new ones: scores may have fallen or risen, and nothing "
    f"that was promised holds. {_WHOLE}"
)


def calibrates(placed: Dataset, base: Inspector, policy: str, *, asked: bool) -> bool:
    """Return whether the calibration split has enough parts to calibrate anew.

    Args:
        placed: The data set with its splits.
        base: The inspector before.
        policy: How the threshold would be chosen.
        asked: Whether this policy was asked for, so that too few parts for it are an error.

    Raises:
        DataError: If there are too few parts for a policy that was asked for.
    """
    before = base.reference["labels"] != base.normal_index
    calibration = placed.split("calibration")
    good = calibration.labels.count(base.normal)
    defects = len(calibration) - good
    needed_good = max(1, min(FEWEST_GOOD, int((~before).sum())))
    needed = 0 if isinstance(base.calibrator, Conformal) else min(LEAST_DEFECTS, int(before.sum()))
    if good < needed_good or defects < needed:
        if not asked:
            return False
        raise DataError(
            f"--policy {policy!r} chooses a threshold, and {placed.name} has {good} good and {defects} "
            f"defective parts to calibrate on; expected {needed_good} and {needed} or more: give the whole "
            "data set with the new pictures in it, or remove --policy to keep the threshold"
        )
    try:
        check_calibration(calibration, parse_policy(policy), LEAST_DEFECTS)
    except DataError:
        if asked:
            raise
        return False
    return True


def calibrated_anew(
    placed: Dataset, base: Inspector, updated: Updated, policy: str, folder: Path, progress: Progress
) -> Inspector:
    """Return the updated inspector, calibrated on the calibration split."""
    labels = {str(s.label) for s in placed.samples if s.split != "test"}
    data = replace(placed, classes=order_classes({*base.classes, *labels}, base.normal))
    calibration = data.split("calibration")
    paths = [s.path for s in calibration.samples]
    fitted = Fitted(
        method=updated.method,
        preprocessing=base.preprocessing,
        cache=build_cache(paths, rule=base.preprocessing, folder=folder / "pixels", progress=progress),
        history=[],
        out_of_fold=None,
        facts={},
        weights_licence=base.facts["weights_licence"],
        weights_sha256=None,
        learned=partial(_scored, updated.method),
    )
    ready = Ready(data, calibration, np.zeros(len(data.split("train")), dtype=np.intp), None)
    return assemble(ready, fitted, parse_policy(policy), progress)


def _scored(method: Method, pictures: Sequence[Picture]) -> Scores:
    return scores_of(method.judge(pictures, explain=False))


def as_calibrated_before(base: Inspector, updated: Updated, placed: Dataset) -> Inspector:
    """Return the updated inspector with the calibration of before, and with the promises that still hold."""
    contents = zip(digests(placed), placed.samples, strict=True)
    point = base.operating_point
    if point is not None:
        holds = (g for g in point.guarantees if updated.scores_only_fall and g.kind == "overkill")
        point = replace(point, guarantees=tuple(holds))
    if updated.scores_only_fall:
        log.warning("calibration and threshold are those of before the update, %s. %s", _FEW, _FALLING)
    else:
        log.warning("calibration and threshold are those of before the update, %s. %s", _FEW, _MOVING)
    return replace(
        base,
        method=updated.method,
        operating_point=point,
        splits={content: str(s.split) for content, s in contents if content},
    )
