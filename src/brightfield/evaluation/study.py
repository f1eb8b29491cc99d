"""Agreement study of an inspector: repeated or disturbed shots of labelled parts, compared with people."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from brightfield.data.dataset import Dataset, Sample
from brightfield.data.decode import decode
from brightfield.data.manifest import read_csv
from brightfield.errors import ConfigError, DataError
from brightfield.evaluation.agreement import THE_INSPECTOR, attribute_agreement
from brightfield.evaluation.disturb import Disturbance
from brightfield.evaluation.intervals import clopper_pearson
from brightfield.evaluation.predictions import Predictions
from brightfield.inspector import Inspector
from brightfield.progress import Progress, silent
from brightfield.verdict import DECISIONS, Verdict

MOST_TRIALS = 1000
_COLUMNS = ("image", "appraiser", "decision")
_SHOWN = 5


@dataclass(frozen=True)
class Study:
    """The settings of an agreement study.

    Attributes:
        trials: Number of disturbed copies of every picture, from 0 to 1,000.
        disturbance: The largest disturbance of a copy.
        repeated: Whether pictures of one group are repeated shots of one part.
        appraisals: CSV file of people's decisions on the same images, or None.
        seed: Seed of the random disturbances.
    """

    trials: int = 0
    disturbance: Disturbance = field(default_factory=Disturbance)
    repeated: bool = False
    appraisals: Path | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.trials <= MOST_TRIALS:
            raise ConfigError(f"--trials is {self.trials}; expected a whole number from 0 to {MOST_TRIALS}")
        if self.appraisals is not None and not self.appraisals.is_file():
            raise ConfigError(
                f"--appraisals {self.appraisals} is not a file; expected a CSV file of decisions"
            )

    @property
    def asked(self) -> bool:
        """Whether the settings ask for a study at all."""
        return self.trials > 0 or self.repeated or self.appraisals is not None


def check_can_decide(inspector: Inspector) -> None:
    """Check that an inspector takes decisions.

    Raises:
        ConfigError: If it has no operating point.
    """
    if inspector.operating_point is None:
        raise ConfigError(
            "an agreement study compares decisions; this inspector has no normal class and only names classes"
        )


def run_study(
    inspector: Inspector,
    dataset: Dataset,
    predictions: Predictions,
    study: Study,
    progress: Progress | None = None,
    confidence: float = 0.95,
    unreadable: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the agreement of the inspector with itself, with the truth and with people, for metrics.json.

    Args:
        inspector: The inspector.
        dataset: The images.
        predictions: Its predictions on these images.
        study: The settings of the study.
        progress: Callback for progress reports.
        confidence: Confidence level of the intervals, in (0, 1).
        unreadable: Names of images that were left out; people's decisions on them are ignored.

    Raises:
        ConfigError: If the inspector has no operating point.
        DataError: If shots of one part have different labels, or the file of people's decisions is wrong.
    """
    check_can_decide(inspector)
    rng = np.random.default_rng(study.seed)
    tell = progress or silent
    causes = study.disturbance.causes() if study.trials else {}
    undisturbed = [str(d) for d in predictions.decisions]
    looks: list[list[str]] = []
    by_cause: dict[str, list[tuple[str, float]]] = {name: [] for name in causes}
    for i, sample in enumerate(dataset.samples):
        decisions = [] if study.trials else [undisturbed[i]]
        if study.trials:
            pixels = decode(sample.path)
            for _ in range(study.trials):
                shot = study.disturbance.draw(rng).of(pixels)
                decisions.append(str(inspector.inspect(shot, explain=False).decision))
            for name, shot_of in causes.items():
                verdict = inspector.inspect(shot_of.of(pixels), explain=False)
                by_cause[name].append((str(verdict.decision), _value(verdict)))
            tell("look again", i + 1, len(dataset))
        looks.append(decisions)
    parts = _parts(dataset, study.repeated)
    truth = np.array([predictions.is_defect[rows[0]] for rows in parts.values()])
    shots = {THE_INSPECTOR: [[d for i in rows for d in looks[i]] for rows in parts.values()]}
    if study.appraisals is not None:
        shots |= read_appraisals(study.appraisals, dataset, parts, unreadable)
    return {
        **attribute_agreement(truth, shots, confidence).as_dict(),
        "parts": len(parts),
        "trials": study.trials,
        "repeated_shots": study.repeated,
        "disturbance": asdict(study.disturbance) if study.trials else None,
        "causes": {name: _cause(predictions, undisturbed, found) for name, found in by_cause.items()},
    }


def _value(verdict: Verdict) -> float:
    if verdict.value is None:
        raise ConfigError(
            "a verdict has no value on the scale of its threshold, so its change cannot be measured"
        )
    return verdict.value


def _cause(
    predictions: Predictions, undisturbed: Sequence[str], disturbed: Sequence[tuple[str, float]]
) -> dict[str, Any]:
    """Return the effect of one cause alone: changed decisions, error rates, and the change of the values."""
    decisions = np.array([d for d, _ in disturbed], dtype=object)
    moved = np.abs(np.array([value for _, value in disturbed]) - predictions.values)
    defect = predictions.is_defect
    changed = int((decisions != np.array(undisturbed, dtype=object)).sum())
    passed, rejected = int((decisions[defect] == "OK").sum()), int((decisions[~defect] == "DEFECT").sum())
    return {
        "changed": clopper_pearson(changed, len(disturbed)).as_dict(),
        "escape_rate": clopper_pearson(passed, int(defect.sum())).as_dict(),
        "overkill_rate": clopper_pearson(rejected, int((~defect).sum())).as_dict(),
        "moves": float(np.quantile(moved, 0.95)),
        "scale": str(predictions.compared_on),
    }


def _parts(dataset: Dataset, repeated: bool) -> dict[str, list[int]]:
    """Return the rows of the pictures of each part, by the part's name: its group if shots are repeated."""
    rows: dict[str, list[int]] = defaultdict(list)
    for i, sample in enumerate(dataset.samples):
        rows[sample.group if repeated and sample.group is not None else sample.image].append(i)
    if not repeated:
        return dict(rows)
    if all(sample.group is None for sample in dataset.samples):
        raise DataError(
            "--repeated-shots needs to know which pictures show the same part; give each picture's part in "
            "the column group of a manifest"
        )
    for name, shown in rows.items():
        labels = sorted({str(dataset.samples[i].label == dataset.normal) for i in shown})
        if len(labels) > 1:
            first = [_named(dataset.samples[i]) for i in shown[:_SHOWN]]
            raise DataError(f"part {name!r} is good in some pictures and defective in others: {first}")
    return dict(rows)


def _named(sample: Sample) -> str:
    return f"{sample.image} ({sample.label})"


def read_appraisals(
    path: Path, dataset: Dataset, parts: Mapping[str, Sequence[int]], left_out: Sequence[str] = ()
) -> dict[str, list[list[str]]]:
    """Read people's decisions from a CSV file with the columns image, appraiser, decision; one look per row.

    A decision is OK, REVIEW, DEFECT or a class of the data set. An image with several looks has several rows.

    Args:
        path: The file.
        dataset: The images.
        parts: Rows of the data set of each part.
        left_out: Images whose rows are ignored.

    Returns:
        For each appraiser the decisions on each part.

    Raises:
        DataError: If the file cannot be read, a column is missing, or a row has an unknown image or decision.
    """
    part_of = {dataset.samples[i].image: k for k, rows in enumerate(parts.values()) for i in rows}
    decisions: dict[str, list[list[str]]] = {}
    for number, row in enumerate(read_csv(path, _COLUMNS), start=1):
        where = f"{path}, row {number}"
        image, appraiser, decision = (row.get(name, "") for name in _COLUMNS)
        if image in left_out:
            continue
        if image not in part_of:
            raise DataError(f"{where}: image {image!r} is not among the images judged")
        if not appraiser or appraiser == THE_INSPECTOR:
            raise DataError(f"{where}: appraiser is {appraiser!r}; expected a person's name")
        looks = decisions.setdefault(appraiser, [[] for _ in parts])
        looks[part_of[image]].append(_decision(decision, dataset, where))
    if not decisions:
        raise DataError(f"{path} has no rows; expected one look per row, with {', '.join(_COLUMNS)}")
    return decisions


def _decision(text: str, dataset: Dataset, where: str) -> str:
    if text.upper() in DECISIONS:
        return text.upper()
    if text not in dataset.classes:
        raise DataError(
            f"{where}: decision is {text!r}; expected {', '.join(DECISIONS)} or a class of the data set"
        )
    return "OK" if text == dataset.normal else "DEFECT"
