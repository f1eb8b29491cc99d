"""Two inspectors on the same pictures."""

from __future__ import annotations

from dataclasses import replace

from brightfield.data.dataset import Dataset
from brightfield.evaluation.predictions import Predictions
from brightfield.evaluation.run import Evaluation, Picked, evaluate_split, judge
from brightfield.inspector import Inspector
from brightfield.progress import Progress, silent, with_prefix


def judge_both(
    first: Inspector, second: Inspector, dataset: Dataset, progress: Progress | None = None
) -> tuple[Predictions, Predictions]:
    """Return the predictions of both for the pictures that both can judge, in the same order.

    Without a normal class an inspector cannot judge a class that it does not know; such pictures are left
    out.

    Raises:
        DataError: If no picture can be judged by both.
    """
    tell = progress or silent
    unmasked = _in_common(first, second, dataset)
    one = judge(first, unmasked, with_prefix("before", tell)).predictions
    two = judge(second, unmasked, with_prefix("after", tell)).predictions
    return _aligned(one, two)


def evaluate_beside(
    first: Inspector, second: Inspector, dataset: Dataset, progress: Progress | None = None
) -> tuple[Predictions, Predictions, Evaluation]:
    """Return the predictions of both as `judge_both` does, and the evaluation of the second.

    Raises:
        DataError: If no picture can be judged by both.
    """
    tell = progress or silent
    evaluation = evaluate_split(second, Picked(dataset, (), {}), with_prefix("after", tell))
    before = judge(first, _in_common(first, second, dataset), with_prefix("before", tell)).predictions
    return (*_aligned(before, evaluation.predictions), evaluation)


def _in_common(first: Inspector, second: Inspector, dataset: Dataset) -> Dataset:
    """Return the pictures whose class both know where that matters, without masks, which take heatmaps."""
    named = first.normal is None or second.normal is None
    known = set(first.classes) & set(second.classes)
    return dataset.subset(
        replace(s, mask=None) for s in dataset.samples if not named or str(s.label) in known
    )


def _aligned(first: Predictions, second: Predictions) -> tuple[Predictions, Predictions]:
    both = set(first.images) & set(second.images)
    return first.only(both), second.only(both)
