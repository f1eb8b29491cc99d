"""From calibrated probabilities to a decision: the policy, and the operating point it chooses."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from brightfield.errors import BundleError, ConfigError, DataError
from brightfield.verdict import Decision

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

POLICIES = {
    "f1": "f1: the threshold with the greatest expected F1",
    "recall": "recall=R: the highest threshold that finds at least the share R of the defects, 0 < R <= 1",
    "fixed": "fixed=T: the threshold T, 0 <= T <= 1",
}
"""What `parse_policy` takes, by name."""


@dataclass(frozen=True)
class Policy:
    """How an operating point is chosen.

    Attributes:
        name: One of `POLICIES`.
        value: What stands after the equals sign; None for a policy without one.
    """

    name: str
    value: float | None = None

    def __str__(self) -> str:
        return self.name if self.value is None else f"{self.name}={self.value!r}"


@dataclass(frozen=True)
class OperatingPoint:
    """Thresholds, the policy that chose them, and what they did on the calibration part.

    Attributes:
        policy: As `parse_policy` takes it.
        threshold: A part is DEFECT where its probability is this or more; in [0, 1].
        review: A part below the threshold is REVIEW where its probability is this or more; None for no band.
        n_calibration: Parts it was chosen on.
        n_defect: Defective ones among them.
        escapes: Defective ones among them that it passes.
        overkills: Good ones among them that it rejects.
    """

    policy: str
    threshold: float
    n_calibration: int
    n_defect: int
    escapes: int
    overkills: int
    review: float | None = None

    def __post_init__(self) -> None:
        if not 0.0 <= self.threshold <= 1.0:
            raise ConfigError(f"threshold is {self.threshold}; expected a probability in [0, 1]")
        if self.review is not None and not 0.0 <= self.review <= self.threshold:
            raise ConfigError(
                f"review is {self.review}; expected a probability from 0 to the threshold, {self.threshold}"
            )
        n_good = self.n_calibration - self.n_defect
        if not (0 <= self.escapes <= self.n_defect and 0 <= self.overkills <= n_good):
            raise ConfigError(
                f"{self.escapes} escapes of {self.n_defect} defective and {self.overkills} overkills of "
                f"{n_good} good parts; expected counts no larger than the parts"
            )

    def decide(self, probability: float) -> Decision:
        """Return what happens to a part with this probability of a defect.

        Raises:
            DataError: If it is no probability.
        """
        if not 0.0 <= probability <= 1.0:
            raise DataError(f"probability of a defect is {probability}; expected a number in [0, 1]")
        if probability >= self.threshold:
            return Decision.DEFECT
        if self.review is not None and probability >= self.review:
            return Decision.REVIEW
        return Decision.OK

    def as_dict(self) -> dict[str, Any]:
        """Return what `from_dict` takes."""
        return asdict(self)

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> OperatingPoint:
        """Return the operating point that `as_dict` described.

        Raises:
            BundleError: If a value is missing or out of range.
        """
        try:
            review = values["review"]
            return OperatingPoint(
                policy=str(values["policy"]),
                threshold=float(values["threshold"]),
                n_calibration=int(values["n_calibration"]),
                n_defect=int(values["n_defect"]),
                escapes=int(values["escapes"]),
                overkills=int(values["overkills"]),
                review=None if review is None else float(review),
            )
        except (KeyError, TypeError, ValueError, ConfigError) as error:
            raise BundleError(f"operating point has a missing or wrong value: {error}") from error


def parse_policy(text: str) -> Policy:
    """Return the policy that a text such as `f1`, `recall=0.99` or `fixed=0.4` names.

    Raises:
        ConfigError: If there is no such policy, or its value is missing, superfluous or out of range.
    """
    name, equals, after = (part.strip() for part in text.strip().lower().partition("="))
    if name not in POLICIES:
        close = difflib.get_close_matches(name, POLICIES, n=1)
        hint = f" Did you mean {close[0]}?" if close else ""
        raise ConfigError(f"policy {text!r} is unknown; there are: {'; '.join(POLICIES.values())}.{hint}")
    if name == "f1":
        if equals:
            raise ConfigError(f"policy {text!r} has a value, but f1 takes none; expected {POLICIES[name]}")
        return Policy(name)
    try:
        value = float(after)
    except ValueError as error:
        raise ConfigError(
            f"policy {text!r} lacks a number after {name}=; expected {POLICIES[name]}"
        ) from error
    if not 0.0 <= value <= 1.0 or (name == "recall" and value == 0.0):
        share = f" ({value:g}% is {value / 100:g})" if 1 < value <= 100 else ""
        raise ConfigError(f"policy {text!r} is out of range{share}; expected {POLICIES[name]}")
    return Policy(name, value)


def choose(policy: Policy, probabilities: npt.ArrayLike, is_defect: npt.ArrayLike) -> OperatingPoint:
    """Choose the operating point on the calibration part.

    Args:
        policy: How to choose.
        probabilities: (N,), of a defect, in [0, 1].
        is_defect: (N,), bool.

    Raises:
        ConfigError: If there is no such policy.
        DataError: If shapes or values are wrong, or the parts do not suffice for the policy.
    """
    values, defect = _checked(probabilities, is_defect)
    if policy.name == "f1":
        threshold = _best_f1(values, defect)
    elif policy.name == "recall" and policy.value is not None:
        threshold = _highest_with_recall(values, defect, policy.value)
    elif policy.name == "fixed" and policy.value is not None:
        threshold = policy.value
    else:
        raise ConfigError(f"policy {str(policy)!r} is unknown; there are: {'; '.join(POLICIES.values())}")
    rejected = values >= threshold
    return OperatingPoint(
        policy=str(policy),
        threshold=threshold,
        n_calibration=len(values),
        n_defect=int(defect.sum()),
        escapes=int((defect & ~rejected).sum()),
        overkills=int((~defect & rejected).sum()),
    )


def _best_f1(values: FloatArray, defect: BoolArray) -> float:
    """Return the cut of the greatest expected F1, in the middle of its gap; of equal ones that of the widest.

    The expectation is 2 E[found] / (rejected + E[defects]) under the calibrated probabilities (the plug-in
    rule of Lewis 1995). Counting the calibration part's own defects instead follows the luck of those few
    parts: the F1 on other parts is lower, and the threshold varies several times as much.
    """
    n_defect = int(defect.sum())
    if n_defect in (0, len(values)):
        raise DataError(
            f"{n_defect} of {len(values)} calibration parts are defective; policy f1 needs good ones and "
            "defective ones: add images, or name the threshold with fixed=T"
        )
    uppers, position = np.unique(values, return_inverse=True)
    found = np.bincount(position, weights=values)[::-1].cumsum()[::-1]  # expected defects at or above each
    rejected = np.bincount(position)[::-1].cumsum()[::-1]
    lowers = np.concatenate(([0.0], uppers[:-1]))
    f1 = 2 * found / (rejected + max(values.sum(), np.finfo(float).tiny))
    best = np.flatnonzero(f1 == f1.max())
    cut = best[np.argmax((uppers - lowers)[best])]
    return float((lowers[cut] + uppers[cut]) / 2)


def _highest_with_recall(values: FloatArray, defect: BoolArray, recall: float) -> float:
    scores = np.sort(values[defect])[::-1]
    n = len(scores)
    if n == 0:
        raise DataError(
            "the calibration part holds no defective part; policy recall=R needs some: add images"
        )
    # Not ceil(recall * n), which rounding can push past a whole number: 0.07 * 100 > 7.
    enough = np.arange(1, n + 1) / n >= recall
    return float(scores[np.argmax(enough)])


def _checked(probabilities: npt.ArrayLike, is_defect: npt.ArrayLike) -> tuple[FloatArray, BoolArray]:
    values = np.asarray(probabilities, dtype=np.float64)
    defect = np.asarray(is_defect)
    if values.ndim != 1 or values.shape != defect.shape:
        raise DataError(f"{values.shape} probabilities and {defect.shape} labels; expected (N,) of both")
    if defect.dtype != np.bool_ and not np.isin(defect, (0, 1)).all():
        raise DataError(f"is_defect is {defect.dtype}; expected bool, true for a defective part")
    if not ((values >= 0) & (values <= 1)).all():
        raise DataError("a probability of a defect is not in [0, 1]; scores must be calibrated first")
    return values, defect.astype(np.bool_)
