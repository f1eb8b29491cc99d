"""The choice of the method where `--method` is auto: by the labels, and by how many defects are known."""

from __future__ import annotations

import math
from dataclasses import dataclass

from brightfield.data.dataset import Dataset
from brightfield.decide.calibration import LEAST_DEFECTS
from brightfield.decide.policy import parse_policy
from brightfield.methods.registry import METHODS
from brightfield.options import AUTO, TrainOptions, declared_by

CLASSIFIER = "classifier"
COMBINED = "combined"
SEGMENTER = "segmenter"

COMBINED_FROM = 4
"""The least number of known defects from which a classifier learns something beside good parts."""

CLASSIFIER_FROM = 60
"""The number of known defects from which a classifier alone is as good, and several times as quick."""


MASKED = 0.9
"""The share of known defects with masks from which pixels teach more than labels do."""


@dataclass(frozen=True)
class Choice:
    """A method and why it was chosen.

    Attributes:
        method: The name of the method.
        reason: The reason in words; None where the user named the method.
    """

    method: str
    reason: str | None


def choose_method(dataset: Dataset, options: TrainOptions) -> Choice:
    """Return the method that `--method` names; for `auto`, the one that suits the data set.

    Without known defects that is a method that learns from good parts alone; with few, good parts and a
    classifier together; with many, a segmenter where they have masks, else the classifier. Without a normal
    class it is the classifier. A method that does not know
    one of the given options is left out.
    """
    if options.method != AUTO:
        return Choice(options.method, None)
    suited = [name for name in METHODS if set(options.own) <= set(declared_by(name))]
    alone = [name for name in suited if METHODS[name].good_parts_alone]
    known = known_defects(dataset, options.test)
    policy = parse_policy(options.policy)
    # costs need a probability, which so few defects give with a classifier only
    costs = any(clause.costs is not None for clause in policy.clauses) and 0 < known < LEAST_DEFECTS
    if dataset.normal is None or not alone or costs:
        return Choice(_first(suited, CLASSIFIER), None)
    if known == 0:
        return Choice(alone[0], "no defect is known to learn from: good parts alone teach what is usual")
    if known < COMBINED_FROM:
        few = f"fewer than {COMBINED_FROM} defects are known beside those of the test split"
        return Choice(alone[0], f"{few}: good parts alone teach what is usual")
    if known < CLASSIFIER_FROM and COMBINED in suited and not policy.promises:
        few = f"fewer than {CLASSIFIER_FROM} defects are known beside those of the test split"
        return Choice(COMBINED, f"{few}: what is unusual among good parts counts beside a classifier")
    if SEGMENTER in suited and known >= CLASSIFIER_FROM and masked_share(dataset) >= MASKED:
        return Choice(SEGMENTER, "the known defects have masks: pixels teach more than labels do")
    return Choice(_first(suited, CLASSIFIER), None)


def known_defects(dataset: Dataset, test: float) -> int:
    """Return how many defective images are not tested, where a share of all is still to be drawn for that."""
    outside = [s for s in dataset.samples if s.split != "test"]
    defective = sum(s.label != dataset.normal for s in outside)
    return defective if len(outside) < len(dataset) else math.ceil(defective * (1 - test))


def masked_share(dataset: Dataset) -> float:
    """Return which share of the defective images that are not tested have masks; 0 without such images."""
    defective = [s for s in dataset.samples if s.split != "test" and s.label != dataset.normal]
    return sum(s.mask is not None for s in defective) / max(1, len(defective))


def _first(suited: list[str], wanted: str) -> str:
    """Return the wanted method if it suits or none does, so that its own message says what is wrong."""
    return wanted if wanted in suited or not suited else suited[0]
