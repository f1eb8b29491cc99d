"""Uncalibrated scores of pictures, on any scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from brightfield.decide.checks import check_numbers
from brightfield.engine.pooling import defect_log_odds
from brightfield.errors import DataError

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scores:
    """The score of every picture, and its logits where the method tells classes apart.

    Attributes:
        defect: float64 (N,), score of a defect, any scale, higher is more defective.
        logits: float64 (N, K), any scale; None where the method tells no classes apart.

    Raises:
        DataError: If shapes are wrong or disagree, or a number is not finite.
    """

    defect: FloatArray
    logits: FloatArray | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "defect", check_numbers(self.defect, "scores", 1))
        if self.logits is not None:
            object.__setattr__(self, "logits", check_numbers(self.logits, "logits", 2))
            if len(self.logits) != len(self.defect):
                raise DataError(
                    f"{len(self.defect)} scores and {len(self.logits)} rows of logits; expected one of each "
                    "per image"
                )

    def __len__(self) -> int:
        return len(self.defect)

    def only(self, rows: npt.ArrayLike) -> Scores:
        """Return the scores of some rows, given as indices or as bool (N,)."""
        kept = np.asarray(rows)
        if kept.dtype != np.bool_:
            kept = kept.astype(np.intp)
        return Scores(self.defect[kept], None if self.logits is None else self.logits[kept])


def scores_of_logits(logits: npt.ArrayLike, normal: int | None) -> Scores:
    """Return scores computed from logits: the log-odds of a defect, or without a normal class the margin.

    The margin is the difference of the two largest logits.

    Args:
        logits: (N, K), K at least 2.
        normal: The column of the normal class; None without one.

    Raises:
        DataError: If the logits are not finite numbers of shape (N, K), or lack the normal column or any
            other.
    """
    values = check_numbers(logits, "logits", 2)
    if normal is not None:
        return Scores(defect_score(values, normal), values)
    if values.shape[1] < 2:
        raise DataError(f"the logits have {values.shape[1]} column; expected at least two, one per class")
    top = np.sort(values, axis=1)
    return Scores(top[:, -1] - top[:, -2], values)


def defect_score(logits: npt.ArrayLike, normal: int) -> FloatArray:
    """Return the log-odds (N,) of any defect against the normal class, from logits (N, K).

    Raises:
        DataError: If the logits are not finite numbers of shape (N, K), or lack the normal column or any
            other.
    """
    values = check_numbers(logits, "logits", 2)
    if values.shape[1] < 2 or not 0 <= normal < values.shape[1]:
        raise DataError(
            f"the logits have {values.shape[1]} columns and the normal class is column {normal}; expected "
            "that column and at least one of a defect"
        )
    return defect_log_odds(values, normal)
