"""Check the labels of a data set: which are probably wrong, and how many."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.data.region import Region
from brightfield.evaluation.label_errors import label_errors
from brightfield.pipeline.out_of_fold import out_of_fold
from brightfield.progress import Progress


@dataclass(frozen=True)
class Doubt:
    """One label to look at.

    Attributes:
        image: The image's name in the data set.
        label: Its label.
        suggested: The class that is more probable.
        wrong: The probability that the label is wrong, in [0, 1].
    """

    image: str
    label: str
    suggested: str
    wrong: float


@dataclass(frozen=True)
class LabelReport:
    """The result of a check of labels.

    Attributes:
        n: The number of images.
        expected: How many labels are wrong, as far as that can be known.
        doubts: The labels to look at, the most probably wrong first; as many as are expected to be wrong.
    """

    n: int
    expected: float
    doubts: tuple[Doubt, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON types."""
        return {"n": self.n, "expected": self.expected, "doubts": [asdict(doubt) for doubt in self.doubts]}


def check_labels(
    dataset: Dataset, *, seed: int = 0, region: Region | None = None, progress: Progress | None = None
) -> LabelReport:
    """Return which labels of a data set are probably wrong.

    A classifier is trained by cross-validation: see `out_of_fold` and `label_errors`.

    Args:
        dataset: The data set, with a label for every image.
        seed: The seed of folds and training.
        region: The region of interest; None for whole pictures.
        progress: Callback for progress reports.

    Raises:
        DataError: If there are fewer than two classes, a class is in one group, or an image cannot be read.
    """
    judged = out_of_fold(dataset, seed=seed, region=region, progress=progress)
    found = label_errors(judged.probabilities, judged.labels)
    classes, samples = judged.data.classes, judged.data.samples
    doubts = tuple(
        Doubt(
            samples[i].image,
            classes[judged.labels[i]],
            classes[found.suggested[i]],
            float(found.wrong[i]),
        )
        for i in found.proposed
    )
    return LabelReport(len(samples), found.expected, doubts)
