"""From a folder to an inspector: split, learn, calibrate, choose the threshold, compare, save."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from brightfield.bundle import check_replaceable
from brightfield.data.dataset import Dataset
from brightfield.data.load import load as load_dataset
from brightfield.data.split import resplit
from brightfield.decide.policy import Policy, parse_policy
from brightfield.errors import DataError
from brightfield.inspector import Inspector
from brightfield.learn.processes import Processes, joined, processes, take_device
from brightfield.learn.tracking import record_settings
from brightfield.methods.base import Fitted, Job, Learner
from brightfield.options import TrainOptions
from brightfield.pipeline.agreement import compare
from brightfield.pipeline.calibrate import assemble
from brightfield.pipeline.facts import facts_of
from brightfield.pipeline.preflight import (
    Ready,
    make_learner,
    near_duplicates,
    prepare,
    warn_of_near_duplicates,
)
from brightfield.pipeline.workspace import Workspace
from brightfield.progress import Progress, silent


@dataclass(frozen=True)
class Request:
    """What a training was asked for.

    Attributes:
        options: How to train.
        policy: What chooses the threshold.
        output: The bundle, or None.
        resume: Whether to go on with a training that was stopped.
        progress: Told of every stage.
    """

    options: TrainOptions
    policy: Policy
    output: Path | None
    resume: bool
    progress: Progress


def train(
    data: str | Path | Dataset,
    output: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    resume: bool = False,
    progress: Progress | None = None,
) -> Inspector:
    """Train an inspector on a data set, and save it where an output is named.

    The training keeps its state in `.NAME.training` beside the output until it is done; with `resume`, one
    that was stopped goes on from there and ends with the same figures.

    Args:
        data: A folder, a manifest, a name of the catalog, or a data set.
        output: The bundle: a folder, or one file if it ends in `.bfz`; None saves nothing.
        options: How to train.
        resume: Whether to go on with a training of the same output, data and options.
        progress: Told of every stage.

    Raises:
        InputError: If the data or the options are wrong; the message says how to mend it.
        AgreementError: If what would be saved judges otherwise than the network that learned.
    """
    begin = time.perf_counter()
    options = options or TrainOptions()
    place = None if output is None else Path(output)
    if place is not None:
        check_replaceable(place)
    asked = Request(options, parse_policy(options.policy), place, resume, progress or silent)
    dataset = data if isinstance(data, Dataset) else load_dataset(data, normal=options.normal)
    dataset = resplit(dataset) if options.resplit else dataset
    learner = make_learner(dataset, options)
    group = processes()
    learner.check_processes(group)
    take_device(group)
    return _train(dataset, learner, group, asked, begin)


def _train(dataset: Dataset, learner: Learner, group: Processes, asked: Request, begin: float) -> Inspector:
    options = asked.options
    tell = asked.progress if group.first else silent
    workspace = Workspace(asked.output, options, dataset, asked.resume, group, learner.identity)
    with joined(group), workspace as folder:
        record_settings(
            {"data": dataset.name, "options": options.as_dict(), "recipe": dict(learner.identity)}
        )
        with group.first_goes_first():
            duplicates = near_duplicates(dataset, folder, tell)
            ready = prepare(dataset, learner, options, duplicates)
            warn_of_near_duplicates(ready.data, duplicates, asked.policy)
        job = Job(
            data=ready.data,
            policy=asked.policy,
            seed=options.seed,
            folder=folder,
            duplicates=ready.duplicates,
            folds=ready.folds,
            process_group=group,
            progress=tell,
        )
        fitted = learner.fit(job)
        workspace.keep_on_failure = True
        inspector = _calibrated(ready, fitted, asked, tell)
        images = [s.image for s in ready.calibration.samples]
        agreement = compare(inspector, fitted, images, tell)
        seconds = workspace.spent + time.perf_counter() - begin  # all but the saving
        facts = facts_of(ready, fitted, options, seconds)
        inspector = replace(inspector, facts={**facts, "agreement": agreement})
        if asked.output is not None and group.first:
            inspector.save(asked.output)
    return inspector


def _calibrated(ready: Ready, fitted: Fitted, asked: Request, tell: Progress) -> Inspector:
    try:
        return assemble(ready, fitted, asked.policy, tell)
    except DataError as error:
        if asked.output is None:
            raise
        kind = "that promises a rate too" if asked.policy.promises else "that promises no rate"
        raise DataError(
            f"{error}. What was learned is kept: the same command with another --policy, {kind}, and "
            "--resume goes on from there"
        ) from error
