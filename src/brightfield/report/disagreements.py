"""The test images on which the methods of a comparison disagree, with the heatmap of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from brightfield.data.mask_types import mask_types
from brightfield.errors import ImageError
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.ranking import Comparison, Contender, disagreed, is_right
from brightfield.explain.overlay import as_png, shrink
from brightfield.progress import Progress, silent
from brightfield.report.overlaid import exhibited, truth_of

MOST_OF_A_KIND = 8
_PICTURE_SIDE = 320


@dataclass(frozen=True)
class Shown:
    """A test image on which methods disagree.

    Attributes:
        image: Name of the image in the data set.
        truth: The true class.
        picture_png: The image as PNG.
        overlays: The image with the heatmap of each method as PNG; None where there is none.
        decided: The words on each method's decision, and whether it is right.
    """

    image: str
    truth: str
    picture_png: bytes = field(repr=False)
    overlays: Sequence[bytes | None] = field(repr=False)
    decided: Sequence[tuple[str, bool]] = ()


def disagreements(comparison: Comparison, progress: Progress | None = None) -> dict[str, list[Shown]]:
    """Return the images to show, by kind: `defective` and `good`, or `named` without a normal class."""
    rows = chosen(comparison)
    return {kind: _exhibits(comparison, of_kind, progress or silent) for kind, of_kind in rows.items()}


def chosen(comparison: Comparison) -> dict[str, list[int]]:
    """Return the rows to show of the images on which methods disagree, at most eight of a kind.

    Those that the best method gets wrong come first; classes take turns.
    """
    predictions = {c.method: c.predictions for c in comparison.contenders}
    apart, best = disagreed(predictions), comparison.best.predictions
    order = _in_turns(best, np.flatnonzero(apart).tolist())
    if best.normal is None:
        return {"named": order[:MOST_OF_A_KIND]}
    defective = best.is_defect
    return {
        kind: [i for i in order if defective[i] == bad][:MOST_OF_A_KIND]
        for kind, bad in (("defective", True), ("good", False))
    }


def _in_turns(predictions: Predictions, rows: Sequence[int]) -> list[int]:
    """Return rows with those decided wrongly first, and in each half one of every class by turns."""
    right = is_right(predictions)
    before: Counter[tuple[bool, str]] = Counter()
    turn = {}
    for i in rows:
        group = bool(right[i]), predictions.truth[i]
        turn[i] = before[group]
        before[group] += 1
    return sorted(rows, key=lambda i: (bool(right[i]), turn[i]))


def _exhibits(comparison: Comparison, rows: Sequence[int], progress: Progress) -> list[Shown]:
    contenders = comparison.contenders
    dataset = comparison.best.evaluation.dataset
    samples, types = dataset.samples, mask_types(dataset)
    right = {c.method: is_right(c.predictions) for c in contenders}
    exhibits = []
    for done, row in enumerate(rows, start=1):
        progress("pictures", done, len(rows))
        sample, overlays, picture = samples[row], [], None
        try:
            for contender in contenders:
                look = contender.inspector.look(sample.path)
                picture = shrink(look.picture, _PICTURE_SIDE)
                heat = look.verdict.heatmap
                drawn = None
                if heat is not None:
                    truth = truth_of(sample, types, heat.shape)
                    drawn = as_png(exhibited(picture, heat, look.verdict, truth))
                overlays.append(drawn)
        except ImageError:
            continue  # it has become unreadable since it was judged
        if picture is not None:
            decided = [(_said(c, row), bool(right[c.method][row])) for c in contenders]
            exhibits.append(Shown(sample.image, str(sample.label), as_png(picture), overlays, decided))
    return exhibits


def _said(contender: Contender, row: int) -> str:
    p = contender.predictions
    words = {"OK": "passes", "REVIEW": "for review", "DEFECT": "rejected"}
    return words.get(str(p.decisions[row]), p.labels[row])
