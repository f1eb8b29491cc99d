"""Train an inspector: split, fit, calibrate, choose the threshold, check the export, save."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from brightfield.bundle import check_replaceable
from brightfield.data.dataset import Dataset
from brightfield.data.load import load as load_dataset
from brightfield.data.region import Region
from brightfield.data.region_check import check_region
from brightfield.data.region_mask import read_region
from brightfield.data.split import resplit
from brightfield.decide.policy import Policy, parse_policy
from brightfield.decide.rules import Rules
from brightfield.decide.rules_file import read_rules
from brightfield.errors import BrightfieldError, ConfigError, DataError
from brightfield.inspector import Inspector
from brightfield.learn.processes import Processes, joined, processes, take_device
from brightfield.learn.tracking import record_settings
from brightfield.methods.base import Fitted, Job, Learner, SeenAs
from brightfield.options import TrainOptions
from brightfield.pipeline.agreement import compare
from brightfield.pipeline.calibrate import assemble
from brightfield.pipeline.choice import choose_method
from brightfield.pipeline.facts import facts_of
from brightfield.pipeline.preflight import (
    Ready,
    calibrates_out_of_fold,
    check_early,
    make_learner,
    near_duplicates,
    policy_on,
    prepare,
    warn_of_near_duplicates,
)
from brightfield.pipeline.workspace import Workspace
from brightfield.progress import Progress, silent


@dataclass(frozen=True)
class Request:
    """A request to train an inspector.

    Attributes:
        options: The options of the training.
        policy: How the threshold is chosen.
        output: The bundle to write, or None.
        resume: Whether to continue an interrupted training.
        region: The region of interest, or None.
        progress: Callback for progress reports.
        duplicates: A group number for each image, equal for near-duplicates; None to look for them.
        rules: Limits on measured defects, or None.
        save: Whether the inspector is written to `output`; without it only the state of the training is kept
            beside it.
        seen_as: How an earlier inspector sees pictures, which is to be kept; None to choose it anew.
        kept_features: The folder in which features are kept from one training to the next, or None.
    """

    options: TrainOptions
    policy: Policy
    output: Path | None
    resume: bool
    region: Region | None
    progress: Progress
    duplicates: npt.NDArray[np.intp] | None = None
    rules: Rules | None = None
    save: bool = True
    seen_as: SeenAs | None = None
    kept_features: Path | None = None


def train(
    data: str | Path | Dataset,
    output: str | Path | None = None,
    options: TrainOptions | None = None,
    *,
    resume: bool = False,
    progress: Progress | None = None,
    duplicates: npt.NDArray[np.intp] | None = None,
    kept_features: Path | None = None,
) -> Inspector:
    """Train an inspector on a data set, and save it where an output is given.

    Until the training is done, its state is kept in `.NAME.training` beside the output. With `resume`, an
    interrupted training continues from that state and ends with the same figures.

    Args:
        data: A folder, a manifest, a catalog name or a data set.
        output: The bundle: a folder, or one file if it ends in `.bfz`; None does not save.
        options: The options of the training; None for the defaults.
        resume: Whether to continue an interrupted training of the same output, data and options.
        progress: Callback for progress reports.
        duplicates: What `near_duplicates` returned for these images; None to look for them.
        kept_features: The folder in which features are kept from one training to the next; None keeps none.

    Raises:
        InputError: If the data or the options are wrong; the message says how to correct it.
        AgreementError: If the inspector to be saved disagrees with the trained network.
    """
    options = options or TrainOptions()
    place = None if output is None else Path(output)
    if place is not None:
        check_replaceable(place)
    policy = parse_policy(options.policy)
    region = None if options.roi is None else read_region(Path(options.roi))
    rules = None if options.rules is None else read_rules(Path(options.rules))
    request = Request(options, policy, place, resume, region, progress or silent, duplicates, rules)
    dataset = data if isinstance(data, Dataset) else load_dataset(data, normal=options.normal)
    return train_as(replace(request, kept_features=kept_features), dataset)


def train_as(request: Request, data: Dataset) -> Inspector:
    """Train an inspector as a request says, and save it if it says so; see `train`."""
    begin, options = time.perf_counter(), request.options
    dataset = resplit(data) if options.resplit else data
    if request.rules is not None:
        check_early(request.rules, dataset, options)
    learner = make_learner(dataset, options)
    group = processes()
    learner.check_processes(group)
    take_device(group)
    return _train(dataset, learner, group, request, begin)


def _train(dataset: Dataset, learner: Learner, group: Processes, request: Request, begin: float) -> Inspector:
    options = request.options
    progress = request.progress if group.first else silent
    digest = None if request.region is None else request.region.sha256
    identity = {"settings": learner.identity, "pixels of --roi": digest}
    if request.seen_as is not None:
        identity["size at which pictures are seen"] = request.seen_as.preprocessing.as_dict()
    # another policy changes the splits only where a promise takes images from the folds
    promises = not calibrates_out_of_fold(dataset, learner, options) and calibrates_out_of_fold(
        dataset, learner, replace(options, policy="f1")
    )
    workspace = Workspace(
        request.output, options, dataset, request.resume, group, identity, promises=promises
    )
    with joined(group), workspace as folder:
        record_settings(
            {"data": dataset.name, "options": options.as_dict(), "settings": dict(learner.identity)}
        )
        with group.first_goes_first():
            known = request.duplicates
            duplicates = near_duplicates(dataset, folder, progress) if known is None else known
            ready = prepare(dataset, learner, options, duplicates)
            chosen_by = policy_on(ready.calibration, request.policy, learner)
            warn_of_near_duplicates(ready.data, duplicates, chosen_by)
            if request.region is not None:
                check_region(ready.data, request.region, progress)
        job = Job(
            data=ready.data,
            policy=request.policy,
            seed=options.seed,
            folder=folder,
            duplicates=ready.duplicates,
            folds=ready.folds,
            process_group=group,
            region=request.region,
            progress=progress,
            seen_as=request.seen_as,
            kept_features=request.kept_features,
        )
        fitted = learner.fit(job)
        if fitted.preprocessing.region != request.region:
            raise BrightfieldError(
                f"the method {fitted.method.name} was fitted without the region of interest; expected its "
                "preprocessing to hold the job's region"
            )
        workspace.keep_on_failure = True
        inspector = _ruled(_calibrated(ready, fitted, request, progress), request)
        images = [s.image for s in ready.calibration.samples]
        agreement = compare(inspector, fitted, images, progress)
        seconds = workspace.spent + time.perf_counter() - begin  # without the time to save
        reason = choose_method(dataset, options).reason
        facts = facts_of(ready, fitted, options, seconds, reason, request.output)
        inspector = replace(inspector, facts={**facts, "agreement": agreement})
        if request.output is not None and request.save and group.first:
            inspector.save(request.output)
    return inspector


def _calibrated(ready: Ready, fitted: Fitted, request: Request, progress: Progress) -> Inspector:
    try:
        return assemble(ready, fitted, request.policy, progress)
    except DataError as error:
        if request.output is None:
            raise
        kind = ", that promises a rate too," if request.policy.promises else ""
        if ready.folds is not None:
            kind = ", that promises no rate,"
        raise DataError(
            f"{error}. What was learned is kept: run the same command with another --policy{kind} "
            "and --resume"
        ) from error


def _ruled(inspector: Inspector, request: Request) -> Inspector:
    try:
        return inspector.with_rules(request.rules, request.options.mm_per_pixel)
    except ConfigError as error:
        if request.output is None:
            raise
        raise ConfigError(
            f"{error}. What was learned is kept: mend the file of rules, and run the same command with "
            "--resume"
        ) from error
