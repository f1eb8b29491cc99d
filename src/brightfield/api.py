"""The public functions, with their options spelled out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from brightfield.data.dataset import Dataset
from brightfield.errors import DataError, said_if_missing
from brightfield.evaluation.acceptance import Limits, accept, check_applies, read_limits
from brightfield.evaluation.compare import against, check_comparable
from brightfield.evaluation.run import Evaluation, choose_split, evaluate_split, load_for
from brightfield.evaluation.run import evaluate as _evaluate
from brightfield.evaluation.study import Study, check_can_decide, run_study
from brightfield.inspector import Inspector, load
from brightfield.options import make_options
from brightfield.pipeline.preflight import group_note
from brightfield.progress import Progress
from brightfield.report.compose import write_evaluation


def train(
    data: str | Path | Dataset,
    output: str | Path | None = None,
    *,
    method: str = "auto",
    normal: str | None = None,
    policy: str = "auto",
    seed: int = 0,
    test: float = 0.2,
    calibration: float | None = None,
    resplit: bool = False,
    resume: bool = False,
    progress: Progress | None = None,
    **options: Any,
) -> Inspector:
    """Train an inspector on a folder, a manifest, a catalog name or a data set; save it at `output` if named.

    Args:
        data: As above.
        output: The bundle: a folder, or one file if it ends in `.bfz`.
        method: What learns; see `TrainOptions` for this and what follows.
        normal: The class that counts as good.
        policy: What chooses the threshold.
        seed: Of the split and of everything random.
        test: Share of the images to test on.
        calibration: Share of the others to calibrate on.
        resplit: Whether to share all images out again.
        resume: Whether to go on with a killed training of the same output.
        progress: Told of every stage.
        options: The method's own: for the classifier, those of `ClassifierOptions`.

    Raises:
        InputError: If the data or the options are wrong; the message says how to mend it.
    """
    with said_if_missing():
        from brightfield.pipeline.train import train as run  # here, as evaluating needs no torch

    common = {
        "method": method,
        "normal": normal,
        "policy": policy,
        "seed": seed,
        "test": test,
        "calibration": calibration,
        "resplit": resplit,
    }
    return run(data, output, make_options({**common, **options}), resume=resume, progress=progress)


def evaluate(
    inspector: Inspector | str | Path,
    data: str | Path | Dataset,
    output: str | Path | None = None,
    *,
    split: str | None = None,
    limits: Limits | str | Path | None = None,
    other: Inspector | str | Path | None = None,
    study: Study | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Judge one split of a data set; write metrics, predictions and a report where a folder is named.

    Args:
        inspector: An inspector, or the path of its bundle.
        data: As in `train`.
        output: A folder for `metrics.json`, `predictions.csv` and `report.html`, made where it is missing.
        split: `train`, `calibration`, `test` or `all`; by default the test split if there is one, else all.
        limits: What the figures are accepted by, or the TOML file that holds it; see `read_limits`.
        other: Another inspector, or its bundle, that judges the same images for the difference.
        study: Repeated or disturbed shots, and people's decisions, to compare with; see `Study`.
        progress: Told of every image.

    Raises:
        InputError: If the bundle or the data are wrong; the message says how to mend it.
    """
    judge = inspector if isinstance(inspector, Inspector) else load(inspector)
    wanted = read_limits(Path(limits)) if isinstance(limits, str | Path) else limits
    dataset = data if isinstance(data, Dataset) else load_for(judge, data)
    studied = study is not None and study.asked
    if studied:
        check_can_decide(judge)
    if wanted is not None:
        check_applies(wanted, {str(s.label) for s in dataset.samples} - {judge.normal}, studied)
    picked = choose_split(judge, dataset, split)
    if wanted is not None and picked.known:
        raise DataError(
            f"{sum(picked.known.values())} of these images made the inspector, which knows them: it cannot "
            "be accepted on them; give others, or the split that was kept to test on with --split test"
        )
    rival = other if isinstance(other, Inspector) or other is None else load(other)
    if rival is not None:
        labels = [s.label for s in picked.dataset.samples if s.label is not None]
        check_comparable(judge.normal, rival.normal, labels)
    made = evaluate_split(judge, picked, progress)
    if study is not None and studied:
        confidence = 0.95 if wanted is None else wanted.confidence
        agreement = run_study(
            judge, made.dataset, made.predictions, study, progress, confidence, made.unreadable
        )
        made = replace(made, metrics={**made.metrics, "agreement": agreement})
    if wanted is not None:
        said = group_note(made.dataset.samples)
        made = replace(made, notes=made.notes if said is None else (*made.notes, said))
        made = replace(made, metrics={**made.metrics, "acceptance": accept(made.metrics, wanted).as_dict()})
    if rival is not None:
        made = _compared(made, rival, progress)
    if output is not None:
        write_evaluation(judge, made, Path(output), progress)
    return made


def _compared(made: Evaluation, rival: Inspector, progress: Progress | None) -> Evaluation:
    """Return an evaluation with the differences from what another inspector makes of the same images."""
    theirs = _evaluate(rival, made.dataset, split="all", progress=progress)
    both = made.predictions.only(theirs.predictions.images)
    found = {name: d.as_dict() for name, d in against(both, theirs.predictions).items()}
    notes = tuple(f"the other inspector: {note}" for note in theirs.notes)
    return replace(made, metrics={**made.metrics, "against": found}, notes=made.notes + notes)
