"""Scores from cached features, by the head alone: all members, or those that were not shown an image."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from brightfield.decide.scores import Scores, scores_of_logits
from brightfield.engine.head import Head
from brightfield.engine.pooling import pool_bags
from brightfield.learn.features import FeatureBank
from brightfield.learn.heads import members_without
from brightfield.methods.classifier.fitted import Classifier

_ROWS_AT_ONCE = 4096


def out_of_fold_scores(classifier: Classifier, bank: FeatureBank, fold_of: npt.NDArray[np.intp]) -> Scores:
    """Return every image's out-of-fold score, by the head's members that were trained without its fold.

    The features come from the cache, in the views of use.
    """
    folds = int(fold_of.max()) + 1
    members = classifier.head.spec.members
    heads = [classifier.head.only(members_without(f, members, folds)) for f in range(folds)]
    views = [bank.views.index(view) for view in classifier.views]
    # (folds, N, K)
    logits = np.stack([image_logits(head, bank, views, classifier.normal) for head in heads])
    return scores_of_logits(logits[fold_of, np.arange(len(fold_of))], classifier.normal)


def image_logits(
    head: Head, bank: FeatureBank, views: Sequence[int], normal: int | None
) -> npt.NDArray[np.float64]:
    """Return the logits (N, K) of all images, averaged over views and pooled over tiles.

    Args:
        head: The head, or some of its members.
        bank: The cached features of N images.
        views: The views, as positions in the bank.
        normal: The index of the normal class, or None.
    """
    by_view = [np.concatenate([head.logits(f) for f in _batches(bank.values[view])]) for view in views]
    return pool_bags(np.mean(by_view, axis=0), bank.starts, normal)


def _batches(features: npt.NDArray[np.float16]) -> Iterator[npt.NDArray[np.float32]]:
    for at in range(0, len(features), _ROWS_AT_ONCE):
        yield np.asarray(features[at : at + _ROWS_AT_ONCE], dtype=np.float32)
